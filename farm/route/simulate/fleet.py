"""The fleet of generated traces: seven types of the catalogue, in three regions and both markets."""

from __future__ import annotations

from collections.abc import Collection

from farm.errors import InvalidInput
from farm.route.accelerator import Accelerator, Pool
from farm.route.catalogue import Market, shipped
from farm.route.clusterfile import BOOT_SECONDS
from farm.route.stock import Stock
from farm.spec.base import suggestion

TYPES = {
    "T4": (0.22, 1), "L4": (0.26, 4), "A10G": (0.18, 4), "L40S": (0.10, 4),
    "A100-40": (0.10, 8), "A100-80": (0.06, 8), "H100": (0.08, 8),
}  # fmt: skip
"""Share of the fleet, and accelerators of one machine: those that the catalogue's prices are of."""
REGIONS = {"us": (0.4, 1.0), "eu": (0.35, 1.1), "asia": (0.25, 1.2)}
"""Share of the fleet, and prices over those of the catalogue: assumed, for it has one region's."""
MARKETS: dict[Market, float] = {"on-demand": 0.4, "spot": 0.6}
SPREAD = 0.1
"""Of runs around the speed that is believed; see ``physics.NOISE``."""
LEAST = 100
"""Accelerators below which some of the pools would have none."""


def fleet(accelerators: int, without: Collection[str] = ()) -> tuple[Pool, ...]:
    """About so many accelerators in 42 pools, region by region; fewer ``without`` some types.

    Raises:
        InvalidInput: too few for all pools to have some, or a type that is none of the fleet's.
    """
    for name in without:
        if name not in TYPES:
            raise InvalidInput(
                f"without: the fleet has no {name!r}; {suggestion(name, list(TYPES))}", field="without"
            )
    kept = {name: share for name, (share, _) in TYPES.items() if name not in without}
    if not kept:
        raise InvalidInput("without: nothing is left of the fleet; leave some types.", field="without")
    if accelerators < LEAST:
        raise InvalidInput(
            f"accelerators: {accelerators} are too few for {len(TYPES) * len(REGIONS) * 2} pools; "
            f"ask for at least {LEAST}.",
            field="accelerators",
        )
    stock = Stock(shipped(), {})
    return tuple(
        _pool(stock, region, name, market, accelerators * share / sum(kept.values()))
        for region in REGIONS
        for name, share in kept.items()
        for market in MARKETS
    )


def _pool(stock: Stock, region: str, name: str, market: Market, of_type: float) -> Pool:
    _, machine = TYPES[name]
    part, dearer = REGIONS[region]
    count = round(of_type * part * MARKETS[market])
    pool = stock.pool(
        name, market, count=max(1, count), machine=machine, region=region, boot_seconds=BOOT_SECONDS
    )
    return pool.model_copy(
        update={
            "name": f"{region}-{pool.name}".lower(),
            "usd_per_hour": round(pool.price * dearer, 5),
            "accelerator": _calibrated(pool.accelerator),
        }
    )


def _calibrated(accelerator: Accelerator) -> Accelerator:
    """As if it had been measured: speeds of a fleet at work are, to within their spread."""
    speeds = {
        name: speed.model_copy(update={"measured_at": 0.0, "spread": SPREAD})
        for name, speed in accelerator.speeds.items()
    }
    return accelerator.model_copy(update={"speeds": speeds})
