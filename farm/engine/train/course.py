"""A course of training: steps, their pace, and a file to go on from.

Every step draws from a generator of its own, seeded by the run's seed and the step's number, so that
a run that was interrupted goes on as if it had not been: to the same bits on a processor, to rounding
on a GPU, whose convolutions add in no fixed order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from farm.engine.processor import processor_has_bfloat16
from farm.errors import InvalidInput

REPORT_EVERY = 100
SAVE_SECONDS = 60.0
"""At most so much work is lost to an interruption."""


@dataclass(frozen=True)
class Progress:
    """One report of a training run.

    ``loss`` is the mean since the report before; ``pace`` is in steps per second, over the same steps.
    ``accuracy`` is a share, where there are classes.
    """

    step: int
    steps: int
    loss: float
    pace: float
    accuracy: float | None = None

    @property
    def seconds_left(self) -> float:
        """To the last step, at this pace."""
        return (self.steps - self.step) / self.pace


Report = Callable[[Progress], None]
Losses = Callable[[int, torch.Generator], Tensor]
"""From a step's number and its generator to the mean loss of its batch."""


@dataclass(frozen=True)
class Course:
    """How a net is trained.

    Args:
        recipe: all that decides the weights; a file of another recipe is refused.
        checkpoint: where to keep what the run can go on from; None for nowhere.
    """

    steps: int
    learning_rate: float
    seed: int
    recipe: dict[str, Any]
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Finished:
    """What a run took in all, its interrupted parts included, and its mean loss in the end."""

    seconds: float
    loss: float


def schedule(step: int, steps: int) -> float:
    """Learning-rate factor: 200 steps of warm-up, then a decay to zero."""
    left: float = (1 - step / steps) ** 0.7
    return min(1.0, (step + 1) / 200) * left


def start_of(course: Course) -> int:
    """The step that a run begins with: that of its checkpoint, or 0.

    Raises:
        InvalidInput: the file is no checkpoint of this recipe.
    """
    return _read(course)[0]


def run(net: nn.Module, losses: Losses, course: Course, report: Report) -> Finished:
    """Train ``net`` in place, from its checkpoint if there is one, and leave it frozen.

    Raises:
        InvalidInput: the checkpoint is of another recipe.
    """
    optimiser = torch.optim.AdamW(net.parameters(), course.learning_rate, weight_decay=1e-4)
    first, before, loss = _restored(net, optimiser, course)
    began = saved = told = monotonic()
    recent: list[Tensor] = []
    for step in range(first, course.steps):
        for group in optimiser.param_groups:
            group["lr"] = course.learning_rate * schedule(step, course.steps)
        found = losses(step, torch.Generator().manual_seed(course.seed * 1_000_003 + step))
        optimiser.zero_grad(set_to_none=True)
        found.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        recent.append(found.detach())
        if (step + 1) % REPORT_EVERY and step + 1 < course.steps:
            continue
        loss, now = torch.stack(recent).mean().item(), monotonic()
        report(Progress(step + 1, course.steps, loss, len(recent) / max(now - told, 1e-9)))
        recent.clear()
        told = now
        if course.checkpoint and now - saved > SAVE_SECONDS:
            _save(net, optimiser, course, step + 1, before + now - began, loss)
            saved = now
    seconds = before + monotonic() - began
    if course.checkpoint:
        _save(net, optimiser, course, course.steps, seconds, loss)
    net.eval().requires_grad_(requires_grad=False)
    return Finished(seconds, loss)


def autocast(device: torch.device) -> torch.autocast:
    """Convolutions in bfloat16 where the device has it."""
    able = device.type != "cpu" or processor_has_bfloat16()
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def _save(
    net: nn.Module, optimiser: torch.optim.Optimizer, course: Course, step: int, seconds: float,
    loss: float,
) -> None:  # fmt: skip
    assert course.checkpoint is not None
    tensors = {f"net.{name}": value.contiguous() for name, value in net.state_dict().items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{name}": value.contiguous() for name, value in state.items()}
    about = {"step": step, "seconds": seconds, "loss": loss, "recipe": course.recipe}
    course.checkpoint.parent.mkdir(parents=True, exist_ok=True)
    partial = course.checkpoint.with_suffix(".partial")
    save_file(tensors, partial, {"farm": json.dumps(about)})
    os.replace(partial, course.checkpoint)


def _restored(
    net: nn.Module, optimiser: torch.optim.Optimizer, course: Course
) -> tuple[int, float, float]:
    """Fill net and optimiser; step, seconds and loss so far."""
    step, seconds, loss, tensors = _read(course)
    if not tensors:
        return 0, 0.0, 0.0
    net.load_state_dict(
        {name.removeprefix("net."): value for name, value in tensors.items() if name[:4] == "net."}
    )
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        kind, _, rest = name.partition(".")
        if kind == "adam":
            index, _, part = rest.partition(".")
            state.setdefault(int(index), {})[part] = value
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})
    return step, seconds, loss


def _read(course: Course) -> tuple[int, float, float, dict[str, Tensor]]:
    path = course.checkpoint
    if path is None or not path.exists():
        return 0, 0.0, 0.0, {}
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["farm"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, KeyError, TypeError, ValueError):
        about, tensors = {}, {}
    if about.get("recipe") != json.loads(json.dumps(course.recipe)):
        raise InvalidInput(
            f"checkpoint: {str(path)!r} is not from training with these options; delete it, or name "
            "another file.",
            field="checkpoint",
        )
    return int(about["step"]), float(about["seconds"]), float(about["loss"]), tensors
