"""Caps, costs and observations as dictionaries."""

from __future__ import annotations

from abc import abstractmethod
from collections import ChainMap, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from farm.queue.facts import JobRow, labels
from farm.queue.memory_shares import MemoryShares, Shared
from farm.queue.money import date_of, dollars
from farm.queue.money_facts import CapRow, CostFilter, CostRow, RunRow
from farm.spec.cost import USER, CostLine, Exposure, Grouping, Wait

Key = tuple[str, int]
"""A project or a pool, and a day."""


@dataclass
class Spent(Shared):
    """What was committed of caps, costs and observations."""

    caps: dict[str, CapRow] = field(default_factory=dict)
    spending: dict[Key, int] = field(default_factory=dict)
    costs: dict[str, CostRow] = field(default_factory=dict)
    runs: dict[int, RunRow] = field(default_factory=dict)
    exposures: dict[Key, Exposure] = field(default_factory=dict)
    shown: dict[str, tuple[float, float | None]] = field(default_factory=dict)


class MemoryMoney(MemoryShares):
    """One transaction's view of caps, costs and observations."""

    def __init__(self, kept: Spent) -> None:
        super().__init__(kept)
        self._money = kept
        self._caps = ChainMap[str, CapRow]({}, kept.caps)
        self._spending = ChainMap[Key, int]({}, kept.spending)
        self._costs = ChainMap[str, CostRow]({}, kept.costs)
        self._runs = ChainMap[int, RunRow]({}, kept.runs)
        self._exposures = ChainMap[Key, Exposure]({}, kept.exposures)
        self._shown = ChainMap[str, tuple[float, float | None]]({}, kept.shown)

    def commit(self) -> bool:
        """Keep the changes."""
        kept = self._money
        super().commit()
        kept.caps.update(self._caps.maps[0])
        kept.spending.update(self._spending.maps[0])
        kept.costs.update(self._costs.maps[0])
        kept.runs.update(self._runs.maps[0])
        kept.exposures.update(self._exposures.maps[0])
        kept.shown.update(self._shown.maps[0])
        return False

    def cap(self, project: str) -> CapRow | None:
        """What a project may spend and has promised."""
        known = project in self._caps or any(found.name == project for found in self.projects())
        return self._caps.get(project, CapRow(project)) if known else None

    def caps(self) -> list[CapRow]:
        """The same of every project."""
        return [self._caps.get(found.name, CapRow(found.name)) for found in self.projects()]

    def set_cap(self, row: CapRow) -> None:
        """Set a project's cap and its period."""
        self.shift_project(row.project, 0, 0)
        known = self._caps.get(row.project, row)
        self._caps[row.project] = replace(known, cap=row.cap, period=row.period)

    def shift_reserved(self, project: str, amount: int) -> None:
        """Add to what a project has promised."""
        known = self._caps.get(project, CapRow(project))
        self._caps[project] = replace(known, reserved=known.reserved + amount)

    def spend(self, project: str, day: int, amount: int) -> None:
        """Add to what a project spent on a day."""
        self._spending[project, day] = self._spending.get((project, day), 0) + amount

    def spending(self, first: int, project: str | None = None) -> list[tuple[str, int, int]]:
        """Project, day and amount of all spending, or a project's, from the day ``first`` on."""
        return [
            (name, day, amount)
            for (name, day), amount in sorted(self._spending.items())
            if day >= first and project in (None, name)
        ]

    def cost(self, job_id: str) -> CostRow | None:
        """A job's quote and cost."""
        return self._costs.get(job_id)

    def save_cost(self, row: CostRow) -> None:
        """Write a job's cost, for the first time or back."""
        self._costs[row.job] = row

    def parked(self) -> list[CostRow]:
        """Costs of jobs that were parked, by project and job."""
        found = (row for row in self._costs.values() if row.parked)
        return sorted(found, key=lambda row: (row.project, row.job))

    def run(self, token: int) -> RunRow | None:
        """What the attempt with that token runs on, and has taken."""
        return self._runs.get(token)

    def runs(self, job_id: str) -> list[RunRow]:
        """Those of a job, oldest first."""
        return [row for _, row in sorted(self._runs.items()) if row.job == job_id]

    def save_run(self, row: RunRow) -> None:
        """Write what an attempt runs on, for the first time or back."""
        self._runs[row.token] = row

    def count_run(self, token: int, now: float, most: float) -> None:
        """Count an attempt's time up to ``now``."""
        row = self._runs.get(token)
        if row is not None:
            self.save_run(replace(row.counted(now, most), spent=row.spent))

    def paced(self, pool: str, extractor: str, limit: int) -> list[RunRow]:
        """The newest runs with a pace there, the newest first."""
        found = [
            row
            for row in self._runs.values()
            if row.rate is not None and (row.pool, row.extractor) == (pool, extractor)
        ]
        return sorted(found, key=lambda row: (row.started, row.token), reverse=True)[:limit]

    def expose(self, pool: str, day: int, hours: float, preemptions: int) -> None:
        """Add to what was seen of a pool on a day."""
        known = self._exposures.get((pool, day), Exposure(pool=pool, day=day, hours=0, preemptions=0))
        seen = {"hours": known.hours + hours, "preemptions": known.preemptions + preemptions}
        self._exposures[pool, day] = known.model_copy(update=seen)

    def exposures(self, first: int) -> list[Exposure]:
        """What was seen of every pool from the day ``first`` on, by pool and day."""
        return [seen for (_, day), seen in sorted(self._exposures.items()) if day >= first]

    def costs(self, by: Grouping, wanted: CostFilter) -> list[CostLine]:
        """Costs of the attempts that are wanted, summed up."""
        groups: dict[str, list[RunRow]] = defaultdict(list)
        for row in self._runs.values():
            if self._admits(row, wanted):
                key = getattr(row, by)
                groups[date_of(key) if by == "day" else key].append(row)
        return [self._line(key, rows) for key, rows in groups.items()]

    def note_shown(self, job_id: str, at: float, *, final: bool) -> None:
        """Note that a job has a picture to look at, if that is its first, or its final one."""
        first, end = self._shown.get(job_id, (at, None))
        self._shown[job_id] = (first, at if final else end)

    def waits(self, since: float, limit: int) -> list[Wait]:
        """Waits for jobs accepted since then, newest first, those that go on included."""
        found = [row for row in self._every_job() if row.created_at >= since]
        found.sort(key=lambda row: (row.created_at, row.id), reverse=True)
        return [self._wait(row) for row in found[:limit]]

    @abstractmethod
    def _every_job(self) -> Iterable[JobRow]:
        """All jobs."""

    @abstractmethod
    def job(self, job_id: str) -> JobRow | None:
        """A job."""

    def _admits(self, row: RunRow, wanted: CostFilter) -> bool:
        if wanted.first is not None and row.day < wanted.first:
            return False
        if wanted.last is not None and row.day > wanted.last:
            return False
        if wanted.project not in (None, row.project):
            return False
        if wanted.tag is None:
            return True
        job = self.job(row.job)
        return job is not None and labels(job).get(wanted.tag[0]) == wanted.tag[1]

    def _line(self, key: str, rows: list[RunRow]) -> CostLine:
        costs = ((self._costs[row.job], row) for row in rows)
        ends = [cost for cost, row in costs if cost.final == row.token and cost.quoted is not None]
        return CostLine(
            key=key,
            jobs=len({row.job for row in rows}),
            attempts=len(rows),
            hours=sum(row.seconds * row.devices for row in rows) / 3600,
            usd=dollars(sum(row.spent for row in rows)),
            done=len(ends),
            quoted_usd=dollars(sum(cost.p50 or 0 for cost in ends)),
            actual_usd=dollars(sum(cost.spent for cost in ends)),
            covered=sum(cost.spent <= (cost.p90 or 0) for cost in ends),
        )

    def _wait(self, row: JobRow) -> Wait:
        first, final = self._shown.get(row.id, (None, None))
        asked = row.created_at
        return Wait(
            job=row.id, project=row.project, user=labels(row).get(USER, ""), asked=asked,
            first=None if first is None else max(0.0, first - asked),
            final=None if final is None else max(0.0, final - asked),
        )  # fmt: skip
