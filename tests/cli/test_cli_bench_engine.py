"""``farm bench engine``: every row is there and says what it was read against."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from farm.catalog import Catalogue
from farm.cli.bench_engine import curves, exactness, memory, outcome, ranks, report, speed, tiles
from farm.cli.bench_engine.bench import Bench, Machine, device_of, pairs, picture
from farm.cli.bench_engine.extent import Extent
from farm.cli.figures import Figure
from farm.cli.plot import check
from farm.engine.measure.growth import Trial
from farm.engine.measure.pace import Effort, Pace
from farm.engine.measure.race import Point
from farm.engine.measure.ranks import Speedup
from farm.engine.measure.subject import random_extractor
from farm.engine.precision import PRECISIONS
from farm.engine.processor import processor_has_bfloat16
from farm.engine.pyramid import Scale
from farm.engine.recipe import Recipe
from farm.errors import InvalidInput, Unavailable
from farm.route.calibration import local
from farm.route.stock import Stock
from farm.settings import Settings

Farm = Callable[..., int]
Captured = pytest.CaptureFixture[str]
CPU = torch.device("cpu")
TINY = Extent(
    sides=(32, 64), shape_sides=(32,), effort=Effort(1), error_size=(48, 48), error_tile=16,
    layout_side=48, layout_iterations=1, ranks_side=32, ranks_repeats=1, memory_sides=(64, 128),
    memory_tile=64, pairs=1, pair_side=32, most_iterations=2, race_side=32, race_iterations=2,
    checkpoint_side=32, curve_side=32, curve_every=100,
)  # fmt: skip
VGG_SHAPE = ((2, 2), (2, 2), (2,) * 4, (2,) * 4, (2,))


def tiny(name: str = "farm-texture", threads: int = 1) -> Bench:
    extractor = random_extractor(((4,), (6,)), CPU)
    recipe = Recipe(style_taps=("conv1_1", "conv2_1"), content_taps=("conv2_1",))
    machine = Machine(CPU, threads, {"float32": 1e9, "bfloat16": 2e9})
    return Bench(name, extractor, recipe, PRECISIONS["bfloat16"], machine, TINY, TINY.sides)


def by_name(figures: Sequence[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def told_peaks(trials: Sequence[Trial]) -> list[int]:
    """As if a print took 1 MB, and twice what the planner expects for each pixel."""
    return [round(1e6 + 2 * trial.predicted) for trial in trials]


@pytest.fixture
def small(tiny_models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole report on one core in little time, without processes of its own."""
    monkeypatch.setenv("FARM_CPUS", "1")
    monkeypatch.setenv("FARM_MODELS", str(tiny_models))
    monkeypatch.setattr(report, "QUICK", TINY)
    monkeypatch.setattr(curves, "QUICK", TINY)
    monkeypatch.setattr(report, "BLOCKS", VGG_SHAPE)
    monkeypatch.setattr(report, "keep_pages", lambda: None)  # would last for the tests after this
    monkeypatch.setattr(memory, "peaks", told_peaks)
    monkeypatch.setattr(curves, "plan_scales", lambda width, height, preset: (Scale(width, height, 3),))


def test_the_pace_beside_the_script_and_the_convolutions() -> None:
    bench = tiny()
    timed = speed.Timed(
        bench.subject(32), bench.kind, Pace((0.5, 9.0, 0.4)), Pace((0.25,)), convolutions=0.2
    )
    pace, work = speed.rows(bench, 32, timed, Pace((2.0,)))
    assert pace.value == pytest.approx(32 * 32 / 1e6 / 0.5)
    assert pace.ratios == pytest.approx(
        {"times_the_script": 4.0, "times_its_convolutions": 2.5, "times_its_net": 2.0}
    )
    asked = 4 * 9 * (3 * 4 * 32 * 32 + 4 * 6 * 16 * 16)
    margin = 4 * 9 * (3 * 4 * 64 * 64 + 4 * 6 * 32 * 32)
    assert work.value == pytest.approx(asked / 0.5 / 1e9)
    assert work.ratios == pytest.approx({
        "of_matmul_ceiling": asked / 0.5 / 2e9, "with_the_margin": margin / 0.5 / 2e9,
        "by_the_net_alone": asked / 0.25 / 2e9, "by_convolutions_alone": asked / 0.2 / 2e9,
    })  # fmt: skip


def test_an_extractor_is_measured_and_kept_for_quotes(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path)
    found = by_name(report.speeds(tiny(), chosen))
    for side in (32, 64):
        assert found[f"farm-texture {side}² script"].value
        for kind in ("bfloat16", "float32"):
            assert found[f"farm-texture {side}² {kind}"].value
            assert found[f"farm-texture {side}² {kind}, work asked for"].value
    known = local(chosen).speed("farm-texture")
    assert known.calibrated
    assert known.rate_inf == found["farm-texture bfloat16 fitted rate_inf"].value
    assert known.p_half == found["farm-texture bfloat16 fitted p_half"].value


@pytest.mark.parametrize(
    ("driver", "known"),
    [
        ("NVIDIA H200", "H200"),
        ("NVIDIA H100 80GB HBM3", "H100"),
        ("NVIDIA A100-SXM4-80GB", "A100-80"),
        ("NVIDIA A100-SXM4-40GB", "A100-40"),
        ("Tesla T4", "T4"),
        ("NVIDIA L4", "L4"),
        ("AMD Instinct MI300X", "MI300X"),
        ("NVIDIA GeForce GTX 970", ""),
    ],
)
def test_a_gpu_is_known_by_what_its_driver_calls_it(tmp_path: Path, driver: str, known: str) -> None:
    assert report.gpu_type(Settings(home=tmp_path), driver) == known


def test_a_gpus_speed_is_kept_as_its_types(tmp_path: Path) -> None:
    chosen = Settings(home=tmp_path)
    bench = tiny()
    bench = replace(bench, machine=replace(bench.machine, gpu="H200"))
    paces = [Pace((side**2 / 1e6 / 500,)) for side in bench.sides]  # as if 500 MP·it/s
    speed.fitted(bench, paces, chosen)
    assert not local(chosen).speed("farm-texture").calibrated
    known = Stock.of(chosen).accelerator("H200")
    assert known.kind == "cuda"
    assert known.speed("farm-texture").calibrated
    assert known.speed("farm-texture").rate_inf == pytest.approx(500)
    assert not known.speed("vgg19").calibrated


def test_without_calibration_nothing_is_kept(tmp_path: Path) -> None:
    report.speeds(tiny())
    assert not local(Settings(home=tmp_path)).speed("farm-texture").calibrated


def test_tiles_are_read_beside_what_explains_them() -> None:
    bench = replace(tiny(), sides=(64,))
    none, all_ = tiles.tiled(bench, Pace((1e-3,)))
    assert (none.name, all_.name) == (
        "farm-texture 64² tiles of 16, none kept", "farm-texture 64² tiles of 16, all kept",
    )  # fmt: skip
    assert 1.2 < none.ratios["explained"] / all_.ratios["explained"] < 1.5
    for figure in (none, all_):
        assert figure.value is not None
        share = figure.ratios["of_what_halo_and_second_pass_explain"]
        assert share * figure.ratios["explained"] == pytest.approx(figure.value)


def test_a_picture_of_mostly_halo_is_not_tiled() -> None:
    extractor = random_extractor(VGG_SHAPE, CPU)
    recipe = Recipe(style_taps=("conv5_1",), content_taps=("conv4_2",))
    bench = replace(tiny("vgg"), extractor=extractor, recipe=recipe)
    (row,) = tiles.tiled(bench, Pace((1.0,)))
    assert (row.value, row.note) == (None, "not measured: 64² is too small for a halo of 80 px")


def test_memory_is_read_beside_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "peaks", told_peaks)
    grown, whole = memory.growth(tiny())
    expected = replace(Trial.of(tiny().extractor, tiny().recipe, "bfloat16", 64, 128)).predicted
    assert grown.ratios["of_the_planners"] == pytest.approx(2, rel=1e-3)
    assert whole.value == pytest.approx((1e6 + 2 * expected) / 1e9)
    assert whole.ratios["of_the_planners"] == pytest.approx(2 + 1e6 / expected)


def test_a_race_that_was_won() -> None:
    tried = {"draft": Point(3.0, 30, 0.6, 0.6), "standard": Point(5.0, 80, 0.49, 0.6)}
    row = outcome.outcome(tiny(), "384×384", Point(40.0, 300, 0.5, 0.5), tried, there=True)
    assert row.value == 5.0
    assert row.ratios == {
        "of_the_scripts_time": 0.125, "times_as_fast": 8.0,
        "of_its_loss_at_the_position_that_it_sees": 1.2,
    }  # fmt: skip
    assert "preset standard in bfloat16, against 300 iterations" in row.note
    assert row.note.endswith("; draft ended at 1.2 of its loss")


def test_a_race_that_was_lost_says_how_far_it_got() -> None:
    tried = {"draft": Point(3.0, 30, 0.6, 0.6), "standard": Point(5.0, 80, 0.55, 0.6)}
    row = outcome.outcome(tiny(), "9×9", Point(40.0, 300, 0.5, 0.5), tried, there=False)
    assert row.value is None
    assert row.note.startswith(
        "not reached; draft ended at 1.2 of its loss; standard ended at 1.1 of its loss; "
    )


def test_losses_by_pair() -> None:
    found = outcome.precisions(
        tiny(), {"a": (picture("scene", 1, 32), picture("marble", 1, 32)),
                 "b": (picture("scene", 2, 32), picture("dots", 1, 32))},
    )  # fmt: skip
    median, worst = found
    assert set(median.ratios) == {"a", "b"}
    one, other = median.ratios.values()
    assert median.value == pytest.approx((one + other) / 2)
    assert worst.value == max(one, other)
    assert worst.value == pytest.approx(1, abs=0.1)


def test_losses_without_styles(tmp_path: Path) -> None:
    (row,) = outcome.precisions(tiny(), pairs(Catalogue(tmp_path), 3, 32))
    assert row.note == "not measured: the catalogue has no styles"


def test_ranks_are_measured_where_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def told(subject: object, kind: object, devices: Sequence[str], effort: Effort) -> Speedup:
        asked.append(devices)
        return Speedup(Pace((3.0,)), Pace((2.0,)), len(devices))

    monkeypatch.setattr(ranks, "speedup", told)
    cpus, gpus = ranks.ranks(tiny(threads=2))
    assert asked == [["cpu", "cpu"]]
    assert (cpus.value, cpus.ratios) == (1.5, {"per_rank": 0.75})
    assert gpus.note == "not measured: needs two GPUs or more, not 0"
    assert ranks.ranks(tiny(threads=1))[0].note == "not measured: the farm has one core"


def test_the_same_bits_are_no_number_of_decibels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exactness, "finished_by", lambda *_: torch.zeros(1, 3, 4, 4))
    rows = exactness.layouts(tiny())
    assert [row.value for row in rows] == [None, None]
    assert all(row.note.startswith("the same bits") for row in rows)


@pytest.mark.usefixtures("small")
def test_the_whole_report(farm: Farm, capsys: Captured) -> None:
    assert farm("bench", "engine", "--quick", "--json", "--no-calibrate", "--device", "cpu") == 0
    out, told = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(out)["engine"]}
    missing = {
        name: row["note"]
        for name, row in rows.items()
        if row["value"] is None and row["unit"] != "dB PSNR"  # tiny prints may be the same bits
    }
    halves = processor_has_bfloat16()
    assert missing == {
        **({} if halves else {"matmul bfloat16": "not measured: bfloat16 needs a GPU"}),
        "matmul tfloat32": "not measured: tfloat32 needs a GPU",
        "matmul float16": "not measured: float16 needs a GPU",
        "farm-texture 64² by tiles": "not measured: 64² is too small for a halo of 24 px",
        "vgg19": "not measured: vgg19 is not on this machine",
        f"{report.SHAPE} 32² by tiles": "not measured: 32² is too small for a halo of 80 px",
        "two ranks of one thread": "not measured: the farm has one core",
        "several GPUs": "not measured: needs two GPUs or more, not 0",
        **{name: "not measured: the catalogue has no styles" for name in missing if "loss," in name},
    }
    assert {
        f"matmul 1024³ {'bfloat16' if halves else 'float32'}", f"{report.SHAPE} 32² float32",
        "tiled gradient's error, gram",
        "tiled gradient's error, wasserstein", "tiles of 256 against untiled", "two ranks against one",
        "memory of each further pixel", "time to the script's final loss", "checkpoint, to keep",
        "checkpoint, to read", "checkpoint, in the store",
    } <= rows.keys()  # fmt: skip
    assert rows["tiled gradient's error, covariance"]["value"] < 1e-12
    assert rows["checkpoint, in the store"]["value"] >= 30
    assert "Racing a script of 2 iterations at 32×32 …" in told


def test_an_extractor_that_is_not_here_is_a_row_that_says_so(
    farm: Farm, capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FARM_CPUS", "1")
    monkeypatch.setattr(report, "QUICK", TINY)
    monkeypatch.setattr(report, "BLOCKS", VGG_SHAPE)
    monkeypatch.setattr(report, "keep_pages", lambda: None)
    assert farm("bench", "engine", "--quick", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["engine"]}
    for name in ("farm-texture", "vgg19"):
        assert rows[name]["value"] is None
        assert rows[name]["note"] == f"not measured: {name} is not on this machine"
    assert "memory of each further pixel" not in rows


@pytest.mark.usefixtures("small")
def test_curves_are_drawn_and_written_down(farm: Farm, capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "new" / "curves.png"
    assert farm("bench", "engine", "--quick", "--curves", path) == 0
    assert capsys.readouterr().out.splitlines() == [str(path), str(path.with_suffix(".json"))]
    assert path.read_bytes().startswith(b"\x89PNG")
    facts = json.loads(path.with_suffix(".json").read_text())
    assert (facts["size"], facts["extractor"]) == (32, "farm-texture")
    assert list(facts["curves"]) == ["draft", "standard", "fine", "script"]
    for points in facts["curves"].values():
        assert points[0] == {**points[0], "seconds": 0.0, "iterations": 0}
        assert {"loss", "fixed"} < points[0].keys()
        assert points[-1]["loss"] < points[0]["loss"]


def test_curves_need_a_picture_to_draw_into(farm: Farm, capsys: Captured) -> None:
    assert farm("bench", "engine", "--quick", "--curves", "curves.txt") == 2
    assert "'curves.txt' is no picture; end its name in .png," in capsys.readouterr().err


def test_curves_need_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(Unavailable, match=r"matplotlib is not installed; run pip install"):
        check(Path("curves.png"), "curves")


def test_devices_that_are_not_here_are_refused() -> None:
    assert device_of("cpu") == CPU
    for name in ("tpu", "cuda:99"):
        with pytest.raises(InvalidInput, match=rf"{name!r} is not on this machine; use cpu"):
            device_of(name)
