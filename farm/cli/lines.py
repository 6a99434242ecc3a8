"""Each event of a job as one line for a person."""

from __future__ import annotations

from farm.spec.event import (
    Adjusted,
    CancelledEvent,
    Checkpointed,
    Done,
    Event,
    Failed,
    Paused,
    Quarantined,
    Queued,
    Rendition,
    Resumed,
    Retrying,
    Routed,
    Started,
)
from farm.spec.words import duration, money


def line(event: Event) -> str | None:
    """What happened, in a few words; ``None`` for progress, which is drawn instead."""
    if isinstance(event, (Queued, Paused, Resumed, CancelledEvent)):
        return f"{event.kind}: {event.reason}" if event.reason else event.kind
    if isinstance(event, (Retrying, Failed, Quarantined)):
        return _ended(event)
    if isinstance(event, Adjusted):
        return f"adjusted ({event.cause}): {event.reason}"
    if isinstance(event, (Routed, Started, Checkpointed)):
        return _begun(event)
    if isinstance(event, Rendition):
        return _rendition(event)
    return _done(event) if isinstance(event, Done) else None


def _begun(event: Routed | Started | Checkpointed) -> str:
    if isinstance(event, Routed):
        chosen = event.decision.chosen
        return f"routed to {chosen.pool} ({chosen.accelerator}): {event.decision.reason}"
    if isinstance(event, Checkpointed):
        return f"checkpoint at scale {event.scale}, iteration {event.iteration}"
    with_what = " ".join(part for part in (event.extractor, event.precision) if part)
    with_what += f" on {event.devices} devices" if event.devices > 1 else ""
    where = f" of {event.node[:12]}" if event.node else ""
    with_what = f" with {with_what}" if with_what else ""
    return f"attempt {event.attempt} on {event.worker}{where}{with_what}"


def _rendition(event: Rendition) -> str:
    parts = [f"{event.fidelity} picture, {event.width}×{event.height}"]
    if event.seconds:
        parts.append(f"{event.seconds:.2f} s")
    if event.model:
        parts.append(event.model)
    return ", ".join(parts)


def _ended(event: Retrying | Failed | Quarantined) -> str:
    if isinstance(event, Quarantined):
        return f"task {event.task.rpartition('/')[2]} set aside ({event.cause}): {event.reason}"
    if isinstance(event, Failed):
        return f"failed ({event.cause}): {event.reason}"
    again = f"in {duration(event.delay)}" if event.delay else "at once"
    return f"attempt {event.attempt} ended ({event.cause}), again {again}: {event.reason}"


def _done(event: Done) -> str:
    made = ", ".join(part for part in (event.pool, event.extractor, event.precision) if part)
    stages = ", ".join(f"{stage.name} {stage.seconds:.1f} s" for stage in event.stages)
    quality = ", ".join(f"{name} {value:.4g}" for name, value in event.quality.items())
    parts = [f"done in {duration(event.seconds)} for {money(event.usd)}", made, stages, quality]
    return "; ".join(part for part in parts if part)
