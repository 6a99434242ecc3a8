"""Traces survive being written and read, and what is wrong in one is named with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farm.errors import InvalidInput, NotFound, Unavailable
from farm.route.simulate.fleet import fleet
from farm.route.simulate.generate import KINDS, Extent, generate
from farm.route.simulate.trace import Trace
from farm.route.simulate.tracefile import read, write


@pytest.fixture(scope="module")
def mixed() -> Trace:
    return generate("mixed", fleet(100), Extent(jobs=80, seed=2))


@pytest.fixture
def lines(mixed: Trace, tmp_path: Path) -> list[str]:
    write(mixed, tmp_path / "trace.jsonl")
    return (tmp_path / "trace.jsonl").read_text().splitlines()


def test_a_trace_is_read_as_it_was_written(mixed: Trace, tmp_path: Path) -> None:
    write(mixed, tmp_path / "deep" / "trace.jsonl")
    again = read(tmp_path / "deep" / "trace.jsonl")
    for column in ("at", "work", "project", "due", "budget", "spot"):
        assert (getattr(again.orders, column) == getattr(mixed.orders, column)).all()
    assert again.changes == mixed.changes
    assert (again.pools, again.projects, again.works) == (mixed.pools, mixed.projects, mixed.works)
    assert (again.speeds, again.name, again.seed) == (mixed.speeds, mixed.name, mixed.seed)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_changes_what_it_is_named_for(kind: str) -> None:
    found = generate(kind, fleet(100), Extent(jobs=400, seed=2))
    later = [change for change in found.changes if change.at > 0]
    counts = {change.pool for change in later if change.count is not None}
    priced = {change.pool for change in later if change.usd_per_hour is not None}
    markets = {found.pools[index].market for index in counts}
    assert bool(counts) == (kind in ("crunch", "stockout", "mixed"))
    assert bool(priced) == (kind in ("prices", "mixed"))
    assert ("on-demand" in markets) == (kind in ("stockout", "mixed"))
    assert len(found.orders) == 400
    assert found.orders.project.max() < len(found.projects)
    hours = found.orders.at // 3600
    campaign = max((hours == hour).sum() for hour in range(24))
    assert (campaign > 60) == (kind in ("burst", "mixed"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '{"at": 1e6, "job": "a4-fin-vgg19", "project": "studio-00"}',
            "job: .a4-fin-vgg19.; did you mean",
        ),
        ('{"at": 1e6, "job": "a4-fine-vgg19", "project": "nobody"}', "project: 'nobody'; known here"),
        ('{"at": 1e6, "job": "a4-fine-vgg19", "project": "studio-00", "dew": 7}', "did you mean 'due'"),
        ('{"at": 1e6, "pool": "us-l4", "usd_per_hour": -1}', "usd_per_hour: -1.*not negative"),
        ('{"at": 1e6, "pool": "us-l4", "count": "two"}', "count: 'two'; write a number"),
        ('{"at": 0, "pool": "us-l4", "count": 2}', "at: 0.0; put lines in the order of time"),
        ('{"at": 1e6, "job": "a4-fine-vgg19", "project": "studio-00", "spot": 0}', "true or false"),
        ("nonsense", "one JSON object a line"),
        ("[1]", "one JSON object a line"),
    ],
)
def test_a_wrong_line_is_named(lines: list[str], tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "wrong.jsonl"
    path.write_text("\n".join([*lines, line]))
    with pytest.raises(InvalidInput, match=said) as caught:
        read(path)
    assert f"wrong.jsonl, line {len(lines) + 1}: " in caught.value.message


def test_a_wrong_head_is_named(lines: list[str], tmp_path: Path) -> None:
    head = json.loads(lines[0])
    head["pools"][0]["count"] = -1
    (tmp_path / "head.jsonl").write_text(json.dumps(head))
    with pytest.raises(InvalidInput, match=r"line 1: pools\.0\.count: .*greater than or equal to 0"):
        read(tmp_path / "head.jsonl")


def test_files_that_are_not_there_or_no_text(mixed: Trace, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="farm simulate --generate"):
        read(tmp_path / "none.jsonl")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="cannot be read as text"):
        read(tmp_path / "binary")
    with pytest.raises(Unavailable, match="cannot be written"):
        write(mixed, tmp_path)


@pytest.mark.parametrize(
    ("kind", "extent", "said"),
    [("diurnl", Extent(), "did you mean 'diurnal'"), ("diurnal", Extent(jobs=0), "at least one job")],
)
def test_what_cannot_be_generated(kind: str, extent: Extent, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        generate(kind, fleet(100), extent)


def test_fleets() -> None:
    whole, part = fleet(2000), fleet(2000, without=["T4"])
    assert sum(pool.count for pool in whole) == pytest.approx(2000, rel=0.01)
    assert sum(pool.count for pool in part) == pytest.approx(2000, rel=0.01)
    assert (len(whole), len(part)) == (42, 36)
    assert len({pool.name for pool in whole}) == 42
    assert all((pool.preemption is None) == (pool.market == "on-demand") for pool in whole)
    with pytest.raises(InvalidInput, match="too few for 42 pools"):
        fleet(50)
    with pytest.raises(InvalidInput, match="did you mean 'L40S'"):
        fleet(500, without=["L40"])
