"""Which precision this processor convolves fastest in, found by a short measurement."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

import torch

from farm.engine.extractor import Extractor
from farm.engine.gradient import Evaluator
from farm.engine.losses import gram_loss
from farm.engine.moments import Moments
from farm.engine.objective import Objective, StyleTerm

NAMES: dict[str, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_WORTH_IT = 1.15
"""bfloat16 costs accuracy, so it has to be this much faster."""


def precision(name: str, extractor: Extractor, device: torch.device) -> torch.dtype:
    """The dtype of that name; ``auto`` measures one small gradient in each."""
    if name != "auto":
        return NAMES[name]
    seconds = {kind: _gradient_seconds(extractor, kind, device) for kind in NAMES.values()}
    faster = seconds[torch.float32] / seconds[torch.bfloat16]
    return torch.bfloat16 if faster > _WORTH_IT else torch.float32


def name_of(dtype: torch.dtype) -> str:
    """``float32`` or ``bfloat16``."""
    return str(dtype).removeprefix("torch.")


def _gradient_seconds(extractor: Extractor, kind: torch.dtype, device: torch.device) -> float:
    """Best of three after one warm-up, for 192 × 192 pixels."""
    picture = torch.linspace(0, 1, 3 * 192 * 192, device=device).reshape(1, 3, 192, 192)
    tap = list(extractor.taps)[-1]
    width = extractor.taps[tap].channels
    target = Moments(torch.ones(width, device=device), torch.eye(width, device=device))
    objective = Objective([StyleTerm(tap, 1.0, [(1.0, target)], gram_loss)])
    evaluator = Evaluator(extractor, None, kind)
    taken = []
    for _ in range(4):
        began = perf_counter()
        evaluator(picture, objective).loss.item()
        taken.append(perf_counter() - began)
    return min(taken[1:])


def fastest_forward(
    forward: Callable[[torch.Tensor, None, torch.dtype], torch.Tensor], device: torch.device
) -> torch.dtype:
    """The dtype that ``forward(picture, None, dtype)`` is fastest in, at 256 × 256; warms it up too."""
    picture = torch.linspace(0, 1, 3 * 256 * 256, device=device).reshape(1, 3, 256, 256)
    seconds: dict[torch.dtype, float] = {}
    for kind in NAMES.values():
        taken = []
        for _ in range(4):
            began = perf_counter()
            forward(picture, None, kind).sum().item()
            taken.append(perf_counter() - began)
        seconds[kind] = min(taken[1:])
    return min(NAMES.values(), key=lambda kind: seconds[kind])
