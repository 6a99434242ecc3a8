"""Previews as the gateway orders them, and what makes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from farm.route.ladder import Rung


@dataclass(frozen=True)
class PreviewOrder:
    """A picture to be stylised now.

    Args:
        content: an encoded picture.
        style: an encoded picture, or the name of a style of the catalogue.
        size: long edge of the answer, in pixels.
        strength: 0 keeps the content, 1 is all style.
        shape: (width, height) of the content, as its header says; only their ratio matters.
        deadline: seconds within which the answer is of use; None: as soon as may be.
        budget_usd: the most that it may cost; None: no matter.
        fresh: make it anew, even if the same was made before.
        light: by the light net.
        request_id: of the HTTP request that it is for, for logs.
    """

    content: bytes
    style: bytes | str
    size: int = 512
    strength: float = 0.5
    shape: tuple[int, int] = (1, 1)
    deadline: float | None = None
    budget_usd: float | None = None
    fresh: bool = False
    light: bool = False
    request_id: str = ""

    @property
    def aspect(self) -> float:
        """Short edge by long edge of the content."""
        return min(self.shape) / max(self.shape)


@dataclass(frozen=True)
class PreviewAnswer:
    """An encoded picture, what made it, and the seconds each stage took.

    Args:
        weights: sha256 of the weights of ``model``; empty: not known, and nothing to be kept.
        rung: how far it is from what was asked for.
        degraded: the same in words, with the reason; empty for what was asked for.
        kept: where it was found made before (``memory`` or ``store``); empty: made for this order.
    """

    picture: bytes
    media_type: str
    width: int
    height: int
    model: str
    seconds: float
    stages: Mapping[str, float] = field(default_factory=dict)
    weights: str = ""
    rung: Rung = "full"
    degraded: str = ""
    kept: str = ""


@dataclass(frozen=True)
class Nets:
    """What makes previews now.

    Args:
        weights: sha256 of the full net's weights; empty: not known, and nothing is kept.
        light: what the light net costs of the full one, a share; None: there is none.
    """

    weights: str = ""
    light: float | None = None


class Previews(Protocol):
    """The interactive tier."""

    def nets(self) -> Nets:
        """Asked for with every preview; answers at once."""
        ...

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        """Raises InvalidInput (not a picture), NotFound (style), Busy, Unavailable."""
        ...
