"""Jobs that race for the last dollar of a cap: as many get it as it is enough for."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from audit import findings
from queue_cases import KINDS, address, job_spec, offer

from farm.clock import ManualClock
from farm.errors import Refused
from farm.queue import MemoryQueue, Queue, SqlQueue, open_queue

RACERS = 8


def race(doors: list[Queue], p90: float) -> tuple[list[str], list[str]]:
    """Add a job through every door at once; the ids of those that got in, and of those that did not."""
    start = threading.Barrier(len(doors))
    taken: list[str] = []
    refused: list[str] = []
    broken: list[BaseException] = []

    def order(number: int, queue: Queue) -> None:
        name = f"j{number}"
        try:
            start.wait()
            queue.add(name, job_spec(), offer=offer(p90))
            taken.append(name)
        except Refused:
            refused.append(name)
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            broken.append(error)

    threads = [threading.Thread(target=order, args=pair) for pair in enumerate(doors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert broken == []
    return taken, refused


@pytest.mark.parametrize("known", [True, False], ids=["a cap from before", "a cap set meanwhile"])
@pytest.mark.parametrize("kind", KINDS)
def test_two_cannot_both_get_the_last_dollar(kind: str, known: bool, tmp_path: Path) -> None:
    clock = ManualClock()
    url = "" if kind == "memory" else address(kind, tmp_path)
    queue: Queue = MemoryQueue(clock) if kind == "memory" else open_queue(url, clock)
    with closing(queue):
        if known:
            queue.add("before", job_spec(), offer=offer(2.0))
        queue.set_cap("default", 5.0 if known else 3.0)
        doors = [queue if kind == "memory" else open_queue(url, clock) for _ in range(RACERS)]
        taken, refused = race(doors, 1.0)
        for door in doors:
            door.close()
        assert (len(taken), len(refused)) == (3, RACERS - 3)
        account = queue.account("default")
        assert account.reserved_usd == account.cap_usd
        assert {job.id for job in queue.jobs()} == {*taken, *(["before"] if known else [])}
        if isinstance(queue, SqlQueue):
            assert findings(queue) == {}
