"""What can do the work: accelerators with their measured speed and price, and pools of them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from farm.errors import Unavailable
from farm.spec.base import Value, suggestion


class Speed(Value):
    """How fast one extractor's iterations go: ``rate_inf * p / (p + p_half)`` at ``p`` megapixels."""

    rate_inf: float = Field(gt=0, description="Megapixel-iterations per second on large pictures.")
    p_half: float = Field(ge=0, description="Megapixels at which half of rate_inf is reached.")
    spread: float | None = Field(default=None, ge=0, description="Relative deviation between runs.")
    measured_at: float | None = Field(default=None, description="Epoch seconds; None: not measured.")
    source: str = Field(default="", description="Where it comes from if it was not measured.")

    @property
    def calibrated(self) -> bool:
        """Whether it was measured rather than assumed."""
        return self.measured_at is not None


class Accelerator(Value):
    """A device, or a whole machine's processor, as the router sees it."""

    name: str
    kind: Literal["cpu", "cuda"]
    speeds: dict[str, Speed] = Field(description="By extractor.")
    memory_gb: float = Field(gt=0)
    usd_per_hour: float = Field(ge=0)
    checkpoint_seconds: float = Field(
        default=0.2, ge=0, description="To keep the state of a megapixel; 0.2 was measured on a disk."
    )
    startup_seconds: float = Field(ge=0, description="From claiming a task to its first iteration.")
    number_bytes: Literal[2, 4] = Field(
        default=4, description="Of a number in the precision that prints take there unasked."
    )
    precisions: dict[str, float] = Field(
        default_factory=dict, description="Speed in a precision that is asked for, over that of speeds."
    )
    weights_seconds: float = Field(
        default=0.0, ge=0, description="Of the start-up, what loading an extractor's weights takes."
    )
    gang_share: float = Field(
        default=0.0, ge=0, lt=1,
        description="Share of an iteration that does not shrink with more devices (Amdahl).",
    )  # fmt: skip

    def speed(self, extractor: str) -> Speed:
        """The speed with ``extractor``.

        Raises:
            Unavailable: nothing is known about that extractor here.
        """
        if extractor not in self.speeds:
            raise Unavailable(
                f"quality.extractor: no speed of {extractor!r} is known on {self.name}; "
                f"{suggestion(extractor, list(self.speeds))}"
            )
        return self.speeds[extractor]


class Preemption(Value):
    """What is known of how often capacity is taken away: the Gamma posterior of a Poisson rate.

    The mean rate is ``events / hours`` per accelerator hour; a prior counts as hours seen.
    """

    events: float = Field(gt=0)
    hours: float = Field(gt=0)


class Pool(Value):
    """Accelerators of one sort that are bought in one region and market."""

    name: str
    accelerator: Accelerator
    count: int = Field(default=1, ge=0, description="Accelerators there, or that could be started now.")
    up: int | None = Field(default=None, ge=0, description="Those that are up; None: all of them.")
    machine: int = Field(
        default=1, ge=1, description="Accelerators of one machine: the largest gang that it holds."
    )
    market: Literal["on-demand", "spot"] = "on-demand"
    region: str = ""
    usd_per_hour: float | None = Field(
        default=None, ge=0, description="Of one accelerator; None: the accelerator's own price."
    )
    boot_seconds: float = Field(default=0.0, ge=0, description="Until a machine that is not up is.")
    egress_usd_gb: float = Field(default=0.0, ge=0, description="To bring a gigabyte out of there.")
    loaded: tuple[str, ...] = Field(default=(), description="Extractors that are loaded there.")
    preemption: Preemption | None = Field(default=None, description="None: it is never taken away.")

    @property
    def price(self) -> float:
        """USD for an accelerator hour here."""
        own = self.usd_per_hour
        return self.accelerator.usd_per_hour if own is None else own
