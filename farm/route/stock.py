"""Types and markets turned into pools: measured before estimated, at the price of their market."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farm.route import roofline
from farm.route.accelerator import Accelerator, Pool
from farm.route.calibration import GPU_STARTUP_SECONDS, read
from farm.route.catalogue import Catalogue, Market, read_catalogue
from farm.route.footprint import NUMBER_BYTES
from farm.settings import Settings

SPOT = "-spot"


@dataclass(frozen=True)
class Stock:
    """What can be said of any type: the catalogue, and what was measured here by name."""

    catalogue: Catalogue
    measured: Mapping[str, Accelerator]

    @staticmethod
    def of(settings: Settings) -> Stock:
        """The farm's own.

        Raises:
            InvalidInput: the operator's catalogue is not valid.
            Unavailable: the file of measurements cannot be read.
        """
        return Stock(read_catalogue(settings), read(settings.folder))

    def accelerator(self, label: str, field: str = "accelerator") -> Accelerator:
        """The accelerator of a type's name or alias, at its on-demand price.

        Extractors that were measured on it have that speed, the others an estimated one that says so.

        Raises:
            InvalidInput: the catalogue has no such type.
        """
        entry = self.catalogue.entry(label, field)
        name = self.catalogue.find(label) or label
        known = self.measured.get(name)
        guessed = Accelerator(
            name=name, kind=entry.kind, memory_gb=entry.memory_gb,
            speeds=roofline.speeds(entry, self.catalogue, self.measured),
            usd_per_hour=entry.price.on_demand_usd_h or 0.0, startup_seconds=GPU_STARTUP_SECONDS,
            number_bytes=2 if NUMBER_BYTES[entry.auto] == 2 else 4,
            precisions=roofline.precisions(entry),
        )  # fmt: skip
        if known is None:
            return guessed
        seconds = {"startup_seconds", "checkpoint_seconds", "weights_seconds", "gang_share"}
        kept = known.model_dump(include=seconds)
        return guessed.model_copy(update={**kept, "speeds": {**guessed.speeds, **known.speeds}})

    def pool(  # noqa: PLR0913  # type × count × region × market, and their machines
        self, label: str, market: Market, *, count: int, machine: int, up: int | None = None,
        region: str = "", boot_seconds: float = 0.0, provider: str = "", field: str = "accelerator",
    ) -> Pool:  # fmt: skip
        """Accelerators of one type that are bought in one region and market, called as its label does.

        Raises:
            InvalidInput: the catalogue has no such type, or no such price.
        """
        accelerator = self.accelerator(label, field)
        entry, known = self.catalogue.entry(label, field), self.catalogue.providers.get(provider)
        return Pool(
            name=pool_name(label, market), accelerator=accelerator, count=count, up=up,
            machine=machine, market=market, region=region, boot_seconds=boot_seconds,
            usd_per_hour=self.catalogue.price(label, market),
            egress_usd_gb=known.egress_usd_gb if known else 0.0,
            preemption=entry.prior if market == "spot" else None,
        )  # fmt: skip


def pool_name(label: str, market: str) -> str:
    """What a pool is called: its type's label, and ``-spot`` where it may be taken away."""
    return f"{label}{SPOT}" if market == "spot" else label


def label_of(pool: str) -> tuple[str, Market]:
    """The label and the market that make up a pool's name."""
    return (pool.removesuffix(SPOT), "spot") if pool.endswith(SPOT) else (pool, "on-demand")
