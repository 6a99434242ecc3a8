"""Prints that several devices share, and checkpoints that go from one layout to another."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf

import numpy as np
import pytest
import torch
from dispatch_cases import Bench, png

from farm.dispatch.ports import Stop
from farm.dispatch.render import render
from farm.dispatch.workplace import Order
from farm.engine.manifest import read_manifest
from farm.engine.mesh import Mesh
from farm.engine.threads import spmd
from farm.imaging.decode import decode
from farm.spec import Event, Job
from farm.spec.event import Checkpointed, Done, Progress, Rendition, Started

CPU = torch.device("cpu")


@dataclass
class Prints:
    """Runs one job on any number of devices."""

    bench: Bench
    job: Job

    def run(
        self, devices: int, checkpoint: str | None = None, pause_at: tuple[int, int] | None = None
    ) -> list[Event]:
        """Rank 0's events, those of a run that is paused after that iteration of that scale."""
        order = Order(self.job, "j1", 1, "here", checkpoint)
        place = replace(self.bench.place, neighbours=devices, checkpoint_seconds=inf)

        def rank(mesh: Mesh) -> list[Event]:
            seen: list[Event] = []

            def interrupt() -> Stop | None:
                here = [(e.scale, e.iteration) for e in seen if isinstance(e, Progress)]
                return "pause" if pause_at and here[-1] == pause_at else None

            for event in render(order, replace(place, mesh=mesh), interrupt):
                seen.append(event)
            return seen

        first, *others = spmd([CPU] * devices, rank)
        assert not any(others), "rank 0 alone speaks"
        return first

    def picture(self, events: list[Event]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        done = events[-1]
        assert isinstance(done, Done)
        return decode(self.bench.store.get(done.artefacts[0].blob)).pixels


@pytest.fixture
def prints(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Prints:
    """Of a picture that is high enough to be worth sharing at its last scales."""
    # On a busy machine one device may look too slow to be given rows.
    monkeypatch.setattr("farm.dispatch.setup.gradient_seconds", lambda *_: 1.0)
    job = bench.submit(content=bench.blob(png(288, 384)), output={"long_edge": 384})
    return Prints(bench, job)


def psnr(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one - other) ** 2, dtype=np.float64))
    return 10 * np.log10(1 / error) if error else inf


def test_two_devices_make_the_picture_of_one(prints: Prints) -> None:
    alone, shared = prints.run(1), prints.run(2)
    started = [e for e in shared if isinstance(e, Started)]
    assert [e.devices for e in started] == [2]
    assert [e.kind for e in shared] == [e.kind for e in alone]
    assert psnr(prints.picture(alone), prints.picture(shared)) > 50


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2), (2, 3)])
def test_a_checkpoint_goes_on_under_another_layout(prints: Prints, before: int, after: int) -> None:
    undisturbed = prints.picture(prints.run(before))
    paused = prints.run(before, pause_at=(8, 2))
    kept = paused[-1]
    assert isinstance(kept, Checkpointed)
    chunks = read_manifest(prints.bench.store.get, kept.blob).chunks
    assert len(chunks) == before, "every device had rows to keep"
    resumed = prints.run(after, checkpoint=kept.blob)
    progress = [e for e in resumed if isinstance(e, Progress)]
    assert (progress[0].scale, progress[0].iteration) == (8, 3)
    assert [e.fidelity for e in resumed if isinstance(e, Rendition)] == ["scale", "final"]
    assert psnr(prints.picture(resumed), undisturbed) > 50
