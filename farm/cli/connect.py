"""The farm the commands talk to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm import settings

if TYPE_CHECKING:
    from farm.client import Client


def connect() -> Client:
    """A client of the farm at ``FARM_URL``, by default the one on this machine."""
    from farm.client import Client

    return Client(settings.load().farm_url)
