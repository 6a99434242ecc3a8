"""A job being watched: a bar for each scale of the pyramid, a line for everything else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, Task, TaskID, TextColumn
from rich.text import Text

from farm.cli.lines import line
from farm.cli.out import emit
from farm.errors import Unreachable
from farm.spec.event import FINAL_KINDS, Event
from farm.spec.event import Progress as Progressed
from farm.spec.words import duration

DONE, UNFINISHED = 0, 1


class View:
    """Draws events on a console as they come. Use it as a context, so that the bars are closed.

    Bars need a terminal; elsewhere only the lines are written.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._scales: dict[int, TaskID] = {}
        self._first: Progressed | None = None

    def __enter__(self) -> View:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def show(self, event: Event) -> None:
        """Draw one event."""
        if isinstance(event, Progressed):
            self._advance(event)
        text = line(event)
        if text is not None:
            self._console.print(Text(text), soft_wrap=True)

    def bars(self) -> list[Task]:
        """The bars that are drawn, in the order of the scales."""
        return self._bars.tasks

    def _advance(self, event: Progressed) -> None:
        if self._first is None or event.attempt != self._first.attempt:
            self._begin(event)
        if event.scale not in self._scales:
            name = f"scale {event.scale}/{event.scales}  {event.width}×{event.height}"
            self._scales[event.scale] = self._bars.add_task(name, total=event.iterations, note="")
        for scale, bar in self._scales.items():
            if scale < event.scale:
                self._bars.update(bar, completed=self._total(bar), note="")
        note = f"loss {event.loss:.4g}  {event.share:.0%}{self._left(event)}"
        self._bars.update(self._scales[event.scale], completed=event.iteration, note=note)

    def _begin(self, event: Progressed) -> None:
        """Start the bars anew: an attempt goes on at its checkpoint, not where the last one was."""
        for bar in self._scales.values():
            self._bars.remove_task(bar)
        self._scales.clear()
        self._first = event

    def _total(self, bar: TaskID) -> float:
        return next(task.total or 0.0 for task in self.bars() if task.id == bar)

    def _left(self, event: Progressed) -> str:
        seconds = remaining(self._first, event)
        return "" if seconds is None else f"  {duration(seconds)} left"


def remaining(first: Progressed | None, last: Progressed) -> float | None:
    """Seconds to go at the pace between two reports of one attempt; ``None`` while it is unknown."""
    if first is None or last.share <= first.share or last.at <= first.at:
        return None
    pace = (last.share - first.share) / (last.at - first.at)
    return (1 - last.share) / pace


def watch(events: Iterable[Event], console: Console) -> int:
    """Draw ``events`` to their end; returns the exit code, 0 if the job is done.

    Raises:
        Unreachable: the events ended before the job did.
    """
    with View(console) as view:
        return _follow(events, view.show)


def watch_json(events: Iterable[Event]) -> int:
    """Write ``events`` as JSON lines to stdout; returns the exit code, 0 if the job is done.

    Raises:
        Unreachable: the events ended before the job did.
    """
    return _follow(events, emit)


def _follow(events: Iterable[Event], show: Callable[[Event], None]) -> int:
    """The last end counts: a job that was retried has ended before and goes on in the same log."""
    code: int | None = None
    for event in events:
        show(event)
        if event.kind in FINAL_KINDS:
            code = DONE if event.kind == "done" else UNFINISHED
        elif event.kind == "queued":
            code = None
    if code is None:
        raise Unreachable("the farm's events ended before the job did; run 'farm watch' again.")
    return code
