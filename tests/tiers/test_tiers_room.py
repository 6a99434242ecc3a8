"""A gang that no machine has room for: refused for good, or only for now."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tiers_cases import lease_of

from farm.dispatch.retry import Conditions, NoRoom
from farm.errors import FarmError, InvalidInput
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.tiers import runner
from farm.tiers.census import Node
from farm.tiers.idle import IdleCrews
from farm.tiers.rank import RankOptions

SMALL = {"CPU": 1.0}


@pytest.mark.parametrize(
    ("lost", "error", "said"),
    [
        (
            False,
            InvalidInput,
            "engine.devices: 2 are asked for, and no machine of this farm",
        ),
        (True, NoRoom, "no machine with 2 devices to be used now; the task waits"),
    ],
)
def test_a_gang_waits_where_a_machine_was_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: bool, error: type[FarmError], said: str
) -> None:
    there = [Node("a", "here", alive=True, resources=SMALL, labels={})]
    gone = Node("b", "there", alive=False, resources={}, labels={})
    monkeypatch.setattr(runner, "nodes", lambda: [*there, gone] if lost else there)
    monkeypatch.setattr(runner, "machines", lambda: [SMALL])
    monkeypatch.setattr(runner, "machines_of", lambda pool, avoid: [SMALL])
    monkeypatch.setattr(runner, "startable", list)
    pools = local_pools(Settings(home=tmp_path))
    nobody: Any = None
    gangs = runner.GangRunner(RankOptions("", tmp_path, 1, 1), lambda: pools, nobody, IdleCrews(0))
    decision: Any = SimpleNamespace(chosen=SimpleNamespace(pool=pools[0].name))
    with pytest.raises(error, match=said):
        gangs.start(lease_of(tmp_path, engine={"devices": 2}), decision, Conditions())
