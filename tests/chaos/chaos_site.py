"""Where chaos takes place: a farm, its database, and the cluster it runs on if it has not its own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos_cluster import Cluster
from chaos_databases import Database, Postgres, Sqlite
from chaos_farm import RANK, Farm, until
from chaos_watch import Watch
from gateway_process import quiet_port
from tiers_cases import print_job

from farm.store import BlobStore

LEASE_SECONDS = 8.0


@dataclass
class Site:
    """One farm to be ill-treated.

    Args:
        devices: how many a print may ask for.
    """

    name: str
    farm: Farm
    database: Database
    cluster: Cluster | None
    devices: Sequence[int]
    away: list[str] = field(default_factory=list)

    @property
    def store(self) -> BlobStore:
        return BlobStore(str(self.farm.home / "store"))

    def begin(self) -> None:
        """Bring it up from nothing."""
        if self.cluster:
            self.cluster.up()
        self.farm.up()

    def kill(self) -> None:
        """SIGKILL of everything, head too."""
        self.farm.kill()
        if self.cluster:
            self.cluster.close()

    def mend(self) -> None:
        """What an operator does after a fault: replace nodes that are gone, start what does not run."""
        if self.cluster:
            while self.away:
                self.cluster.add(self.away.pop())
        if not self.farm.is_up:
            self.kill()
            self.begin()

    def ranks_left(self) -> list[int]:
        """Ranks that do not end although there is nothing to do."""
        try:
            until(lambda: not self.farm.pids(RANK), 20.0, "ranks to end")
        except TimeoutError:
            return self.farm.pids(RANK)
        return []

    def job(self, strength: float, devices: int, label: str) -> dict[str, Any]:
        """A print of some seconds; each label makes it another job."""
        return print_job(
            self.farm.home, quality={"preset": "draft", "strength": strength}, labels={"chaos": label},
            engine={"precision": "float32", "devices": devices},
        )  # fmt: skip


@dataclass
class Round:
    """A fault's surroundings: the site, the jobs that are watched, and the dice."""

    site: Site
    watches: list[Watch]
    chance: random.Random

    @property
    def busy(self) -> list[Watch]:
        """Jobs that have not ended."""
        return [watch for watch in self.watches if not watch.over]


@contextmanager
def one_machine(home: Path, models: Path, database: Database | None = None) -> Iterator[Site]:
    """A farm with a Ray of its own; on SQLite unless it is given another database."""
    facts = database or Sqlite(home)
    changes = {"FARM_CPUS": "2"}
    if database:
        changes["FARM_DATABASE"] = database.url
    farm = Farm(home, models, changes)
    yield from _open(Site("one machine", farm, facts, None, (1, 2)))


@contextmanager
def three_nodes(home: Path, models: Path) -> Iterator[Site]:
    """A farm on a cluster of three nodes with GPUs on paper, and on PostgreSQL."""
    database, port = Postgres(), quiet_port()
    changes = {
        "FARM_CPUS": "1", "FARM_DATABASE": database.url, "FARM_RAY_ADDRESS": f"127.0.0.1:{port}",
        "FARM_NOTICE_FILE": str(home / "leave-{node}"), "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }  # fmt: skip
    farm = Farm(home, models, changes)
    yield from _open(Site("three nodes", farm, database, Cluster(farm, port), (1, 2)))


def _open(site: Site) -> Iterator[Site]:
    try:
        site.begin()
        yield site
    finally:
        try:
            site.farm.down()
            if site.cluster:
                site.cluster.close()
        finally:
            site.database.drop()
