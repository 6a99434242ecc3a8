"""Previews made before, found by what they were made of: in memory, and in the store.

The key has everything that a picture depends on: the bytes of content and style, the weights, the
code, the size and the strength. So nothing is ever out of date; what nobody asks for goes first.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Protocol

from farm.gateway.orders import PreviewAnswer

NEAR_SIZE = 1.0
"""A neighbour has at most so many octaves more or fewer pixels along its edge."""
NEAR_STRENGTH = 0.25
_FIELDS = ("media_type", "width", "height", "model", "weights")


@dataclass(frozen=True)
class Key:
    """What a preview is made of.

    Args:
        content, style: sha256 of their bytes.
        weights: sha256 of the net's.
        code: version of the code that runs the net.
    """

    content: str
    style: str
    weights: str
    code: str
    size: int
    strength: float

    @property
    def name(self) -> str:
        """As one hex digest."""
        return _digest(*self.pair, str(self.size), repr(self.strength))

    @property
    def pair(self) -> tuple[str, str, str, str]:
        """What neighbours have in common."""
        return self.content, self.style, self.weights, self.code

    def distance(self, other: Key) -> float:
        """How unlike two neighbours look; infinite where one cannot stand in for the other."""
        octaves, steps = abs(math.log2(self.size / other.size)), abs(self.strength - other.strength)
        near = octaves <= NEAR_SIZE and steps <= NEAR_STRENGTH
        return octaves / NEAR_SIZE + steps / NEAR_STRENGTH if near else math.inf


class Shelf(Protocol):
    """Where previews are kept beyond this process. Whatever goes wrong there, they are not kept."""

    def get(self, key: str, /) -> bytes | None:
        """What was put, or None."""
        ...

    def put(self, key: str, data: bytes, /) -> None:
        """Keep it for a while."""
        ...


class NoShelf:
    """Keeps nothing."""

    def get(self, key: str, /) -> bytes | None:
        """None."""

    def put(self, key: str, data: bytes, /) -> None:
        """Nothing."""


class Kept:
    """Previews in memory, the last ones used up to ``max_bytes``, and on a shelf.

    Not thread-safe but for ``fetched`` and ``stored``, which touch the shelf only.
    """

    def __init__(self, shelf: Shelf, max_bytes: int) -> None:
        self._shelf, self._max_bytes = shelf, max_bytes
        self._answers: OrderedDict[Key, PreviewAnswer] = OrderedDict()
        self._pairs: dict[tuple[str, str, str, str], set[Key]] = {}
        self.bytes = 0

    def get(self, key: Key) -> PreviewAnswer | None:
        """From memory."""
        found = self._answers.get(key)
        if found is not None:
            self._answers.move_to_end(key)
        return found

    def put(self, key: Key, answer: PreviewAnswer) -> None:
        """Into memory; one larger than all of it is not kept."""
        if len(answer.picture) > self._max_bytes:
            return
        self._drop(key)
        self._answers[key] = replace(answer, kept="memory", stages={})
        self._pairs.setdefault(key.pair, set()).add(key)
        self.bytes += len(answer.picture)
        while self.bytes > self._max_bytes:
            self._drop(next(iter(self._answers)))

    def neighbour(self, key: Key) -> tuple[Key, PreviewAnswer] | None:
        """The most alike in size and strength of the same picture, style and net; from memory."""
        near = [(key.distance(other), other.size, other) for other in self._pairs.get(key.pair, ())]
        near = [one for one in near if math.isfinite(one[0])]
        if not near:
            return None
        other = min(near, key=lambda one: one[:2])[2]
        return other, self._answers[other]

    def fetched(self, key: Key) -> PreviewAnswer | None:
        """From the shelf."""
        data = self._shelf.get(key.name)
        if data is None:
            return None
        head, _, picture = data.partition(b"\n")
        answer = PreviewAnswer(picture, seconds=0.0, kept="store", **json.loads(head))
        return answer if answer.weights == key.weights else None

    def stored(self, key: Key, answer: PreviewAnswer) -> None:
        """Onto the shelf."""
        head = json.dumps({name: getattr(answer, name) for name in _FIELDS}).encode()
        self._shelf.put(key.name, head + b"\n" + answer.picture)

    def _drop(self, key: Key) -> None:
        answer = self._answers.pop(key, None)
        if answer is None:
            return
        self.bytes -= len(answer.picture)
        siblings = self._pairs[key.pair]
        siblings.discard(key)
        if not siblings:
            del self._pairs[key.pair]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
