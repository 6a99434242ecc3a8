"""What projects may spend, what was spent, and what was seen of pools and of people's waits."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from farm.errors import InvalidInput, Refused
from farm.queue.books import blank
from farm.queue.money import day_of, dollars, first_day, micros
from farm.queue.money_facts import CapRow, CostFilter
from farm.queue.transactions import Transactions
from farm.spec.cost import Account, CostLine, Exposure, Grouping, JobCost, Pace, Period, RunCost, Wait
from farm.spec.event import Resumed
from farm.spec.job import NAME
from farm.spec.record import Lease
from farm.spec.state import JobState


class Accounts(Transactions):
    """Caps and what became of them. Amounts are US dollars, days and periods are UTC's."""

    def set_cap(self, name: str, cap_usd: float | None, period: Period = "month") -> Account:
        """Set the most that a project may spend in each period; None: no cap.

        Raises:
            InvalidInput: the name or the cap is not valid.
        """
        if not re.fullmatch(NAME.removesuffix("$"), name):
            raise InvalidInput(
                f"project: {name!r} is not valid; use 1-64 letters, digits, '.', '_' or '-'.",
                field="project",
            )
        if cap_usd is not None and not (math.isfinite(cap_usd) and cap_usd >= 0):
            raise InvalidInput(
                f"cap_usd: {cap_usd!r} is not valid; give 0 or more dollars, or none for no cap.",
                field="cap_usd",
            )
        with self._writing("set_cap") as ledger:
            cap = None if cap_usd is None else micros(cap_usd)
            ledger.rows.set_cap(CapRow(name, cap, period))
            return ledger.books.account(name)

    def account(self, project: str) -> Account:
        """A project's cap and what it has left of it; of one that nobody named, empty."""
        with self._reading() as ledger:
            return ledger.books.account(project)

    def accounts(self) -> list[Account]:
        """Those of every project that a job or an operator named, by name."""
        with self._reading() as ledger:
            caps = ledger.rows.caps()
            first = {row.project: first_day(row.period, ledger.now) for row in caps}
            spent = dict.fromkeys(first, 0)
            for project, day, amount in ledger.rows.spending(min(first.values(), default=0)):
                if day >= first.get(project, math.inf):
                    spent[project] += amount
            return [row.account(spent[row.project]) for row in caps]

    def cost(self, job_id: str) -> JobCost:
        """A job's quote against what it took so far.

        Raises:
            NotFound: there is no such job.
        """
        with self._reading() as ledger:
            job = ledger.job(job_id)
            return (ledger.books.cost(job_id) or blank(job)).record()

    def runs(self, job_id: str) -> list[RunCost]:
        """A job's attempts that were routed, each with its prediction, oldest first.

        Raises:
            NotFound: there is no such job.
        """
        with self._reading() as ledger:
            return [row.record() for row in ledger.rows.runs(ledger.job(job_id).id)]

    def run(self, token: int) -> RunCost | None:
        """The attempt under the lease with that token; None where it was not routed."""
        with self._reading() as ledger:
            row = ledger.rows.run(token)
            return None if row is None else row.record()

    def costs(
        self,
        by: Grouping,
        *,
        first: float | None = None,
        last: float | None = None,
        project: str | None = None,
        tag: tuple[str, str] | None = None,
    ) -> list[CostLine]:
        """Costs of attempts summed up: days in their order, all else the dearest first.

        ``first`` and ``last`` are moments in the first and last day that count, ``tag`` a label's name
        and value. An attempt's day is that on which it was routed.
        """
        days = [None if moment is None else day_of(moment) for moment in (first, last)]
        with self._reading() as ledger:
            found = ledger.rows.costs(by, CostFilter(days[0], days[1], project, tag))
        if by == "day":
            return sorted(found, key=lambda line: line.key)
        return sorted(found, key=lambda line: (-line.usd, line.key))

    def paces(self, pool: str, extractor: str, limit: int = 50) -> list[tuple[float, Pace]]:
        """The newest attempts' paces there, newest first, each with the time when it began."""
        with self._reading() as ledger:
            found = ledger.rows.paced(pool, extractor, limit)
        return [(row.started, pace) for row in found if (pace := row.record().pace)]

    def exposures(self, since: float) -> list[Exposure]:
        """What was seen of every pool since the day of that moment, by pool and day."""
        with self._reading() as ledger:
            return ledger.rows.exposures(day_of(since))

    def waits(self, since: float, limit: int = 10_000) -> list[Wait]:
        """Waits for jobs accepted since then, newest first, those that go on included."""
        with self._reading() as ledger:
            return ledger.rows.waits(since, limit)

    def hold(self, lease: Lease, usd: float, goes_on: Callable[[Account, float], bool]) -> bool:
        """Keep at least so much reserved for a job while it runs; whether it may go on.

        ``goes_on`` is told what its project would have to promise more for that, inside the
        transaction that would. Nothing changes where it says no.

        Raises:
            StaleLease: the task is no longer this worker's.
        """
        project = lease.spec.project
        if self.account(project).cap_usd is None:
            return True
        with self._writing("hold") as ledger:
            task = ledger.held(lease)
            cost = ledger.books.cost(task.job)
            more = max(0.0, usd - (dollars(cost.reserved) if cost else 0.0))
            if not goes_on(ledger.books.account(project), more):
                return False
            ledger.books.hold(ledger.job(task.job), more)
            return True

    def unpark(self, admits: Callable[[Account, float], None]) -> list[str]:
        """Take up parked jobs whose projects can bear them again; returns their ids.

        What such a job wants to go on is reserved in the transaction that takes it up. ``admits``
        raises ``Refused`` where the project cannot bear that.
        """
        with self._reading() as ledger:
            parked = ledger.rows.parked()
        taken = []
        for row in parked:
            try:
                with self._writing("unpark") as ledger:
                    job, cost = ledger.job(row.job), ledger.books.cost(row.job)
                    if job.state is not JobState.PAUSED or cost is None or not cost.parked:
                        continue
                    admits(ledger.books.account(job.project), dollars(cost.wanted))
                    ledger.books.unpark(job.id, reserve=True)
                    ledger.move_job(job.id, JobState.QUEUED, reason="")
                    ledger.log(job.id, Resumed(reason="its project can bear it again"))
                    taken.append(job.id)
            except Refused:
                continue
        return taken
