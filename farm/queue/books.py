"""The money of one open transaction: reserved, spent and given back with the events it belongs to.

A job's own rows are written under the lock on the job. What it adds to its project, to the days of
spending and to what was seen of pools is kept back and written last, in the order of the keys.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from farm.queue.facts import JobRow, TaskRow, label_key, labels
from farm.queue.money import day_of, first_day, micros
from farm.queue.money_facts import CapRow, CostRow, RunRow
from farm.queue.rows import Rows
from farm.spec.cost import FEATURE, Account, Pace, Quoted
from farm.spec.routing import Decision

PREEMPTED = "preempted"
"""The cause of an end that counts as capacity taken away."""


@dataclass(frozen=True)
class Offer:
    """What a job was quoted, and the rule that says whether its project can bear it.

    ``admits`` is asked inside the transaction that would accept the job, when nobody else can spend
    what it looks at; it raises ``Refused`` where the project cannot.
    """

    quoted: Quoted
    admits: Callable[[Account, float], None]


class Books:
    """Rows of money of one transaction at one instant."""

    def __init__(self, rows: Rows, now: float) -> None:
        self._rows = rows
        self._now = now
        self._costs: dict[str, CostRow] = {}
        self._found: dict[str, CostRow] = {}
        self._runs: dict[int, RunRow] = {}
        self._spent: dict[tuple[str, int], int] = defaultdict(int)
        self._seen: dict[tuple[str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))

    def flush(self) -> None:
        """Write what was kept back."""
        for run in self._runs.values():
            self._rows.save_run(run)
        for job_id, row in self._costs.items():
            if row != self._found.get(job_id):
                self._rows.save_cost(row)
        for project, amount in sorted(self._promised().items()):
            if amount:
                self._rows.shift_reserved(project, amount)
        for (project, day), amount in sorted(self._spent.items()):
            self._rows.spend(project, day, amount)
        for (pool, day), (hours, preemptions) in sorted(self._seen.items()):
            self._rows.expose(pool, day, hours, preemptions)

    def account(self, project: str) -> Account:
        """What a project may spend, has spent in this period and has promised, up to this moment."""
        row = self._rows.cap(project) or CapRow(project)
        row = replace(row, reserved=row.reserved + self._promised()[project])
        days = self._rows.spending(first_day(row.period, self._now), project)
        today = self._spent.get((project, day_of(self._now)), 0)
        return row.account(today + sum(amount for _, _, amount in days))

    def cost(self, job_id: str) -> CostRow | None:
        """A job's quote and cost; None where it neither had a quote nor ran."""
        if job_id not in self._costs:
            row = self._rows.cost(job_id)
            if row is None:
                return None
            self._costs[job_id] = self._found[job_id] = row
        return self._costs[job_id]

    def accept(self, job: JobRow, offer: Offer) -> None:
        """Reserve for a new job what nine of ten like it stay under.

        Raises:
            Refused: its project cannot bear it.
        """
        offer.admits(self.account(job.project), offer.quoted.p90_usd)
        self._costs[job.id] = blank(job).with_quote(offer.quoted)

    def begin(self, job: JobRow, task: TaskRow, decision: Decision) -> None:
        """Note what a leased task's attempt runs on, from now on and at its price."""
        assert task.token is not None
        chosen, cost = decision.chosen, self.cost(job.id)
        if cost is None:
            self._costs[job.id] = cost = blank(job)
        hourly = chosen.usd_per_hour
        if hourly is None:
            hourly = 3600 * chosen.p50_usd / chosen.p50_seconds if chosen.p50_seconds else 0.0
        spec = json.loads(job.spec)
        run = RunRow(
            task.token, job.id, task.id, task.attempt, job.project, cost.feature, chosen.pool,
            chosen.accelerator, chosen.market, chosen.devices, spec["quality"]["extractor"],
            chosen.p50_seconds, chosen.p90_seconds, chosen.p50_usd, chosen.p90_usd, hourly,
            self._now, day_of(self._now), self._now,
        )  # fmt: skip
        known = self._run(task.token)
        if known is not None:
            # The same attempt on another way: what it has taken stays taken.
            run = replace(run, seconds=known.seconds, booked=known.booked, spent=known.spent)
        self._runs[run.token] = run

    def count(self, task: TaskRow, pace: Pace | None = None) -> RunRow | None:
        """Charge what a leased task's attempt has taken up to now; None where it was not routed.

        Its lease is the most that it can have run: processes that hear of no longer one end themselves.
        """
        assert task.token is not None
        found = self._run(task.token)
        if found is None:
            return None
        expiry = self._now if task.lease_expires_at is None else task.lease_expires_at
        run = found.counted(self._now, max(0.0, expiry - found.counted_at)).paced(pace)
        run = self._runs[run.token] = replace(run, booked=run.seconds)
        self._charge(found, run)
        return run

    def end(self, task: TaskRow, cause: str, *, done: bool) -> None:
        """Settle a leased task's attempt, whatever ended it."""
        run = self.count(task)
        if run is None:
            return
        hours, preemptions = self._seen[run.pool, run.day]
        # A gang lies on one machine, which goes as a whole: its hours are those of one place.
        hours += run.seconds / 3600
        self._seen[run.pool, run.day] = (hours, preemptions + (cause == PREEMPTED))
        if done:
            cost = self._costs[run.job]
            self._costs[run.job] = replace(cost, final=run.token)

    def close(self, job_id: str) -> None:
        """Give back what an ended job holds of its project's cap."""
        cost = self.cost(job_id)
        if cost is not None:
            self._costs[job_id] = replace(cost, reserved=0, parked="", wanted=0)

    def hold(self, job: JobRow, more_usd: float) -> None:
        """Reserve so much more for a job."""
        if more_usd > 0:
            cost = self.cost(job.id) or blank(job)
            self._costs[job.id] = replace(cost, reserved=cost.reserved + micros(more_usd))

    def park(self, job: JobRow, reason: str, wanted_usd: float) -> None:
        """Note that a job is put aside, and what it would have to reserve to go on."""
        cost = self.cost(job.id) or blank(job)
        self._costs[job.id] = replace(cost, parked=reason, wanted=micros(wanted_usd))

    def unpark(self, job_id: str, *, reserve: bool) -> None:
        """A parked job goes on, with what it wanted reserved or without."""
        cost = self.cost(job_id)
        if cost is not None and cost.parked:
            held = max(cost.reserved, cost.wanted) if reserve else cost.reserved
            self._costs[job_id] = replace(cost, parked="", wanted=0, reserved=held)

    def _promised(self) -> dict[str, int]:
        """What this transaction adds to the reservations of projects, by their names."""
        added: dict[str, int] = defaultdict(int)
        for job_id, row in self._costs.items():
            found = self._found.get(job_id)
            added[row.project] += row.reserved - (found.reserved if found else 0)
        return added

    def _run(self, token: int) -> RunRow | None:
        return self._runs.get(token) or self._rows.run(token)

    def _charge(self, found: RunRow, run: RunRow) -> None:
        """Add to the job's cost, and to its project's spending, what a run has taken since it was."""
        cost = self.cost(run.job)
        assert cost is not None
        spent = run.spent - found.spent
        self._costs[run.job] = cost.charged(spent, run.seconds - found.booked)
        if spent:
            self._spent[run.project, day_of(self._now)] += spent


def blank(job: JobRow) -> CostRow:
    """The cost of a job that has neither a quote nor run."""
    feature = labels(job).get(FEATURE) or str(json.loads(job.spec)["kind"])
    return CostRow(job.id, job.project, label_key(feature))
