"""What most scripts do, for comparison: untiled float32 maps, channels first, all by autograd.

Gatys, Ecker and Bethge (2016) as it is commonly written with torch: ``net(picture)``,
``loss.backward()``, ``torch.optim.Adam``. Two losses go through it: the usual Gram script's, and the
engine's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.extractor import Extractor
from farm.engine.frame import MARGIN, reflected
from farm.engine.gradient import Evaluator
from farm.engine.losses import STYLE_LOSSES, content_loss, total_variation
from farm.engine.measure.pace import Effort, Pace, pace
from farm.engine.measure.subject import Subject
from farm.engine.moments import Moments
from farm.engine.styles import Style, style_moments

Loss = Callable[[Tensor], Tensor]
"""From a picture ``(1, 3, h, w)`` to a 0-d loss that autograd can follow."""


RATE, BETAS = 0.02, (0.9, 0.99)
"""Of style-transfer-pytorch."""


class Descent:
    """Adam on a picture, step by step."""

    def __init__(self, loss: Loss, start: Tensor, rate: float = RATE) -> None:
        self._loss = loss
        self._picture = start.detach().clone().requires_grad_()
        self._adam = torch.optim.Adam([self._picture], lr=rate, betas=BETAS)

    @property
    def picture(self) -> Tensor:
        """The last iterate, ``(1, 3, h, w)`` in [0, 1]."""
        return self._picture.detach()

    def step(self) -> Tensor:
        """Go one step; returns the loss before it, 0-d."""
        self._adam.zero_grad()
        with torch.enable_grad():
            loss = self._loss(self._picture)
        loss.backward()  # type: ignore[no-untyped-call]
        self._adam.step()
        with torch.no_grad():
            self._picture.clamp_(0, 1)
        return loss.detach()


def plain_pace(subject: Subject, effort: Effort) -> Pace:
    """Whole iterations of the Gram script at the content's size."""
    descent = Descent(gram_script(subject), subject.content)
    return pace(descent.step, effort)


def gram_script(subject: Subject) -> Loss:
    """Gram matrices and content features compared by their mean square, and total variation.

    With the recipe's taps; each part weighs 1, for only the time is of interest.
    """
    net, recipe = channels_first(subject.extractor), subject.recipe
    with torch.no_grad():
        grams = {tap: _gram(found) for tap, found in net(subject.style, recipe.style_taps).items()}
        kept = net(subject.content, recipe.content_taps)

    def loss(picture: Tensor) -> Tensor:
        found = net(picture, (*recipe.style_taps, *recipe.content_taps))
        parts = [F.mse_loss(_gram(found[tap]), gram) for tap, gram in grams.items()]
        parts += [F.mse_loss(found[tap], features) for tap, features in kept.items()]
        return torch.stack(parts).sum() + total_variation(picture)

    return loss


def own_objective(subject: Subject) -> Loss:
    """The engine's objective at the content's size, as a script would write it.

    The same function of the picture, reflection and all: what it ends at can be compared.
    """
    net, recipe = channels_first(subject.extractor), subject.recipe
    distance = STYLE_LOSSES[recipe.loss]
    with torch.no_grad():
        targets = style_moments(
            Style(subject.style), Evaluator(net, precision=subject.content.dtype), recipe.style_taps,
            max(subject.size),
        )  # fmt: skip
        kept = _features(net, subject.content, recipe.content_taps)

    def loss(picture: Tensor) -> Tensor:
        found = _features(net, picture, recipe.taps)
        parts = [
            share * distance(_moments(found[tap]), targets[tap]) for tap, share in recipe.shares.items()
        ]
        share = recipe.content / len(kept)
        parts += [share * content_loss(_pairs(found[tap], wanted)) for tap, wanted in kept.items()]
        return torch.stack(parts).sum() + recipe.variation * total_variation(picture)

    return loss


def channels_first(extractor: Extractor) -> Extractor:
    """A copy whose maps are laid out as torch does by itself."""
    return deepcopy(extractor).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def _features(net: Extractor, picture: Tensor, taps: Iterable[str]) -> dict[str, Tensor]:
    """``(c, n)`` per tap: the positions of the picture proper, without the reflection."""
    found = {}
    for tap, map_ in net(reflected(picture), taps).items():
        stride = net.taps[tap].stride
        edge, (height, width) = MARGIN // stride, (side // stride for side in picture.shape[2:])
        found[tap] = map_[0, :, edge : edge + height, edge : edge + width].flatten(1)
    return found


def _moments(features: Tensor) -> Moments:
    return Moments(features.mean(1), features @ features.T / features.shape[1])


def _pairs(features: Tensor, wanted: Tensor) -> tuple[Tensor, ...]:
    """The sums that the content loss is made of; see ``content_loss``."""
    count = features.new_tensor(float(features.shape[1]))
    crossed = (features * wanted).sum(1)
    own, other = ((one.sum(1), one.square().sum(1)) for one in (features, wanted))
    return (count, *own, crossed, *other)


def _gram(features: Tensor) -> Tensor:
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]
