"""A job's footprint is the engine's own plan."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from farm.clock import ManualClock
from farm.dispatch.desk import devices_of
from farm.dispatch.quotes import Quoter, footprint_of
from farm.engine.pyramid import plan_scales, work
from farm.errors import Refused
from farm.route.accelerator import Accelerator, Pool, Speed
from farm.route.calibration import local_pools
from farm.settings import Settings
from farm.spec import Job, Lease, parse_job

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


def gpus(at: float = 0.0) -> tuple[Pool, ...]:
    """A machine of four GPUs that does a megapixel-iteration in a tenth of a second."""
    speeds = {"farm-texture": Speed(rate_inf=10.0, p_half=0.0, measured_at=at)}
    card = Accelerator(
        name="card", kind="cuda", speeds=speeds, memory_gb=40, usd_per_hour=1.0, startup_seconds=1
    )
    return (Pool(name="machine", accelerator=card, count=4, machine=4),)


@pytest.mark.parametrize(
    ("engine", "hurry", "devices"),
    [({}, False, 1), ({}, True, 2), ({"devices": 4}, False, 4), ({"devices": "auto"}, True, 2)],
)
def test_a_gang_is_quoted_where_it_is_asked_for_or_worth_it(
    engine: dict[str, Any], hurry: bool, devices: int
) -> None:
    clock = ManualClock()
    alone = Quoter(gpus, clock).quote(job(engine={"devices": 1}), CONTENT).decision.chosen
    due = datetime.fromtimestamp(clock.now() + 0.9 * alone.p90_seconds, UTC)
    routing = {"deadline": due.isoformat()} if hurry else {}
    chosen = Quoter(gpus, clock).quote(job(engine=engine, routing=routing), CONTENT).decision.chosen
    assert chosen.devices == devices


@pytest.mark.parametrize(("asked", "devices"), [("auto", 2), (1, 1), (3, 3)])
def test_an_attempt_has_the_devices_of_its_way_unless_its_job_says_otherwise(
    asked: int | str, devices: int
) -> None:
    lease = Lease(
        job="j", task="t", worker="w", attempt=1, token=1, expires_at=1.0,
        spec=job(engine={"devices": asked}),
    )  # fmt: skip
    way = Quoter(gpus, ManualClock()).quote(job(), CONTENT).decision.chosen
    assert devices_of(lease, way.model_copy(update={"devices": 2})) == devices
