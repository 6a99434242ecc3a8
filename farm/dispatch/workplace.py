"""One attempt's order, and the place where it is carried out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import torch

from farm.catalog.catalogue import Catalogue
from farm.dispatch.ports import Blobs
from farm.engine.mesh import Alone, Mesh
from farm.imaging.limits import Limits
from farm.spec import Job
from farm.spec.event import Stage


@dataclass(frozen=True)
class Order:
    """One attempt at one task."""

    job: Job
    task: str
    attempt: int
    worker: str
    checkpoint: str | None = None


@dataclass(frozen=True)
class Workplace:
    """Where a render happens and how often it reports.

    Args:
        load: fetches a picture that the job names.
        mesh: the devices that share the picture; one processor if absent. Every rank has a workplace
            of its own, with a store that all of them can reach.
        checkpoint_seconds: at most this much work is lost; each scale's end is kept too.
        progress_seconds: least time between two progress events.
        neighbours: ranks whose devices share this one's memory, itself included.
    """

    store: Blobs
    catalogue: Catalogue
    load: Callable[[str], bytes | Path]
    limits: Limits = field(default_factory=Limits)
    mesh: Mesh = field(default_factory=lambda: Alone(torch.device("cpu")))
    checkpoint_seconds: float = 15.0
    progress_seconds: float = 0.5
    neighbours: int = 1

    @property
    def device(self) -> torch.device:
        """Of this rank."""
        return self.mesh.device

    @property
    def leads(self) -> bool:
        """Whether this rank is the one that reports."""
        return self.mesh.rank == 0


class Stopwatch:
    """Seconds since the last stage ended, by name."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []
        self._last = monotonic()

    def lap(self, name: str) -> float:
        """End a stage; returns its seconds."""
        now = monotonic()
        seconds = now - self._last
        self._last = now
        self.stages.append(Stage(name=name, seconds=round(seconds, 3)))
        return seconds

    @property
    def total(self) -> float:
        """Seconds of all stages."""
        return round(sum(stage.seconds for stage in self.stages), 3)
