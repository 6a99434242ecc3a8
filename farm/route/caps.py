"""What a project's cap allows: the whole rule, over what it has spent and promised.

A job is accepted if what was spent and promised, and what nine of ten like it stay under, fit within
the cap together. What it then spends comes out of its reservation first. From ``FINISH`` of the cap on
nothing begins that holds no reservation, and what runs may finish; at the cap everything is parked at
its next checkpoint. A job that has used up its reservation must hold the price of the time to its next
checkpoint at each one, or is parked: so a cap is passed by no more than one such price, of one job.
"""

from __future__ import annotations

from farm.errors import Refused
from farm.spec.cost import Account
from farm.spec.words import money

FINISH = 0.9
"""Of a cap; from there on what runs may finish."""
_SLACK = 1e-9
"""Dollars that sums of floats may be off."""

_FROM = {"day": "a day", "week": "a week", "month": "a month", "total": "in all"}


def admits(account: Account, usd: float) -> bool:
    """Whether a project can promise so much more."""
    if account.cap_usd is None:
        return True
    return account.spent_usd + account.reserved_usd + usd <= account.cap_usd + _SLACK


def accept(account: Account, usd: float) -> None:
    """Let a job in that nine of ten times costs no more than ``usd``.

    Raises:
        Refused: its project cannot promise that.
    """
    if admits(account, usd) and begins(account, usd):
        return
    raise Refused(
        f"project: {account.project!r} {standing(account)}, and this job needs up to {money(usd)}; "
        "ask for a smaller output, or have its cap raised with 'farm project set "
        f"{account.project} --cap USD'.",
        field="project",
    )


def begins(account: Account, held: float) -> bool:
    """Whether a job that holds a reservation of so much may begin, or begin again."""
    if account.cap_usd is None:
        return True
    share = 1.0 if held > 0 else FINISH
    return account.spent_usd < share * account.cap_usd


def goes_on(account: Account, more: float) -> bool:
    """Whether what runs may go on to its next checkpoint, for which it must hold so much more."""
    if account.cap_usd is None:
        return True
    return account.spent_usd < account.cap_usd and (more <= 0 or admits(account, more))


def room(account: Account) -> float | None:
    """Dollars that the project could promise now; None where it has no cap."""
    if account.cap_usd is None:
        return None
    return max(0.0, account.cap_usd - account.spent_usd - account.reserved_usd)


def standing(account: Account) -> str:
    """How a capped project stands, in words: ``has spent $9.50 of its $10.00 a month``."""
    assert account.cap_usd is not None
    promised = f" and promised {money(account.reserved_usd)}" if account.reserved_usd else ""
    return (
        f"has spent {money(account.spent_usd)}{promised} of its {money(account.cap_usd)} "
        f"{_FROM[account.period]}"
    )
