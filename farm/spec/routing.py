"""What a job may cost and when it is due, and what the router answered."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from farm.spec.base import Value


class Routing(Value):
    """Wishes: when it must be there and what it may cost."""

    deadline: datetime | None = Field(default=None, description="ISO 8601 with an offset.")
    budget_usd: float | None = Field(default=None, gt=0)
    spot: bool = Field(default=True, description="May run on capacity that can be taken away.")


class Option(Value):
    """One way to run a job, with its expected price and time."""

    pool: str
    accelerator: str
    p50_seconds: float
    p90_seconds: float
    p50_usd: float
    p90_usd: float
    feasible: bool = True
    note: str = ""
    devices: int = Field(default=1, ge=1, description="Accelerators that share the picture.")
    market: str = "on-demand"
    region: str = ""
    usd_per_hour: float | None = Field(
        default=None, ge=0, description="Price of all its accelerators together; null: not told."
    )
    checkpoint_seconds: float | None = Field(
        default=None, description="Time between two checkpoints that costs least there."
    )


class Decision(Value):
    """The way that was chosen, why, and what it was chosen over."""

    chosen: Option
    reason: str
    alternatives: tuple[Option, ...] = ()
    front: tuple[Option, ...] = Field(
        default=(), description="Ways of which no other is both cheaper and sooner, cheapest first."
    )


class Quote(Value):
    """The answer to ``what would this cost?``; nothing is queued by asking."""

    width: int
    height: int
    iterations: int
    megapixel_iterations: float
    decision: Decision
    notes: tuple[str, ...] = Field(
        default=(), description="Why the order would be refused all the same, and what to do."
    )
