"""Where a loss network is read: numbers that plans and quotes can be made from without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

RGB = "rgb"
Blocks = tuple[tuple[int, ...], ...]

BLOCKS: dict[str, Blocks] = {
    "farm-texture": ((32, 32), (64, 64), (128, 128), (160, 160)),
    "vgg19": ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,)),
}
"""Channel widths, block by block, of the extractors that jobs may name."""


@dataclass(frozen=True)
class Reading:
    """Which taps of an extractor a print reads."""

    style: tuple[str, ...]
    content: tuple[str, ...]


READINGS: dict[str, Reading] = {
    "farm-texture": Reading(("conv1_1", "conv2_1", "conv3_1", "conv4_1"), ("conv3_2",)),
    "vgg19": Reading(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1"), ("conv4_2",)),
}


@dataclass(frozen=True)
class Tap:
    """Where a tap sits: pixels per feature step and pixels it sees beyond its own cell."""

    name: str
    stride: int
    radius: int
    channels: int


def chain(blocks: Sequence[Sequence[int]]) -> tuple[Tap, ...]:
    """The taps of a VGG-shaped net, one tuple of widths per block, pools between the blocks.

    A 3×3 convolution at stride ``s`` reaches ``s`` pixels further; an aligned 2×2 pool only joins
    cells, so the radius is the sum of the strides of the convolutions.
    """
    taps = [Tap(RGB, 1, 0, 3)]
    radius = 0
    for block, widths in enumerate(blocks, start=1):
        stride = 2 ** (block - 1)
        for layer, width in enumerate(widths, start=1):
            radius += stride
            taps.append(Tap(f"conv{block}_{layer}", stride, radius, width))
    return tuple(taps)
