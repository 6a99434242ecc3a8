from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import farm
from farm import client
from farm.client import AsyncClient, AsyncJobHandle, Client, JobHandle

HEAVY = ("torch", "ray", "numpy", "fastapi")


def test_the_sdk_imports_nothing_heavy() -> None:
    code = (
        "import sys; from farm import AsyncClient, Client, __version__; import farm.client.jobfile;"
        f"sys.exit(','.join(name for name in {HEAVY} if name in sys.modules) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_worker_that_imports_the_package_gets_no_http_client() -> None:
    code = "import sys, farm, farm.errors; sys.exit('httpx' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_public_names_are_these() -> None:
    assert sorted(farm.__all__) == ["AsyncClient", "Client", "__version__"]
    assert sorted(client.__all__) == ["AsyncClient", "AsyncJobHandle", "Client", "JobHandle", "Preview"]
    assert farm.__version__.count(".") == 2
    assert farm.Client is Client


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="Cleint"):
        getattr(farm, "Cleint")  # noqa: B009


def _public(kind: type) -> dict[str, list[str]]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: list(inspect.signature(f).parameters) for name, f in found if name[0] != "_"}


def test_sync_and_async_have_the_same_surface() -> None:
    assert _public(Client) == _public(AsyncClient)
    assert _public(JobHandle) == _public(AsyncJobHandle)
    assert sorted(_public(Client)) == [
        "close", "costs", "download", "farm", "find", "job", "jobs", "models", "nodes", "preview",
        "previews", "projects", "quote", "readmit", "ready", "set_cap", "set_project", "style",
        "styles", "submit", "upload",
    ]  # fmt: skip
    assert sorted(_public(JobHandle)) == [
        "attempts", "cancel", "cost", "events", "fetch", "pause", "record", "result", "resume", "retry",
        "tasks",
    ]  # fmt: skip
