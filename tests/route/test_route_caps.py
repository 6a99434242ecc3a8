"""What a cap allows: to promise, to begin, to go on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farm.errors import Refused
from farm.route.caps import FINISH, accept, admits, begins, goes_on, room, standing
from farm.spec.cost import Account

USD = st.floats(0, 1000)


def account(spent: float = 0.0, reserved: float = 0.0, cap: float | None = 10.0) -> Account:
    return Account(project="ads", cap_usd=cap, spent_usd=spent, reserved_usd=reserved)


def test_a_cap_is_not_promised_twice() -> None:
    assert admits(account(), 10.0)
    assert not admits(account(), 10.01)
    assert admits(account(spent=3.0, reserved=4.0), 3.0)
    assert not admits(account(spent=3.0, reserved=4.0), 3.01)
    assert admits(account(spent=0.1, reserved=0.2, cap=0.6), 0.3), "0.1 + 0.2 + 0.3 is more in floats"


def test_a_job_that_does_not_fit_is_refused_with_the_figures_and_the_remedy() -> None:
    accept(account(spent=3.0), 7.0)
    with pytest.raises(Refused, match=r"^project: 'ads' has spent \$3\.00 .*up to \$7\.01; ") as caught:
        accept(account(spent=3.0), 7.01)
    assert caught.value.message.endswith("raised with 'farm project set ads --cap USD'.")
    with pytest.raises(Refused):
        accept(account(cap=0.0), 0.0)


def test_from_nine_tenths_on_only_what_holds_a_reservation_begins() -> None:
    assert begins(account(spent=8.99), 0.0)
    assert not begins(account(spent=FINISH * 10), 0.0)
    assert begins(account(spent=9.99), 0.5)
    assert not begins(account(spent=10.0), 0.5)


def test_at_the_cap_nothing_goes_on() -> None:
    assert goes_on(account(spent=9.9, reserved=5.0), 0.0), "what runs within its reservation finishes"
    assert goes_on(account(spent=9.0, reserved=0.5), 0.5)
    assert not goes_on(account(spent=9.0, reserved=0.5), 0.6)
    assert not goes_on(account(spent=10.0), 0.0)


@given(USD, USD, USD)
def test_without_a_cap_all_goes(spent: float, reserved: float, usd: float) -> None:
    free = account(spent, reserved, None)
    assert admits(free, usd)
    assert begins(free, usd)
    assert goes_on(free, usd)
    assert room(free) is None


@given(USD, USD, USD, st.floats(0, 1000))
def test_what_is_promised_fits(cap: float, spent: float, reserved: float, usd: float) -> None:
    purse = account(spent, reserved, cap)
    if admits(purse, usd):
        assert spent + reserved + usd <= cap + 1e-6
    left = room(purse)
    assert left is not None
    assert admits(purse, left) or spent + reserved > cap


@pytest.mark.parametrize(
    ("reserved", "words"),
    [
        (0.0, "has spent $9.50 of its $10.00 a month"),
        (0.25, "has spent $9.50 and promised $0.25 of its $10.00 a month"),
    ],
)
def test_a_purse_in_words(reserved: float, words: str) -> None:
    assert standing(account(spent=9.5, reserved=reserved)) == words
