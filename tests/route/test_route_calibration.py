"""This machine's speeds: measured where they were, assumed where not."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.errors import Unavailable
from farm.route import Speed
from farm.route.calibration import FILE, local, local_pools, read, record
from farm.settings import Settings

MEASURED = Speed(rate_inf=7.0, p_half=0.02, spread=0.03, measured_at=1_800_000_000.0)


def settings(home: Path, cpus: int = 2, price: float = 0.04) -> Settings:
    return Settings(home=home, cpus=cpus, cpu_price_usd_h=price)


def test_a_machine_never_measured_is_assumed(tmp_path: Path) -> None:
    machine = local(settings(tmp_path))
    assert machine.name == "cpu-2"
    assert machine.usd_per_hour == pytest.approx(0.08)
    assert not any(speed.calibrated for speed in machine.speeds.values())
    assert machine.speeds["vgg19"].rate_inf < machine.speeds["farm-texture"].rate_inf
    assert machine.memory_gb > 0


def test_a_measurement_replaces_only_its_own_extractor(tmp_path: Path) -> None:
    record(settings(tmp_path), "farm-texture", MEASURED)
    record(settings(tmp_path), "farm-preview", MEASURED)
    machine = local(settings(tmp_path, price=1.0))
    assert machine.speeds["farm-texture"] == machine.speeds["farm-preview"] == MEASURED
    assert not machine.speeds["vgg19"].calibrated
    assert machine.usd_per_hour == pytest.approx(2.0)
    assert list(read(tmp_path)) == ["cpu-2"]
    assert local_pools(settings(tmp_path))[0].accelerator.speeds["farm-texture"] == MEASURED


def test_a_measurement_does_not_count_with_other_cores(tmp_path: Path) -> None:
    record(settings(tmp_path, cpus=2), "farm-texture", MEASURED)
    assert not local(settings(tmp_path, cpus=4)).speeds["farm-texture"].calibrated


@pytest.mark.parametrize("text", ["{", '{"cpu-2": {"name": 1}}', "[]"])
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(Unavailable, match="delete it and run 'farm bench engine'"):
        local(settings(tmp_path))


def test_a_home_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="FARM_HOME"):
        record(settings(tmp_path / "file"), "farm-texture", MEASURED)
