"""What the README shows is what works: its Python runs as it stands there."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.catalog import Catalogue
from farm.cli.house import CatalogueCards
from farm.gateway import create_app
from farm.gateway.ports import Services
from farm.gateway.testing import blank_png, in_memory, listening
from farm.queue import MemoryQueue
from farm.spec.event import Artefact, Done, Rendition

ROOT = Path(__file__).resolve().parent.parent
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A farm at the default address's place, seen from a folder with the project's jobs."""
    (tmp_path / "jobs").symlink_to(ROOT / "jobs")
    monkeypatch.chdir(tmp_path)
    catalogue = CatalogueCards(Catalogue(ROOT / "models"))
    found = replace(in_memory(tmp_path / "store"), catalogue=catalogue)
    with listening(create_app(found)) as url:
        monkeypatch.setenv("FARM_URL", url)
        yield found


def work(services: Services) -> None:
    """Do a worker's part of the next job."""
    queue = services.queue
    assert isinstance(queue, MemoryQueue)
    while (lease := queue.claim("w1", 3600)) is None:
        queue.wait(queue.version(), 1.0)
    data = blank_png(8, 8)
    final = Artefact(
        name="final.png", blob=services.store.put(data), media_type="image/png", bytes=len(data)
    )
    queue.record(lease, Rendition(fidelity="final", width=8, height=8, picture=final))
    queue.complete(lease, Done(artefacts=(final,), usd=0.01))


def test_its_python_runs(services: Services, capsys: pytest.CaptureFixture[str]) -> None:
    assert BLOCKS
    for block in BLOCKS:
        worker = threading.Thread(target=work, args=[services], daemon=True)
        worker.start()
        names: dict[str, Any] = {}
        exec(compile(block, "README.md", "exec"), names)
        names["client"].close()
        worker.join(10)
    (job,) = services.queue.jobs()
    assert (job.spec.priority, job.spec.output.size((300, 200))) == (80, (2048, 1365))
    assert Path("preview.jpg").is_file()
    assert Path("out/print/final.png").is_file()
    assert "0.01 [" in capsys.readouterr().out
