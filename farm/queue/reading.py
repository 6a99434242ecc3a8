"""Looking at the queue; nothing here changes it."""

from __future__ import annotations

from farm.queue.facts import JobFilter
from farm.queue.records import AttemptRecord
from farm.queue.transactions import Transactions
from farm.spec.event import Event, parse_event
from farm.spec.record import JobRecord, Lease, TaskRecord
from farm.spec.state import JobState


class Reading(Transactions):
    """The questions a queue answers. An unknown job is ``NotFound`` everywhere."""

    def job(self, job_id: str) -> JobRecord:
        """A job.

        Raises:
            NotFound: there is none of that id.
        """
        with self._reading() as ledger:
            return ledger.job(job_id).record()

    def jobs(
        self,
        *,
        state: JobState | None = None,
        project: str | None = None,
        label: tuple[str, str] | None = None,
        beginning: str | None = None,
        limit: int = 50,
        before: str | None = None,
    ) -> list[JobRecord]:
        """Jobs, newest first, of a state, a project and a label's name and value where given.

        ``beginning`` is that of their ids, as people write it: without an index of its own.
        ``before`` is the id of the last one already seen.

        Raises:
            NotFound: ``before`` is no job.
        """
        with self._reading() as ledger:
            cursor = None if before is None else ledger.job(before)
            wanted = JobFilter(state, project, label, beginning)
            return [row.record() for row in ledger.rows.jobs(wanted, limit, cursor)]

    def tasks(self, job_id: str) -> list[TaskRecord]:
        """Tasks of a job, in the order they were given.

        Raises:
            NotFound: there is no such job.
        """
        with self._reading() as ledger:
            return [row.record() for row in ledger.rows.tasks(ledger.job(job_id).id)]

    def attempts(self, job_id: str) -> list[AttemptRecord]:
        """Attempts at a job's tasks, oldest first.

        Raises:
            NotFound: there is no such job.
        """
        with self._reading() as ledger:
            return ledger.rows.attempts(ledger.job(job_id).id)

    def events(self, job_id: str, after: int = 0, limit: int = 1000) -> list[Event]:
        """Events of a job with a ``seq`` over ``after``, in order, at most ``limit`` of them.

        Raises:
            NotFound: there is no such job.
        """
        with self._reading() as ledger:
            rows = ledger.rows.events(ledger.job(job_id).id, after, limit)
        return [parse_event(row.body) for row in rows]

    def expired(self) -> list[Lease]:
        """Leases that have run out and are held still, the oldest first."""
        with self._reading() as ledger:
            return [task.lease(spec) for task, spec in ledger.rows.leases(ledger.now, "")]

    def held(self, worker_prefix: str = "") -> list[Lease]:
        """Leases of workers with that prefix, by expiry."""
        with self._reading() as ledger:
            return [task.lease(spec) for task, spec in ledger.rows.leases(None, worker_prefix)]

    def version(self) -> int:
        """A number that grows with every event of any job, cheap to ask again and again."""
        with self._reading() as ledger:
            return ledger.rows.version()

    def counts(self) -> dict[str, int]:
        """Number of jobs by state, with a zero for states that no job is in."""
        with self._reading() as ledger:
            found = ledger.rows.counts()
        return {state.value: found.get(state, 0) for state in JobState}
