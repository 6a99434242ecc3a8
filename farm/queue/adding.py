"""Accepting jobs: each once, with its tasks and what they come after."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from farm.errors import Conflict, InvalidInput
from farm.queue.books import Offer
from farm.queue.facts import EventRow, JobRow, TaskRow, canonical
from farm.queue.ledger import Ledger
from farm.queue.transactions import Transactions
from farm.spec.event import Queued
from farm.spec.job import NAME, Job
from farm.spec.record import JobRecord, TaskSpec
from farm.spec.state import JobState, TaskState

Order = tuple[str, Job, Sequence[str | TaskSpec]]
"""A job's id, its spec and its tasks."""

NO_OFFERS: Mapping[str, Offer] = MappingProxyType({})


class Adding(Transactions):
    """How jobs come into the queue."""

    def add(
        self, job_id: str, spec: Job, *, tasks: Sequence[str | TaskSpec] = ("print",),
        offer: Offer | None = None,
    ) -> tuple[JobRecord, bool]:  # fmt: skip
        """Accept a job; returns it and whether it is new. Task ids are ``job_id/name``.

        With an offer, what nine of ten like it stay under is reserved for it.

        Raises:
            InvalidInput: the id, a task or what they come after is not valid.
            Conflict: the id is another spec's.
            Refused: its project cannot bear it.
        """
        offers = {} if offer is None else {job_id: offer}
        return self.add_many([(job_id, spec, tasks)], offers)[0]

    def add_many(
        self, orders: Sequence[Order], offers: Mapping[str, Offer] = NO_OFFERS
    ) -> list[tuple[JobRecord, bool]]:
        """Accept several jobs, or none of them; they may come after each other.

        Raises:
            InvalidInput: an id, a task or what they come after is not valid.
            Conflict: an id is another spec's.
            Refused: a project cannot bear what is offered for its jobs, by id.
        """
        wanted = {order[0]: _planned(*order) for order in orders}
        _refuse_twins(orders)
        _refuse_job_cycles(orders)
        with self._writing("add") as ledger:
            needs = {job_id: orders[at][1].after for at, job_id in enumerate(o[0] for o in orders)}
            new = _insert(ledger, wanted, needs)
            if offers:
                _reserve(ledger, new, offers)
            return [(_accepted(ledger, order, new).record(), order[0] in new) for order in orders]


def _planned(job_id: str, spec: Job, tasks: Sequence[str | TaskSpec]) -> tuple[Job, list[TaskRow]]:
    """A job's tasks as rows, the first ones ready and the others waiting."""
    named = [TaskSpec(name=task) if isinstance(task, str) else task for task in tasks]
    _check_names(job_id, [task.name for task in named])
    _refuse_task_cycles(named)
    rows = []
    for position, task in enumerate(named):
        after = tuple(dict.fromkeys(task.after))
        state = TaskState.WAITING if after else TaskState.READY
        row = TaskRow(
            f"{job_id}/{task.name}", job_id, position, state, after=" ".join(after), unmet=len(after)
        )
        rows.append(row)
    return spec, rows


def _insert(
    ledger: Ledger, wanted: dict[str, tuple[Job, list[TaskRow]]], needs: dict[str, tuple[str, ...]]
) -> set[str]:
    """Insert what is new, in the order of ids so that two who add the same cannot block each other."""
    unmet = _unmet(ledger, needs)
    jobs = {}
    for job_id in sorted(wanted):
        spec, tasks = wanted[job_id]
        if unmet[job_id]:
            waiting = Counter({TaskState.WAITING: len(tasks)})
        else:
            waiting = Counter(task.state for task in tasks)
        jobs[job_id] = JobRow(
            job_id, canonical(spec), JobState.QUEUED, spec.project, spec.priority, ledger.now,
            ledger.now, seq=1, unmet=unmet[job_id],
            waiting=waiting[TaskState.WAITING], ready=waiting[TaskState.READY],
        ).derived()  # fmt: skip
    new = ledger.rows.add_jobs(list(jobs.values()))
    fresh = [jobs[job_id] for job_id in jobs if job_id in new]
    ledger.rows.add_tasks([task for row in fresh for task in _blocked(wanted[row.id][1], row)])
    ledger.rows.add_needs((row.id, need) for row in fresh for need in dict.fromkeys(needs[row.id]))
    ledger.rows.add_events([_queued(row) for row in fresh])
    for row in fresh:
        ledger.note_new(row)
    return new


def _reserve(ledger: Ledger, new: Collection[str], offers: Mapping[str, Offer]) -> None:
    """Reserve for new jobs what was offered.

    Projects are locked by name, those without an offer too: the count of their tasks comes after.
    """
    jobs = sorted((ledger.job(job_id) for job_id in new), key=lambda row: (row.project, row.id))
    for row in jobs:
        ledger.rows.cap(row.project)
        if row.id in offers:
            ledger.books.accept(row, offers[row.id])


def _blocked(tasks: list[TaskRow], job: JobRow) -> list[TaskRow]:
    if not job.unmet:
        return tasks
    return [TaskRow(t.id, t.job, t.position, TaskState.WAITING, t.after, t.unmet) for t in tasks]


def _queued(row: JobRow) -> EventRow:
    event = Queued(job=row.id, seq=1, at=row.created_at)
    return EventRow(row.id, 1, row.created_at, event.kind, event.model_dump_json())


def _unmet(ledger: Ledger, needs: dict[str, tuple[str, ...]]) -> dict[str, int]:
    """How many of the jobs that each comes after are not done.

    Raises:
        InvalidInput: one of them is unknown.
    """
    asked = {need for after in needs.values() for need in after}
    if not asked:
        return dict.fromkeys(needs, 0)
    ledger.rows.guard_needs(adding=True)
    states = ledger.rows.states(asked)
    for job_id, after in needs.items():
        for need in after:
            if need not in states and need not in needs:
                raise InvalidInput(
                    f"after: job {job_id!r} comes after {need!r}, which is no job; "
                    "submit that one first, or both together.",
                    field="after",
                )
    done = {job_id for job_id, state in states.items() if state is JobState.DONE}
    return {job_id: len(set(after) - done) for job_id, after in needs.items()}


def _accepted(ledger: Ledger, order: Order, new: set[str]) -> JobRow:
    """The job of an order as it is in the queue now."""
    row = ledger.job(order[0])
    if order[0] in new or row.spec == canonical(order[1]) or row.record().spec == order[1]:
        return row
    raise Conflict(
        f"job: {order[0]!r} was used before for another spec; choose another id.", field="job"
    )


def _refuse_twins(orders: Sequence[Order]) -> None:
    for job_id, number in Counter(order[0] for order in orders).items():
        if number > 1:
            raise InvalidInput(
                f"id: {job_id!r} is given {number} times; give each id once.", field="id"
            )


def _refuse_job_cycles(orders: Sequence[Order]) -> None:
    _refuse_cycles("job", {job_id: spec.after for job_id, spec, _ in orders}, "after")


def _refuse_task_cycles(tasks: Sequence[TaskSpec]) -> None:
    names = {task.name for task in tasks}
    for task in tasks:
        for need in task.after:
            if need not in names:
                raise InvalidInput(
                    f"tasks: task {task.name!r} comes after {need!r}, which is no task of the job; "
                    "correct the name.",
                    field="tasks",
                )
    _refuse_cycles("task", {task.name: task.after for task in tasks}, "tasks")


def _refuse_cycles(noun: str, graph: dict[str, tuple[str, ...]], field: str) -> None:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        # graphlib walks from a prerequisite to what needs it, and its list ends where it began.
        circle = " after ".join(repr(name) for name in reversed(error.args[1]))
        raise InvalidInput(
            f"{field}: {noun} {circle} is a circle; leave one of them out.", field=field
        ) from None


def _check_names(job_id: str, tasks: Sequence[str]) -> None:
    for field, name in [("id", job_id), *(("tasks", name) for name in tasks)]:
        if not re.fullmatch(NAME.removesuffix("$"), name):
            raise InvalidInput(
                f"{field}: {name!r} is not valid; use 1-64 letters, digits, '.', '_' or '-', "
                "beginning with a letter or digit.",
                field=field,
            )
    if not tasks or len(set(tasks)) != len(tasks):
        raise InvalidInput(
            f"tasks: {list(tasks)!r} is not valid; give at least one, each once.", field="tasks"
        )
