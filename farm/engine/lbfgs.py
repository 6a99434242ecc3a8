"""L-BFGS on pixels in [0, 1], one gradient a step, over any number of bands.

Nocedal (1980), "Updating quasi-Newton matrices with limited storage"; Liu and Nocedal (1989). The two
loops run on inner products alone (Chen, Wang and Zhou 2014, "Large-scale L-BFGS using MapReduce"): each
step sums those that are new over the ranks in one message, and the direction is then a sum of the
vectors at hand, with the same coefficients everywhere.

Bounds are kept by two-metric projection (Bertsekas 1982): pixels at a bound that the gradient pushes
against sit the step out, the others are clamped. There is no line search, which would cost gradients;
instead no pixel changes by more than a limit in a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from farm.engine.adam import Enlarge
from farm.engine.mesh import Mesh
from farm.engine.needs import LBFGS_HISTORY
from farm.engine.state import Counters

_STRIP_CPU, _STRIP = 1 << 15, 1 << 19
"""Values of each vector that are worked on at once: as fit a processor's cache, or keep a GPU busy."""


@dataclass(frozen=True)
class LbfgsOptions:
    """How far a step goes and what it remembers.

    Args:
        history: pairs of steps and gradient changes that are kept.
        learning_rate: share of the quasi-Newton step that is taken.
        first: root mean square change of a pixel in a step without history, straight down the gradient.
        largest: most that a pixel changes in a step.
        curvature: a pair counts if the cosine between step and gradient change is above this. Below,
            the change is mostly noise, as where the pools' grid moves, and would make steps too long.
    """

    history: int = LBFGS_HISTORY
    learning_rate: float = 1.0
    first: float = 0.01
    largest: float = 0.1
    curvature: float = 0.1


class LbfgsState:
    """The picture being optimised, the last gradient, and the history: all ``(1, 3, rows, w)``.

    Memory is ``12 · (2 · history + 3)`` bytes per pixel once the history is full.
    """

    def __init__(self, picture: Tensor, options: LbfgsOptions, pixels: int) -> None:
        self.picture = picture.contiguous()
        self.options = options
        self.pixels = pixels
        self.calmed = 0
        self._gradient = torch.zeros_like(self.picture)
        self._previous = torch.zeros_like(self.picture)
        self._absorbed = 0
        self._forget()

    @classmethod
    def start(cls, picture: Tensor, options: LbfgsOptions, pixels: int) -> LbfgsState:
        """The state before the first step; takes the picture over, rows of a whole of ``pixels``."""
        return cls(picture, options, pixels)

    @classmethod
    def restored(
        cls, tensors: Mapping[str, Tensor], counters: Counters, options: LbfgsOptions, pixels: int
    ) -> LbfgsState:
        """The state that ``tensors`` and ``counters`` were taken from, with the history length it had.

        Raises:
            KeyError: something is missing.
        """
        history = int(counters["history"])
        state = cls(tensors["picture"], replace(options, history=history), pixels)
        state.calmed, state._taken = int(counters["calmed"]), int(counters["taken"])
        state._previous = tensors["gradient"]
        slots = range(min(state._taken, history))
        state._steps = [tensors[f"s{slot}"] for slot in slots]
        # The last step's change is known only with the next gradient.
        state._changes = [tensors[f"y{slot}"] for slot in slots if slot < state._taken - 1]
        for row in range(2 * history):
            known = [float(counters[f"product {row} {column}"]) for column in range(row + 1)]
            products = torch.tensor(known, dtype=torch.float64)
            state._products[row, : row + 1] = state._products[: row + 1, row] = products
        return state

    def enlarged(self, enlarge: Enlarge, pixels: int) -> LbfgsState:
        """The state at a new size: the picture resampled, and no history, which is of the old size."""
        state = LbfgsState.start(enlarge(self.picture, "bicubic").clamp_(0, 1), self.options, pixels)
        state.calmed = self.calmed
        return state

    def calm(self) -> None:
        """Halve the step from now on, and forget the history that led to what has to be calmed."""
        self.calmed += 1
        self._forget()

    def begin(self) -> None:
        """A new iteration starts."""
        self._absorbed = 0

    def absorb(self, top: int, gradient: Tensor) -> None:
        """The gradient of rows ``[top, top + h)`` of the band, ``(1, 3, h, w)``; each row once."""
        self._gradient[:, :, top : top + gradient.shape[2]].copy_(gradient)
        self._absorbed += gradient.shape[2]

    def finish(self, mesh: Mesh) -> None:
        """Take the step that all ranks agree on; every row has been absorbed."""
        assert self._absorbed == self.picture.shape[2], "a strip of the gradient is missing"
        if self._taken:
            change = _place(self._changes, (self._taken - 1) % self.options.history, self.picture)
            torch.sub(self._gradient, self._previous, out=change)
        (sums,) = mesh.add([self._new_products()])
        self._keep(sums)
        self._move(self._coefficients())
        self._gradient, self._previous = self._previous, self._gradient
        self._taken += 1

    def output(self, top: int = 0, bottom: int | None = None) -> Tensor:
        """A copy of the picture: these iterates swing little and need no averaging."""
        return self.picture[:, :, top:bottom].clone()

    def tensors(self) -> dict[str, Tensor]:
        """What to keep: the picture, the last gradient and the history; not copied."""
        kept = {"picture": self.picture, "gradient": self._previous}
        kept |= {f"s{slot}": step for slot, step in enumerate(self._steps)}
        return kept | {f"y{slot}": change for slot, change in enumerate(self._changes)}

    def counters(self) -> Counters:
        """What to keep beside, the same on every rank; reading it waits for the device."""
        known = self._products.tolist()
        products = {
            f"product {row} {column}": known[row][column]
            for row in range(2 * self.options.history)
            for column in range(row + 1)
        }
        numbers = {"history": self.options.history, "taken": self._taken, "calmed": self.calmed}
        return {**numbers, **products}

    @property
    def _slots(self) -> list[int]:
        """Where the pairs lie, the newest first."""
        return [(self._taken - 1 - age) % self.options.history for age in range(len(self._changes))]

    def _forget(self) -> None:
        """Begin the history anew."""
        self._taken = 0
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []
        # Of steps, changes and gradient, in this order. Kept, since taking all anew costs far more.
        size = 2 * self.options.history + 1
        self._products = torch.zeros(size, size, dtype=torch.float64, device=self.picture.device)

    def _new_products(self) -> Tensor:
        """This rank's share of the products of the newest step and change and the gradient with all.

        ``(3, 2 · pairs + 1)``, in float64: sums of a hundred million float32 would be guesses.
        """
        pairs = len(self._changes)
        rows = (self._slots[0], pairs + self._slots[0], 2 * pairs) if pairs else (0, 0, 0)
        sums = self._products.new_zeros(3, 2 * pairs + 1)
        for strip in self._strips():
            sums += torch.stack([strip.vectors[row] for row in rows]) @ strip.vectors.T
        return sums

    def _keep(self, sums: Tensor) -> None:
        """Put the new products, summed over all ranks, in their places."""
        history, pairs = self.options.history, len(self._changes)
        gap = sums.new_zeros(3, history - pairs)
        rows = torch.cat((sums[:, :pairs], gap, sums[:, pairs : 2 * pairs], gap, sums[:, -1:]), 1)
        places = (self._slots[0], history + self._slots[0]) if pairs else ()
        for place, row in zip((2 * history, *places), (rows[2], rows[0], rows[1]), strict=False):
            self._products[place] = self._products[:, place] = row

    def _coefficients(self) -> Tensor:
        """Of steps, changes and gradient in the direction: the two loops, on inner products alone."""
        options, products, pairs = self.options, self._products, len(self._changes)
        history = options.history
        lengths, inner = products.diagonal().sqrt(), products.diagonal(history)[:history]
        counts = inner > options.curvature * lengths[:history] * lengths[history:-1]
        inverse = torch.where(counts, 1 / inner, 0)
        scale = options.first * (3 * self.pixels) ** 0.5 / lengths[-1].clamp(min=1e-30)
        found = products.new_zeros(2 * history + 1)
        found[-1] = -options.learning_rate * 0.5**self.calmed
        alphas = {}
        for slot in self._slots:
            alphas[slot] = inverse[slot] * (products[slot] @ found)
            found[history + slot] -= alphas[slot]
        for slot in reversed(self._slots):
            scale = torch.where(counts[slot], inner[slot] / lengths[history + slot].square(), scale)
        found *= scale
        for slot in reversed(self._slots):
            found[slot] += alphas[slot] - inverse[slot] * (products[history + slot] @ found)
        return torch.cat((found[:pairs], found[history : history + pairs], found[-1:]))

    def _move(self, coefficients: Tensor) -> None:
        """Take the step, within its limits, and write down the step that it was."""
        limit = self.options.largest * 0.5**self.calmed
        # The oldest step makes room: each strip of it is written only after it was read.
        written = _place(self._steps, self._taken % self.options.history, self.picture)
        for strip, step in zip(self._strips(), self._split(written), strict=True):
            change = (coefficients @ strip.vectors).to(step.dtype)
            change.clamp_(-limit, limit).masked_fill_(strip.held, 0)
            moved = (strip.pixels + change).clamp_(0, 1)
            torch.sub(moved, strip.pixels, out=step)
            strip.pixels.copy_(moved)

    def _strips(self) -> Iterator[_Strip]:
        vectors = [*self._steps[: len(self._changes)], *self._changes, self._gradient]
        for pixels, *parts in zip(*map(self._split, (self.picture, *vectors)), strict=True):
            gradient = parts[-1]
            held = ((pixels <= 0) & (gradient > 0)) | ((pixels >= 1) & (gradient < 0))
            parts[-1] = gradient.masked_fill(held, 0)
            yield _Strip(pixels, held, torch.stack(parts).double())

    def _split(self, vector: Tensor) -> tuple[Tensor, ...]:
        size = _STRIP_CPU if vector.device.type == "cpu" else _STRIP
        return torch.split(vector.view(-1), size)


def _place(vectors: list[Tensor], slot: int, like: Tensor) -> Tensor:
    """The vector of that slot, new where the history is not full yet."""
    if slot == len(vectors):
        vectors.append(torch.empty_like(like))
    return vectors[slot]


class _Strip(NamedTuple):
    """Some values of everything: pixels, which of them are held at a bound, and all vectors.

    ``vectors`` is ``(2 · pairs + 1, n)`` in float64: steps, changes, and the gradient where not held.
    """

    pixels: Tensor
    held: Tensor
    vectors: Tensor
