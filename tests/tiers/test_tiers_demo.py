"""The demo, interrupted as a person would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.ray, pytest.mark.timeout(180)]


def test_ctrl_c_stops_the_demo_and_all_it_started(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "farm.cli", "demo", "--out", str(tmp_path / "demo")],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if "Ordering" in line:
            break
    family = psutil.Process(process.pid).children(recursive=True)
    assert family, "".join(said)
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait(60) == 130, "".join(said) + rest
    assert "Traceback" not in rest
    assert "Stopped" in rest
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
