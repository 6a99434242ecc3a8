"""A print that is killed at any instant goes on from what it kept, to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from dispatch_cases import png

from farm.store import BlobStore

SCRIPT = Path(__file__).with_name("killed_render.py")


class Killer:
    """Runs the print and kills it after so many checkpoints."""

    def __init__(self, models: Path, folder: Path) -> None:
        self.folder = folder
        for name, seed in (("content.png", 0), ("style.png", 5)):
            (folder / name).write_bytes(png(seed=seed))
        self._fixed = [str(SCRIPT), str(models)]

    def run(self, store: str, checkpoint: str | None, kill_after: int | None) -> tuple[str, str]:
        """The last line's two words."""
        pictures = [str(self.folder / name) for name in ("content.png", "style.png")]
        arguments = [*self._fixed, str(self.folder / store), *pictures, "80"]
        process = subprocess.Popen(
            [sys.executable, *arguments, *([checkpoint] if checkpoint else [])],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        last = ("", "")
        with process:
            for number, line in enumerate(process.stdout, start=1):
                word, sha = line.split()
                last = word, sha
                if number == kill_after:
                    process.send_signal(signal.SIGKILL)
                    break
        return last

    def final(self, store: str, sha: str) -> bytes:
        return BlobStore(str(self.folder / store)).get(sha)


def go_through(killer: Killer, seed: int, kills: int) -> bytes:
    """The finished picture of a run that was killed so often."""
    draw = random.Random(seed)
    checkpoint = None
    for _ in range(kills):
        word, sha = killer.run("kills", checkpoint, draw.randint(1, 6))
        if word == "done":
            break
        checkpoint = sha or checkpoint
    word, sha = killer.run("kills", checkpoint, None)
    assert word == "done"
    return killer.final("kills", sha)


def undisturbed(killer: Killer) -> bytes:
    word, sha = killer.run("whole", None, None)
    assert word == "done"
    return killer.final("whole", sha)


def test_a_killed_print_ends_at_the_same_bytes(tiny_models: Path, tmp_path: Path) -> None:
    killer = Killer(tiny_models, tmp_path)
    assert go_through(killer, seed=1, kills=2) == undisturbed(killer)


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [2, 3])
def test_a_print_killed_again_and_again_ends_at_the_same_bytes(
    tiny_models: Path, tmp_path: Path, seed: int
) -> None:
    killer = Killer(tiny_models, tmp_path)
    assert go_through(killer, seed, kills=5) == undisturbed(killer)
