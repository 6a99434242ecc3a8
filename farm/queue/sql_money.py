"""``Rows`` as SQL statements inside one transaction, of caps, costs and observations."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from sqlalchemy import Select, Table, func

from farm.queue import money_statements as sql
from farm.queue.money import date_of, dollars
from farm.queue.money_facts import CapRow, CostFilter, CostRow, RunRow
from farm.queue.sql_shares import UNKNOWN, SqlShares
from farm.queue.tables import exposures, job_costs, projects, runs, spending, waits
from farm.spec.cost import CostLine, Exposure, Grouping, Wait

Change = Callable[[Any, Any], Any]
"""What becomes of a column where the row is there: of what it holds and what was to be inserted."""

_built: dict[tuple[type, str], Any] = {}


class SqlMoney(SqlShares):
    """Rows of the tables of money; the columns are named by the fields."""

    def cap(self, project: str) -> CapRow | None:
        """What a project may spend and has promised."""
        row = self._ask(self._locking(sql.CAP), {"project": project}).one_or_none()
        return None if row is None else CapRow(*row)

    def caps(self) -> list[CapRow]:
        """The same of every project, without a lock."""
        return [CapRow(*row) for row in self._ask(sql.CAPS)]

    def set_cap(self, row: CapRow) -> None:
        """Set a project's cap and its period."""
        granted = {"cap": row.cap, "period": row.period}
        adding = self._insert(projects).values(
            {**UNKNOWN, "name": row.project, "weight": 1.0, **granted}
        )
        self._ask(adding.on_conflict_do_update(index_elements=["name"], set_=granted))

    def shift_reserved(self, project: str, amount: int) -> None:
        """Add to what a project has promised."""
        self._put(sql.SHIFT_RESERVED, {"b_project": project, "b_amount": amount})

    def spend(self, project: str, day: int, amount: int) -> None:
        """Add to what a project spent on a day."""
        row = {"project": project, "day": day, "spent": amount}
        self._put(self._upsert(spending, ("project", "day"), _sum), row)

    def spending(self, first: int, project: str | None = None) -> list[tuple[str, int, int]]:
        """Project, day and amount of all spending, or a project's, from the day ``first`` on."""
        if project is None:
            rows = self._ask(sql.SPENDING, {"first": first})
        else:
            rows = self._ask(sql.SPENDING_OF, {"first": first, "project": project})
        return [(name, day, amount) for name, day, amount in rows]

    def cost(self, job_id: str) -> CostRow | None:
        """A job's quote and cost."""
        row = self._ask(sql.COST, {"job": job_id}).one_or_none()
        return None if row is None else CostRow(*row)

    def save_cost(self, row: CostRow) -> None:
        """Write a job's cost, for the first time or back."""
        self._put(self._upsert(job_costs, ("job",), _newer), asdict(row))

    def parked(self) -> list[CostRow]:
        """Costs of jobs that were parked, by project and job."""
        return [CostRow(*row) for row in self._ask(sql.PARKED_COSTS)]

    def run(self, token: int) -> RunRow | None:
        """What the attempt with that token runs on, and has taken."""
        row = self._ask(sql.RUN, {"token": token}).one_or_none()
        return None if row is None else RunRow(*row)

    def runs(self, job_id: str) -> list[RunRow]:
        """Those of a job, oldest first."""
        return [RunRow(*row) for row in self._ask(sql.RUNS, {"job": job_id})]

    def save_run(self, row: RunRow) -> None:
        """Write what an attempt runs on, for the first time or back."""
        self._put(self._upsert(runs, ("token",), _newer), asdict(row))

    def count_run(self, token: int, now: float, most: float) -> None:
        """Count an attempt's time up to ``now``."""
        self._put(sql.COUNT_RUN, {"b_token": token, "b_now": now, "b_most": most})

    def paced(self, pool: str, extractor: str, limit: int) -> list[RunRow]:
        """The newest runs with a pace there, the newest first."""
        asked = {"pool": pool, "extractor": extractor, "limit": limit}
        return [RunRow(*row) for row in self._ask(sql.PACED_RUNS, asked)]

    def expose(self, pool: str, day: int, hours: float, preemptions: int) -> None:
        """Add to what was seen of a pool on a day."""
        row = {"pool": pool, "day": day, "hours": hours, "preemptions": preemptions}
        self._put(self._upsert(exposures, ("pool", "day"), _sum), row)

    def exposures(self, first: int) -> list[Exposure]:
        """What was seen of every pool from the day ``first`` on, by pool and day."""
        return [Exposure(**row._mapping) for row in self._ask(sql.EXPOSURES, {"first": first})]

    def costs(self, by: Grouping, wanted: CostFilter) -> list[CostLine]:
        """Costs of the attempts that are wanted, summed up."""
        return [
            CostLine(
                key=date_of(key) if by == "day" else key, jobs=jobs, attempts=attempts,
                hours=float(hours), usd=dollars(int(spent)), done=int(done),
                quoted_usd=dollars(int(quoted)), actual_usd=dollars(int(actual)), covered=int(covered),
            )
            for key, jobs, attempts, hours, spent, done, quoted, actual, covered
            in self._ask(sql.costs_by(by, wanted))
        ]  # fmt: skip

    def note_shown(self, job_id: str, at: float, *, final: bool) -> None:
        """Note that a job has a picture to look at, if that is its first, or its final one."""
        row = {"job": job_id, "first": at, "final": at if final else None}
        self._put(self._upsert(waits, ("job",), _first), row)

    def waits(self, since: float, limit: int) -> list[Wait]:
        """Waits for jobs accepted since then, newest first, those that go on included."""
        rows = self._ask(sql.WAITS, {"since": since, "limit": limit})
        return [
            Wait(job=job, project=project, user=user or "", asked=asked,
                 first=_after(asked, first), final=_after(asked, final))
            for job, project, user, asked, first, final in rows
        ]  # fmt: skip

    def _upsert(self, table: Table, keys: tuple[str, ...], change: Change) -> Any:
        """An insert that changes the row of those keys where there is one; built once."""
        name = (type(self), table.name)
        if name not in _built:
            adding = self._insert(table)
            others = [column for column in table.c if column.name not in keys]
            changes = {column.name: change(column, adding.excluded[column.name]) for column in others}
            _built[name] = adding.on_conflict_do_update(index_elements=list(keys), set_=changes)
        return _built[name]

    @abstractmethod
    def _locking(self, query: Select[Any], *, patient: bool = True) -> Select[Any]:
        """The query as it locks what it reads."""


def _newer(_known: Any, new: Any) -> Any:
    return new


def _sum(known: Any, new: Any) -> Any:
    return known + new


def _first(known: Any, new: Any) -> Any:
    """The first picture's time stays; the final one's is that of the newest end."""
    return known if known.name == "first" else func.coalesce(new, known)


def _after(asked: float, at: float | None) -> float | None:
    return None if at is None else max(0.0, at - asked)
