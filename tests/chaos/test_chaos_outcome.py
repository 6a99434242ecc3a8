"""The table tells what was found, and nothing else."""

from __future__ import annotations

from chaos_outcome import ZEROS, Outcome, Table


def test_outcomes_are_summed_by_kind_with_their_median_and_worst_time() -> None:
    table = Table()
    table.add(Outcome("a rank", under_way=2, seconds=(2.0, 4.0)))
    table.add(Outcome("a node", under_way=1, seconds=(9.0,), lost=("j7 is gone",)))
    table.add(Outcome("a rank", under_way=1, seconds=(3.0,)))
    _, rank, node, whole = [line.split() for line in table.text().splitlines()]
    assert rank == ["a", "rank", "2", "3", *["0"] * 6, "3.0", "4.0"]
    assert node == ["a", "node", "1", "1", "1", *["0"] * 5, "9.0", "9.0"]
    assert whole == ["all", "3", "4", "1", *["0"] * 5, "3.5", "9.0"]
    assert table.findings == ["a node: j7 is gone"]


def test_every_kind_of_finding_is_counted_in_its_own_column() -> None:
    for place, name in enumerate(ZEROS):
        table = Table([Outcome("x", **{name: ("one", "two")})])  # type: ignore[arg-type]
        numbers = table.text().splitlines()[1].split()[3:9]
        assert numbers == ["2" if column == place else "0" for column in range(6)]
        assert table.findings == ["x: one", "x: two"]


def test_a_run_without_times_says_so() -> None:
    assert Table([Outcome("a rank")]).text().splitlines()[1].split()[-2:] == ["–", "–"]
