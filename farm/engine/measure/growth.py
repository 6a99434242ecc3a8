"""How much memory a print takes at its peak, each measured in a process of its own.

What was used before hides what is used now: memory that was given back is handed out again. So this
module is run as a program: ``python -m farm.engine.measure.growth`` takes a trial as JSON and prints
its bytes.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import torch

from farm.engine.evaluation import SHIFTS
from farm.engine.extractor import Extractor, chain
from farm.engine.gradient import Evaluator
from farm.engine.measure.subject import Subject, random_extractor
from farm.engine.memory import keep_pages, peak_bytes
from farm.engine.planner import Demand, Net, least_bytes
from farm.engine.precision import PRECISIONS
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.errors import Unavailable

CONTENT_SIDE = 512
"""Pixels: a small content and style, so that only what the engine keeps grows with the print."""


@dataclass(frozen=True)
class Trial:
    """One iteration of a square print of ``side`` pixels, with nothing kept but what must be."""

    blocks: tuple[tuple[int, ...], ...]
    style_taps: tuple[str, ...]
    content_taps: tuple[str, ...]
    precision: str
    tile: int
    side: int
    device: str = "cpu"
    threads: int = 1
    content_side: int = CONTENT_SIDE

    @classmethod
    def of(cls, extractor: Extractor, recipe: Recipe, precision: str, tile: int, side: int) -> Trial:
        """With the shape and taps of a net; its weights do not matter."""
        return cls(extractor.blocks, recipe.style_taps, recipe.content_taps, precision, tile, side)

    @property
    def predicted(self) -> float:
        """Bytes that the planner expects."""
        taps, wanted = chain(self.blocks), {*self.style_taps, *self.content_taps}
        deepest = max(number for number, tap in enumerate(taps) if tap.name in wanted)
        width = PRECISIONS[self.precision].dtype.itemsize
        net = Net(taps[: deepest + 1], self.content_taps, width)
        return least_bytes(Demand(self.side, self.side, frames=len(SHIFTS)), net, self.tile)


def peaks(trials: Sequence[Trial]) -> list[int]:
    """Peak bytes of each trial beyond what its process had before, all at the same time.

    Raises:
        Unavailable: one of them failed.
    """
    command = [sys.executable, "-m", "farm.engine.measure.growth"]
    running = [
        subprocess.Popen(  # noqa: S603  # this very module
            [*command, json.dumps(asdict(trial))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for trial in trials
    ]  # fmt: skip
    answers = [process.communicate() for process in running]
    for process, (_, told) in zip(running, answers, strict=True):
        if process.returncode:
            reason = (told.strip().splitlines() or [f"exit {process.returncode}"])[-1]
            raise Unavailable(
                f"bench: memory could not be measured ({reason}); free some, or run with --quick."
            )
    return [int(found) for found, _ in answers]


def peak(trial: Trial) -> int:
    """Peak bytes of a trial in this process, which should have done nothing before.

    Raises:
        Unavailable: this system does not tell them.
    """
    keep_pages()
    torch.set_num_threads(trial.threads)
    kind, device = PRECISIONS[trial.precision], torch.device(trial.device)
    extractor = random_extractor(trial.blocks, device)
    shape = (1, 3, trial.content_side, trial.content_side)
    content, style = (torch.rand(shape, device=device) for _ in range(2))
    recipe = Recipe(trial.style_taps, trial.content_taps)
    subject = Subject(extractor, recipe, content, style)
    evaluator = Evaluator(extractor, trial.tile, kind.dtype, 0, kind.tf32, recompute=True)
    scale = Scale(trial.side, trial.side, 1)
    found = peak_bytes(lambda: next(subject.run(evaluator, [scale])).loss.item(), device)
    if found is None:
        raise Unavailable("bench: this system does not tell a process's peak memory; use Linux.")
    return found


if __name__ == "__main__":
    sys.stdout.write(f"{peak(Trial(**json.loads(sys.argv[1])))}\n")
