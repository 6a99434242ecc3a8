"""What can happen to a job. The log of these, by sequence number, is what every reader follows."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter

from farm.spec.base import Value
from farm.spec.routing import Decision


class _Event(Value):
    """Fields of every event. ``seq`` counts from 1 without a gap within its job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    job: str = ""
    seq: int = 0
    at: float = Field(default=0.0, description="Seconds since the epoch, UTC.")


class Artefact(Value):
    """A file that the job made."""

    name: str
    blob: str = Field(description="sha256 of its bytes, in hex.")
    media_type: str
    bytes: int


class Queued(_Event):
    """Accepted, or put back into the queue by a retry or a resume."""

    kind: Literal["queued"] = "queued"
    reason: str = ""


class Routed(_Event):
    """A pool was chosen for a task."""

    kind: Literal["routed"] = "routed"
    task: str
    decision: Decision


class Started(_Event):
    """A worker began an attempt at a task."""

    kind: Literal["started"] = "started"
    task: str
    attempt: int
    worker: str
    extractor: str = ""
    precision: str = ""
    devices: int = 1
    node: str = Field(default="", description="Where it runs: a Ray node's id or a host's name.")


class Adjusted(_Event):
    """The engine had to change its settings and went on; nothing that was kept is lost."""

    kind: Literal["adjusted"] = "adjusted"
    task: str
    attempt: int
    cause: Literal["diverged", "out_of_memory"]
    reason: str
    scale: int = 0


class Progress(_Event):
    """How far an attempt has come; written at most about once a second."""

    kind: Literal["progress"] = "progress"
    task: str
    attempt: int
    scale: int = Field(description="Index of the pyramid scale, from 1.")
    scales: int
    width: int
    height: int
    iteration: int
    iterations: int
    loss: float
    share: float = Field(description="Of the job's whole work, 0 to 1.")


class Rendition(_Event):
    """A picture that can be looked at now; better ones follow until fidelity is ``final``."""

    kind: Literal["rendition"] = "rendition"
    fidelity: Literal["preview", "scale", "final"]
    width: int
    height: int
    picture: Artefact
    model: str = ""
    seconds: float = 0.0
    task: str = ""
    degraded: str = ""
    """How a preview made under load differs from what it would be otherwise; empty: not at all."""


class Checkpointed(_Event):
    """A state was kept from which another worker can go on."""

    kind: Literal["checkpointed"] = "checkpointed"
    task: str
    attempt: int
    blob: str
    scale: int
    iteration: int


class Retrying(_Event):
    """An attempt ended without a result and the task waits for the next one."""

    kind: Literal["retrying"] = "retrying"
    task: str
    attempt: int
    cause: str
    reason: str
    delay: float = 0.0


class Stage(Value):
    """Seconds that one stage of the work took."""

    name: str
    seconds: float


class Done(_Event):
    """Finished."""

    kind: Literal["done"] = "done"
    artefacts: tuple[Artefact, ...] = ()
    usd: float = 0.0
    seconds: float = 0.0
    pool: str = ""
    extractor: str = ""
    precision: str = ""
    stages: tuple[Stage, ...] = ()
    quality: dict[str, float] = Field(default_factory=dict)


class Quarantined(_Event):
    """A task was set aside with its evidence: trying it again would fail again. ``failed`` follows."""

    kind: Literal["quarantined"] = "quarantined"
    task: str
    attempt: int
    cause: str
    reason: str
    evidence: tuple[Artefact, ...] = ()


class Failed(_Event):
    """Ended without a result; ``reason`` says what to do."""

    kind: Literal["failed"] = "failed"
    cause: str
    reason: str


class CancelledEvent(_Event):
    """Stopped on request."""

    kind: Literal["cancelled"] = "cancelled"
    reason: str = ""


class Paused(_Event):
    """Held back on request until resumed."""

    kind: Literal["paused"] = "paused"
    reason: str = ""


class Resumed(_Event):
    """Released after a pause."""

    kind: Literal["resumed"] = "resumed"
    reason: str = ""


Event = Annotated[
    Queued | Routed | Started | Adjusted | Progress | Rendition | Checkpointed | Retrying | Quarantined
    | Done | Failed | CancelledEvent | Paused | Resumed,
    Field(discriminator="kind"),
]  # fmt: skip
_EVENT: TypeAdapter[Any] = TypeAdapter(Event)

FINAL_KINDS = frozenset({"done", "failed", "cancelled"})
"""Kinds after which a stream of a job's events may end."""


def parse_event(data: dict[str, Any] | str | bytes) -> Event:
    """An event from its JSON."""
    if isinstance(data, (str, bytes)):
        return _EVENT.validate_json(data)  # type: ignore[no-any-return]
    return _EVENT.validate_python(data)  # type: ignore[no-any-return]
