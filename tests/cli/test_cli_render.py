"""``farm render``: what is refused before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from farm.cli.render import check_suffix
from farm.errors import InvalidInput
from farm.spec import Job, parse_job

Farm = Callable[..., int]
JOB = "farm: 1\nkind: print\ncontent: cat.png\nstyles: [{name: dots}]\noutput: {long_edge: 100}\n"


def job(kind: str) -> Job:
    spec = {"farm": 1, "kind": "print", "content": "cat.png", "styles": [{"name": "dots"}]}
    return parse_job({**spec, "output": {"long_edge": 100, "format": kind}})


def test_a_name_of_another_format_is_refused(
    tmp_path: Path, farm: Farm, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    assert farm("render", path, "-o", tmp_path / "out.png") == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "farm: output.format: 'tiff' does not go with 'out.png'; "
        "add --set output.format=png, or end its name in .tif or .tiff.\n"
    )
    assert not (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    ("kind", "name"),
    [("tiff", "a.tif"), ("tiff", "a.TIFF"), ("png", "a.png"), ("jpeg", "a.jpg"), ("jpeg", "a.jpeg")],
)
def test_a_name_of_the_format_is_fine(kind: str, name: str) -> None:
    check_suffix(Path(name), job(kind))


@pytest.mark.parametrize("name", ["a", "a.gif", "png"])
def test_a_name_of_no_format_is_refused(name: str) -> None:
    with pytest.raises(
        InvalidInput, match=r"'png' does not go with .*; end its name in \.png\."
    ) as caught:
        check_suffix(Path(name), job("png"))
    assert caught.value.field == "output.format"
