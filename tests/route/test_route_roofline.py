"""Speeds of types that nobody measured, and what measurements do to them."""

from __future__ import annotations

import pytest

from farm.engine.planner import Demand, Net, plan
from farm.engine.taps import BLOCKS, READINGS, chain
from farm.errors import InvalidInput
from farm.route import Accelerator, Speed, decide, footprint
from farm.route.catalogue import shipped
from farm.route.roofline import CAUTION, REACHED, precisions, roof, speeds
from farm.route.stock import Stock, label_of, pool_name
from farm.spec import Routing

MEASURED = Speed(rate_inf=600.0, p_half=3.0, spread=0.01, measured_at=1_800_000_000.0)
H200 = Accelerator(
    name="H200", kind="cuda", speeds={"vgg19": MEASURED}, memory_gb=141, usd_per_hour=0,
    startup_seconds=9, checkpoint_seconds=0.05,
)  # fmt: skip


def test_the_roof_is_the_lower_of_peak_and_bandwidth() -> None:
    net = Net(chain(BLOCKS["vgg19"]), READINGS["vgg19"].content, 2)
    assert plan(Demand(100, 100), net, 1e12).work == 1
    h100 = shipped().types["H100"]
    rate, limit = roof(h100, "vgg19", "bfloat16")
    assert limit == "989 TFLOPS in bfloat16"
    assert rate == pytest.approx(989e12 / (4 * net.work) / 1e6)
    assert 4 * net.work == pytest.approx(1.44e6, rel=0.02)  # FLOP per pixel and iteration
    narrow = h100.model_copy(update={"bandwidth_gb_s": 100})
    rate, limit = roof(narrow, "vgg19", "bfloat16")
    assert limit == "100 GB/s"
    assert rate == pytest.approx(100e9 / (6 * net.maps) / 1e6)


def test_an_estimate_says_that_it_is_one() -> None:
    catalogue = shipped()
    found = speeds(catalogue.types["A100-40"], catalogue, {})
    assert set(found) == {"farm-texture", "vgg19", "farm-preview"}
    assert not any(speed.calibrated for speed in found.values())
    assert found["vgg19"].source == "speed estimated from 312 TFLOPS in bfloat16 at 44%, assumed"
    most, _ = roof(catalogue.types["A100-40"], "vgg19", "bfloat16")
    assert found["vgg19"].rate_inf == pytest.approx(most * REACHED["vgg19"] * CAUTION)


def test_better_types_are_not_estimated_slower() -> None:
    catalogue = shipped()
    order = ["T4", "L4", "A100-40", "H100", "B200"]
    rates = [speeds(catalogue.types[name], catalogue, {})["vgg19"].rate_inf for name in order]
    assert rates == sorted(rates)


def test_what_one_gpu_reaches_the_others_are_taken_to_reach() -> None:
    catalogue = shipped()
    share = MEASURED.rate_inf / roof(catalogue.types["H200"], "vgg19", "bfloat16")[0]
    found = speeds(catalogue.types["A100-80"], catalogue, {"H200": H200})["vgg19"]
    assert found.rate_inf == pytest.approx(
        share * roof(catalogue.types["A100-80"], "vgg19", "bfloat16")[0]
    )
    assert found.p_half / found.rate_inf == pytest.approx(3.0 / 600.0)
    assert found.source.endswith("as H200 reaches")
    texture = speeds(catalogue.types["A100-80"], catalogue, {"H200": H200})["farm-texture"]
    assert "assumed" in texture.source


def test_a_measured_processor_says_nothing_of_gpus() -> None:
    catalogue = shipped()
    processor = H200.model_copy(update={"name": "cpu-2", "kind": "cpu"})
    assert speeds(catalogue.types["T4"], catalogue, {"cpu-2": processor}) == speeds(
        catalogue.types["T4"], catalogue, {}
    )


def test_the_precision_taken_unasked_is_the_measure_of_the_others() -> None:
    found = precisions(shipped().types["A100-40"])
    assert found["bfloat16"] == 1
    assert found["float32"] < found["tfloat32"] < 1
    assert "bfloat16" not in precisions(shipped().types["T4"])


def test_a_measured_type_keeps_its_measurements_and_todays_price() -> None:
    stock = Stock(shipped(), {"H200": H200})
    found = stock.accelerator("h200")
    assert found.speeds["vgg19"] == MEASURED
    assert "estimated" in found.speeds["farm-texture"].source
    assert (found.startup_seconds, found.checkpoint_seconds) == (9, 0.05)
    assert (found.usd_per_hour, found.number_bytes) == (7.912, 2)
    assert found.precisions == precisions(shipped().types["H200"])


def test_a_pool_has_its_markets_price_and_risk() -> None:
    stock = Stock(shipped(), {})
    usual = stock.pool("L4", "on-demand", count=8, machine=4, region="us-west-2", provider="aws")
    spot = stock.pool("L4", "spot", count=16, machine=4, up=4, boot_seconds=200)
    assert (usual.name, usual.price, usual.preemption) == ("L4", 1.1504, None)
    assert (usual.region, usual.egress_usd_gb) == ("us-west-2", 0.09)
    assert (spot.name, spot.price, spot.up, spot.boot_seconds) == ("L4-spot", 0.597, 4, 200)
    assert spot.preemption == shipped().types["L4"].prior
    assert spot.egress_usd_gb == 0
    for market in ("spot", "on-demand"):
        assert label_of(pool_name("L4", market)) == ("L4", market)
    with pytest.raises(InvalidInput, match=r"MI300X.price.spot_usd_h: missing"):
        stock.pool("MI300X", "spot", count=1, machine=1)


def test_a_quote_says_that_a_speed_was_estimated() -> None:
    stock = Stock(shipped(), {"H200": H200})
    pools = [stock.pool(name, "on-demand", count=1, machine=1) for name in ("H200", "H100")]
    decision = decide(footprint([(1000, 1000, 10)], "vgg19"), pools, Routing(), 0.0)
    notes = {each.pool: each.note for each in (decision.chosen, *decision.alternatives)}
    assert notes == {
        "H200": "", "H100": "speed estimated from 989 TFLOPS in bfloat16 at 88%, as H200 reaches"
    }  # fmt: skip
