"""``farm costs``, caps of projects, wishes on the command line, and quotes as pictures."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from PIL import Image

from farm.cli import quote_plot
from farm.cli.wishes import due, wished
from farm.clock import ManualClock
from farm.errors import InvalidInput
from farm.queue import MemoryQueue
from farm.spec import Decision, Option, Quote, Routing
from farm.spec.event import Done, Routed

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
NOW = 1_800_000_000.0


class Running(Protocol):
    """A farm that answers, as the fixture makes it."""

    queue: MemoryQueue
    folder: Path
    clock: ManualClock

    def jobfile(self, style: str = "name: dots") -> str: ...


def option(pool: str, seconds: float, usd: float, devices: int = 1) -> Option:
    return Option(
        pool=pool, accelerator="card", p50_seconds=seconds, p90_seconds=1.3 * seconds, p50_usd=usd,
        p90_usd=1.3 * usd, devices=devices, usd_per_hour=3600 * usd / seconds,
    )  # fmt: skip


def ran(running: Running, farm: Farm, capsys: Captured, name: str, seconds: float) -> None:
    """A job of a hundred pixels, which is quoted 0.75 s, at a cent a second."""
    assert farm("submit", running.jobfile(), "--id", name, "--set", "labels={shot: sq1}") == 0
    lease = running.queue.claim("w", 600)
    assert lease is not None
    decision = Decision(chosen=option("spot", 10, 0.1), reason="the only one")
    running.queue.record(lease, Routed(task=lease.task, decision=decision))
    running.clock.advance(seconds)
    running.queue.complete(lease, Done())
    capsys.readouterr()


# --- costs ----------------------------------------------------------------------------------------


def test_costs_are_a_table_and_a_sum(running: Running, farm: Farm, capsys: Captured) -> None:
    ran(running, farm, capsys, "a", 5.0)
    ran(running, farm, capsys, "b", 0.5)
    assert farm("costs", "--by", "feature") == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["FEATURE", "JOBS", "ATTEMPTS", "HOURS", "SPENT"]
    assert line.split()[:5] == ["print", "2", "2", "0.00", "$0.055"]
    assert line.split()[-2:] == ["3.67", "50%"]
    running.clock.advance(86_400)
    ran(running, farm, capsys, "c", 1.0)
    assert farm("costs", "--by", "day") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["DAY", "2027-01-15", "2027-01-16", "all"]
    assert "$0.065" in lines[-1]


def test_costs_as_json_of_some(running: Running, farm: Farm, capsys: Captured) -> None:
    ran(running, farm, capsys, "a", 5.0)
    assert farm("costs", "--by", "pool", "--tag", "shot=sq1", "--since", "2027-01-15", "--json") == 0
    (line,) = json.loads(capsys.readouterr().out)
    assert (line["key"], line["usd"], line["done"]) == ("spot", 0.05, 1)
    assert farm("costs", "--tag", "shot=sq2") == 0
    assert capsys.readouterr().err == "Nothing has run that is to be counted.\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--tag", "shot"), "--tag: 'shot' is not valid; write KEY=VALUE."),
        (("--since", "monday"), "--since: 'monday' is no day; write it as 2026-05-04."),
        (("--by", "mood"), "'mood' is not one of"),
    ],
)
def test_what_cannot_be_summed_up_is_told(
    running: Running, farm: Farm, capsys: Captured, arguments: tuple[str, ...], words: str
) -> None:
    assert farm("costs", *arguments) == 2
    assert words in capsys.readouterr().err


def test_show_says_quote_against_actual(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("submit", running.jobfile(), "--id", "a", "--set", "labels={shot: sq1}") == 0
    capsys.readouterr()
    assert farm("show", "a") == 0
    assert "  cost     quoted 1 s and $0.0075, 9 in 10 under 1 s and $" in capsys.readouterr().out
    ran(running, farm, capsys, "a", 5.0)
    assert farm("show", "a") == 0
    assert "  cost     took 5 s and $0.050; quoted 1 s and $0.0075, 9 in 10" in capsys.readouterr().out
    assert farm("show", "a", "--json") == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert (cost["spent_usd"], cost["runs"][0]["pool"]) == (0.05, "spot")


# --- caps -----------------------------------------------------------------------------------------


def test_a_projects_cap_is_set_and_shown(running: Running, farm: Farm, capsys: Captured) -> None:
    ran(running, farm, capsys, "a", 5.0)
    assert farm("project", "set", "default", "--cap", "0.055", "--period", "week") == 0
    capsys.readouterr()
    assert farm("project", "set", "default", "--weight", "2") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0].split()[-4:] == ["SPENT", "PROMISED", "CAP", "PERIOD"]
    assert out.splitlines()[1].split() == [
        "default", "2", "0", "–", "0", "$0.050", "$0.00", "$0.055", "week",
    ]  # fmt: skip
    assert farm("submit", running.jobfile(), "--id", "b") == 5
    err = capsys.readouterr().err
    assert "project: 'default' has spent $0.050 of its $0.055 a week, and this job needs up to $" in err
    assert farm("project", "set", "default", "--no-cap", "--json") == 0
    changed = json.loads(capsys.readouterr().out)
    assert (changed["cap_usd"], changed["period"], changed["weight"]) == (None, "week", 2.0)
    assert farm("submit", running.jobfile(), "--id", "b") == 0


def test_a_cap_and_no_cap_are_not_both_given(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("project", "set", "p", "--cap", "5", "--no-cap") == 2
    assert "cap: --no-cap is given, too" in capsys.readouterr().err
    assert farm("project", "set", "p", "--cap", "-5") == 2


# --- wishes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90min", 5400), ("+6h", 21_600), ("2d", 172_800), ("1.5 h", 5400),
        ("2027-01-15T12:00+02:00", 7200), ("2027-01-15T10:00Z", 7200),
    ],
)  # fmt: skip
def test_a_deadline_is_a_time_or_a_while(text: str, seconds: float) -> None:
    assert due(text, NOW).timestamp() == NOW + seconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tomorrow", "--deadline: 'tomorrow' is no time; write it as 2026-05-04T18:00+02:00, or as"),
        ("2027-01-16T10:00", "has no UTC offset; write e.g. 2027-01-16T10:00+02:00, or 2027-01-16T"),
        ("2027-01-15T07:59Z", "is over, now is 2027-01-15T08:00:00+00:00; write it as"),
        ("", "--deadline: '' is no time"),
    ],
)  # fmt: skip
def test_a_time_that_cannot_be_meant_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        due(text, NOW)
    assert words in caught.value.message
    assert caught.value.field == "routing.deadline"


@pytest.mark.parametrize("usd", [0.0, -1.0, float("inf"), float("nan")])
def test_a_cost_that_is_none_is_refused(usd: float) -> None:
    with pytest.raises(InvalidInput, match=r"^--max-cost: .* give dollars over 0, such as 12\.50\.$"):
        wished((), usd, None)


def test_wishes_are_settings_of_the_job(running: Running, farm: Farm, capsys: Captured) -> None:
    later = (datetime.now(UTC) + timedelta(days=3000)).isoformat()
    arguments = ("--max-cost", "2.5", "--deadline", later, "--id", "a")
    assert farm("submit", running.jobfile(), *arguments) == 0
    routing = running.queue.job("a").spec.routing
    assert routing.budget_usd == 2.5
    assert routing.deadline is not None
    assert routing.deadline.isoformat() == later
    capsys.readouterr()
    assert farm("submit", running.jobfile(), "--max-cost", "0.001") == 5
    assert "routing.budget_usd" in capsys.readouterr().err
    assert farm("quote", running.jobfile(), "--deadline", "2020-01-01T00:00Z") == 2
    assert "is over" in capsys.readouterr().err


# --- quotes as pictures ---------------------------------------------------------------------------


def a_quote(*front: Option, alternatives: tuple[Option, ...] = ()) -> Quote:
    decision = Decision(
        chosen=front[0], reason="cheapest, before b ($2.00).", alternatives=alternatives, front=front
    )
    return Quote(width=9, height=9, iterations=9, megapixel_iterations=9.0, decision=decision)


@pytest.mark.parametrize(
    "found",
    [
        a_quote(option("local", 300, 0.01)),
        a_quote(option("free", 300, 0.0)),
        a_quote(
            option("spot", 3000, 1.0), option("cards", 900, 2.0, 4), option("cards", 500, 4.0, 8),
            alternatives=(option("old", 9000, 3.0), option("spot", 3000, 1.0)),
        ),
    ],
    ids=["one", "free", "many"],
)  # fmt: skip
def test_a_quote_is_drawn(tmp_path: Path, found: Quote) -> None:
    path = tmp_path / "front.png"
    wishes = Routing(deadline=datetime.now(UTC) + timedelta(hours=1), budget_usd=5.0)
    quote_plot.draw(found, wishes, path, "print.yaml")
    with Image.open(path) as picture:
        assert min(picture.size) > 700
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 20


def test_the_choice_is_marked_where_it_is(tmp_path: Path) -> None:
    """The star is of a colour of its own, further left the sooner the choice."""
    places = []
    for seconds in (500.0, 3000.0):
        found = a_quote(option("a", seconds, 2.0), option("b", 1200, 1.5), option("c", 100, 9.0))
        quote_plot.draw(found, Routing(), tmp_path / "front.png", "print.yaml")
        with Image.open(tmp_path / "front.png") as picture:
            pixels: Any = picture.convert("RGB").load()
            width, height = picture.size
        star = tuple(int(quote_plot.CHOSEN[at : at + 2], 16) for at in (1, 3, 5))
        found_at = [x for x in range(width) for y in range(height) if pixels[x, y] == star]
        assert len(found_at) > 50
        places.append(sum(found_at) / len(found_at))
    assert places[0] < places[1]


def test_quote_draws_and_says_so(running: Running, farm: Farm, capsys: Captured) -> None:
    path = running.folder / "front.svg"
    assert farm("quote", running.jobfile(), "--plot", path, "--json") == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["decision"]["front"]
    assert captured.err == f"Drawn in {path}.\n"
    assert path.read_text().startswith("<?xml")


@pytest.mark.parametrize(
    ("name", "words"), [("front.txt", "--plot: 'front.txt' is no picture"), ("no/x.png", "be written")]
)
def test_a_picture_that_cannot_be_drawn_is_told(
    running: Running, farm: Farm, capsys: Captured, name: str, words: str
) -> None:
    assert farm("quote", running.jobfile(), "--plot", running.folder / name) in (1, 2)
    assert words in capsys.readouterr().err


def test_a_quote_says_that_rights_are_missing(running: Running, farm: Farm, capsys: Captured) -> None:
    assert farm("quote", running.jobfile(style="image: cat.png")) == 0
    assert "The order would be refused: styles.0.rights: missing" in capsys.readouterr().out
