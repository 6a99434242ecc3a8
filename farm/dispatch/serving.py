"""The nets of a process that answers previews: the full one, and a light one where there is one.

They are taken anew when their files change, never when the new ones are damaged; and a picture that is
not a number is made again by the light net rather than shown.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from time import perf_counter

import torch
from torch import Tensor

from farm.catalog import procedural
from farm.catalog.catalogue import Catalogue
from farm.catalog.identity import identity
from farm.dispatch.previews import Prepared, Previewer, PreviewResult
from farm.engine.models import LIGHT, PREVIEW
from farm.errors import FarmError, NotFound, Unstable
from farm.imaging.encode import encode
from farm.imaging.picture import Picture
from farm.observe.metrics import Meter

log = logging.getLogger("farm.dispatch")

WARM_SIDES = (256, 512)
_PASSES = 3


@dataclass(frozen=True)
class Request:
    """What is asked for; ``light`` by the light net if there is one."""

    content: bytes
    style: bytes | str
    size: int
    strength: float
    light: bool = False


@dataclass(frozen=True)
class Net:
    """A net in memory and the identity of the files it came from."""

    name: str
    identity: str
    previewer: Previewer


@dataclass(frozen=True)
class Ready:
    """A request prepared for one of the nets."""

    request: Request
    net: Net
    prepared: Prepared

    @property
    def pixels(self) -> int:
        """Of the picture to be made."""
        height, width = self.prepared.content.shape[-2:]
        return int(height * width)


@dataclass(frozen=True)
class Painted:
    """A picture ``(3, h, w)``, the net that made it, and its share of the seconds of its batch.

    ``instead`` says why it was another net than the one that it was prepared for.
    """

    pixels: Tensor
    net: Net
    seconds: float
    instead: str = ""


@dataclass(frozen=True)
class Made:
    """A preview as it leaves the process.

    Args:
        weights: the identity of the net that made it.
        light: whether that was the light net.
        instead: why, where that was not asked for.
        light_share: what the light net costs of the full one here, as measured; None: there is none.
    """

    result: PreviewResult
    weights: str
    light: bool
    instead: str
    light_share: float | None


class Serving:
    """Prepares, paints and encodes previews. Thread-safe as ``Previewer`` is.

    Args:
        load: a net of the catalogue by its name.

    Raises:
        NotFound, BadModel: the full net is not here or not as its card says.
    """

    def __init__(self, catalogue: Catalogue, load: Callable[[str], Previewer], meter: Meter) -> None:
        self._catalogue, self._load, self._meter = catalogue, load, meter
        self._refused: dict[str, object] = {}
        self._full = self._loaded(PREVIEW, identity(catalogue, PREVIEW))
        self._light: Net | None = None
        self.light_share: float | None = None
        self.renew()

    def renew(self) -> None:
        """Take what is new on disk. What is damaged is told once, and what was there before goes on."""
        for name in (PREVIEW, LIGHT):
            self._renew(name, self._full if name == PREVIEW else self._light)

    def warm(self) -> None:
        """Make a few previews, so that the first person asked does not wait for what happens once."""
        seconds: dict[str, float] = {}
        for net in filter(None, (self._full, self._light)):
            for side in WARM_SIDES:
                content, style = _jpeg("scene", side), _jpeg("marble", side)
                ready = self.prepare(Request(content, style, side, 0.5, light=net is self._light))
                made = [one for _ in range(_PASSES) for one in self.paint([ready])]
                sound = [one for one in made if isinstance(one, Painted)]
                for one in sound[-1:]:
                    self.encode(one, ready)
                    seconds[net.name] = min(each.seconds for each in sound)
        if len(seconds) == 2:
            self.light_share = seconds[LIGHT] / seconds[PREVIEW]

    def prepare(self, request: Request) -> Ready:
        """Decode, resize and look up the style. Raises as ``Previewer.prepare``."""
        net = self._light if request.light and self._light is not None else self._full
        return _prepared(request, net)

    def paint(self, batch: Sequence[Ready]) -> list[Painted | FarmError]:
        """The pictures of a batch, in order; an error in place of one that no net can make."""
        found: dict[int, Painted | FarmError] = {}
        for net in {id(one.net): one.net for one in batch}.values():
            places = [i for i, one in enumerate(batch) if one.net is net]
            began = perf_counter()
            pictures = net.previewer.stylise([batch[i].prepared for i in places])
            per_pixel = (perf_counter() - began) / sum(batch[i].pixels for i in places)
            for i, pixels in zip(places, pictures, strict=True):
                found[i] = self._sound(batch[i], Painted(pixels, net, per_pixel * batch[i].pixels))
        return [found[i] for i in range(len(batch))]

    def encode(self, painted: Painted, ready: Ready, wait: float = 0.0) -> Made:
        """JPEG of a picture; ``wait`` are the seconds it had to wait for its turn."""
        stages = {"decode": ready.prepared.seconds, "wait": wait, "model": painted.seconds}
        result = painted.net.previewer.encode(painted.pixels, stages)
        light = painted.net.name == LIGHT
        return Made(result, painted.net.identity, light, painted.instead, self.light_share)

    def _sound(self, ready: Ready, painted: Painted) -> Painted | FarmError:
        """The picture if its values are numbers; else one by the light net, or the error."""
        if bool(torch.isfinite(painted.pixels).all()):
            return painted
        self._meter.count("farm_preview_unsound_total", 1.0, net=painted.net.name)
        log.error(
            "%s made no picture of %d px at strength %g: its values are not numbers",
            painted.net.previewer.model, ready.request.size, ready.request.strength,
        )  # fmt: skip
        if self._light is None or painted.net is self._light:
            return Unstable(
                f"previews: {painted.net.previewer.model} made no picture of this; try another size "
                "or strength, and tell whoever runs the farm: its log has the values."
            )
        again = _prepared(ready.request, self._light)
        (made,) = self.paint([again])
        if isinstance(made, FarmError):
            return made
        return replace(made, instead="the full net made no picture of this")

    def _renew(self, name: str, old: Net | None) -> None:
        try:
            wanted = identity(self._catalogue, name)
            same = old is not None and wanted == old.identity
            if same or (name in self._refused and self._refused[name] == self._stamp(name)):
                return
            net = self._loaded(name, wanted)
        except NotFound:
            if name == LIGHT:
                self._light, self.light_share = None, None
            return
        except FarmError as error:
            self._refuse(name, error, old)
            return
        self._refused.pop(name, None)
        if old is not None:
            log.warning("%s: %s goes on in place of the one before", name, net.previewer.model)
            self._meter.count("farm_preview_models_total", 1.0, outcome="taken")
        if name == PREVIEW:
            self._full = net
        else:
            self._light = net

    def _refuse(self, name: str, error: FarmError, old: Net | None) -> None:
        self._refused[name] = self._stamp(name)
        log.error(
            "%s: new weights are refused (%s) %s", name, error.message,
            "and the ones before stay" if old is not None else "and previews go without",
        )  # fmt: skip
        self._meter.count("farm_preview_models_total", 1.0, outcome="refused")

    def _stamp(self, name: str) -> list[tuple[str, int, int]]:
        """What changes when somebody puts other files there."""
        files = sorted((self._catalogue.folder / name).glob("*"))
        known = [(path.name, path.stat()) for path in files]
        return [(path, status.st_size, status.st_mtime_ns) for path, status in known]

    def _loaded(self, name: str, wanted: str) -> Net:
        return Net(name, wanted, self._load(name))


def _prepared(request: Request, net: Net) -> Ready:
    ready = net.previewer.prepare(request.content, request.style, request.size, request.strength)
    return Ready(request, net, ready)


def _jpeg(generator: str, side: int) -> bytes:
    file = BytesIO()
    encode(Picture(procedural.picture(generator, 1, side, side)), file, format="jpeg", bits=8)
    return file.getvalue()
