"""How long the engine takes to the loss that a plain script ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean
from time import perf_counter

import torch

from farm.engine.gradient import Evaluator
from farm.engine.measure.plain import Descent, own_objective
from farm.engine.measure.subject import Subject
from farm.engine.measure.yardstick import Yardstick
from farm.engine.pyramid import Scale


@dataclass(frozen=True)
class Point:
    """Where a run stood: seconds and iterations since its start, and the loss by the yardstick.

    ``fixed`` is the loss at the grid position that the script sees.
    """

    seconds: float
    iterations: int
    loss: float
    fixed: float


class Stopwatch:
    """Seconds that were spent in ``with`` blocks; what happens between them does not count."""

    def __init__(self, device: torch.device) -> None:
        self.seconds = 0.0
        self._device = device
        self._began = 0.0

    def __enter__(self) -> Stopwatch:
        self._began = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        self.seconds += perf_counter() - self._began


def script_points(
    subject: Subject, yardstick: Yardstick, iterations: int, every: int
) -> Iterator[Point]:
    """A plain script at the final size that minimises the engine's own objective in float32.

    It begins with the content, steps Adam as style-transfer-pytorch does and keeps its last iterate.
    There is a point after every ``every`` iterations and after the last.
    """
    watch = Stopwatch(subject.device)
    # torch loads much when it first makes an optimiser; that is not the script's fault.
    Descent(lambda picture: picture.sum(), subject.content[..., :1, :1]).step()
    with watch:
        descent = Descent(own_objective(subject), subject.content)
    for number in range(1, iterations + 1):
        with watch:
            descent.step()
        if number % every == 0 or number == iterations:
            losses = yardstick.losses(descent.picture)
            yield Point(watch.seconds, number, mean(losses), losses[0])


def engine_points(
    subject: Subject, evaluator: Evaluator, yardstick: Yardstick, scales: Sequence[Scale], every: int,
    since: int = 1,
) -> Iterator[Point]:  # fmt: skip
    """The engine over a pyramid, after every ``every`` iterations and at the end of each scale.

    Only from scale number ``since`` on; the time before counts all the same.
    """
    watch = Stopwatch(subject.device)
    iterates = subject.run(evaluator, scales)
    done = 0
    while True:
        with watch:
            iterate = next(iterates, None)
        if iterate is None:
            return
        done += 1
        if iterate.scale >= since and (done % every == 0 or iterate.ends_scale):
            losses = yardstick.losses(iterate.picture)
            yield Point(watch.seconds, done, mean(losses), losses[0])


def reached(points: Iterator[Point], loss: float) -> tuple[Point, bool]:
    """The first point at or below ``loss``, or the last one and False; needs a point."""
    last: Point | None = None
    for last in points:
        if last.loss <= loss:
            return last, True
    if last is None:
        raise ValueError("a run without points gets nowhere")
    return last, False
