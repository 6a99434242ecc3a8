"""What a model's pictures depend on, as one hash that can be asked for with every request."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from farm.catalog.cards import CARD
from farm.catalog.catalogue import Catalogue
from farm.errors import FarmError


def identity(catalogue: Catalogue, name: str) -> str:
    """The sha256 over the hashes of a preview net's weights and of the net that looks at its styles.

    Raises:
        NotFound: one of them is not here.
        Unavailable: a card cannot be read.
    """
    card = catalogue.model(name)
    eye = catalogue.model(str(card.architecture["extractor"]))
    return hashlib.sha256(f"{card.sha256} {eye.sha256}".encode()).hexdigest()


def watched(catalogue: Catalogue, name: str) -> Callable[[], str]:
    """``identity`` as it is at each call, empty where there is none; reads cards that changed only."""
    known: tuple[object, str] = (None, "")

    def current() -> str:
        nonlocal known
        stamp = _stamp(catalogue)
        if stamp != known[0]:
            try:
                known = (stamp, identity(catalogue, name))
            except (FarmError, KeyError):
                known = (stamp, "")
        return known[1]

    return current


def _stamp(catalogue: Catalogue) -> tuple[tuple[str, int, int], ...]:
    """Of every model's card: its name, size and time of change."""
    found = []
    for path in sorted(catalogue.folder.glob(f"*/{CARD}")):
        status = path.stat()
        found.append((path.parent.name, status.st_size, status.st_mtime_ns))
    return tuple(found)
