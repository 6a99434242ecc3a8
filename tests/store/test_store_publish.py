"""A named output file appears whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.errors import InvalidInput, Unavailable
from farm.store import publish


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "print.tiff"

    def write(aside: Path) -> None:
        assert aside.suffix == ".tiff"
        assert aside.parent == tmp_path
        aside.write_bytes(b"half")
        assert not target.exists()
        aside.write_bytes(b"whole")

    publish(target, write)
    assert target.read_bytes() == b"whole"
    assert names(tmp_path) == ["print.tiff"]


def test_a_failed_write_keeps_the_older_file(tmp_path: Path) -> None:
    target = tmp_path / "print.tiff"
    target.write_bytes(b"older")

    def write(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(
        Unavailable, match=r"print\.tiff: cannot be written \(No space left on device\)"
    ):
        publish(target, write)
    assert target.read_bytes() == b"older"
    assert names(tmp_path) == ["print.tiff"]


def test_other_errors_pass_and_leave_nothing(tmp_path: Path) -> None:
    def write(aside: Path) -> None:
        aside.write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        publish(tmp_path / "a.png", write)
    assert names(tmp_path) == []


def test_a_real_full_device_is_one_sentence() -> None:
    with pytest.raises(Unavailable, match=r"^/dev/full: cannot be written \(No space left on device\)"):
        publish(Path("/dev/full"), bare_write)
    assert Path("/dev/full").is_char_device()


def bare_write(path: Path) -> None:
    path.write_bytes(b"x" * 4096)


@pytest.mark.parametrize("place", ["missing/a.png", "file/a.png"])
def test_a_folder_that_is_none_is_one_sentence(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match=r"a\.png: cannot be written \(.+\); make room or choose"):
        publish(tmp_path / place, bare_write)
    assert names(tmp_path) == ["file"]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a folder; name a file in it"):
        publish(tmp_path, bare_write)
