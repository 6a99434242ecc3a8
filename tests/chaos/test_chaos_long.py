"""The long form of chaos: ``FARM_CHAOS_FAULTS`` (200) faults, half on one machine, half on a cluster.

``FARM_CHAOS_SEED`` draws them again; ``FARM_CHAOS_MINUTES`` ends the run early.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from pathlib import Path

import pytest
from chaos_outcome import Table
from chaos_site import one_machine, three_nodes
from chaos_storm import Storm
from postgres_cases import need_server

pytestmark = [
    pytest.mark.ray, pytest.mark.chaos, pytest.mark.long, pytest.mark.timeout(12 * 3600),
]  # fmt: skip


def test_nothing_is_lost_in_a_long_storm(tmp_path: Path, tiny_models: Path) -> None:
    need_server()
    wanted = int(os.environ.get("FARM_CHAOS_FAULTS", "200"))
    seed = int(os.environ.get("FARM_CHAOS_SEED") or secrets.randbelow(2**32))
    minutes = float(os.environ.get("FARM_CHAOS_MINUTES", math.inf))
    table, overheads = Table(), []
    say(f"{wanted} faults, FARM_CHAOS_SEED={seed}")
    try:
        for place, share in ((one_machine, (wanted + 1) // 2), (three_nodes, wanted // 2)):
            until = time.monotonic() + 60 * minutes / 2
            with place(tmp_path / place.__name__, tiny_models) as site:
                storm = Storm(site, table, seed, say)
                storm.calm()
                overheads.append(storm.overhead())
                storm.run(storm.drawn(share), until)
    finally:
        say("\n".join(["", table.text(), *overheads, *table.findings]))
    assert table.findings == []


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201
