"""What file a picture becomes, and its samples there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from farm.errors import InvalidInput
from farm.imaging.colour import to_linear
from farm.imaging.header import Floats, Samples
from farm.imaging.picture import Array, Bits
from farm.imaging.shaper import Shaper

FileFormat = Literal["tiff", "png", "jpeg", "exr"]
_HOLDS: dict[FileFormat, tuple[Bits, ...]] = {
    "tiff": (8, 16), "png": (8, 16), "jpeg": (8,), "exr": (16, 32)
}  # fmt: skip
_REMEDY: dict[FileFormat, str] = {
    "tiff": "use exr for 32 bits", "png": "use exr for 32 bits", "jpeg": "use tiff or png",
    "exr": "use 16 or 32, or tiff or png",
}  # fmt: skip
MAX_JPEG_EDGE = 65_535
_LARGEST_HALF = np.float32(65504)


@dataclass(frozen=True)
class Encoding:
    """A file format and its settings.

    Args:
        format: ``tiff`` (deflated), ``png``, ``jpeg`` (4:4:4) or ``exr`` (zip, scene-linear).
        bits: per channel, rounded to the nearest, without dithering; of EXR 16 (half) or 32 (float).
        dpi: dots per inch, whole for JPEG.
        quality: of JPEG, 1 to 95.
        metadata: kept as JSON in TIFF's ImageDescription and JPEG's comment, as text chunks in PNG,
            as attributes named ``farm/…`` in EXR.
        big: TIFF with 64-bit offsets; ``None``: where it might come to over 4 GB.
    """

    format: FileFormat
    bits: Bits
    dpi: float = 300.0
    quality: int = 95
    metadata: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    big: bool | None = None

    @property
    def note(self) -> str:
        """The metadata in one string."""
        return json.dumps(dict(self.metadata), sort_keys=True)

    def check(self, width: int, height: int, *, alpha: bool) -> None:
        """Refuse what the format cannot hold.

        Raises:
            InvalidInput: the bits, the alpha or the size.
        """
        name = self.format.upper()
        if self.bits not in _HOLDS[self.format]:
            held = " or ".join(map(str, _HOLDS[self.format]))
            raise InvalidInput(
                f"output.bit_depth: {name} holds {held} bits, not {self.bits}; {_REMEDY[self.format]}.",
                field="output.bit_depth",
            )
        if self.format == "jpeg" and alpha:
            raise InvalidInput(
                "output.alpha: JPEG holds no alpha; use tiff or png.", field="output.alpha"
            )
        if self.format == "jpeg" and max(width, height) > MAX_JPEG_EDGE:
            raise InvalidInput(
                f"output.format: JPEG holds no edge over {MAX_JPEG_EDGE} pixels and this is"
                f" {width}×{height}; use tiff.",
                field="output.format",
            )

    def whole(self, block: Array, shaper: Shaper | None) -> Samples:
        """Whole numbers (rows, width, 3 or 4) for values from 0 to 1; light over 1 is clipped to 1."""
        _check_numbers(block)
        values = block
        if shaper is not None:
            values = np.concatenate([shaper.display(block[..., :3]), block[..., 3:]], axis=2)
        scaled: Array = np.rint(np.clip(values, 0, 1) * np.float32((1 << self.bits) - 1))
        return scaled.astype(np.uint16) if self.bits == 16 else scaled.astype(np.uint8)

    def light(self, block: Array, shaper: Shaper | None) -> Floats:
        """Scene-linear (rows, width, 3 or 4), alpha multiplied in, for values from 0 to 1.

        Without a shaper the values are sRGB, and white becomes 1. What is over the largest half or
        float becomes that.
        """
        _check_numbers(block)
        colour = block[..., :3]
        light = to_linear(np.clip(colour, 0, 1)) if shaper is None else shaper.light(colour)
        cover = np.clip(block[..., 3:], 0, 1)
        if cover.shape[2]:
            light = np.concatenate([light * cover, cover], axis=2)
        return light if self.bits == 32 else np.minimum(light, _LARGEST_HALF).astype(np.float16)


def _check_numbers(block: Array) -> None:
    if not np.isfinite(block).all():
        raise InvalidInput(
            "picture: it holds pixels that are not numbers, so it was not written; render it again with"
            " engine.precision 'float32'.",
            field="picture",
        )
