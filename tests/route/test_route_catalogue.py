"""The catalogue of accelerators: whole as shipped, overridden key by key, and clear about mistakes."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from farm.errors import InvalidInput
from farm.route.catalogue import OVERRIDES, Catalogue, read_catalogue, shipped
from farm.settings import Settings

TYPES = ["CPU", "T4", "L4", "A10G", "A100-40", "A100-80", "L40S", "H100", "H200", "B200", "MI300X"]


def own(home: Path, text: str | dict[str, Any]) -> Catalogue:
    """The catalogue under an operator's file of that text."""
    file = home / OVERRIDES
    file.write_text(text if isinstance(text, str) else yaml.safe_dump(text), encoding="utf-8")
    return read_catalogue(Settings(home=home))


def test_every_type_is_there_with_its_sources() -> None:
    catalogue = shipped()
    assert sorted(catalogue.types) == sorted(TYPES)
    for name, entry in catalogue.types.items():
        for dated in (entry.figures, entry.price, entry.preemption):
            if dated:
                assert dated.as_of <= date.today(), name
                assert dated.source in catalogue.sources or " " in dated.source, name


def test_spot_is_cheaper_where_there_is_a_price_for_it() -> None:
    for name, entry in shipped().types.items():
        spot, usual = entry.price.spot_usd_h, entry.price.on_demand_usd_h
        assert usual is not None, name
        assert spot is None or spot < usual, name
        assert (spot is None) == (entry.preemption is None), name


@pytest.mark.parametrize("name", ["H100", "h100", "H100-80GB"])
def test_a_type_is_found_by_its_name_and_aliases(name: str) -> None:
    assert shipped().find(name) == "H100"
    assert shipped().entry(name) is shipped().types["H100"]


def test_ray_calls_an_a100_by_one_name_and_the_smaller_one_is_meant() -> None:
    assert shipped().find("A100") == "A100-40"


def test_an_unknown_accelerator_is_one_sentence() -> None:
    with pytest.raises(InvalidInput, match=r"^accelerator: 'H10' is not .*; did you mean 'H100'\?$"):
        shipped().entry("H10")


def test_without_a_file_of_ones_own_it_is_the_shipped_one(tmp_path: Path) -> None:
    assert read_catalogue(Settings(home=tmp_path)) is shipped()


def test_ones_own_keys_go_before_the_shipped_ones(tmp_path: Path) -> None:
    changed = own(tmp_path, {"types": {"T4": {"price": {"spot_usd_h": 0.11}}}})
    assert changed.price("T4", "spot") == 0.11
    assert changed.price("T4", "on-demand") == shipped().price("T4", "on-demand")
    assert changed.types["L4"] == shipped().types["L4"]


def test_a_file_that_is_written_anew_is_read_anew(tmp_path: Path) -> None:
    import os

    assert own(tmp_path, {"types": {"T4": {"memory_gb": 15}}}).types["T4"].memory_gb == 15
    (tmp_path / OVERRIDES).write_text("types: {T4: {memory_gb: 14}}")
    os.utime(tmp_path / OVERRIDES, ns=(1, 1))
    assert read_catalogue(Settings(home=tmp_path)).types["T4"].memory_gb == 14


def test_a_type_of_ones_own_is_added(tmp_path: Path) -> None:
    known = shipped().types["L4"].model_dump(mode="json")
    assert own(tmp_path, {"types": {"RTX-6000": known}}).price("rtx-6000", "spot") == 0.597


def test_a_setting_names_another_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.yaml"
    file.write_text("types: {T4: {price: {on_demand_usd_h: 0.4}}}")
    assert read_catalogue(Settings(home=tmp_path, accelerators=file)).price("T4", "on-demand") == 0.4
    with pytest.raises(InvalidInput, match=r"^FARM_ACCELERATORS: .* cannot be read"):
        read_catalogue(Settings(home=tmp_path, accelerators=tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {"types": {"T4": {"memory": 16}}},
            r"types\.T4\.memory: unknown key; did you mean 'memory_gb'",
        ),
        (
            {"types": {"T4": {"price": {"spot_usd": 1}}}},
            r"types\.T4\.price\.spot_usd: unknown key; did you mean 'spot_usd_h'",
        ),
        ({"type": {}}, r"type: unknown key; did you mean 'types'"),
        (
            {"types": {"H10O": {"price": {"spot_usd_h": 1}}}},
            r"types\.H10O: not in the catalogue, .* is missing\); did you mean 'H100'",
        ),
        (
            {"types": {"T4": {"price": {"spot_usd_h": 0}}}},
            r"types\.T4\.price\.spot_usd_h: 0 is no price",
        ),
        (
            {"types": {"T4": {"price": {"on_demand_usd_h": -1.5}}}},
            r"types\.T4\.price\.on_demand_usd_h: -1.5 is no price",
        ),
        (
            {"types": {"T4": {"price": {"on_demand_usd_h": "cheap"}}}},
            r"types\.T4\.price\.on_demand_usd_h: 'cheap' is no price",
        ),
        (
            {"types": {"T4": {"tflops": {"float8": 1}}}},
            r"types\.T4\.tflops\.float8: 'float8' is unknown",
        ),
        ({"types": {"T4": {"auto": "bfloat16"}}}, r"types\.T4: tflops has no rate for bfloat16"),
        ({"types": {"T4": {"memory_gb": 0}}}, r"types\.T4\.memory_gb: input should be greater than 0"),
        ("types: [", "not YAML at line"),
        ("- T4", "keys are needed, such as 'types:'"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, data: str | dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        own(tmp_path, data)
    assert caught.value.message.startswith(str(tmp_path / OVERRIDES))
    assert "\n" not in caught.value.message


def test_a_price_that_is_missing_is_missed_where_it_is_needed() -> None:
    assert shipped().price("MI300X", "on-demand") == 1.85
    with pytest.raises(InvalidInput, match=r"^types\.MI300X\.price\.spot_usd_h: missing"):
        shipped().price("MI300X", "spot")
