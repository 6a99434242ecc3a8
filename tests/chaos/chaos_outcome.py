"""What was done to a farm and what became of its jobs, as values, and the table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

HEADINGS = (
    "fault", "times", "jobs under way", "lost", "done twice", "wrong pictures", "gaps",
    "stale leases", "odd rows", "median s", "worst s",
)  # fmt: skip
ZEROS = ("lost", "twice", "wrong", "gaps", "leases", "rows")
"""What there must be none of, as fields of an outcome."""


@dataclass(frozen=True)
class Outcome:
    """One fault, and what was found after it; each finding is a sentence.

    Args:
        under_way: jobs that had been accepted and had not ended when it struck.
        lost: accepted jobs that are gone or did not end in ``done``.
        twice: tasks with two attempts that were done, or jobs with two events that say so.
        wrong: jobs whose result is missing, or has other pixels than that of an undisturbed run.
        gaps: clients whose stream of events was not the job's whole log, once and in order.
        leases: leases that were left when all had ended, and ranks that outlived their work.
        rows: rows of the database that do not fit together.
        seconds: from the fault to the next progress that a client saw, for each job under way.
    """

    fault: str
    under_way: int = 0
    lost: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    leases: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()

    @property
    def findings(self) -> tuple[str, ...]:
        """All that should not be."""
        return tuple(said for name in ZEROS for said in getattr(self, name))


@dataclass
class Table:
    """The outcomes of a run, summed by kind of fault."""

    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Note one more."""
        self.outcomes.append(outcome)

    @property
    def findings(self) -> list[str]:
        """All that should not be, each with its fault."""
        return [f"{each.fault}: {said}" for each in self.outcomes for said in each.findings]

    def text(self) -> str:
        """A line for each kind of fault in the order of their first, and one for all."""
        kinds = dict.fromkeys(outcome.fault for outcome in self.outcomes)
        rows = [_row(kind, [each for each in self.outcomes if each.fault == kind]) for kind in kinds]
        return _aligned([HEADINGS, *rows, _row("all", self.outcomes)])


def _row(name: str, outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    numbers = [len(outcomes), sum(each.under_way for each in outcomes)]
    numbers += [sum(len(getattr(each, zero)) for each in outcomes) for zero in ZEROS]
    seconds = [second for each in outcomes for second in each.seconds]
    times = (f"{median(seconds):.1f}", f"{max(seconds):.1f}") if seconds else ("–", "–")
    return (name, *(str(number) for number in numbers), *times)


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need be; numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
