"""A run's state as bytes: enough to go on after any interruption, and nothing about the layout.

The format is safetensors, so reading one executes nothing.
"""

from __future__ import annotations

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from farm.engine.adam import AdamState
from farm.engine.optimise import Iterate, Resume
from farm.errors import InvalidInput

_TENSORS = ("picture", "first", "second", "average")


def dump(iterate: Iterate, owner: str = "") -> bytes:
    """The state after this iterate.

    ``owner`` is written along, so that two runs in the very same state have bytes of their own: in a
    store that names blobs by their bytes one could not be deleted without the other.
    """
    state = iterate.state
    tensors = {name: getattr(state, name).detach().cpu().contiguous() for name in _TENSORS}
    counters = (iterate.scale, iterate.iteration, state.step, state.averaged)
    return bytes(save({**tensors, "counters": torch.tensor(counters)}, {"owner": owner}))


def restore(data: bytes, device: torch.device) -> Resume:
    """The point to go on from.

    Raises:
        InvalidInput: the bytes are no checkpoint of this format.
    """
    try:
        tensors = load(data)
        scale, iteration, step, averaged = (int(value) for value in tensors["counters"])
        picture, first, second, average = (tensors[name].to(device) for name in _TENSORS)
        if picture.dim() != 4 or not picture.shape == first.shape == second.shape == average.shape:
            raise ValueError("its pictures differ in shape")
        state = AdamState(picture, first, second, average, step, averaged)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(
            f"checkpoint: cannot be read ({error}); retry the job without it.", field="checkpoint"
        ) from None
    return Resume(scale, iteration, state)
