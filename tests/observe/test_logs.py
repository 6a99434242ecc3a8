"""Log lines are JSON, carry what they belong to, and go where they were sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from farm.errors import InvalidInput
from farm.observe import bound, configure

Lines = Callable[[], list[dict[str, Any]]]
KNOWN = {"job", "task", "attempt", "request_id", "other"}
LOG = logging.getLogger("farm.test")


@pytest.fixture(autouse=True)
def _leave_logging_as_it_was() -> Iterator[None]:
    logger = logging.getLogger("farm")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    for handler in set(logger.handlers) - set(before[0]):
        handler.close()
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


@pytest.fixture
def lines(tmp_path: Path) -> Lines:
    path = tmp_path / "logs" / "farm.jsonl"
    configure("info", path)
    return lambda: [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_line_has_time_level_logger_and_message(lines: Lines) -> None:
    LOG.info("claimed %d tasks in Łódź\nat once", 3)
    (line,) = lines()
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "info",
        "logger": "farm.test",
        "message": "claimed 3 tasks in Łódź\nat once",
    }


def test_fields_come_from_the_line_and_from_around_it(lines: Lines) -> None:
    with bound(job="7f", attempt=1):
        with bound(task="7f-1"):
            LOG.info("inner", extra={"attempt": 2})
        LOG.info("outer")
    LOG.info("outside", extra={"request_id": "r1", "other": "dropped"})
    inner, outer, outside = ({k: v for k, v in line.items() if k in KNOWN} for line in lines())
    assert inner == {"job": "7f", "task": "7f-1", "attempt": 2}
    assert outer == {"job": "7f", "attempt": 1}
    assert outside == {"request_id": "r1"}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValueError, match="no field 'jib'"), bound(jib=1):
        pass


def test_errors_bring_their_traceback(lines: Lines) -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError:
        LOG.exception("broke")
    assert "ZeroDivisionError" in lines()[0]["error"]


def test_the_level_is_kept(lines: Lines) -> None:
    LOG.debug("unseen")
    assert lines() == []


def test_configuring_again_replaces(lines: Lines, tmp_path: Path) -> None:
    configure("debug", tmp_path / "other.jsonl")
    LOG.debug("once")
    assert lines() == []
    assert len((tmp_path / "other.jsonl").read_text().splitlines()) == 1


def test_stderr_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    LOG.warning("here")
    assert json.loads(capsys.readouterr().err)["message"] == "here"


def test_bad_level_and_bad_path(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="'loud' is not known; use debug, info, warning, error"):
        configure("loud")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written"):
        configure("info", tmp_path / "file" / "farm.jsonl")
