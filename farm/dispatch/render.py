"""Rendering one task: from its job to pictures in the store, as a generator of the job's events.

Runs wherever there is a device: in the ranks of a print gang, or in the process of ``farm render``. It
writes pixels to the store and yields events; whoever consumes them decides what they are worth. With
several ranks each runs this generator over its rows; all take the same turns, and rank 0 yields.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from farm.dispatch.ports import Stop
from farm.dispatch.report import Report
from farm.dispatch.setup import Setup, iterates, set_up
from farm.dispatch.workplace import Order, Stopwatch, Workplace
from farm.engine.evaluation import LEAST_TILE, is_out_of_memory
from farm.engine.guard import Diverged
from farm.engine.manifest import Header
from farm.engine.memory import keep_pages
from farm.engine.optimise import Iterate, Resume
from farm.engine.resume import go_on
from farm.errors import InvalidInput, NotFound, Unstable
from farm.spec.event import Adjusted, Event, Started

log = logging.getLogger(__name__)

MOST_CALMED = 4
"""Times that the step is halved before a run is given up."""
_NOTHING, _CHECKPOINT, _PAUSE, _CANCEL = range(4)


def never() -> Stop | None:
    """Nobody interrupts."""
    return None


def render(
    order: Order, place: Workplace, interrupt: Callable[[], Stop | None] = never
) -> Iterator[Event]:
    """Run a print task to its end, or to the first iteration at which ``interrupt`` answers.

    Yields ``Started``, ``Progress``, a ``Rendition`` per scale, ``Checkpointed``, ``Adjusted`` where
    the run had to be changed, the final ``Rendition`` and ``Done``. Interrupted, it ends without
    ``Done``, after a checkpoint if paused or moved. Only rank 0's ``interrupt`` is asked.
    """
    keep_pages()
    watch = Stopwatch()
    kind = _kept(order, place)
    setup = set_up(order, place, kind.precision if kind else None)
    watch.lap("set up")
    if place.leads:
        log.info("plan: %s", setup.plan, extra={"task": order.task})
        yield Started(
            task=order.task, attempt=order.attempt, worker=order.worker,
            extractor=order.job.quality.extractor, precision=setup.precision.name,
            devices=place.mesh.size,
        )  # fmt: skip
    report = Report(order, place, setup, watch)
    course = _Course(order, place, setup, report)
    while True:
        try:
            yield from course.run(interrupt)
            return
        except Diverged as error:
            change = course.calm(error)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or place.mesh.size > 1:
                raise
            change = course.shrink(error)
        if place.leads:
            yield change


@dataclass
class _Course:
    """A run that may have to begin again from its last checkpoint, with other settings."""

    order: Order
    place: Workplace
    setup: Setup
    report: Report
    calmed: int = 0
    tile: int | None = None
    seen: int | None = None

    def run(self, interrupt: Callable[[], Stop | None]) -> Iterator[Event]:
        """From the last checkpoint to the end, or to an interruption."""
        resume = _resume(self.report.name, self.place)
        last: Iterate | None = None
        self.seen = self.setup.evaluator(self.tile).tile
        for last in iterates(self.setup, self.place, resume, self.tile, self.calmed):
            if last.tile != self.seen:
                yield from self._told(last)
            yield from self.report.events(last)
            wish = self._agreed(last, interrupt)
            if wish in (_CHECKPOINT, _PAUSE):
                yield from self.report.checkpoint(last)
                # What was changed is part of the state from here on.
                self.calmed = 0
            if wish in (_PAUSE, _CANCEL):
                return
        assert last is not None, "a pyramid has at least one iteration"
        last.guard.look(last.iteration)
        yield from self.report.finished(last)

    def calm(self, error: Diverged) -> Adjusted:
        """Go on with half the step.

        Raises:
            Unstable: it was halved often enough.
        """
        self.calmed += 1
        if self.calmed > MOST_CALMED:
            raise Unstable(
                f"engine: {error} and halving the step {MOST_CALMED} times did not help; retry the job "
                "with engine.precision 'float32'."
            )
        return self._adjusted("diverged", f"{error}; going on with half the step", error.scale)

    def shrink(self, error: BaseException) -> Adjusted:
        """Go on with half the tile.

        Raises:
            MemoryError: it cannot be halved any more.
        """
        width, height = self.setup.size
        tile = (self.seen or max(width, height)) // 2
        if tile < LEAST_TILE:
            raise MemoryError("out of memory even with the smallest tiles") from error
        self.tile = self.seen = tile
        if self.place.device.type == "cuda":
            torch.cuda.empty_cache()
        return self._adjusted("out_of_memory", f"going on with tiles of {tile} pixels")

    def _told(self, iterate: Iterate) -> Iterator[Adjusted]:
        self.tile = self.seen = iterate.tile
        if self.place.leads:
            reason = f"going on with tiles of {iterate.tile} pixels"
            yield self._adjusted("out_of_memory", reason, iterate.scale)

    def _adjusted(self, cause: str, reason: str, scale: int = 0) -> Adjusted:
        log.warning("%s: %s", cause, reason, extra={"task": self.order.task})
        order = self.order
        return Adjusted(task=order.task, attempt=order.attempt, cause=cause, reason=reason, scale=scale)

    def _agreed(self, iterate: Iterate, interrupt: Callable[[], Stop | None]) -> int:
        """What rank 0 wants done after this iterate, known to all ranks."""
        wish = _NOTHING
        if self.place.leads and not iterate.is_last:
            asked = interrupt()
            if asked:
                wish = _CANCEL if asked == "cancel" else _PAUSE
            elif self.report.due(iterate):
                wish = _CHECKPOINT
        if self.place.mesh.size == 1:
            return wish
        word = torch.tensor(float(wish), device=self.place.device)
        return int(self.place.mesh.add([word])[0].item())


def _kept(order: Order, place: Workplace) -> Header | None:
    """What the attempt before left, if it can be read."""
    found = _resumable(order.checkpoint, place)
    return found[1] if found else None


def _resume(name: str | None, place: Workplace) -> Resume | None:
    found = _resumable(name, place)
    return found[0] if found else None


def _resumable(name: str | None, place: Workplace) -> tuple[Resume, Header] | None:
    """Where a checkpoint goes on; None, to start over, where it is of no use."""
    if name is None:
        return None
    try:
        return go_on(place.store.get, name, place.device)
    except (NotFound, InvalidInput):
        log.warning("checkpoint of no use; starting over", extra={"checkpoint": name})
        return None
