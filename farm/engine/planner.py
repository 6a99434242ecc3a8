"""How a picture of any size fits into the memory that is free: tiles, kept maps, kept content.

Numbers only: the engine runs by this plan and quotes reckon with it. What grows with the picture is the
optimiser's state and the content; everything else grows with the tile. Of all plans that fit, the one
that computes least is taken: large tiles waste little on halos, maps kept from pass 1 save pass 2 a
forward run, and kept content features save one down to the content's taps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

from farm.engine.taps import Tap
from farm.engine.tiling import TALL, WIDE, side
from farm.errors import TooLarge

SAFETY = 0.85
"""Share of the free memory that is used; allocators need the rest."""
TILES = (4096, 3072, 2048, 1536, 1024, 768, 512, 384, 256, 192, 128)
MARGIN = 16
PIXEL = 3 * 4
"""A colour in float32."""
STATE_BYTES = PIXEL + 3 * 3 * 2
"""Of Adam's state per pixel: the picture, and three tensors beside it in float16."""
CONTENT_BYTES = PIXEL // 2
"""Of the content per pixel, where its features are computed again for every tile."""
FIXED_BYTES = 300e6
"""Of the libraries at work, whatever the picture: measured on a processor, with tiles of 512 px."""
CHECKPOINT_SHARE = 0.05
"""Of a run's time that checkpoints may take, whatever the interval that was asked for."""


def checkpoint_interval(asked: float, cost: float) -> float:
    """Seconds between two checkpoints that take ``cost`` seconds each: as asked, or as it can be borne.

    0 asks for one after every iteration.
    """
    return max(asked, cost / CHECKPOINT_SHARE) if asked else 0.0


@dataclass(frozen=True)
class Net:
    """What an extractor costs, from its taps down to the deepest that is read.

    Args:
        width: bytes of a number in the convolutions' precision.
        overhead: measured bytes of a tile at work over those of its maps; convolutions need room of
            their own.
        reproducible: as the evaluator has it: for twice the halo in pass 2.
    """

    taps: Sequence[Tap]
    content: Sequence[str]
    width: int = 4
    overhead: float = 1.6
    reproducible: bool = True

    @cached_property
    def halo(self) -> int:
        """Pixels around a tile's core that its features are made of."""
        return -(-max(tap.radius for tap in self.taps) // self.stride) * self.stride

    @cached_property
    def sight(self) -> int:
        """Pixels around its core that a tile sees in pass 2."""
        return 2 * self.halo if self.reproducible else self.halo

    @cached_property
    def stride(self) -> int:
        """Of the deepest tap."""
        return max(tap.stride for tap in self.taps)

    @cached_property
    def maps(self) -> float:
        """Bytes of a tape per pixel of its span: a map per convolution, and the pixels."""
        return PIXEL + self.width * sum(tap.channels / tap.stride**2 for tap in self.taps[1:])

    @cached_property
    def features(self) -> float:
        """Bytes of the content's features per pixel, for one frame."""
        kept = [tap for tap in self.taps if tap.name in self.content]
        return self.width * sum(tap.channels / tap.stride**2 for tap in kept)

    @cached_property
    def work(self) -> float:
        """Multiplications per pixel of one forward run; a backward run takes as many."""
        return _products(self.taps)

    @cached_property
    def content_work(self) -> float:
        """Those of a forward run that ends at the content's deepest tap."""
        names = [tap.name for tap in self.taps]
        last = max((names.index(name) for name in self.content), default=0)
        return _products(self.taps[: last + 1])


@dataclass(frozen=True)
class Demand:
    """A picture, or the band of it that a device gets.

    Args:
        state: bytes per pixel of the optimiser's state.
        frames: positions of the pools' grid, each with content features of its own.
        shared: whether other devices own the rest of the picture; halos are copied then.
        masks: styles with a mask.
    """

    height: int
    width: int
    state: int = STATE_BYTES
    frames: int = 4
    shared: bool = False
    masks: int = 0

    @property
    def pixels(self) -> int:
        """Of this band."""
        return self.height * self.width

    @property
    def steady(self) -> float:
        """Bytes that are there whatever the tiles are: state, content as it came, masks."""
        return self.pixels * (self.state + (PIXEL if self.shared else 0) + 4 * self.masks)


@dataclass(frozen=True)
class Plan:
    """What the evaluator is told, and what it will take.

    ``tile`` is None for untiled. ``work`` is that of an iteration over that of the untiled one.
    """

    tile: int | None
    keep: int
    recompute: bool
    bytes: float
    work: float

    def __str__(self) -> str:
        tile = "untiled" if self.tile is None else f"tiles of {self.tile} px"
        content = "content computed again" if self.recompute else "content kept"
        return f"{tile}, {self.keep} kept, {content}, {self.bytes / 1e9:.2f} GB, work × {self.work:.2f}"


def plan(demand: Demand, net: Net, free: float, tile: int | None = None) -> Plan:
    """The plan that computes least within ``free`` bytes; with ``tile`` given only that size is tried.

    Raises:
        TooLarge: no plan fits.
    """
    sizes = (None, *TILES) if tile is None else (tile,)
    found: list[Plan] = []
    for size in sizes:
        found += _plans(demand, net, free * SAFETY, size)
        if found and found[0].work <= 1:
            break  # nothing computes less than the whole with everything kept
    if found:
        return min(found, key=lambda one: (one.work, one.bytes))
    least = min(least_bytes(demand, net, size) for size in (sizes if tile else (TILES[-1],)))
    raise TooLarge(
        f"output: {demand.width}×{demand.height} pixels need {least / 1e9 / SAFETY:.1f} GB on each"
        f" device and {free / 1e9:.1f} GB are free; order a smaller print, or use more devices."
    )


def least_bytes(demand: Demand, net: Net, tile: int | None) -> float:
    """Peak bytes with no tape but the one at work, and content that is computed again."""
    return _bytes(demand, net, tile, 0, recompute=True)


def pace(demand: Demand, net: Net, chosen: Plan, neighbours: int = 0) -> float:
    """Work of an iteration by a plan over that of the untiled one, at this size.

    A plan is made for the largest scale and holds for the others, which may be a single tile by it.

    Args:
        neighbours: devices that hold the rows above and below; some of theirs are computed here, too.
    """
    tiles = _count(demand, net, chosen.tile)
    tile = None if tiles == 1 else chosen.tile
    work = _work(demand, net, tile, min(tiles, chosen.keep), recompute=chosen.recompute)
    return work * (1 + neighbours * net.sight / demand.height)


def _plans(demand: Demand, net: Net, room: float, tile: int | None) -> Iterator[Plan]:
    """The best plan for a tile size, for each way to treat the content."""
    for recompute in (False, True):
        least = _bytes(demand, net, tile, 0, recompute=recompute)
        if least > room:
            continue
        tiles = _count(demand, net, tile)
        each = _seen(demand, net, tile, net.sight) * net.maps
        # The tape at work is one of those that are kept while pass 2 goes through them.
        keep = int(min(tiles, (room - least) // each + 1))
        total = _bytes(demand, net, tile, keep - 1, recompute=recompute)
        yield Plan(tile, keep, recompute, total, _work(demand, net, tile, keep, recompute=recompute))


def _bytes(demand: Demand, net: Net, tile: int | None, kept: int, *, recompute: bool) -> float:
    """Peak bytes with ``kept`` tapes beside the one at work."""
    tape = _seen(demand, net, tile, net.sight) * net.maps * (net.overhead + kept)
    content: float = demand.pixels * CONTENT_BYTES
    if not recompute:
        around = net.halo if net.reproducible else 0
        positions = _count(demand, net, tile) * _seen(demand, net, tile, around)
        content += max(demand.pixels, positions) * demand.frames * net.features
    tall, _ = _core(demand, net, tile)
    band = tall + 2 * net.sight
    strips = 2 * PIXEL * min(band, demand.height + 2 * MARGIN) * demand.width
    return FIXED_BYTES + demand.steady + content + strips + tape


def _core(demand: Demand, net: Net, tile: int | None) -> tuple[int, int]:
    """The sides of the largest core."""
    return _sides(demand.height, demand.width, tile, net.stride)


@lru_cache(maxsize=1 << 12)
def _sides(height: int, width: int, tile: int | None, stride: int) -> tuple[int, int]:
    tall, wide = side(height, tile, stride, TALL), side(width, tile, stride, WIDE)
    return tall + MARGIN, wide + MARGIN


def _seen(demand: Demand, net: Net, tile: int | None, around: int) -> int:
    """Pixels of the largest core and so many around it."""
    tall, wide = _core(demand, net, tile)
    seen = min(tall + 2 * around, demand.height + 2 * MARGIN)
    return seen * min(wide + 2 * around, demand.width + 2 * MARGIN)


def _count(demand: Demand, net: Net, tile: int | None) -> int:
    tall, wide = _core(demand, net, tile)
    return -(-demand.height // (tall - MARGIN)) * -(-demand.width // (wide - MARGIN))


def _work(demand: Demand, net: Net, tile: int | None, keep: int, *, recompute: bool) -> float:
    """Multiplications of an iteration over those of the untiled one with everything kept."""
    near = span = 1.0
    tiles = _count(demand, net, tile)
    if tile is not None:
        near, span = (
            max(1.0, tiles * _seen(demand, net, tile, around) / demand.pixels)
            for around in (net.halo, net.sight)
        )
    kept = keep / tiles
    both = net.work * (2 * span + (1 - kept) * near)
    if recompute:
        both += net.content_work * (near + span)
    return both / (2 * net.work)


def _products(taps: Sequence[Tap]) -> float:
    return sum(9 * before.channels * tap.channels / tap.stride**2 for before, tap in pairwise(taps))
