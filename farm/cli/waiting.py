"""Why a job does not go on, and the command that helps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from farm.spec import JobRecord, JobState, TaskRecord, TaskState
from farm.spec.event import Event, Quarantined
from farm.spec.farm import Project
from farm.spec.words import duration

NAMED = 3
"""Tasks that a sentence names before it counts the others."""


def waits(
    job: JobRecord,
    tasks: Sequence[TaskRecord],
    prerequisites: Mapping[str, JobRecord | None],
    project: Project | None,
    events: Iterable[Event],
    now: float,
    note: str = "",
) -> list[str]:
    """A sentence for each thing that keeps the job from going on; none where all is well.

    Args:
        prerequisites: the jobs that it comes after, None where there is no such job.
        project: its own; None where the farm knows nothing of it.
        events: its log.
        now: seconds since the epoch.
        note: why the dispatcher hands out nothing at all, if it does not.
    """
    if job.state.final:
        return _ended(job, tasks, events)
    found = [*_asked(job), *_jobs(prerequisites), *_siblings(tasks)]
    if job.state is JobState.PAUSED:
        return found
    ready = [task for task in tasks if task.state is TaskState.READY]
    delayed = [task for task in ready if task.not_before > now]
    found += [
        f"task {task.name} is tried again in {duration(task.not_before - now)}."
        for task in delayed[:NAMED]
    ]
    if len(ready) > len(delayed) and not found:
        found.append(_turn(project, note))
    return found


def _ended(job: JobRecord, tasks: Sequence[TaskRecord], events: Iterable[Event]) -> list[str]:
    kept = {event.task: event for event in events if isinstance(event, Quarantined)}
    aside = [task for task in tasks if task.state is TaskState.QUARANTINED]
    found = []
    for task in aside:
        event = kept.get(task.id)
        why = f" ({event.cause}): {event.reason.rstrip('.')}" if event else ""
        evidence = [f"{e.name} (sha256:{e.blob[:12]}…)" for e in event.evidence] if event else []
        seen = f" Evidence, which 'farm fetch {job.id} -o DIR' brings: {', '.join(evidence)}."
        found.append(
            f"task {task.name} was set aside{why}; 'farm retry {job.id} --tasks {task.name}' tries it "
            f"again.{seen if evidence else ''}"
        )
    if not aside and job.state is not JobState.DONE:
        found.append(f"it was {_past(job.state)}; 'farm retry {job.id}' puts it back into the queue.")
    return found


def _past(state: JobState) -> str:
    return "cancelled" if state is JobState.CANCELLED else "given up"


def _asked(job: JobRecord) -> list[str]:
    if job.cancel_requested:
        return [
            "it is being cancelled: its worker stops after this iteration; "
            f"'farm cancel {job.id} --now' does not wait for it."
        ]
    if job.state is JobState.PAUSED and job.reason:
        return [f"it was put aside: {job.reason}"]
    if job.state is JobState.PAUSED:
        return [f"it is paused; 'farm resume {job.id}' lets it go on."]
    if job.pause_requested:
        return [
            f"it is being paused: its worker keeps its state first; 'farm resume {job.id}' undoes it."
        ]
    return []


def _jobs(prerequisites: Mapping[str, JobRecord | None]) -> list[str]:
    found = []
    for name, job in prerequisites.items():
        if job is None:
            found.append(f"it comes after job {name}, which is not there; submit that one.")
        elif job.state in (JobState.FAILED, JobState.CANCELLED):
            found.append(
                f"it comes after job {name}, which is {job.state}; 'farm retry {name}' puts that back."
            )
        elif job.state is JobState.PAUSED:
            found.append(f"it comes after job {name}, which is paused; 'farm resume {name}' helps.")
        elif job.state is not JobState.DONE:
            found.append(f"it comes after job {name}, which is {job.state}.")
    return found


def _siblings(tasks: Sequence[TaskRecord]) -> list[str]:
    states = {task.name: task.state for task in tasks}
    waiting = [task for task in tasks if task.state is TaskState.WAITING and task.after]
    found = []
    for task in waiting[:NAMED]:
        missing = [name for name in task.after if states.get(name) is not TaskState.DONE]
        named = ", ".join(f"{name} ({states.get(name, 'unknown')})" for name in missing[:NAMED])
        if missing:
            found.append(f"task {task.name} comes after {named}.")
    if len(waiting) > NAMED:
        found.append(f"{len(waiting) - NAMED} more tasks come after others.")
    return found


def _turn(project: Project | None, note: str) -> str:
    if project and project.max_running is not None and project.running >= project.max_running:
        return (
            f"project {project.name} runs {project.running} tasks and may run {project.max_running} at "
            f"a time; 'farm project set {project.name} --max-running …' changes that."
        )
    if note:
        return note
    return "it waits for its turn: for a free worker, after projects with less running per weight."
