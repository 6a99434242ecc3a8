"""``farm compare``: which prints it makes, and the sheet they are on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from farm.catalog import Catalogue
from farm.cli import compare
from farm.cli.compare import ROWS, Variant, rows, sources, variant_job
from farm.spec import Job, parse_job

Farm = Callable[..., int]
SHIPPED = Path(__file__).resolve().parents[2] / "models"
MASKS = (Path("disc.png"), Path("around.png"))


def job(styles: int = 2, **quality: object) -> Job:
    names = ["vortex-strokes", "stained-glass"][:styles]
    return parse_job(
        {"farm": 1, "kind": "preview", "content": "cat.png", "output": {"paper": "A4"},
         "styles": [{"name": name} for name in names], "quality": quality,
         "engine": {"precision": "float32"}}
    )  # fmt: skip


@pytest.mark.parametrize("variant", [one for row in ROWS.values() for one in row], ids=str)
def test_every_variant_is_a_small_print(variant: Variant) -> None:
    asked = variant_job(job(), variant, 96, MASKS)
    assert (asked.kind, asked.output.size((300, 200))) == ("print", (96, 64))
    assert len(asked.styles) == len(variant.styles)
    assert all(bool(style.mask) == variant.masked for style in asked.styles)


def test_a_variant_changes_what_it_names_and_nothing_else() -> None:
    asked = variant_job(job(seed=7), Variant("2", ("styles.0.scale=2",)), 96, MASKS)
    assert asked.styles[0].model_dump() == {**job().styles[0].model_dump(), "scale": 2.0}
    assert asked.quality == job(seed=7).quality


def test_every_cell_of_a_row_is_another_job() -> None:
    for row in ROWS.values():
        jobs = {variant_job(job(), variant, 96, MASKS).model_dump_json() for variant in row}
        assert len(jobs) == len(row) > 1


def test_the_masks_cover_the_picture_once(tmp_path: Path) -> None:
    Image.new("RGB", (60, 40), "blue").save(tmp_path / "cat.png")
    asked = job().model_copy(update={"content": str(tmp_path / "cat.png")})
    assert list(sources(asked, Catalogue(SHIPPED), tmp_path)) == [
        "content",
        "style 0",
        "style 1",
        "mask",
    ]
    disc, around = (np.asarray(Image.open(tmp_path / mask.name)).astype(int) for mask in MASKS)
    assert disc.shape == (40, 60, 3)
    assert (disc + around == 255).all()
    assert 0.2 < disc.mean() / 255 < 0.6


def test_a_job_with_one_style_has_no_blends_and_no_masks() -> None:
    assert rows(2) == rows(8) == ROWS
    assert {title.partition(":")[0] for title in ROWS.keys() - rows(1)} == {"Masks", "Blends"}


def test_the_sheet_is_a_picture_of_prints(
    tmp_path: Path, farm: Farm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARM_MODELS", str(SHIPPED))
    monkeypatch.setattr(
        compare, "ROWS", {"Start": (Variant("content", ("quality.init=content",)),) * 2}
    )
    drawn = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(drawn).save(tmp_path / "cat.png")
    (tmp_path / "job.yaml").write_text(job(1, preset="draft").model_dump_json())
    out = tmp_path / "new" / "sheet.png"
    assert farm("compare", tmp_path / "job.yaml", "-o", out, "--size", 64) == 0
    given, made = np.array_split(np.asarray(Image.open(out)).astype(int), 2)
    assert given.shape[1] == compare.WIDTH
    assert min(given.std(), made.std()) > 20, "the sheet's own ground is of one colour"


def test_a_sheet_is_no_exr(tmp_path: Path, farm: Farm, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.yaml").write_text(job().model_dump_json())
    assert farm("compare", tmp_path / "job.yaml", "-o", "sheet.exr") == 2
    assert "use .jpg, .png or .tif" in capsys.readouterr().err
