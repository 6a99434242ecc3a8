"""Feed-forward previews: decode, one pass of the net, encode."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from threading import Lock
from time import perf_counter

import numpy as np
import torch
from torch import Tensor

from farm.catalog.catalogue import Catalogue
from farm.dispatch.pictures import at_size, tensor
from farm.engine.blend import blend
from farm.engine.colour_match import tint
from farm.engine.models import PREVIEW, load_extractor, load_preview_net, released
from farm.engine.precision import fastest_forward, name_of
from farm.engine.resample import resample
from farm.engine.style_code import StyleCode, encode_style
from farm.engine.styles import Style
from farm.errors import InvalidInput
from farm.imaging.decode import decode
from farm.imaging.encode import encode, media_type
from farm.imaging.limits import Limits
from farm.imaging.picture import Picture

STYLE_EDGE = 512
"""Long edge that styles are looked at with, in pixels."""
SIZES = (64, 2048)
_CACHED_STYLES = 256


@dataclass(frozen=True)
class Prepared:
    """A preview ready for the net: tinted content ``(1, 3, h, w)`` and the style's modulation."""

    content: Tensor
    modulation: Tensor
    seconds: float


@dataclass(frozen=True)
class PreviewResult:
    """An encoded preview and the seconds each stage took."""

    picture: bytes
    media_type: str
    width: int
    height: int
    model: str
    stages: dict[str, float]


class Previewer:
    """The preview net with its styles' codes cached. Thread-safe.

    Args:
        precision: of the net; None takes the fastest here, found by a short measurement.
        model: the net's name in the catalogue.

    Raises:
        Unavailable: weights are missing or not as their card says.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        limits: Limits,
        device: torch.device,
        precision: torch.dtype | None = None,
        *,
        model: str = PREVIEW,
    ) -> None:
        self._catalogue, self._limits, self._device = catalogue, limits, device
        card = catalogue.model(model)
        self.model = f"{card.name} {card.version}"
        self._extractor = load_extractor(catalogue, str(card.architecture["extractor"]), device)
        self._net = load_preview_net(catalogue, model, device)
        self._codes: OrderedDict[str, StyleCode] = OrderedDict()
        self._lock = Lock()
        self._precision = precision or fastest_forward(self._pass, device, released(card, device))

    def prepare(
        self, content: bytes | Path, style: bytes | Path | str, size: int, strength: float
    ) -> Prepared:
        """Decode, resize and look up the style. ``style`` as ``str`` is a catalogue name.

        Raises:
            InvalidInput: not a picture, or a size outside ``SIZES``.
            NotFound: no such style.
        """
        if not SIZES[0] <= size <= SIZES[1]:
            raise InvalidInput(
                f"size: {size} is not within {SIZES[0]}-{SIZES[1]} pixels.", field="size"
            )
        began = perf_counter()
        small = at_size(decode(content, self._limits, field="content"), size)
        code = self._code(style)
        with torch.inference_mode():
            pixels = tensor(small).to(self._device)
            tinted = tint(pixels, code.colour_mean, code.colour_covariance, strength)
            modulation = self._net.modulation(code, torch.tensor([strength], device=self._device))
        return Prepared(tinted, modulation, perf_counter() - began)

    @property
    def precision(self) -> str:
        """What the net computes in on this processor."""
        return name_of(self._precision)

    def blend(self, content: Tensor, styles: Sequence[Style], strength: float) -> Tensor:
        """One ``(1, 3, h, w)`` content in several styles, weighted and masked, ``(3, h, w)``."""
        codes = [self._encoded(style.picture, style.scale) for style in styles]
        with torch.inference_mode():
            mixed = blend(self._net, content.to(self._device), styles, codes, strength)
            painted = self._pass(mixed.content, mixed.modulation, self._precision, mixed.shares)
            return mixed.over(painted)[0]

    def stylise(self, batch: Sequence[Prepared]) -> list[Tensor]:
        """One pass per picture size in the batch; ``(3, h, w)`` each, in order."""
        results: list[Tensor | None] = [None] * len(batch)
        for shape in {one.content.shape for one in batch}:
            places = [i for i, one in enumerate(batch) if one.content.shape == shape]
            content = torch.cat([batch[i].content for i in places])
            modulation = torch.cat([batch[i].modulation for i in places])
            for place, picture in zip(
                places, self._pass(content, modulation, self._precision), strict=True
            ):
                results[place] = picture
        return [picture for picture in results if picture is not None]

    def encode(self, picture: Tensor, stages: dict[str, float]) -> PreviewResult:
        """JPEG of a ``(3, h, w)`` picture."""
        began = perf_counter()
        pixels = as_picture(picture)
        file = BytesIO()
        encode(pixels, file, format="jpeg", bits=8, dpi=72, quality=92)
        stages = {**stages, "encode": perf_counter() - began}
        return PreviewResult(
            file.getvalue(), media_type("jpeg"), pixels.width, pixels.height, self.model, stages
        )

    def preview(
        self, content: bytes | Path, style: bytes | Path | str, size: int, strength: float
    ) -> Picture:
        """All of it for one picture. Raises as ``prepare`` does."""
        prepared = self.prepare(content, style, size, strength)
        return as_picture(self.stylise([prepared])[0])

    def _pass(
        self,
        content: Tensor,
        modulation: Tensor | None,
        precision: torch.dtype,
        shares: Tensor | None = None,
    ) -> Tensor:
        if modulation is None:
            modulation = torch.zeros(len(content), self._net.modulation_size, device=self._device)
        content = content.to(memory_format=torch.channels_last)
        with (
            torch.inference_mode(),
            torch.autocast(self._device.type, torch.bfloat16, enabled=precision == torch.bfloat16),
        ):
            stylised: Tensor = self._net(content, modulation, shares)
            return stylised.float().clamp(0, 1)

    def _code(self, style: bytes | Path | str) -> StyleCode:
        source = self._catalogue.style_path(style) if isinstance(style, str) else style
        data = source if isinstance(source, bytes) else source.read_bytes()
        key = sha256(data).hexdigest()
        with self._lock:
            if key in self._codes:
                self._codes.move_to_end(key)
                return self._codes[key]
        code = self._encoded(tensor(decode(data, self._limits, field="style")))
        with self._lock:
            self._codes[key] = code
            while len(self._codes) > _CACHED_STYLES:
                self._codes.popitem(last=False)
        return code

    def _encoded(self, style: Tensor, scale: float = 1.0) -> StyleCode:
        """The code of a ``(1, 3, h, w)`` style, seen with at most ``STYLE_EDGE · scale`` pixels."""
        height, width = style.shape[-2:]
        share = min(1.0, STYLE_EDGE * scale / max(height, width))
        small = resample(style, max(32, round(height * share)), max(32, round(width * share)))
        with torch.inference_mode():
            return encode_style(self._extractor, small.clamp(0, 1).to(self._device))


def as_picture(pixels: Tensor) -> Picture:
    """A ``(3, h, w)`` tensor in [0, 1] as a picture."""
    array = pixels.permute(1, 2, 0).cpu().numpy().astype(np.float32)
    return Picture(np.ascontiguousarray(array), None, 16)


def local_preview(
    content: Path, style: Path, size: int, strength: float, catalogue: Catalogue
) -> Picture:
    """A preview in this process, without a farm. Raises as ``Previewer`` does."""
    return Previewer(catalogue, Limits(), torch.device("cpu")).preview(content, style, size, strength)
