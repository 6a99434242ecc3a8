"""What projects have spent and promised, by the farm's own rule for caps."""

from __future__ import annotations

import math
from collections.abc import Sequence

from farm.route import caps
from farm.route.simulate.site import Site
from farm.route.simulate.task import Task
from farm.route.simulate.trace import Project
from farm.spec.cost import Account

NEVER = math.inf
DUST = 1e-6
"""Seconds that rounding may take off what a reservation pays for."""


class Ledger:
    """One account a project. Without ``holds`` it only counts, as policies without caps do."""

    def __init__(self, projects: Sequence[Project], *, holds: bool) -> None:
        self._projects = projects
        self._capped = [holds and one.cap_usd is not None for one in projects]
        self.spent = [0.0] * len(projects)
        self._reserved = [0.0] * len(projects)
        """Of open tasks: what they may still spend. Runs are paid for when they end."""

    def accept(self, task: Task, usd: float) -> bool:
        """Promise ``usd`` to a task that was just ordered; False where the cap has no room."""
        if not self._capped[task.project]:
            return True
        if not caps.admits(self._account(task.project), usd):
            return False
        self._reserve(task, usd)
        return True

    def begins(self, task: Task) -> bool:
        """Whether a task may begin, or begin again."""
        if not self._capped[task.project]:
            return True
        return caps.begins(self._account(task.project), task.reserved)

    def extend(self, task: Task, site: Site, places: int, now: float) -> bool:
        """Hold what the run costs until its next checkpoint; False: it is parked."""
        rate = places * site.price
        used = places * (site.meter(now) - task.metered)
        stretch = task.interval + task.save
        begun = max(0.0, (now + DUST - task.began - task.lead) // stretch)
        until = min(task.began + task.lead + (begun + 1) * stretch, task.ends())
        more = used + rate * (until - now + DUST) - task.reserved
        if not caps.goes_on(self._account(task.project), more):
            return False
        self._reserve(task, max(0.0, more))
        return True

    def pay(self, task: Task, usd: float) -> None:
        """A run has cost ``usd``."""
        task.spent += usd
        self.spent[task.project] += usd
        self._reserve(task, -min(task.reserved, usd))

    def settle(self, task: Task) -> None:
        """Give back what a task holds and does not need."""
        self._reserve(task, -task.reserved)

    def spent_at(self, task: Task, site: Site, places: int, now: float) -> float:
        """When the last checkpoint is taken that the reservation still pays for; often never.

        At once where it does not even pay for the first.
        """
        rate = places * site.price
        if rate <= 0 or not self._capped[task.project]:
            return NEVER
        used = places * (site.meter(now) - task.metered)
        until = now + (task.reserved - used) / rate
        if until >= task.ends():
            return NEVER
        stretch = task.interval + task.save
        stretches = (until - task.began - task.lead) // stretch
        return task.began + task.lead + stretches * stretch if stretches >= 1 else now

    def _reserve(self, task: Task, usd: float) -> None:
        task.reserved += usd
        self._reserved[task.project] += usd

    def _account(self, project: int) -> Account:
        one = self._projects[project]
        # Nothing in it needs to be checked again, and there are many.
        return Account.model_construct(
            project=one.name, cap_usd=one.cap_usd, period="total",
            spent_usd=self.spent[project], reserved_usd=max(0.0, self._reserved[project]),
        )  # fmt: skip
