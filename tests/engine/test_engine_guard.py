"""A run that blows up is noticed; one that merely goes up and down is left alone."""

from __future__ import annotations

import pytest
import torch

from farm.engine.evaluation import is_out_of_memory
from farm.engine.guard import Diverged, Guard


def losses(*values: float) -> None:
    guard = Guard(2)
    for iteration, value in enumerate(values, start=1):
        guard.watch(torch.tensor(value), iteration)


@pytest.mark.parametrize(
    "values",
    [(1.0, float("nan")), (float("nan"),), (1.0, float("inf")), (0.5, 0.4, 105.0), (3.0, 301.0)],
)
def test_what_blew_up_is_noticed(values: tuple[float, ...]) -> None:
    with pytest.raises(Diverged, match=f"scale 2, near iteration {len(values)}"):
        losses(*values)


def test_ups_and_downs_are_not_damage() -> None:
    losses(1.0, 0.2, 1.8, 0.1, 90.0)
    losses(0.001, 0.9)


def test_a_device_that_works_ahead_is_asked_now_and_then() -> None:
    guard = Guard(1)
    bad = torch.tensor(float("nan"), device="meta")
    guard.watch(bad, 1)  # looking at a tensor without data would raise
    guard.watch(bad, 2)


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("shapes differ"), False),
    ],
)
def test_running_out_of_memory_has_many_names(error: Exception, answer: bool) -> None:
    assert is_out_of_memory(error) is answer
