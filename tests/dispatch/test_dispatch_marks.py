"""Small pure parts of dispatching: what the autoscaler is asked for, log tails, the kernel's kills."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from farm.dispatch.demand import Limits, demand
from farm.dispatch.memory_kills import memory_kills
from farm.dispatch.tail import LONGEST, tailed

GPU = {"CPU": 1.0, "GPU": 1.0}


@pytest.mark.parametrize(
    ("ready", "running", "bundles"),
    [
        (0, [], 0),
        (3, [], 3),
        (100, [], 8),
        (0, [4, 1], 5),
        (100, [4, 1], 8),
        (100, [8, 4], 12),
    ],
)
def test_the_cluster_is_to_hold_what_runs_and_what_waits_up_to_the_limit(
    ready: int, running: list[int], bundles: int
) -> None:
    assert demand(ready, running, Limits(GPU, most=8)) == [GPU] * bundles


def test_a_tail_keeps_the_last_lines_of_its_logger_and_those_below() -> None:
    logger = logging.getLogger("farm.test_tail")
    with tailed(logger, lines=2) as tail:
        for number in range(3):
            logger.getChild("part").info("line %d", number)
        logging.getLogger("farm.other").warning("not ours")
    logger.warning("too late")
    lines = tail.text().splitlines()
    assert [line.split(": ")[1] for line in lines] == ["line 1", "line 2"]
    assert "INFO farm.test_tail.part" in lines[0]


def test_a_tail_keeps_tracebacks_but_no_novels() -> None:
    logger = logging.getLogger("farm.test_tail")
    with tailed(logger) as tail:
        try:
            raise ValueError("a bug")
        except ValueError:
            logger.exception("failed")
        logger.warning("x" * 10 * LONGEST)
    assert "ValueError: a bug" in tail.text()
    assert len(tail.text()) < 3 * LONGEST
    assert logger.level == logging.NOTSET
    assert logger.handlers == []


def test_the_containers_own_count_goes_before_the_machines(tmp_path: Path) -> None:
    cgroup, vmstat = tmp_path / "memory.events", tmp_path / "vmstat"
    assert memory_kills(cgroup, vmstat) == 0
    vmstat.write_text("nr_free_pages 12\noom_kill 7\n", encoding="ascii")
    assert memory_kills(cgroup, vmstat) == 7
    cgroup.write_text("low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n", encoding="ascii")
    assert memory_kills(cgroup, vmstat) == 1
    cgroup.write_text("oom_kill many\n", encoding="ascii")
    assert memory_kills(cgroup, vmstat) == 7
