"""A farm on one machine: up, down, and what it says of itself."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import psutil

from farm.clock import SystemClock
from farm.errors import Conflict, FarmError, Unavailable
from farm.queue import open_queue
from farm.settings import Settings
from farm.spec.farm import FarmView, Node, Process, Project
from farm.store import BlobStore, publish
from farm.tiers.version import code_version

if TYPE_CHECKING:
    from farm.tiers.interactive import BuildApp

STATE = "farm.json"
START_SECONDS = 90.0
STOP_SECONDS = 60.0
BURY_SECONDS = 3.0
GOING_DOWN = "the farm goes down"


def state(settings: Settings) -> dict[str, Any] | None:
    """What the running farm of this home wrote about itself; None if it does not run."""
    try:
        found: dict[str, Any] = json.loads((settings.folder / STATE).read_text(encoding="utf-8"))
        process = psutil.Process(found["pid"])
        same = abs(process.create_time() - found["process_started"]) < 1.0
    except (OSError, ValueError, KeyError, psutil.Error):
        return None
    return found if same and process.status() != psutil.STATUS_ZOMBIE else None


@contextmanager
def running(
    settings: Settings, build: BuildApp, models: Path, hurry: Event | None = None
) -> Iterator[dict[str, Any]]:
    """A farm for as long as the context lasts; yields its addresses once it answers.

    It has a Ray of its own, or joins the one of ``FARM_RAY_ADDRESS`` and leaves it as it found it. In
    the end prints are kept and given back, for ``drain_seconds`` at most; ``hurry`` cuts that short.

    Raises:
        Conflict: a port is taken, or a farm with this home runs already.
        Unavailable: home, database or store cannot be written, or the farm did not come up.
    """
    _check(settings)
    import ray
    from ray import serve

    from farm.tiers.cluster import join_ray, start_ray
    from farm.tiers.dispatcher import end_dispatcher, start_dispatcher
    from farm.tiers.interactive import application, start_serve, stop_serve

    threads = settings.cpus or os.cpu_count() or 1
    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    strangers = psutil.Process().children(recursive=True)
    dispatcher, serving = None, False
    try:
        if settings.ray_address:
            addresses = join_ray(settings, settings.ray_address)
        else:
            addresses = start_ray(settings, settings.dashboard_port)
        serving = start_serve(settings)
        app = application(build, models, settings.max_megapixels, threads)
        serve.run(app, name="farm", route_prefix="/", logging_config={"log_level": "WARNING"})
        dispatcher = start_dispatcher(settings, models, threads)
        facts = {
            "url": f"http://{settings.host}:{settings.port}",
            "pid": os.getpid(),
            "process_started": psutil.Process().create_time(),
            "dispatcher_pid": ray.get(dispatcher.status.remote(), timeout=START_SECONDS)["pid"],
            **addresses,
        }
        publish(settings.folder / STATE, lambda path: _write_json(path, facts))
        yield facts
    finally:
        (settings.folder / STATE).unlink(missing_ok=True)
        try:
            if dispatcher is not None:
                with suppress(Unavailable):
                    end_dispatcher(dispatcher, GOING_DOWN, settings.drain_seconds, hurry)
        finally:  # who has no patience for prints to be kept is not to leave processes behind
            family = [p for p in psutil.Process().children(recursive=True) if p not in strangers]
            with suppress(ray.exceptions.RayError, RuntimeError):
                if not (hurry and hurry.is_set()):
                    stop_serve(whole=serving and bool(settings.ray_address))
            ray.shutdown()
            if not settings.ray_address:
                _bury(family)


def up(
    settings: Settings, build: BuildApp, models: Path, ready: Callable[[dict[str, Any]], None]
) -> None:
    """Run a farm until SIGINT or SIGTERM; ``ready`` is called once it answers.

    A second signal does not wait for prints to be kept.
    """
    halt, hurry = Event(), Event()

    def asked(_number: int, _frame: object) -> None:
        (hurry if halt.is_set() else halt).set()

    previous = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running(settings, build, models, hurry) as facts:
            ready(facts)
            while not halt.wait(1.0):
                pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def up_detached(settings: Settings, command: list[str]) -> dict[str, Any]:
    """Start ``command`` (a farm in the foreground) in the background and wait until it answers.

    Raises:
        Unavailable: it ended or did not answer in time; its log says why.
    """
    _check(settings)
    log = settings.folder / "logs" / "farm.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 — our own command line
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        facts = state(settings)
        if facts:
            return facts
        if process.poll() is not None:
            break
        time.sleep(0.2)
    process.terminate()
    raise Unavailable(f"the farm did not come up; {log} says why.")


def down(settings: Settings) -> bool:
    """Stop the farm of this home and wait until it is gone; False if none ran.

    Raises:
        Unavailable: it did not stop in time.
    """
    facts = state(settings)
    if facts is None:
        return False
    process = psutil.Process(facts["pid"])
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(settings.drain_seconds + STOP_SECONDS)
    except psutil.TimeoutExpired:
        raise Unavailable(
            f"the farm (process {process.pid}) has not stopped after "
            f"{settings.drain_seconds + STOP_SECONDS:.0f} s; "
            "wait a little and try again."
        ) from None
    return True


def status(settings: Settings) -> FarmView:
    """The farm of this home as far as it can be seen without its gateway.

    What cannot be found out is named in ``problems``; ``dispatcher`` stays unknown.
    """
    problems: list[str] = []
    found: dict[str, Any] = {"jobs": {}}
    try:
        found |= _facts(settings)
    except FarmError as error:
        problems.append(error.message)
    try:
        found["processes"] = _processes(settings)
    except FarmError as error:
        problems.append(error.message)
    return FarmView(version=code_version(), dispatcher=None, problems=tuple(problems), **found)


def _facts(settings: Settings) -> dict[str, Any]:
    queue = open_queue(settings.database_url, SystemClock())
    try:
        return {
            "jobs": {str(name): number for name, number in queue.counts().items()},
            "projects": [Project.model_validate(each.model_dump()) for each in queue.projects()],
            "nodes": [Node.model_validate(each.model_dump()) for each in queue.nodes()],
        }
    finally:
        queue.close()


def _processes(settings: Settings) -> list[Process]:
    facts = state(settings)
    if facts is None:
        return []
    from farm.tiers.cluster import authenticate
    from farm.tiers.processes import processes

    authenticate(settings)
    return [Process.model_validate(each.model_dump()) for each in processes(facts["ray_address"])]


def _check(settings: Settings) -> None:
    from farm.tiers.cluster import check_port

    other = state(settings)
    if other:
        raise Conflict(
            f"a farm with home {settings.folder} runs already at {other['url']}; "
            "stop it with 'farm down', or set FARM_HOME to another folder."
        )
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"FARM_HOME: {settings.folder} cannot be made ({(error.strerror or 'error').lower()}); "
            "set FARM_HOME to a folder you may write."
        ) from None
    BlobStore(settings.store_url).check()
    open_queue(settings.database_url, SystemClock()).close()
    if settings.ray_address:
        return  # Serve listens on the cluster's head, where that of a killed farm may do so still
    choose = "choose another with --port or FARM_PORT, or stop what uses it."
    check_port(settings.host, settings.port, "port", choose)
    choose = "choose another with --dashboard-port or FARM_DASHBOARD_PORT, or stop what uses it."
    check_port("127.0.0.1", settings.dashboard_port, "dashboard_port", choose)


def _bury(family: list[psutil.Process]) -> None:
    """End what is left of our own processes; some of Ray's agents outlive its shutdown."""
    _, alive = psutil.wait_procs(family, timeout=BURY_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=BURY_SECONDS)


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    path.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
