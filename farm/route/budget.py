"""The seconds that each stage of a preview may take, so that all of it stays under 200 ms."""

from __future__ import annotations

from collections.abc import Mapping

BUDGET: Mapping[str, float] = {"decode": 0.035, "wait": 0.03, "model": 0.105, "encode": 0.015}
"""By stage, for 512 × 512: before the net, for its turn, in the net, after it. The way over HTTP has
the rest of 200 ms."""

_AT = 512 * 512


def allowance(stage: str, pixels: int) -> float:
    """Seconds for a stage of a preview of so many pixels; small ones have no less than 512²."""
    return BUDGET[stage] * max(1.0, pixels / _AT)


def over(stages: Mapping[str, float], pixels: int) -> tuple[str, ...]:
    """The stages that took longer than they may."""
    known = (stage for stage in BUDGET if stage in stages)
    return tuple(stage for stage in known if stages[stage] > allowance(stage, pixels))
