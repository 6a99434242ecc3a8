"""Frames shared out over pools: cheapest first, in time, within the budget, in chunks."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from route_cases import pool, spot, work

from farm.errors import Refused
from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.policy import Wish
from farm.route.sequence import Split, chunk_of, split

NOW = 1e9
CHEAP = pool("cheap", 1.0, 3.6, count=2)  # a frame of 10 s for a cent
FAST = pool("fast", 5.0, 36.0, count=4)  # 2 s, 2 cents
FRAMES = replace(work(10), units=100)


def split_on(pools: list[Pool], wish: Wish, frames: int = 100) -> Split:
    return split(replace(FRAMES, units=frames), Board.of(pools), wish, NOW)


def shared(found: Split) -> dict[int, tuple[int, int]]:
    return {share.way: (share.workers, share.frames) for share in found.shares}


def test_without_wishes_the_cheapest_frames_are_taken() -> None:
    found = split_on([FAST, CHEAP], Wish())
    assert shared(found) == {1: (2, 100)}
    assert found.expected_usd == pytest.approx(1.0)
    assert found.p90_usd == pytest.approx(1.15)
    assert found.p90_seconds == pytest.approx(575)


def test_a_deadline_buys_as_many_dear_frames_as_it_needs() -> None:
    # In 200 s two cheap workers make 17 frames each at p90; 66 are left, for one fast worker (86).
    found = split_on([FAST, CHEAP], Wish(due=NOW + 200))
    assert shared(found) == {1: (2, 34), 0: (1, 66)}
    assert found.p90_seconds <= 200
    assert found.expected_usd == pytest.approx(34 * 0.01 + 66 * 0.02)


def test_an_impossible_deadline_names_the_soonest() -> None:
    with pytest.raises(Refused, match=r"^routing\.deadline: .*100 frames; the soonest is") as caught:
        split_on([FAST, CHEAP], Wish(due=NOW + 20))
    named = re.search(r"soonest is (\S+)", caught.value.message)
    assert named
    due = datetime.fromisoformat(named[1]).timestamp()
    assert split_on([FAST, CHEAP], Wish(due=due)).p90_seconds <= due - NOW


def test_a_budget_alone_buys_the_soonest_and_too_little_is_refused() -> None:
    found = split_on([FAST, CHEAP], Wish(budget_usd=1.8))
    assert found.p90_usd <= 1.8
    assert found.p90_seconds < split_on([FAST, CHEAP], Wish()).p90_seconds
    with pytest.raises(Refused, match=r"^routing\.budget_usd: \$1\.10 .*costs up to \$1\.15"):
        split_on([FAST, CHEAP], Wish(budget_usd=1.1))
    with pytest.raises(Refused, match=r"^routing\.budget_usd: .*in time"):
        split_on([FAST, CHEAP], Wish(due=NOW + 100, budget_usd=1.2))


def test_frames_that_fit_nowhere_are_refused() -> None:
    with pytest.raises(Refused, match="no pool can take frames of 1000×1000"):
        split_on([pool("small", memory_gb=0.001)], Wish())
    with pytest.raises(Refused, match="no pool"):
        split(FRAMES, Board.of([CHEAP]), Wish(), NOW, np.array([0]))


def test_risk_is_part_of_a_frames_price() -> None:
    steady = pool("steady", 1.0, 3.6, count=2)
    for hours, taken in ((50.0, "spot"), (0.005, "steady")):
        risky = spot("spot", 1.0, 3.0, every_hours=hours, count=2, startup_seconds=0, boot_seconds=20)
        found = split_on([steady, risky], Wish())
        assert [steady, risky][found.shares[0].way].name == taken


def test_chunks_make_the_start_up_small_but_leave_one_for_everybody() -> None:
    assert chunk_of(frame=10, start=0, frames=1000, workers=1) == 30  # 300 s
    assert chunk_of(frame=10, start=60, frames=1000, workers=1) == 120  # 60 s of 1200
    assert chunk_of(frame=10, start=60, frames=100, workers=4) == 25
    assert chunk_of(frame=9999, start=60, frames=100, workers=4) == 1
    assert chunk_of(frame=1, start=1, frames=3, workers=9) == 1


def test_a_start_up_is_paid_once_a_chunk() -> None:
    found = split_on([pool("a", 1.0, 3.6, startup_seconds=60)], Wish(), frames=240)
    assert found.shares[0].chunk == 120
    assert found.expected_usd == pytest.approx((240 * 10 + 2 * 60) * 0.001)


def test_gangs_share_their_pools_places() -> None:
    wide = pool("wide", 1.0, 3.6, machine=2, count=5, gang_share=0.1)
    found = split_on([wide], Wish(due=NOW + 8.0), frames=2)
    assert sum(share.workers * (1, 2)[share.way] for share in found.shares) <= 5
    assert {share.way for share in found.shares} == {1}, "alone a device is too slow"


offers = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(1, 3)), min_size=1, max_size=3
)


@settings(max_examples=60, deadline=None)
@given(offers, st.integers(1, 40), st.integers(20, 200))
def test_a_split_keeps_its_promises_and_wastes_no_more_than_a_worker(
    figures: list[tuple[int, int, int]], frames: int, seconds: int
) -> None:
    pools = [pool(str(i), r, p, count=n) for i, (r, p, n) in enumerate(figures)]
    each = [int(seconds / (10 / r * 1.15) + 1e-9) for r, _, _ in figures]
    most = sum(n * m for (_, _, n), m in zip(figures, each, strict=True))
    wish = Wish(due=NOW + seconds)
    if most < frames:
        with pytest.raises(Refused, match="the soonest is"):
            split_on(pools, wish, frames)
        return
    found = split_on(pools, wish, frames)
    assert sum(share.frames for share in found.shares) == frames
    assert found.p90_seconds <= seconds + 1e-6
    assert all(share.workers <= figures[share.way][2] for share in found.shares)
    # Frames are paid for, not workers, so the greedy choice is the cheapest of all.
    usd = [10 / r * p / 3600 for r, p, _ in figures]
    counts = [range(min(frames, n * m) + 1) for (_, _, n), m in zip(figures, each, strict=True)]
    best = min(
        sum(k * u for k, u in zip(ks, usd, strict=True)) for ks in product(*counts) if sum(ks) == frames
    )
    assert found.expected_usd == pytest.approx(best)
