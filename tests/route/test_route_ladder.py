"""The ladder of previews in closed form: a pixel takes a microsecond, and nothing is fixed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.route.ladder import Rules, Standing, Wish, grant

RULES = Rules(patience=0.5, fixed=0.0)
IDLE = Standing(backlog=0.0, seconds_per_pixel=1e-6)
WISH = Wish(edge=500)  # 250 000 pixels: 0.25 s


def waiting(seconds: float, light: float | None = None) -> Standing:
    return replace(IDLE, backlog=seconds * 1e6, light=light)


@pytest.mark.parametrize(
    ("seconds", "light", "neighbour", "rung", "edge"),
    [
        pytest.param(0.0, None, False, "full", 500, id="idle"),
        pytest.param(0.25, None, False, "full", 500, id="it just fits"),
        pytest.param(0.30, None, False, "smaller", 432, id="447 px would fit: the step below"),
        pytest.param(0.4375, None, False, "smaller", 250, id="half the edge just fits"),
        pytest.param(0.44, 0.25, True, "light", 480, id="light: four times the pixels, 489 px"),
        pytest.param(0.44, None, True, "neighbour", 500, id="no light net"),
        pytest.param(0.49, 0.25, True, "neighbour", 500, id="not even the light net"),
        pytest.param(0.44, None, False, "refused", 500, id="nothing kept"),
    ],
)
def test_more_waiting_is_a_lower_rung(
    seconds: float, light: float | None, neighbour: bool, rung: str, edge: int
) -> None:
    found = grant(replace(WISH, neighbour=neighbour), waiting(seconds, light), RULES)
    assert (found.rung, found.edge) == (rung, edge)
    assert (found.reason == "") == (rung == "full")


def test_a_grant_says_when_it_will_be_answered() -> None:
    found = grant(WISH, waiting(0.2), RULES)
    assert found.work == 250_000
    assert found.seconds == pytest.approx(0.45)
    light = grant(WISH, waiting(0.44, 0.25), RULES)
    assert light.work == 480 * 480 * 0.25


def test_who_is_refused_hears_when_there_would_be_room() -> None:
    # 250 px, the least, take 62.5 ms: room is there once less than 437.5 ms wait.
    assert grant(WISH, waiting(0.9), RULES).retry_after == pytest.approx(0.4625)
    # By a light net of a quarter of the cost, 15.6 ms.
    assert grant(WISH, waiting(0.9, 0.25), RULES).retry_after == pytest.approx(0.415625)


def test_a_farm_too_slow_for_its_own_patience_still_makes_one_at_a_time() -> None:
    slow = Standing(backlog=1000.0, seconds_per_pixel=1e-3)
    assert grant(WISH, slow, RULES).retry_after == pytest.approx(1.0)
    assert grant(WISH, replace(slow, backlog=0.0), RULES).rung == "full"


def test_an_idle_farm_makes_what_was_asked_for_however_large() -> None:
    assert grant(Wish(edge=2048), IDLE, RULES).rung == "full"
    assert grant(Wish(edge=2048, deadline=3.0), IDLE, RULES).rung == "smaller"


def test_a_deadline_that_cannot_be_kept_is_refused_for_good() -> None:
    found = grant(replace(WISH, deadline=0.05), IDLE, RULES)
    assert (found.rung, found.retry_after) == ("refused", None)
    assert "deadline is 0.05 s" in found.reason


def test_money_counts_as_time_does() -> None:
    dear = replace(IDLE, usd_per_second=1.0)
    assert grant(replace(WISH, budget_usd=0.25), dear, RULES).rung == "full"
    assert grant(replace(WISH, budget_usd=0.20), dear, RULES).rung == "smaller"
    none = grant(replace(WISH, budget_usd=0.01), dear, RULES)
    assert (none.rung, none.retry_after) == ("refused", None)
    assert none.reason == "budget_usd 0.01 pays for no more"


def test_a_narrow_picture_is_less_work() -> None:
    assert grant(replace(WISH, aspect=0.5), IDLE, RULES).work == 125_000


def test_tiny_previews_are_not_free() -> None:
    many = Rules(patience=0.5, fixed=100_000.0)
    assert grant(Wish(edge=64), waiting(0.45), many).rung == "refused"


@given(
    st.integers(64, 2048), st.floats(0.02, 1.0), st.floats(0.01, 3.0), st.floats(0, 5.0),
    st.one_of(st.none(), st.floats(0.05, 0.9)),
)  # fmt: skip
def test_what_is_granted_is_in_time_and_no_larger(
    edge: int, aspect: float, deadline: float, seconds: float, light: float | None
) -> None:
    found = grant(Wish(edge, aspect, deadline), waiting(seconds, light))
    assert found.edge <= edge
    if found.rung in ("full", "smaller", "light"):
        assert found.seconds <= deadline * (1 + 1e-9)
        assert found.edge >= min(edge, 64)
    elif found.retry_after is not None:
        later = max(0.0, seconds - found.retry_after - 1e-9)
        assert grant(Wish(edge, aspect, deadline), waiting(later, light)).rung != "refused"
