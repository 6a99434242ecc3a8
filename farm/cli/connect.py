"""The farm the commands talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm import settings

if TYPE_CHECKING:
    from farm.client import Client


def connect(timeout: float = 30.0) -> Client:
    """A client of the farm at ``FARM_URL``, by default the one on this machine.

    Args:
        timeout: seconds that one answer may take.
    """
    from farm.client import Client

    return Client(settings.load().farm_url, timeout=timeout)
