"""``farm down`` says what became of the jobs that were being worked on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from farm import settings
from farm.clock import SystemClock
from farm.queue import SqlQueue, open_queue
from farm.settings import Settings
from farm.spec import Lease, parse_job
from farm.spec.event import Done
from farm.tiers import local

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
SPEC = parse_job(
    {"farm": 1, "kind": "print", "content": "a", "styles": [{"name": "x"}], "output": {"long_edge": 99}}
)


def back(queue: SqlQueue, lease: Lease) -> None:
    queue.retry(lease, "preempted", "the farm goes down", counts=False)


def done(queue: SqlQueue, lease: Lease) -> None:
    queue.complete(lease, Done())


def left(queue: SqlQueue, lease: Lease) -> None:
    """Its worker was killed before it could keep anything."""


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ([], "\n"),
        ([done], "\n"),
        ([back, done], " 1 job went back to the queue;"),
        ([back, back, left], " 2 jobs went back to the queue;"),
        ([left, done], " 1 job did not stop in time;"),
    ],
)
def test_down_tells_what_was_kept(
    ends: list[Callable[[SqlQueue, Lease], None]], said: str, farm: Farm, capsys: Captured,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    queue = open_queue(settings.load().database_url, SystemClock())
    queue.add("waits", SPEC)
    for number in range(len(ends)):
        queue.add(f"j{number}", SPEC.model_copy(update={"priority": 90}))
    leases = [queue.claim("w1", 3600) for _ in ends]

    def down(_chosen: Settings) -> bool:
        for end, lease in zip(ends, leases, strict=True):
            assert lease
            end(queue, lease)
        return True

    monkeypatch.setattr(local, "state", lambda _chosen: {"pid": 0})
    monkeypatch.setattr(local, "down", down)
    assert farm("down") == 0
    assert capsys.readouterr().err.startswith(f"The farm is down.{said}")
    queue.close()


def test_down_without_a_farm_says_so(farm: Farm, capsys: Captured) -> None:
    assert farm("down") == 0
    assert "No farm was running in" in capsys.readouterr().err
