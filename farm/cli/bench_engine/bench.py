"""What the groups of figures share: the machine, the extractor to be measured, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from farm.catalog import Catalogue, procedural
from farm.cli.bench_engine.extent import Extent
from farm.dispatch.pictures import tensor
from farm.engine.extractor import Extractor
from farm.engine.measure.pace import Effort
from farm.engine.measure.subject import Subject
from farm.engine.precision import Precision
from farm.engine.recipe import Recipe
from farm.errors import InvalidInput
from farm.imaging import Picture, decode

STYLE_SIDE = 256
MEGA = 1e6


@dataclass(frozen=True)
class Machine:
    """A device, the processor's threads, and FLOP/s of matrix products by the precision's name.

    ``gpu`` is its type in the catalogue of accelerators; empty for a processor and for unknown ones.
    """

    device: torch.device
    threads: int
    ceilings: Mapping[str, float]
    gpu: str = ""


@dataclass(frozen=True)
class Bench:
    """One extractor to be measured; ``kind`` is the precision that prints would take."""

    name: str
    extractor: Extractor
    recipe: Recipe
    kind: Precision
    machine: Machine
    extent: Extent
    sides: tuple[int, ...]

    @property
    def device(self) -> torch.device:
        """Where it is measured."""
        return self.machine.device

    @property
    def effort(self) -> Effort:
        """What a figure may cost there."""
        return self.extent.effort.on(self.device)

    def subject(self, side: int) -> Subject:
        """A scene in marble."""
        return self.made_of(picture("scene", 1, side), picture("marble", 1, STYLE_SIDE))

    def made_of(self, content: Tensor, style: Tensor) -> Subject:
        """These pictures, on the device."""
        return Subject(self.extractor, self.recipe, content.to(self.device), style.to(self.device))


def picture(generator: str, seed: int, side: int) -> Tensor:
    """A procedural picture ``(1, 3, side, side)``, the same in every run."""
    return tensor(Picture(procedural.picture(generator, seed, side, side)))


def pairs(catalogue: Catalogue, count: int, side: int) -> dict[str, tuple[Tensor, Tensor]]:
    """Scenes and the catalogue's first styles, by the styles' names."""
    names = [card.name for card in catalogue.styles()][:count]
    return {
        name: (picture("scene", seed, side), tensor(decode(catalogue.style_path(name))))
        for seed, name in enumerate(names, start=1)
    }


def device_of(name: str | None) -> torch.device:
    """The device of that name; a GPU if there is one, for None.

    Raises:
        InvalidInput: there is no such device here.
    """
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    known = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    if name not in (*known, "cuda" if len(known) > 1 else "cpu"):
        raise InvalidInput(
            f"device: {name!r} is not on this machine; use {' or '.join(known)}.", field="device"
        )
    return torch.device(name)
