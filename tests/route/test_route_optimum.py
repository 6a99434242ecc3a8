"""The exact optimum against trying everything, and the planner against the optimum."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from route_cases import pool, work

from farm.route.board import Board
from farm.route.optimum import Arrival, optimum
from farm.route.policy import Wish
from farm.route.regret import instance, measure
from farm.route.ways import weigh


def by_trying_everything(jobs: list[Arrival], board: Board) -> float:
    """The least USD over all ways and all orders, each job as early as its place allows."""
    best = float("inf")
    able = [np.flatnonzero(job.ways.able).tolist() for job in jobs]
    for ways in product(*able):
        usd = sum(float(job.ways.expected_usd[way]) for job, way in zip(jobs, ways, strict=True))
        if usd >= best:
            continue
        if any(_in_time(jobs, ways, order, board) for order in permutations(range(len(jobs)))):
            best = usd
    return best


def _in_time(jobs: list[Arrival], ways: tuple[int, ...], order: tuple[int, ...], board: Board) -> bool:
    there: list[tuple[float, float, int, int]] = []
    for index in order:
        job, way = jobs[index], ways[index]
        where, needs = int(board.pool[way]), int(board.places[way])
        seconds = float(job.ways.expected_seconds[way])
        mine = [one for one in there if one[2] == where]
        for at in sorted({job.at, *(end for _, end, _, _ in mine if end > job.at)}):
            marks = [at, *(b for b, _, _, _ in mine if at < b < at + seconds)]
            if all(
                needs + sum(n for b, e, _, n in mine if b <= mark < e) <= board.pools[where].count
                for mark in marks
            ):
                break
        assert job.wish.due is not None
        if at + float(job.ways.p90_seconds[way]) > job.wish.due:
            return False
        there.append((at, at + seconds, where, needs))
    return True


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_what_trying_everything_finds(seed: int) -> None:
    board, jobs = instance(seed, 3, gap=20.0)
    found = optimum(jobs, board)
    assert found is not None
    assert found.proven
    assert found.usd == pytest.approx(by_trying_everything(jobs, board))


def test_an_instance_that_can_be_reckoned_by_hand() -> None:
    board = Board.of([pool("cheap", 1.0, 3.6), pool("dear", 1.0, 36.0)])
    short, long = weigh(work(100), board), weigh(work(200), board)
    jobs = [
        Arrival(short, Wish(due=120.0), 0.0), Arrival(long, Wish(due=330.0), 0.0),
        Arrival(short, Wish(due=130.0), 0.0),
    ]  # fmt: skip
    found = optimum(jobs, board)
    assert found is not None
    assert found.usd == pytest.approx(0.1 + 0.2 + 1.0)
    assert sorted(found.slots) == [(0, 0.0), (0, 100.0), (1, 0.0)]
    assert optimum([jobs[0]] * 3, board) is None, "three that are due at once, on two places"
    assert optimum(jobs, board, below=1.2) is None
    assert optimum(jobs, board, taken=[[(0.0, 50.0, 1)], []]) is None


def test_a_search_that_may_not_go_on_says_so() -> None:
    board, jobs = instance(3, 6, gap=0.0)
    found = optimum(jobs, board, steps=4)
    assert found is None or not found.proven


def test_a_queue_that_is_known_is_planned_as_well_as_can_be() -> None:
    runs = [run for seed in range(15) if (run := measure(seed, 6))]
    assert len(runs) >= 12
    assert not any(run.missed for run in runs)
    regrets = [run.regret for run in runs]
    assert min(regrets) >= -1e-9, "nothing is cheaper than the optimum"
    assert np.mean(regrets) <= 0.05
    assert max(regrets) <= 0.15


def test_not_knowing_who_comes_costs_little_on_average() -> None:
    runs = [run for seed in range(25) if (run := measure(seed, 6, gap=120.0))]
    assert not any(run.missed for run in runs)
    assert min(run.regret for run in runs) >= -1e-9
    assert np.mean([run.regret for run in runs]) <= 0.05
