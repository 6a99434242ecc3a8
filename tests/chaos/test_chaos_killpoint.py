"""A kill point that a file names kills one process, and what is started after it lives."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from farm.queue.killpoints import reach


def passes(place: str) -> int:
    """The status of a child that comes by there."""
    child = os.fork()
    if child == 0:
        reach(place)
        os._exit(0)
    return os.waitpid(child, 0)[1]


def test_only_the_first_to_pass_the_place_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "kill-at"
    monkeypatch.setenv("FARM_KILL_AT", f"@{file}")
    assert passes("claim.after_commit") == 0, "there is no file"
    file.write_text("claim.after_commit\n", encoding="utf-8")
    assert passes("claim.before_commit") == 0, "it names another place"
    assert os.WTERMSIG(passes("claim.after_commit")) == signal.SIGKILL
    assert not file.exists()
    assert passes("claim.after_commit") == 0
