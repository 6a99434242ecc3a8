"""Ways: every pool with every gang, and what each takes and costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from route_cases import EXTRACTOR, pool, speed, spot, work

from farm.route import footprint, seconds
from farm.route.accelerator import Pool
from farm.route.board import Board
from farm.route.gang import efficiency, sizes
from farm.route.preemption import daly, young
from farm.route.ways import Obstacle, Ways, weigh


def way(pools: list[Pool], seconds: int = 100, devices: int | None = None) -> Ways:
    return weigh(work(seconds), Board.of(pools, devices))


def test_gangs_are_powers_of_two_and_whole_machines() -> None:
    assert sizes(1) == (1,)
    assert sizes(6) == (1, 2, 4, 6)
    assert sizes(8) == (1, 2, 4, 8)
    board = Board.of([pool("a", machine=2, count=2), pool("b"), pool("c", kind="cpu", machine=4)])
    ways = list(zip(board.pool.tolist(), board.devices.tolist(), strict=True))
    assert ways == [(0, 1), (0, 2), (1, 1), (2, 1)]


def test_ranks_on_a_processor_share_one_place() -> None:
    ways = way([pool("a", kind="cpu", price=3.6)], devices=4)
    assert ways.able.all()
    assert ways.places.tolist() == [1]
    assert ways.p50_seconds[0] == pytest.approx(100)
    assert ways.p50_usd[0] == pytest.approx(0.1)


def test_a_gang_is_faster_and_dearer_by_amdahl() -> None:
    ways = way([pool("a", machine=4, count=4, gang_share=0.1)])
    assert ways.p50_seconds == pytest.approx(100 * np.array([1, 0.55, 0.325]))
    assert ways.expected_usd == pytest.approx(0.1 * np.array([1, 1.1, 1.3]))


def test_efficiency_falls_with_devices_and_rises_with_pixels() -> None:
    assert efficiency(10.0, 1, 0.1, 0.05) == pytest.approx(1.0)
    many = [efficiency(10.0, devices, 0.1, 0.05) for devices in (1, 2, 4, 8)]
    assert many == sorted(many, reverse=True)
    assert efficiency(100.0, 8, 0.1, 0.05) > efficiency(1.0, 8, 0.1, 0.05)
    # Hockney's law alone, on two halves: p½ is paid twice.
    assert efficiency(1.0, 2, 0.5, 0.0) == pytest.approx(1.5 / (2 * 1.0))


def test_one_device_takes_what_the_footprint_says() -> None:
    real = footprint([(500, 400, 200), (1000, 800, 100)], "farm-texture")
    there = pool("a", speeds={"farm-texture": speed(0.7)}, checkpoint_seconds=0.5, startup_seconds=9)
    ways = weigh(real, Board.of([there]))
    assert ways.p50_seconds[0] == pytest.approx(9 + seconds(real, there.accelerator))
    assert ways.expected_seconds[0] == ways.p50_seconds[0]


def test_a_machine_that_is_not_up_boots_first_and_weights_that_are_there_are_not_loaded() -> None:
    there = pool("a", count=2, machine=2, startup_seconds=20, weights_seconds=15, boot_seconds=100)
    for up, loaded, start in [(None, (), 20), (2, (), 20), (1, (), 20), (0, (), 120), (0, ("x",), 105)]:
        ways = way([there.model_copy(update={"up": up, "loaded": loaded})])
        assert ways.start_seconds[0] == start
    assert way([there.model_copy(update={"up": 1})]).start_seconds.tolist() == [20, 120]


def test_bringing_results_out_costs() -> None:
    ways = weigh(replace(work(100), output_gigabytes=2), Board.of([pool("a", egress_usd_gb=0.1)]))
    assert ways.p50_usd[0] == pytest.approx(0.1 + 0.2)
    assert ways.p90_usd[0] == pytest.approx(0.115 + 0.2)


def test_units_are_done_one_after_the_other() -> None:
    board = Board.of([pool("a", startup_seconds=10)])
    assert weigh(replace(work(100), units=5), board).p50_seconds[0] == pytest.approx(510)


def test_spot_capacity_takes_longer_by_what_is_lost() -> None:
    there = spot(
        "s", 1.0, 3.6, every_hours=2, checkpoint_seconds=8, startup_seconds=170, boot_seconds=2
    )
    ways = way([there], seconds=3 * 3600)
    tau = young(8, 2 * 3600)
    assert ways.interval[0] == pytest.approx(tau)
    assert ways.expected_seconds[0] == pytest.approx(170 + daly(10800, tau, 8, 180, 7200), rel=5e-3)
    assert ways.p50_seconds[0] < ways.p90_seconds[0]
    stable = way([pool("d", checkpoint_seconds=0, startup_seconds=170)], seconds=3 * 3600)
    assert ways.p90_seconds[0] > stable.p90_seconds[0]


def test_short_work_on_spot_needs_no_checkpoint() -> None:
    ways = way([spot("s", 1.0, 3.6, every_hours=2, checkpoint_seconds=8)], seconds=100)
    assert ways.p50_seconds[0] == pytest.approx(100)
    assert ways.expected_seconds[0] == pytest.approx(100 * (1 + 50 / 7200), rel=0.01)


def test_what_stands_against_a_way() -> None:
    pools = [
        pool("none", count=0),
        pool("small", memory_gb=0.001),
        pool("unknown", speeds={"y": speed(1)}),
        pool("one", count=1, machine=2),
        pool("split", count=4, machine=1),
    ]
    alone = way(pools, devices=1).obstacle.tolist()
    assert alone == [Obstacle.EMPTY, Obstacle.MEMORY, Obstacle.SPEED, Obstacle.NONE, Obstacle.NONE]
    two = way(pools, devices=2).obstacle.tolist()
    assert two == [Obstacle.EMPTY, Obstacle.EMPTY, Obstacle.SPEED, Obstacle.EMPTY, Obstacle.EMPTY]


def test_paces_are_the_planners_for_every_memory() -> None:
    from farm.route.footprint import fit
    from farm.route.paces import paces

    large = footprint([(3000, 4000, 10), (6000, 8000, 10)], "vgg19")
    memories = [0.5, 1, 2, 4, 6, 8, 12, 16, 24, 40, 80]
    board = Board.of([
        pool(f"m{gb}", memory_gb=gb, number_bytes=2, machine=4, count=4, speeds={"vgg19": speed(1)})
        for gb in memories
    ])  # fmt: skip
    found, fits = paces(large, board)
    assert not fits.all()
    assert fits.any()
    for index, accelerator in enumerate(board.accelerators):
        alone = fit(large, accelerator, int(board.devices[index]))
        assert fits[index] == (alone is not None)
        if alone is not None:
            assert found[index].tolist() == list(alone.scales)


def test_equal_footprints_are_weighed_once() -> None:
    board = Board.of([pool("a")])
    assert weigh(work(10), board) is weigh(work(10), board)
    assert weigh(work(10), board) is not weigh(work(11), board)
    assert weigh(work(10), Board.of([pool("a")])) is not weigh(work(10), board)


def test_an_extractor_of_its_own_precision() -> None:
    there = pool("a", precisions={"float32": 0.5})
    slow = replace(work(100), precision="float32")
    assert weigh(slow, Board.of([there])).p50_seconds[0] == pytest.approx(200)
    assert EXTRACTOR in there.accelerator.speeds
