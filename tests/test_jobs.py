"""The job files that come with the project are valid and do what their comments say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from PIL import Image

from farm.catalog.rights import is_licence
from farm.spec import Job, parse_job

JOBS = Path(__file__).resolve().parent.parent / "jobs"
FILES = sorted(JOBS.glob("*.yaml"))


def read(path: Path) -> Job:
    return parse_job(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_the_job_files_are_these() -> None:
    names = [path.stem for path in FILES]
    assert names == [
        "brand-style",
        "preview",
        "print-1024",
        "print-a0",
        "print-a3",
        "print-a4",
        "print-options",
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_pictures_exist(path: Path) -> None:
    job = read(path)
    pictures = [job.content, *(style.image for style in job.styles if style.image)]
    for picture in pictures:
        with Image.open(path.parent / picture) as image:
            image.verify()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_size_is_what_its_comment_says(path: Path) -> None:
    found = re.search(r"# Comes out at (\d+) × (\d+) pixels", path.read_text(encoding="utf-8"))
    assert found
    job = read(path)
    with Image.open(path.parent / job.content) as image:
        size = job.output.size(image.size)
    assert size == (int(found[1]), int(found[2]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_comment_says_how_to_run_it(path: Path) -> None:
    assert f"farm submit jobs/{path.name} --watch" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_own_images_carry_rights(path: Path) -> None:
    for style in read(path).styles:
        if style.image:
            assert style.rights
            assert is_licence(style.rights.licence)
