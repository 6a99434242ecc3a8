"""Job ids, chosen before anything is sent, so that sending twice makes one job."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import UTC, datetime

from farm.errors import InvalidInput
from farm.spec.job import NAME

MAX_KEY = 256


def fresh(now: float) -> str:
    """A new id that sorts by time: ``j-20260102-150405-1f9c3ab2`` for ``now`` in epoch seconds."""
    stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%d-%H%M%S")
    return f"j-{stamp}-{secrets.token_hex(4)}"


def from_key(key: str) -> str:
    """The id that belongs to an idempotency key; the same key gives the same id everywhere.

    Raises:
        InvalidInput: the key is empty or longer than 256 characters.
    """
    if not 0 < len(key) <= MAX_KEY:
        raise InvalidInput(f"key: {len(key)} characters; use 1 to {MAX_KEY}.", field="key")
    return f"k-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def checked(job_id: str) -> str:
    """The id itself, if it may be one.

    Raises:
        InvalidInput: it has characters or a length that an id may not have.
    """
    if not re.fullmatch(NAME, job_id):
        raise InvalidInput(
            f"id: {job_id[:70]!r} is not valid; use 1-64 letters, digits, '.', '_' and '-', "
            "beginning with a letter or digit.",
            field="id",
        )
    return job_id
