"""A whole farm on a real Ray: previews, prints, and processes that are killed under way."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiers_cases import (
    LiveFarm,
    faulty_gang,
    free_port,
    killing,
    live,
    picture,
    print_job,
    rank_pid,
    soon,
)  # fmt: skip

from farm import Client
from farm.clock import SystemClock
from farm.dispatch.retry import WorkerLost
from farm.errors import Conflict, InvalidInput
from farm.imaging.decode import inspect
from farm.queue import open_queue
from farm.settings import Settings
from farm.spec import Event
from farm.tiers.processes import processes

pytestmark = [
    pytest.mark.ray,
    pytest.mark.timeout(240),
    # Ray Serve's own configuration, written for an earlier pydantic.
    pytest.mark.filterwarnings(
        "ignore:Using extra keyword arguments on `Field`:pydantic.PydanticDeprecatedSince20"
    ),
]


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory, tiny_models: Path) -> Iterator[LiveFarm]:
    """One farm for all tests here: starting Ray takes seconds."""
    with live(tmp_path_factory.mktemp("home"), tiny_models) as made:
        yield made


def kinds(events: list[Any]) -> list[str]:
    """The kinds of a job's whole log, which has no gap and no double."""
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.kind for event in events]


def test_a_preview_comes_back_at_once(farm: LiveFarm) -> None:
    preview = farm.client.preview(picture(), picture(seed=5), size=96)
    info = inspect(preview.data)
    assert (info.format, info.width, info.height) == ("jpeg", 96, 80)


def test_a_preview_of_no_picture_is_the_callers_mistake(farm: LiveFarm) -> None:
    with pytest.raises(InvalidInput, match="content"):
        farm.client.preview(b"no picture", picture(seed=5), size=96)


def test_a_print_is_watched_to_its_end(farm: LiveFarm, tmp_path: Path) -> None:
    job = farm.client.submit(print_job(tmp_path, quality={"preset": "draft"}))
    events: list[Any] = list(job.events())
    found = kinds(events)
    assert found[0] == "queued"
    assert found[-1] == "done"
    assert {"routed", "started", "progress", "rendition", "checkpointed"} <= set(found)
    assert found.count("started") == 1
    assert events[-1].usd > 0
    cost = job.cost()
    assert (cost.spent_usd, cost.reserved_usd) == (events[-1].usd, 0.0)
    assert cost.quoted is not None
    assert soon(lambda: not psutil.pid_exists(rank_pid(events))), "the rank outlived its work"
    file = farm.client.download(events[-1].artefacts[0].blob, tmp_path / "final.tif")
    info = inspect(file)
    assert (info.format, info.width, info.height, info.bits) == ("tiff", 320, 267, 16)
    assert job.result(timeout=1) == events[-1]


def test_the_next_print_finds_the_process_of_the_last(farm: LiveFarm, tmp_path: Path) -> None:
    small = {"output": {"long_edge": 64}, "quality": {"preset": "draft"}}
    one, two = (
        list(farm.client.submit(print_job(tmp_path, labels={"test": test}, **small)).events())
        for test in ("before", "after")
    )
    assert rank_pid(one) == rank_pid(two)

    def ranks() -> list[tuple[int, str]]:
        found = processes(farm.facts["ray_address"])
        return [(each.pid, each.task) for each in found if each.role == "rank"]

    assert soon(lambda: ranks() == [(rank_pid(two), "")], within=3), "it waits for work"
    assert soon(lambda: not psutil.pid_exists(rank_pid(two))), "not for ever"


def test_a_print_is_paused_resumed_and_cancelled(farm: LiveFarm, tmp_path: Path) -> None:
    job = farm.client.submit(print_job(tmp_path, labels={"test": "verbs"}))
    events: list[Any] = []
    asked: list[str] = []
    for event in job.events():
        events.append(event)
        if event.kind == "progress" and not asked:
            asked.append("pause")
            job.pause()
        elif event.kind == "paused":
            job.resume()
        elif event.kind == "progress" and event.attempt == 2 and len(asked) == 1:
            asked.append("cancel")
            job.cancel("enough")
    found = kinds(events)
    paused = found.index("paused")
    assert found[paused - 1 : paused + 2] == ["checkpointed", "paused", "resumed"]
    kept = events[paused - 1]
    second = [event for event in events if event.kind == "progress" and event.attempt == 2]
    assert (second[0].scale, second[0].iteration) > (kept.scale, kept.iteration)
    assert found[-1] == "cancelled"
    assert events[-1].reason == "enough"
    assert "done" not in found


def test_a_reader_that_comes_back_goes_on_where_it_was(farm: LiveFarm) -> None:
    newest = farm.client.jobs()[0].id
    whole = list(farm.client.job(newest).events())
    assert len(whole) > 5
    for after in (0, 1, 3, len(whole) - 1):
        with Client(farm.facts["url"]) as another:
            assert list(another.job(newest).events(after=after)) == whole[after:]


def test_every_process_of_the_farm_is_known_by_what_it_does(farm: LiveFarm) -> None:
    found = processes(farm.facts["ray_address"])
    roles = Counter(process.role for process in found)
    assert (roles["gateway"], roles["previews"], roles["dispatcher"]) == (1, 1, 1)
    names = {process.name for process in found if process.role == "ray"}
    assert {"raylet", "gcs_server", "SERVE_CONTROLLER_ACTOR"} <= names
    family = {process.pid for process in farm.family()}
    assert {process.pid for process in found} <= family
    assert all(process.memory_mb for process in found)


@pytest.mark.chaos
def test_a_killed_rank_costs_nothing_but_time(farm: LiveFarm, tmp_path: Path) -> None:
    job = farm.client.submit(print_job(tmp_path, labels={"test": "rank"}))
    seen: list[Any] = []

    def noted() -> Iterator[Event]:
        for event in job.events():
            seen.append(event)
            yield event

    killing(noted(), "checkpointed", lambda _: rank_pid(seen))
    found = kinds(seen)
    assert found[-1] == "done"
    assert [event.cause for event in seen if event.kind == "retrying"] == ["lost"]
    assert [event.attempt for event in seen if event.kind == "started"] == [1, 2]
    second = [event for event in seen if event.kind == "progress" and event.attempt == 2]
    assert second[0].scale == 2, "it goes on from the checkpoint"
    assert found.count("done") == 1
    assert job.tasks()[0].failures == 0


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("dies", WorkerLost, "ended unexpectedly"),
        ("rank 1 is full", RuntimeError, "MemoryError: rank 1"),
    ],
)
def test_a_gang_ends_with_the_error_of_the_rank_at_fault(
    farm: LiveFarm, tmp_path: Path, fault: str, error: type[Exception], said: str
) -> None:
    import ray

    gang, ranks = faulty_gang(tmp_path, fault)
    with pytest.raises(error, match=said):
        list(gang.events())
    assert ("process" if fault == "dies" else f"to do: {fault}") in gang.tail()
    assert gang.kill(), "known to be gone"
    for rank in ranks:
        with pytest.raises(ray.exceptions.RayActorError):
            ray.get(rank.prepare.remote(), timeout=60)


def test_more_devices_than_the_farm_has_are_refused_in_a_sentence(
    farm: LiveFarm, tmp_path: Path
) -> None:
    job = farm.client.submit(print_job(tmp_path, engine={"devices": 64}))
    failed: Any = list(job.events())[-1]
    assert (failed.kind, failed.cause) == ("failed", "invalid")
    assert failed.reason.startswith("engine.devices: 64 are asked for, and no machine of this farm has")


@pytest.mark.chaos
def test_what_the_killed_held_is_free_again(farm: LiveFarm) -> None:
    """A place that stays taken with every death would bring the farm to a stand."""
    assert soon(lambda: farm.free_cores() == 2)


def test_a_second_farm_of_the_same_home_is_refused(farm: LiveFarm) -> None:
    from farm.tiers.local import running

    with (
        pytest.raises(Conflict, match=r"runs already at .*'farm down'"),
        running(farm.settings, lambda handle: None, Path("models")),
    ):
        pass


def test_a_taken_port_is_named_with_its_option(farm: LiveFarm, tmp_path: Path) -> None:
    from farm.tiers.local import running

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for field, option in (("port", "--port"), ("dashboard_port", "--dashboard-port")):
            ports = {"port": free_port(), "dashboard_port": free_port(), field: port}
            with (
                pytest.raises(Conflict, match=rf"{port} cannot be used .*{option}"),
                running(Settings(home=tmp_path, **ports), lambda handle: None, Path("models")),
            ):
                pass


def test_a_farm_that_stops_keeps_what_runs_and_leaves_nothing_behind(
    farm: LiveFarm, tmp_path: Path
) -> None:
    from farm.tiers.local import GOING_DOWN, STATE, state

    assert state(farm.settings) is not None
    assert len(farm.family()) > 3
    job = farm.client.submit(print_job(tmp_path, labels={"test": "stop"}))
    next(event for event in job.events() if event.kind == "progress")
    farm.close()
    with closing(open_queue(farm.settings.database_url, SystemClock())) as queue:
        kept: list[Any] = queue.events(job.id, 0, 1000)[-2:]
        (task,) = queue.tasks(job.id)
    assert [event.kind for event in kept] == ["checkpointed", "retrying"]
    assert (kept[1].cause, kept[1].reason) == ("moved", GOING_DOWN)
    assert (task.state, task.failures, task.losses) == ("ready", 0, 0)
    assert farm.family() == set()
    assert state(farm.settings) is None
    assert not (farm.settings.folder / STATE).exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", farm.settings.port), timeout=1)


def test_a_second_signal_does_not_wait_for_prints(monkeypatch: pytest.MonkeyPatch) -> None:
    from farm.tiers import local

    hurried: list[bool] = []

    @contextmanager
    def slow(
        settings: Settings, build: Any, models: Path, hurry: threading.Event
    ) -> Iterator[dict[str, Any]]:
        yield {}
        hurried.append(hurry.is_set())
        os.kill(os.getpid(), signal.SIGTERM)
        hurried.append(hurry.wait(10))

    monkeypatch.setattr(local, "running", slow)
    local.up(
        Settings(), lambda handle: None, Path("models"), lambda _: os.kill(os.getpid(), signal.SIGTERM)
    )
    assert hurried == [False, True]
