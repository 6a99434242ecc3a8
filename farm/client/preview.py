"""A stylised picture, as it came from the farm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from farm.client._files import arriving


@dataclass(frozen=True)
class Preview:
    """An encoded picture of ``width`` × ``height`` pixels and what made it.

    ``seconds`` is the farm's own time; ``stages`` has its parts. ``fidelity`` is ``full``, or what a
    busy farm made instead: ``smaller``, ``light`` or ``neighbour``, and ``degraded`` says it in words.
    ``kept`` is ``memory`` or ``store`` where the farm had made it before.
    """

    data: bytes = field(repr=False)
    media_type: str
    width: int
    height: int
    model: str
    seconds: float
    stages: dict[str, float] = field(default_factory=dict)
    fidelity: str = "full"
    degraded: str = ""
    kept: str = ""

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, whole or not at all.

        Raises:
            InvalidInput: the path cannot be written.
        """
        target = Path(path)
        with arriving(target) as sink:
            sink.write(self.data)
        return target
