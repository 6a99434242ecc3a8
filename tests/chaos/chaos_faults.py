"""The catalogue of faults: what is done to a farm, and to which part of it."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from chaos_farm import CONTROLLER, DISPATCHER, GATEWAY, PROXY, RANK
from chaos_site import LEASE_SECONDS, Round, Site

RUNNING = ("started", "progress", "checkpointed", "rendition")
STRIKE_SECONDS = 60.0
Strike = Callable[[Round], float | None]
"""Does it; returns when it struck (epoch seconds), or None if there was nothing to strike."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Args:
        when: the kinds of event, one of which it follows.
        ends: whether attempts end of it, so that only a later one's progress counts as recovery.
        armed: the kill point that is armed before the jobs are handed in.
    """

    name: str
    strike: Strike
    when: tuple[str, ...] = RUNNING
    ends: bool = False
    armed: str = ""


def killed(title: str, how: signal.Signals = signal.SIGKILL) -> Strike:
    """A signal to one of the processes that Ray calls so."""

    def strike(around: Round) -> float | None:
        pids = around.site.farm.pids(title)
        if not pids:
            return None
        with suppress(ProcessLookupError):
            os.kill(around.chance.choice(pids), how)
            return time.time()
        return None

    return strike


def frozen_dispatcher(around: Round) -> float | None:
    """Stopped until its leases have run out; then it goes on as if nothing had been."""
    pids = around.site.farm.pids(DISPATCHER)
    if not pids:
        return None
    os.kill(pids[-1], signal.SIGSTOP)
    struck = time.time()
    time.sleep(LEASE_SECONDS + 1)
    with suppress(ProcessLookupError):
        os.kill(pids[-1], signal.SIGCONT)
    return struck


def everything(around: Round) -> float:
    """SIGKILL of every process of the farm and of its Ray, head too; then ``farm up``."""
    struck = time.time()
    around.site.kill()
    around.site.begin()
    return struck


def farm_up(around: Round) -> float:
    """SIGKILL of ``farm up`` alone, whose cluster goes on; then ``farm up``."""
    struck = time.time()
    around.site.farm.kill_up()
    around.site.farm.up()
    return struck


def node(around: Round) -> float | None:
    """SIGKILL of a node under way. Another comes at once or when the round is over."""
    site = around.site
    assert site.cluster
    sort = _where(around)
    if sort is None:
        return None
    struck = time.time()
    site.cluster.end(sort)
    if around.chance.random() < 0.5:
        site.cluster.add(sort)
    else:
        site.away.append(sort)
    return struck


def notice(around: Round) -> float | None:
    """A node says that it goes away soon; what runs there moves. It is gone when the round is over."""
    site = around.site
    assert site.cluster
    sort = _where(around)
    if sort is None:
        return None
    struck = time.time()
    file = site.farm.home / f"leave-{site.cluster.nodes[sort]}"
    file.write_text('{"seconds": 600}', encoding="utf-8")
    for watch in around.busy:
        if site.cluster.sort_of(watch.node) == sort:
            watch.wait(lambda seen: any(e.kind == "retrying" and e.at > struck for e in seen), 30.0)
    site.cluster.end(sort)
    site.away.append(sort)
    return struck


def database_away(around: Round) -> float:
    """For less than a lease."""
    struck = time.time()
    with around.site.database.away():
        time.sleep(around.chance.uniform(0.2, 4.0))
    return struck


def store_unwritable(around: Round) -> float:
    """For some seconds; what is in it can be read meanwhile."""
    struck = time.time()
    with unwritable(around.site.farm.home / "store"):
        time.sleep(around.chance.uniform(2.0, 5.0))
    return struck


def kill_point(around: Round) -> float | None:
    """Wait for a process to come to the armed kill point, of which it dies."""
    file, last = around.site.farm.kill_at, time.monotonic() + STRIKE_SECONDS
    while file.exists():
        if time.monotonic() > last or not around.busy:
            file.unlink(missing_ok=True)
            return None
        time.sleep(0.05)
    return time.time()


@contextmanager
def unwritable(store: Path) -> Iterator[None]:
    """Every write of the store fails: it begins in ``tmp``, which is no folder any more."""
    tmp = store / "tmp"
    moved: list[Path] = []
    while True:
        aside = store / f"tmp-{len(moved)}"
        with suppress(FileNotFoundError):
            tmp.rename(aside)
            moved.append(aside)
        with suppress(FileExistsError):  # somebody was about to write, and has made the folder again
            tmp.open("x").close()
            break
    try:
        yield
    finally:
        tmp.unlink()
        for folder in moved:
            shutil.rmtree(folder)


def catalogue(site: Site) -> list[Fault]:
    """All that can be done to a site."""
    places = ("claim", "record", "checkpoint", "complete")
    ways = [
        Fault("SIGKILL of a rank", killed(RANK), ends=True),
        Fault("SIGSTOP of a rank", killed(RANK, signal.SIGSTOP), ends=True),
        Fault("SIGKILL of the dispatcher", killed(DISPATCHER), ends=True),
        Fault("dispatcher frozen past its lease", frozen_dispatcher, ends=True),
        Fault("SIGKILL of the gateway", killed(GATEWAY)),
        Fault("SIGKILL of the HTTP proxy", killed(PROXY)),
        Fault("SIGKILL of Serve's controller", killed(CONTROLLER)),
        Fault("SIGKILL of everything, farm up", everything, ends=True),
        Fault(site.database.away_is, database_away),
        Fault("store unwritable", store_unwritable),
        Fault("kill point in add", kill_point, armed="add.before_commit"),
        Fault("kill point in add", kill_point, armed="add.after_commit"),
        *(
            Fault(f"kill point in {place}", kill_point, ends=True, armed=f"{place}.{moment}")
            for place in places
            for moment in ("before_commit", "after_commit")
        ),
    ]  # fmt: skip
    if site.cluster:
        ways += [
            Fault("SIGKILL of a node", node, ends=True),
            Fault("a node's notice", notice, ends=True),
            Fault("SIGKILL of farm up, farm up", farm_up),
        ]
    return ways


def _where(around: Round) -> str | None:
    """The sort of a node that a job runs on."""
    assert around.site.cluster
    nodes = [watch.node for watch in around.busy if watch.node]
    return around.site.cluster.sort_of(around.chance.choice(nodes)) if nodes else None
