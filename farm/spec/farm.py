"""What a farm says of itself to those who run it: processes, projects, nodes, and attempts at tasks."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from farm.spec.base import Value
from farm.spec.cost import Period


class _View(Value):
    """A reader of an older version passes over what a newer farm adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Process(_View):
    """One process of the farm."""

    role: str = Field(description="gateway, previews, dispatcher, rank, watcher; 'ray' for Ray's own.")
    node: str = Field(default="", description="The machine it runs on, by Ray's id.")
    pid: int
    task: str = Field(default="", description="What it works on.")
    name: str = ""
    state: str = ""
    memory_mb: int | None = Field(
        default=None, description="Unshared memory; null where it cannot be seen from the gateway."
    )


class Dispatcher(_View):
    """The process that hands out tasks."""

    version: str = Field(description="Of the farm's code that it runs.")
    pid: int
    running: int = Field(description="Tasks that it looks after now.")
    since: float | None = Field(default=None, description="When it started; epoch seconds, UTC.")
    note: str = Field(default="", description="Why it claims nothing, where it does not.")


class Project(_View):
    """A project's share of the farm and what it uses of it."""

    name: str
    weight: float = Field(description="A project of weight 2 runs twice as much as one of weight 1.")
    max_running: int | None = Field(description="Most tasks at a time; null: no limit.")
    running: int = Field(default=0, description="Tasks that run now.")
    ready: int = Field(default=0, description="Tasks that could run.")
    cap_usd: float | None = Field(default=None, description="Most to spend in a period; null: no cap.")
    period: Period = Field(default="month", description="That its cap is for, in UTC.")
    spent_usd: float = Field(default=0.0, description="In the current period.")
    reserved_usd: float = Field(default=0.0, description="Promised to its open jobs, not spent yet.")


class Node(_View):
    """A machine as the queue knows it: by how attempts at tasks ended there."""

    name: str
    failed_tasks: int = Field(default=0, description="Different tasks that failed since one was done.")
    out: bool = Field(default=False, description="Whether it is given no more tasks.")
    reason: str = ""
    since: float | None = Field(default=None, description="When it was taken out; epoch seconds, UTC.")


class Attempt(_View):
    """One attempt at a task, from its claim to its end."""

    task: str
    attempt: int
    worker: str
    node: str = ""
    started: float = Field(description="Epoch seconds, UTC.")
    ended: float | None = None
    outcome: str | None = Field(default=None, description="null: it runs.")
    cause: str = ""
    reason: str = ""


class FarmView(_View):
    """A whole farm at a moment."""

    version: str = Field(description="Of the gateway's code.")
    dispatcher: Dispatcher | None = Field(description="null where it does not answer.")
    jobs: dict[str, int] = Field(description="Number of jobs by state.")
    projects: tuple[Project, ...] = ()
    nodes: tuple[Node, ...] = ()
    processes: tuple[Process, ...] = ()
    problems: tuple[str, ...] = Field(default=(), description="What could not be found out, and why.")
