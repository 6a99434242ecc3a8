"""Durations, prices and times in words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farm.spec.words import clock_time, duration, money


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (42.4, "42 s"), (89, "89 s"), (420, "7 min"), (11_100, "3 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [
        (0, "$0.00"),
        (0.00131, "$0.0014"),
        (0.5, "$0.50"),
        (1.15, "$1.15"),
        (1.151, "$1.16"),
        (40, "$40.00"),
    ],
)
def test_prices_are_rounded_up(usd: float, words: str) -> None:
    assert money(usd) == words


def test_times_are_rounded_up_to_a_second() -> None:
    moment = datetime(2026, 5, 4, 12, 0, 0, 1, tzinfo=UTC)
    assert clock_time(moment) == "2026-05-04T12:00:01+00:00"
    assert clock_time(moment.replace(microsecond=0)) == "2026-05-04T12:00:00+00:00"
