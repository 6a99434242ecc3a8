"""A job's footprint is the engine's own plan."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from farm.clock import ManualClock
from farm.dispatch.quotes import Quoter, footprint_of
from farm.engine.pyramid import plan_scales, work
from farm.errors import Refused
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.spec import Job, parse_job

CONTENT = (480, 400)


def job(**changes: Any) -> Job:
    spec = {"farm": 1, "kind": "print", "content": "a.png", "styles": [{"name": "waves"}]}
    return parse_job({**spec, "output": {"long_edge": 1024}, **changes})


def quoter(folder: Path, clock: ManualClock) -> Quoter:
    settings = Settings(home=folder, cpus=2)
    return Quoter(lambda: local_pools(settings), clock)


@pytest.mark.parametrize("preset", ["draft", "standard", "fine"])
@pytest.mark.parametrize("extractor", ["farm-texture", "vgg19"])
@pytest.mark.parametrize("output", [{"long_edge": 1024}, {"paper": "A6", "dpi": 150}])
def test_the_footprint_is_the_engines_plan(preset: str, extractor: str, output: dict[str, Any]) -> None:
    asked = job(output=output, quality={"preset": preset, "extractor": extractor})
    found = footprint_of(asked, CONTENT)
    scales = plan_scales(*asked.output.size(CONTENT), preset)
    assert found.scales == tuple((s.width, s.height, s.iterations) for s in scales)
    assert (found.width, found.height) == asked.output.size(CONTENT)
    assert found.megapixel_iterations == pytest.approx(work(scales))
    assert found.extractor == extractor


def test_a_preview_is_one_pass_of_the_preview_net() -> None:
    found = footprint_of(job(kind="preview"), CONTENT)
    assert found.scales == ((1024, 853, 1),)
    assert found.extractor == "farm-preview"


def test_a_quote_has_a_price_and_a_time(tmp_path: Path) -> None:
    clock = ManualClock()
    print_ = quoter(tmp_path, clock).quote(job(), CONTENT)
    preview = quoter(tmp_path, clock).quote(job(kind="preview"), CONTENT)
    assert print_.decision.chosen.p50_usd > preview.decision.chosen.p50_usd > 0
    assert print_.decision.chosen.p90_seconds >= print_.decision.chosen.p50_seconds > 0


@pytest.mark.parametrize("kind", ["print", "preview"])
def test_a_deadline_that_nobody_can_keep_is_refused(tmp_path: Path, kind: str) -> None:
    clock = ManualClock()
    soon = datetime.fromtimestamp(clock.now() + 1, UTC).isoformat()
    asked = job(kind=kind, routing={"deadline": soon})
    with pytest.raises(Refused, match=r"routing\.deadline: .* is too early; the soonest is"):
        quoter(tmp_path, clock).quote(asked, CONTENT)


def test_a_budget_that_is_too_small_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"routing\.budget_usd"):
        quoter(tmp_path, ManualClock()).quote(job(routing={"budget_usd": 1e-9}), CONTENT)
