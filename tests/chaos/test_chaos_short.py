"""The short form of chaos: a fault of each cheap kind on one machine, after which nothing is lost."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from chaos_databases import Postgres
from chaos_faults import catalogue
from chaos_outcome import Table
from chaos_site import one_machine
from chaos_storm import Storm
from postgres_cases import missing

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]
KINDS = ("a rank", "the dispatcher", "the gateway", "PostgreSQL", "SQLite", "store", "everything")


def test_nothing_is_lost_whatever_is_killed(tmp_path: Path, tiny_models: Path) -> None:
    table = Table()
    with one_machine(tmp_path / "home", tiny_models, None if missing() else Postgres()) as site:
        site.devices = (1,)
        chosen = [
            next((fault for fault in catalogue(site) if kind in fault.name), None) for kind in KINDS
        ]
        storm = Storm(site, table, 7, print, strengths=(0.4,), most=1, late=0.0)
        storm.calm()
        storm.run([fault for fault in chosen if fault], math.inf)
    print(table.text())  # noqa: T201
    assert table.findings == []
    assert len(table.outcomes) == 6
    assert any(outcome.seconds for outcome in table.outcomes)
