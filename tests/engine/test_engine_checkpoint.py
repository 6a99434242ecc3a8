"""Checkpoints come back as they were, or are refused in a sentence."""

from __future__ import annotations

from contextlib import suppress

import pytest
import torch
from engine_cases import few, noise
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from farm.engine.adam import AdamOptions, AdamState
from farm.engine.checkpoint import dump, restore
from farm.engine.optimise import Iterate
from farm.errors import InvalidInput

CPU = torch.device("cpu")


def iterate() -> Iterate:
    parts = [noise(1, 3, 4, 5, seed=seed, dtype=torch.float32) for seed in range(4)]
    state = AdamState(parts[0], parts[1], parts[2], parts[3], step=12, averaged=5)
    return Iterate(2, 3, 5, 9, torch.tensor(1.0), state, AdamOptions(), 0.1)


GOOD = dump(iterate())


def test_a_checkpoint_comes_back_as_it_was() -> None:
    resume, state = restore(GOOD, CPU), iterate().state
    assert (resume.scale, resume.iteration) == (2, 5)
    assert (resume.state.step, resume.state.averaged) == (12, 5)
    for name in ("picture", "first", "second", "average"):
        assert torch.equal(getattr(resume.state, name), getattr(state, name))


def test_a_checkpoint_does_not_change_with_the_run() -> None:
    one = iterate()
    data = dump(one)
    one.state.update(torch.ones(1, 3, 4, 5), one.options)
    assert torch.equal(restore(data, CPU).state.picture, iterate().state.picture)


def refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match=r"checkpoint: cannot be read .*retry the job") as info:
        restore(data, CPU)
    assert info.value.field == "checkpoint"


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 60, len(GOOD) // 2, len(GOOD) - 1])
def test_a_cut_off_checkpoint_is_refused(length: int) -> None:
    refused(GOOD[:length])


@few
@given(data=st.binary(max_size=200))
def test_noise_is_refused(data: bytes) -> None:
    refused(data)


@few
@given(place=st.integers(0, 300), value=st.integers(0, 255))
def test_a_damaged_header_is_refused_or_harmless(place: int, value: int) -> None:
    damaged = GOOD[:place] + bytes([value]) + GOOD[place + 1 :]
    with suppress(InvalidInput):
        restore(damaged, CPU)


PICTURE = torch.zeros(1, 3, 2, 2)


@pytest.mark.parametrize(
    "tensors",
    [
        pytest.param({"other": PICTURE}, id="no counters"),
        pytest.param({"counters": torch.tensor([1, 2, 3, 4])}, id="no tensors"),
        pytest.param({"counters": torch.tensor([1, 2])}, id="too few counters"),
        pytest.param({"counters": torch.tensor(3)}, id="one counter"),
        pytest.param({"counters": torch.zeros(4, 2)}, id="counters of another shape"),
        pytest.param(
            {
                "counters": torch.tensor([1, 2, 3, 4]),
                **{n: PICTURE.clone() for n in ("picture", "first", "second")},
                "average": torch.zeros(1, 3, 2, 3),
            },
            id="sizes that differ",
        ),
        pytest.param(
            {
                "counters": torch.tensor([1, 2, 3, 4]),
                **{n: torch.zeros(2, 2) for n in ("picture", "first", "second", "average")},
            },
            id="no pictures",
        ),
    ],
)
def test_tensors_of_another_kind_are_refused(tensors: dict[str, torch.Tensor]) -> None:
    refused(save(tensors))
