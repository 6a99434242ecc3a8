"""Rows over ranks: what is fetched, settled and gathered is what one device would have had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import pytest
import torch
from engine_cases import few, noise
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from farm.engine.halo import Halo, collect, gather, split_rows
from farm.engine.mesh import Alone, Mesh, Rows
from farm.engine.threads import spmd

CPU = torch.device("cpu")
WIDTH = 3


@dataclass(frozen=True)
class Split:
    """A picture's rows over some ranks, and which of them cut their gradients where."""

    height: int
    owned: tuple[Rows, ...]
    needed: tuple[Rows, ...]
    cuts: frozenset[int]

    @property
    def devices(self) -> list[torch.device]:
        return [CPU] * len(self.owned)

    @property
    def picture(self) -> Tensor:
        return noise(1, 2, self.height, WIDTH)

    def gradient(self, rank: int) -> Tensor:
        """What a rank finds in the rows that it needs; nothing elsewhere."""
        found = torch.zeros(1, 2, self.height, WIDTH, dtype=torch.float64)
        top, bottom = self.needed[rank]
        found[:, :, top:bottom] = noise(1, 2, bottom - top, WIDTH, seed=rank + 1) - 0.5
        return found

    def total(self) -> Tensor:
        """Gradients summed in the order of the ranks."""
        total = torch.zeros(1, 2, self.height, WIDTH, dtype=torch.float64)
        for rank in range(len(self.owned)):
            total += self.gradient(rank)
        return total


@st.composite
def splits(draw: st.DrawFn) -> Split:
    """Bands in any order of ranks, some of them empty, and any hulls."""
    size = draw(st.integers(1, 4))
    height = draw(st.integers(1, 12))
    row = st.integers(0, height)
    edges = [0, *sorted(draw(st.tuples(*[row] * (size - 1)))), height]
    owned = tuple(draw(st.permutations([*pairwise(edges)])))
    needed = tuple(tuple(sorted(draw(st.tuples(row, row)))) for _ in range(size))
    return Split(height, owned, needed, draw(st.frozensets(row, max_size=4)))  # type: ignore[arg-type]


def rows(picture: Tensor, interval: Rows) -> Tensor:
    return picture[:, :, interval[0] : interval[1]].clone()


def pieces(split: Split, rank: int, exclusive: Rows) -> list[tuple[int, Tensor]]:
    """A rank's gradient outside its exclusive rows, cut up and out of order."""
    top, bottom = split.needed[rank]
    inside = {top, bottom, *exclusive, *split.cuts}
    edges = sorted(edge for edge in inside if top <= edge <= bottom)
    intervals = [(low, high) for low, high in pairwise(edges) if not exclusive[0] <= low < exclusive[1]]
    return [(low, rows(split.gradient(rank), (low, high))) for low, high in reversed(intervals)]


@few
@given(splits())
def test_a_rank_fetches_what_it_needs(split: Split) -> None:
    def work(mesh: Mesh) -> Tensor:
        halo = Halo(mesh, split.owned, split.needed)
        return halo.fetch(rows(split.picture, split.owned[mesh.rank]))

    for interval, found in zip(split.needed, spmd(split.devices, work), strict=True):
        assert torch.equal(found, rows(split.picture, interval))


@few
@given(splits())
def test_settled_gradients_are_the_sums_over_all_ranks(split: Split) -> None:
    def work(mesh: Mesh) -> Tensor:
        halo = Halo(mesh, split.owned, split.needed)
        own = rows(split.picture, split.owned[mesh.rank])
        halo.fetch(own)
        top, (first, end) = split.owned[mesh.rank][0], halo.exclusive
        found = torch.full_like(own, torch.nan)
        found[:, :, first - top : end - top] = rows(split.gradient(mesh.rank), halo.exclusive)
        for row, strip in halo.settle(pieces(split, mesh.rank, halo.exclusive)):
            place = found[:, :, row - top : row - top + strip.shape[2]]
            assert place.isnan().all()
            place.copy_(strip)
        return found

    for band, found in zip(split.owned, spmd(split.devices, work), strict=True):
        assert torch.equal(found, rows(split.total(), band))


@few
@given(splits())
def test_exclusive_rows_are_the_longest_run_that_nobody_else_needs(split: Split) -> None:
    for rank, band in enumerate(split.owned):
        others = [interval for one, interval in enumerate(split.needed) if one != rank]
        free = "".join(
            "." if any(top <= row < bottom for top, bottom in others) else "x" for row in range(*band)
        )
        first, end = Halo(Numbered(rank, len(split.owned)), split.owned, split.needed).exclusive
        assert end - first == max(map(len, free.split(".")))
        assert set(free[first - band[0] : end - band[0]]) <= {"x"}
        assert band[0] <= first <= end <= band[1]


def test_the_longer_of_two_free_runs_is_exclusive() -> None:
    for needed, wanted in (((2, 4), (4, 9)), ((6, 8), (0, 6)), ((0, 9), (0, 0))):
        assert Halo(Numbered(0, 2), [(0, 9), (9, 9)], [(0, 9), needed]).exclusive == wanted


@pytest.mark.parametrize("owner", [0, 1, 2])
def test_a_rank_sums_its_own_gradient_in_its_place(owner: int) -> None:
    found = (1e16, 1.0, -1e16)

    def work(mesh: Mesh) -> list[tuple[int, Tensor]]:
        owned = [(0, 1) if rank == owner else (0, 0) for rank in range(3)]
        halo = Halo(mesh, owned, [(0, 1)] * 3)
        return halo.settle([(0, torch.full((1, 1, 1, 1), found[mesh.rank], dtype=torch.float64))])

    settled = spmd([CPU] * 3, work)
    ((top, strip),) = settled[owner]
    assert (top, strip.item()) == (0, (found[0] + found[1]) + found[2])
    assert sum(map(len, settled)) == 1


@few
@given(splits(), st.integers(1, 13))
def test_rank_0_gathers_the_whole_picture(split: Split, rows_per_strip: int) -> None:
    def work(mesh: Mesh) -> tuple[Tensor | None, list[tuple[int, Tensor]]]:
        own = rows(split.picture, split.owned[mesh.rank])
        strips = [*collect(mesh, own, split.owned, rows_per_strip)]
        return gather(mesh, own, split.owned), strips

    (whole, strips), *others = spmd(split.devices, work)
    assert whole is not None
    assert torch.equal(whole, split.picture)
    assert [top for top, _ in strips] == [*range(0, split.height, rows_per_strip)]
    assert torch.equal(torch.cat([strip for _, strip in strips], 2), split.picture)
    assert others == [(None, [])] * (len(split.owned) - 1)


class Numbered(Alone):
    """A rank of a mesh that never meets."""

    def __init__(self, rank: int, size: int) -> None:
        super().__init__(CPU)
        self.rank, self.size = rank, size


def test_one_device_copies_nothing() -> None:
    mesh, own = Alone(CPU), noise(1, 3, 9, 4)
    halo = Halo(mesh, [(0, 9)], [(0, 9)])
    assert halo.exclusive == (0, 9)
    assert halo.fetch(own) is own
    assert halo.settle([]) == []
    assert gather(mesh, own, [(0, 9)]) is own
    part = Halo(mesh, [(0, 9)], [(2, 5)]).fetch(own)
    assert part.data_ptr() == own[:, :, 2:].data_ptr()
    assert all(
        strip.data_ptr() == own[:, :, top:].data_ptr() for top, strip in collect(mesh, own, [(0, 9)], 4)
    )


def test_halves_travel_as_halves() -> None:
    def work(mesh: Mesh) -> Tensor:
        return Halo(mesh, [(0, 2), (2, 4)], [(0, 3), (1, 4)]).fetch(noise(1, 3, 2, 2).half())

    assert [found.dtype for found in spmd([CPU] * 2, work)] == [torch.float16] * 2


@pytest.mark.parametrize(
    ("owned", "needed"),
    [
        pytest.param([(0, 4), (5, 9)], [(0, 4), (5, 9)], id="a row is nobody's"),
        pytest.param([(0, 5), (4, 9)], [(0, 4), (5, 9)], id="a row is owned twice"),
        pytest.param([(1, 4), (4, 9)], [(1, 4), (4, 9)], id="the first row is nobody's"),
        pytest.param([(0, 9)], [(0, 9)], id="too few"),
    ],
)
def test_bands_must_make_up_the_picture(owned: list[Rows], needed: list[Rows]) -> None:
    with pytest.raises(ValueError, match=r"partition|intervals"):
        Halo(Numbered(0, 2), owned, needed)


@pytest.mark.parametrize(
    ("piece", "words"),
    [
        pytest.param((5, 2), "not among", id="not needed"),
        pytest.param((0, 2), "not among", id="exclusive"),
        pytest.param(None, "only after fetch", id="of unknown shape"),
    ],
)
def test_pieces_must_be_what_settle_is_for(piece: Rows | None, words: str) -> None:
    halo = Halo(Numbered(0, 2), [(0, 4), (4, 9)], [(0, 6), (3, 9)])
    with pytest.raises(ValueError, match=words):
        halo.settle([(piece[0], torch.zeros(1, 3, piece[1], WIDTH))] if piece else [])


def compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    for bars in combinations(range(1, total), parts - 1):
        edges = (0, *bars, total)
        yield tuple(high - low for low, high in pairwise(edges))


def slowest(bands: Sequence[Rows], speeds: Sequence[float]) -> float:
    return max((bottom - top) / speed for (top, bottom), speed in zip(bands, speeds, strict=True))


def best_by_trial(height: int, step: int, speeds: Sequence[float], least: int) -> float:
    """The least time over all splits among the fastest one, two, … ranks."""
    by_speed = sorted(range(len(speeds)), key=lambda rank: (-speeds[rank], rank))
    times = [height / max(speeds)]
    for count in range(2, len(speeds) + 1):
        active = sorted(by_speed[:count])
        steps = -(-height // step)
        for shares in compositions(steps, count):
            sizes = [share * step for share in shares]
            sizes[-1] -= steps * step - height
            if min(sizes) >= least:
                times.append(max(size / speeds[rank] for size, rank in zip(sizes, active, strict=True)))
    return min(times)


@few
@given(
    st.integers(1, 60),
    st.sampled_from([1, 4, 7]),
    st.lists(st.sampled_from([0.5, 1.0, 1.0, 2.5, 3.0]), min_size=1, max_size=4),
    st.integers(0, 20),
)
def test_bands_are_done_as_soon_as_they_can_be(
    height: int, step: int, speeds: list[float], least: int
) -> None:
    bands = split_rows(height, step, speeds, least)
    edges = [0, *(bottom for _, bottom in bands)]
    assert [top for top, _ in bands] == edges[:-1]
    assert edges[-1] == height
    assert all(edge % step == 0 or edge == height for edge in edges)
    sizes = [bottom - top for top, bottom in bands]
    filled = [speed for speed, size in zip(speeds, sizes, strict=True) if size]
    assert len(filled) == 1 or min(size for size in sizes if size) >= least
    assert sorted(filled) == sorted(speeds)[-len(filled) :]
    assert slowest(bands, speeds) == best_by_trial(height, step, speeds, least)


@pytest.mark.parametrize(
    ("speeds", "bands"),
    [
        pytest.param([1, 1], [(0, 496), (496, 1000)], id="alike"),
        pytest.param([3, 1], [(0, 752), (752, 1000)], id="unequal cards finish together"),
        pytest.param([1, 0.01, 1], [(0, 496), (496, 496), (496, 1000)], id="one is too slow"),
        pytest.param([1] * 10, [(0, 256), (256, 512)], id="bands of at least 200 rows"),
    ],
)
def test_bands_follow_the_speeds(speeds: list[float], bands: list[Rows]) -> None:
    assert list(split_rows(1000, 16, speeds, 200)[: len(bands)]) == bands


def test_a_small_picture_is_one_devices() -> None:
    assert split_rows(100, 16, [1, 2, 2], 60) == ((0, 0), (0, 100), (100, 100))


@pytest.mark.parametrize(("step", "speeds"), [(16, []), (16, [1, 0]), (0, [1])])
def test_a_split_needs_speeds_and_a_step(step: int, speeds: list[float]) -> None:
    with pytest.raises(ValueError, match="positive speeds"):
        split_rows(100, step, speeds, 1)
