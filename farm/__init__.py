"""A render farm for neural style transfer.

from farm import Client

client = Client()
job = client.submit("jobs/print-a4.yaml")
for event in job.events():
    ...
job.fetch("out")
"""

from __future__ import annotations

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.client import AsyncClient, Client

    __version__: str

__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> Any:
    # Found on first use: a worker that imports farm.engine has no need of an HTTP client.
    if name == "__version__":
        return version("style-farm")
    if name in __all__:
        return getattr(importlib.import_module("farm.client"), name)
    raise AttributeError(f"module 'farm' has no attribute {name!r}")
