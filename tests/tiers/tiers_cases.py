"""A real farm on a real Ray, in folders and on ports of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from PIL import Image

from farm import Client, settings
from farm.catalog import models_folder
from farm.cli.house import build_gateway
from farm.settings import Settings
from farm.spec import Event, Lease

RAYS_OWN = (
    "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_UV_RUN_RUNTIME_ENV",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "OMP_WAIT_POLICY",
)  # fmt: skip
"""What starting a farm sets in the environment, to be put back afterwards."""


class LiveFarm:
    """A farm that runs until ``close``."""

    def __init__(self, chosen: Settings, facts: dict[str, Any], close: Callable[[], None]) -> None:
        self.settings, self.facts, self.close = chosen, facts, close
        self.client = Client(facts["url"])
        self.strangers: set[psutil.Process] = set()

    def family(self) -> set[psutil.Process]:
        """What this process has started since before the farm came up, the farm's workers included."""
        return set(psutil.Process().children(recursive=True)) - self.strangers

    def dispatcher_pid(self) -> int:
        import ray

        actor: Any = ray.get_actor("dispatcher", namespace="farm")
        (status,) = ray.get([actor.status.remote()], timeout=60)
        return int(status["pid"])

    def free_cores(self) -> float:
        import ray

        free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
        return free.get("CPU", 0.0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def picture(width: int = 48, height: int = 40, seed: int = 0) -> bytes:
    draw = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = np.sin(rows / 5 + seed) + np.sin(columns / 7 - seed)
    tints = draw.uniform(20, 60, 3)
    pixels = 128 + waves[..., None] * tints + draw.normal(0, 8, (height, width, 3))
    file = BytesIO()
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def print_job(folder: Path, **changes: Any) -> dict[str, Any]:
    """A print of some seconds with a checkpoint half way; each label makes it another job."""
    content, style = folder / "content.png", folder / "style.png"
    content.write_bytes(picture())
    style.write_bytes(picture(seed=5))
    spec = {
        "farm": 1, "kind": "print", "content": str(content),
        "styles": [{"image": str(style), "rights": {"licence": "own", "source": "these tests"}}],
        "output": {"long_edge": 320}, "engine": {"precision": "float32"},
    }  # fmt: skip
    return {**spec, **changes}


def settle_in(patch: pytest.MonkeyPatch, home: Path, models: Path) -> None:
    """No setting of the shell's reaches a farm with that home, and none of its own outlives it."""
    for name in (*RAYS_OWN, *(name for name in os.environ if name.startswith("FARM_"))):
        patch.setenv(name, os.environ.get(name, ""))
        patch.delenv(name)
    patch.setenv("FARM_HOME", str(home))
    patch.setenv("FARM_MODELS", str(models))


@contextmanager
def live(home: Path, models: Path) -> Iterator[LiveFarm]:
    """A farm with its home there; its processes read the same settings from the environment."""
    from farm.tiers.local import running

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        settle_in(patch, home, models)
        patch.setenv("FARM_CPUS", "2")
        patch.setenv("FARM_LINGER_SECONDS", "4")
        patch.setenv("FARM_PORT", str(free_port()))
        patch.setenv("FARM_DASHBOARD_PORT", str(free_port()))
        chosen = settings.load()
        strangers = set(psutil.Process().children(recursive=True))  # such as a resource tracker
        facts = stack.enter_context(running(chosen, build_gateway, models_folder(chosen)))
        farm = LiveFarm(chosen, facts, stack.close)
        farm.strangers = strangers
        stack.callback(farm.client.close)
        yield farm


def killing(events: Iterator[Event], when: str, pid: Callable[[Event], int]) -> list[Any]:
    """All events to the job's end; the process that ``pid`` names is killed at the first ``when``."""
    seen: list[Any] = []
    killed = False
    for event in events:
        seen.append(event)
        if event.kind == when and not killed:
            killed = True
            os.kill(pid(event), signal.SIGKILL)
    assert killed, f"no event {when!r} came"
    return seen


def rank_pid(seen: list[Any]) -> int:
    """The process of the newest attempt."""
    started = [event for event in seen if event.kind == "started"]
    return int(started[-1].worker.removeprefix("pid "))


def peer_pid(seen: list[Any]) -> int:
    """The process of the newest attempt's second rank."""
    from farm.tiers.census import actors
    from farm.tiers.posts import Post, posts

    started = [event for event in seen if event.kind == "started"][-1]
    post, known = Post(started.task, started.attempt), posts()
    (pid,) = [
        each.pid
        for each in actors()
        if known.get(each.id) == post and each.name.startswith("print rank 1 ")
    ]
    return pid


def faulty_gang(folder: Path, fault: str) -> tuple[Any, list[Any]]:
    """A gang of two that have met, and its ranks; the second then raises or dies of ``fault``."""
    import ray

    from farm.clock import SystemClock
    from farm.tiers.crew import Crew, rank_name
    from farm.tiers.gang import Gang
    from farm.tiers.graves import Graves
    from farm.tiers.idle import IdleCrews
    from farm.tiers.placement import place
    from farm.tiers.rank import Berth, Seat
    from farm.tiers.watchers import Watchers

    def met(seat: Seat) -> Iterator[None]:
        from farm.engine.distributed import join

        with join(seat.rank, seat.size, seat.port, timeout_seconds=60) as group:
            yield
            if seat.rank and fault == "dies":
                os._exit(1)
            if seat.rank:
                raise MemoryError(fault)
            group.meet()

    @ray.remote(max_restarts=0, max_task_retries=0, concurrency_groups={"ctl": 1})  # type: ignore[call-overload]
    class PrintRank:
        def prepare(self) -> Berth:
            from farm.dispatch.memory_kills import memory_kills
            from farm.engine.distributed import free_port

            return Berth(free_port(), ray.get_runtime_context().get_node_id(), memory_kills())

        @ray.method(concurrency_group="ctl")
        def tail(self) -> str:
            return f"what it was told to do: {fault}"

        def render(self, lease: Lease, seat: Seat) -> Iterator[str]:
            from farm.spec.event import Started

            for _ in met(seat):
                yield Started(
                    task=lease.task, attempt=1, worker="", extractor="", precision=""
                ).model_dump_json()

        def follow(self, lease: Lease, seat: Seat) -> None:
            list(met(seat))

    lease = lease_of(folder)
    kind: Any = PrintRank
    ranks: list[Any] = [
        kind.options(num_cpus=0, name=rank_name(fault, number)).remote() for number in range(2)
    ]
    watchers = Watchers(Settings(home=folder), SystemClock())
    group = place("faulty", 2, "local", gpu=False)
    crew = Crew("local", group, ranks, Graves(watchers))
    return Gang(lease, crew, IdleCrews(0.0), watchers=watchers), ranks


def lease_of(folder: Path, **changes: Any) -> Lease:
    """A lease that no queue knows of."""
    from farm.client import jobfile

    jobs = folder / "job.json"
    jobs.write_text(json.dumps(print_job(folder, **changes)), encoding="utf-8")
    return Lease(
        task="faulty", job="faulty", attempt=1, token=1, worker="here", expires_at=0.0,
        spec=jobfile.read(jobs),
    )  # fmt: skip


def soon(holds: Callable[[], bool], within: float = 20.0) -> bool:
    """Whether it comes to hold in time. Real processes take a moment to end."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
