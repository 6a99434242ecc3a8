"""How fast the engine is on this machine, beside what the machine can do and what plain code does.

Nothing here compares with a number from elsewhere: each rate is read against the matrix-multiply
ceiling of the same processor and against a plain implementation, measured minutes apart at most.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import Tensor
from torch.nn import functional as F

from farm.engine.extractor import RGB, Extractor, Tap
from farm.engine.gradient import MARGIN, Evaluator, reflected
from farm.engine.optimise import SHIFTS, Recipe, Style, build_objective, optimise
from farm.engine.pyramid import Scale

CEILING_SIDE, CEILING_REPEATS = 1024, 5


@dataclass(frozen=True)
class Pace:
    """Seconds that each repeat of one piece of work took."""

    seconds: tuple[float, ...]

    @property
    def best(self) -> float:
        """The least disturbed repeat."""
        return min(self.seconds)

    @property
    def median(self) -> float:
        """What to expect."""
        return statistics.median(self.seconds)

    @property
    def spread(self) -> float:
        """Standard deviation over the mean; 0 for a single repeat."""
        return statistics.pstdev(self.seconds) / statistics.fmean(self.seconds)


def pace(work: Callable[[], Tensor], repeats: int, warmups: int = 1) -> Pace:
    """Time ``work``; one number of what it returns is read, so that no device is still busy."""
    taken = []
    for _ in range(warmups + repeats):
        began = perf_counter()
        work().flatten()[0].item()
        taken.append(perf_counter() - began)
    return Pace(tuple(taken[warmups:]))


def matmul_flops(kind: torch.dtype, side: int = CEILING_SIDE) -> float:
    """FLOP/s of the best of five products of two ``side × side`` matrices."""
    a, b = (torch.rand(side, side).to(kind) for _ in range(2))
    return 2 * side**3 / pace(lambda: a @ b, CEILING_REPEATS).best


def convolution_flops(extractor: Extractor, taps: Iterable[str], height: int, width: int) -> int:
    """FLOPs of one gradient's convolutions for a picture of ``height × width``.

    Forward and backward to the input, never to the frozen weights: ``2 · 2 · 3² · c_in · c_out`` per
    position of each map down to the deepest tap. The margin of reflection is not counted: it is cost,
    not work that was asked for.
    """
    total, previous = 0, extractor.taps[RGB].channels
    for tap in _down_to(extractor, taps):
        positions = (height // tap.stride) * (width // tap.stride)
        total += 4 * 9 * previous * tap.channels * positions
        previous = tap.channels
    return total


def _down_to(extractor: Extractor, taps: Iterable[str]) -> list[Tap]:
    names = list(extractor.taps)
    last = max(names.index(name) for name in taps)
    return [extractor.taps[name] for name in names[1 : last + 1]]


def iteration_pace(
    evaluator: Evaluator, recipe: Recipe, content: Tensor, style: Tensor, repeats: int
) -> Pace:
    """Whole iterations as a print makes them: gradient, step and average, at ``content``'s size."""
    height, width = content.shape[-2:]
    scale = Scale(width, height, len(SHIFTS) + repeats)
    iterates = optimise(content, [Style(style)], evaluator, recipe, [scale])
    # Each shift is another shape, which the convolution library prepares for when it first sees it.
    return pace(lambda: next(iterates).loss, repeats, warmups=len(SHIFTS))


def net_pace(evaluator: Evaluator, recipe: Recipe, content: Tensor, repeats: int) -> Pace:
    """The net alone, forward and backward: no sums, no losses, no optimiser."""
    leaf = reflected(content, MARGIN).requires_grad_()
    deepest = _down_to(evaluator.extractor, _taps(recipe))[-1].name

    def work() -> Tensor:
        features = evaluator.features(leaf, frozenset({deepest}))[deepest]
        return torch.autograd.grad(features, leaf, torch.ones_like(features))[0]

    return pace(work, repeats)


def plain_pace(
    extractor: Extractor, recipe: Recipe, content: Tensor, style: Tensor, repeats: int
) -> Pace:
    """The same net and taps as most scripts do it: float32, NCHW, Gram losses, all by autograd."""
    net = deepcopy(extractor).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with torch.no_grad():
        grams = {name: _gram(found) for name, found in net(style, recipe.style_taps).items()}
        kept = net(content, recipe.content_taps)
    picture = content.clone().requires_grad_()
    adam = torch.optim.Adam([picture], lr=recipe.adam.learning_rate)

    def work() -> Tensor:
        adam.zero_grad()
        found = net(picture, _taps(recipe))
        parts = [F.mse_loss(_gram(found[name]), gram) for name, gram in grams.items()]
        parts += [F.mse_loss(found[name], features) for name, features in kept.items()]
        loss = torch.stack(parts).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        return loss.detach()

    return pace(work, repeats)


def tiling_error(extractor: Extractor, recipe: Recipe, size: tuple[int, int], tile: int) -> float:
    """``‖tiled − untiled‖ / ‖untiled‖`` of the gradient in float64, for noise of (height, width)."""
    exact = deepcopy(extractor).double()
    generator = torch.Generator().manual_seed(0)
    picture, content, style = (
        torch.rand((1, 3, *size), generator=generator, dtype=torch.float64) for _ in range(3)
    )
    whole = Evaluator(exact, None, torch.float64)
    objective = build_objective(content, [Style(style)], whole, recipe)
    wanted = whole(picture, objective).pixels
    found = Evaluator(exact, tile, torch.float64)(picture, objective).pixels
    return float((found - wanted).norm() / wanted.norm())


def fit_speed(megapixels: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    """``(rate_inf, p_half)`` of ``rate(p) = rate_inf · p / (p + p_half)`` from seconds per iteration.

    That law is a straight line, ``seconds = (p + p_half) / rate_inf``, fitted here by least squares of
    the relative error. Where noise makes a line that no machine could have (time saved by more pixels,
    or done before it began) it is all pixels over all seconds, and ``p_half`` 0.
    """
    weights = [1 / value**2 for value in seconds]
    total = sum(weights)
    p_mean = sum(w * p for w, p in zip(weights, megapixels, strict=True)) / total
    t_mean = sum(w * t for w, t in zip(weights, seconds, strict=True)) / total
    points = list(zip(weights, megapixels, seconds, strict=True))
    variance = sum(w * (p - p_mean) ** 2 for w, p, _ in points)
    covariance = sum(w * (p - p_mean) * (t - t_mean) for w, p, t in points)
    slope = covariance / variance if variance else 0.0
    start = t_mean - slope * p_mean
    if slope > 0 and start >= 0:
        return 1 / slope, start / slope
    return sum(megapixels) / sum(seconds), 0.0


def _gram(features: Tensor) -> Tensor:
    flat = features[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def _taps(recipe: Recipe) -> tuple[str, ...]:
    return (*recipe.style_taps, *recipe.content_taps)
