"""When a job on spot capacity must change to on-demand: Uniform Progress.

Wu et al., "Can't Be Late: Optimizing Spot Instance Savings under Deadlines", NSDI 2024. Nothing needs
to be known of how long spot capacity lasts. Work shall be done at least as fast as time goes by: of W
seconds of work in D seconds, W·t/D after t. Spot is taken whenever it is there, on-demand only where
that line is missed, and for good as soon as the deadline could not be kept otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Step(Enum):
    """What a job that may use spot capacity does next."""

    SPOT = "spot"
    ON_DEMAND = "on-demand"
    WAIT = "wait"


@dataclass(frozen=True)
class Course:
    """How far a job is; all in seconds.

    Args:
        work: productive seconds of the whole job.
        done: of them, those that are safe in a checkpoint.
        elapsed: since the job could first run.
        until_due: from now to its deadline.
        changeover: to get going elsewhere: boot, start-up, and the checkpoint read.
    """

    work: float
    done: float
    elapsed: float
    until_due: float
    changeover: float

    @property
    def remaining(self) -> float:
        """Productive seconds that are left."""
        return max(0.0, self.work - self.done)

    @property
    def expected(self) -> float:
        """Productive seconds that should be done by now."""
        return self.work * self.elapsed / max(self.elapsed + self.until_due, 1e-9)


def must_leave_spot(remaining_seconds: float, slack_seconds: float, changeover_seconds: float) -> bool:
    """Whether only on-demand capacity still keeps the deadline, so that the job goes there for good.

    Two changeovers are kept in hand: one to go there, and one for a preemption that happens before.

    Args:
        remaining_seconds: of work on the on-demand capacity it would go to.
        slack_seconds: until the deadline.
        changeover_seconds: to get going there.
    """
    return slack_seconds < remaining_seconds + 2 * changeover_seconds


def next_step(course: Course, spot_there: bool, on_demand: bool = False) -> Step:
    """Where a job goes on.

    Args:
        course: how far it is.
        spot_there: whether there is spot capacity to be had now.
        on_demand: whether it runs on-demand now. It then stays until it is two changeovers ahead, so
            that it does not move to and fro, unless there is spot capacity to go back to.
    """
    if must_leave_spot(course.remaining, course.until_due, course.changeover):
        return Step.ON_DEMAND
    if spot_there:
        return Step.SPOT
    ahead = 2 * course.changeover * course.work / max(course.elapsed + course.until_due, 1e-9)
    if course.done < course.expected + (ahead if on_demand else 0.0):
        return Step.ON_DEMAND
    return Step.WAIT


def leaves_at(remaining_seconds: float, due: float, changeover_seconds: float) -> float:
    """The moment, on the deadline's clock, when ``must_leave_spot`` holds if nothing gets done."""
    return due - remaining_seconds - 2 * changeover_seconds
