"""Every job file that comes with the project really runs, small, with the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm import settings
from farm.catalog import Catalogue, check_rights, models_folder
from farm.client import jobfile
from farm.dispatch.inprocess import render_file
from farm.imaging import inspect
from farm.spec import Event
from farm.spec.output import Output

JOBS = sorted((Path(__file__).resolve().parent.parent / "jobs").glob("*.yaml"))
SIDE = 64


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_file_runs(path: Path, tmp_path: Path) -> None:
    job = jobfile.read(path)
    small = Output(long_edge=SIDE, format=job.output.format, bit_depth=job.output.bit_depth)
    quality = job.quality.model_copy(update={"preset": "draft"})
    job = job.model_copy(update={"output": small, "quality": quality})
    catalogue = Catalogue(models_folder(settings.load()))
    check_rights(job, catalogue)
    seen: list[Event] = []
    out = tmp_path / "out"
    done = render_file(job, out, catalogue=catalogue, on_progress=seen.append)
    info = inspect(out)
    assert max(info.width, info.height) == SIDE
    assert info.bits == job.output.bits
    assert [event.kind for event in seen][-1] == "done"
    assert done.artefacts[0].bytes == out.stat().st_size
