"""Train *farm-texture*, the loss network that needs no download and no ImageNet licence.

The task is exemplar classification (Dosovitskiy et al., "Discriminative Unsupervised Feature
Learning with Exemplar Convolutional Neural Networks", 2014): every crop of a photograph and every
procedural picture is a class of its own, to be recognised through random views. Each block is
supervised through the mean and the deviation of its own features, because those statistics are what
a style loss will compare. Afterwards batch norm is folded into the convolutions and each
channel is scaled to unit mean activation (Gatys et al. 2016), so channels weigh alike.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from farm.catalog import procedural
from farm.catalog.cards import ModelCard, Training
from farm.engine import taps
from farm.engine.extractor import Extractor
from farm.engine.train.course import Progress, schedule
from farm.engine.train.data import Recipe, crops, generated, recolour, warp
from farm.engine.train.publish import machine, publish_model

BLOCKS = taps.BLOCKS["farm-texture"]


@dataclass(frozen=True)
class TextureRecipe:
    """Everything that decides the weights, recorded in the model's card."""

    seed: int = 20261121
    steps: int = 3500
    batch: int = 48
    side: int = 80
    learning_rate: float = 2e-3
    per_generator: int = 48
    crops_per_photograph: int = 24
    source_side: int = 160


class _Learner(nn.Module):
    """The extractor with batch norm after each convolution and a classifier on each block."""

    def __init__(self, extractor: Extractor, classes: int) -> None:
        super().__init__()
        self.extractor = extractor
        names = list(extractor.convolutions)
        self.norms = nn.ModuleDict({n: nn.BatchNorm2d(extractor.taps[n].channels) for n in names})
        strides = {name: extractor.taps[name].stride for name in names}
        self.last = list({stride: name for name, stride in strides.items()}.values())
        self.heads = nn.ModuleDict(
            {n: nn.Linear(2 * extractor.taps[n].channels, classes) for n in self.last}
        )

    def forward(self, picture: Tensor) -> list[Tensor]:
        net = self.extractor
        features = (picture - net.mean) / net.std
        stride = 1
        answers = []
        for name, convolution in net.convolutions.items():
            if net.taps[name].stride != stride:
                features = F.avg_pool2d(features, 2)
                stride = net.taps[name].stride
            features = F.relu(self.norms[name](convolution(features)))
            if name in self.heads:
                flat = features.float().flatten(2)
                pooled = torch.cat([flat.mean(2), (flat.var(2) + 1e-4).sqrt()], 1)
                answers.append(self.heads[name](pooled))
        return answers


def pool(photographs: Sequence[Tensor], recipe: TextureRecipe, workers: int) -> Tensor:
    """The exemplars, one class each, as ``(classes, 3, side, side)`` uint8."""
    generator = torch.Generator().manual_seed(recipe.seed)
    recipes = [
        Recipe(name, recipe.seed + index, recipe.source_side)
        for name in procedural.GENERATORS
        for index in range(recipe.per_generator)
    ]
    made = generated(recipes, workers)
    seen = crops(photographs, recipe.crops_per_photograph, recipe.source_side, generator)
    return torch.cat([made, seen])


def train(
    photographs: Sequence[Tensor],
    recipe: TextureRecipe,
    report: Callable[[Progress], None],
    workers: int = 2,
) -> Extractor:
    """Train, fold and normalise; photographs are ``(3, h, w)`` in [0, 1]."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed + 1)
    exemplars = pool(photographs, recipe, workers)
    learner = _Learner(Extractor(BLOCKS), len(exemplars))
    learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub
    optimiser = torch.optim.AdamW(learner.parameters(), recipe.learning_rate, weight_decay=1e-3)
    told = time.monotonic()
    for step in range(recipe.steps):
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * schedule(step, recipe.steps)
        labels = torch.randint(len(exemplars), (recipe.batch,), generator=generator)
        views = warp(exemplars[labels], recipe.side, generator, (0.45, 0.95))
        views = recolour(views, generator, 0.15).to(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            answers = learner(views)
        losses = [F.cross_entropy(a.float(), labels, label_smoothing=0.05) for a in answers]
        loss = torch.stack(losses).sum()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if (step + 1) % 100 == 0:
            hit = (answers[-1].argmax(1) == labels).float().mean().item()
            now = time.monotonic()
            mean = loss.item() / len(losses)
            report(Progress(step + 1, recipe.steps, mean, 100 / (now - told), hit))
            told = now
    learner.eval()
    fold(learner)
    equalise(learner.extractor, warp(exemplars, recipe.side, generator, (0.45, 0.95)))
    return learner.extractor.requires_grad_(False)


@torch.no_grad()
def fold(learner: _Learner) -> None:
    """Fold each batch norm into the convolution before it."""
    for name, convolution in learner.extractor.convolutions.items():
        norm = learner.norms[name]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        assert convolution.bias is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        convolution.weight.mul_(scale.view(-1, 1, 1, 1))
        convolution.bias.copy_((convolution.bias - norm.running_mean) * scale + norm.bias)


@torch.no_grad()
def equalise(extractor: Extractor, pictures: Tensor) -> None:
    """Scale every channel to mean activation 1 over the pictures; the next layer undoes it.

    Average pooling and ReLU commute with a positive scale, so the function beyond is unchanged.
    """
    names = list(extractor.convolutions)
    totals = {name: torch.zeros(extractor.taps[name].channels) for name in names}
    for batch in torch.split(pictures, 64):
        for name, features in extractor(batch, names).items():
            totals[name] += features.sum((0, 2, 3)) / features.shape[2] / features.shape[3]
    before = torch.ones(3)
    for name in names:
        convolution = extractor.convolutions[name]
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.bias is not None
        mean = (totals[name] / len(pictures)).clamp_min(1e-3)
        convolution.weight.mul_(before.view(1, -1, 1, 1)).div_(mean.view(-1, 1, 1, 1))
        convolution.bias.div_(mean)
        before = mean


def train_and_publish(
    names: Sequence[str],
    photographs: Sequence[Tensor],
    recipe: TextureRecipe,
    models: Path,
    report: Callable[[Progress], None],
) -> ModelCard:
    """Train and write ``farm-texture`` into a models folder; returns its card."""
    began, reports = time.monotonic(), []

    def keep(progress: Progress) -> None:
        reports.append(progress)
        report(progress)

    extractor = train(photographs, recipe, keep)
    return publish_texture(extractor, names, recipe, models, time.monotonic() - began, reports)


def publish_texture(
    extractor: Extractor,
    names: Sequence[str],
    recipe: TextureRecipe,
    models: Path,
    seconds: float,
    reports: Sequence[Progress],
) -> ModelCard:
    """Write a trained extractor and its card into a models folder."""
    last = reports[-5:]
    quality = (
        {
            "training_loss": round(sum(r.loss for r in last) / len(last), 3),
            "training_accuracy": round(sum(r.accuracy or 0 for r in last) / len(last), 3),
        }
        if last
        else {}
    )
    return publish_model(
        extractor, models / "farm-texture", kind="extractor", version="1",
        description="Loss network trained by the project on its own pictures; needs no download.",
        architecture={"blocks": [list(widths) for widths in BLOCKS]},
        training=Training(
            command=f"farm models train texture --steps {recipe.steps}", seed=recipe.seed,
            steps=recipe.steps, seconds=round(seconds), machine=machine(),
            data=[*names, f"{recipe.per_generator} pictures per generator of farm.catalog.procedural"],
        ),
        quality=quality,
    )  # fmt: skip
