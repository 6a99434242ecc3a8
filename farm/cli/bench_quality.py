"""The preview nets' quality: how near they come to what a print becomes, on strangers' pictures.

Contents and styles are those that ``farm.engine.train.split`` keeps from training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from farm import settings
from farm.catalog import Catalogue, models_folder, procedural, write_card
from farm.cli.figures import Figure
from farm.cli.out import messages
from farm.engine.blend import blend
from farm.engine.extractor import Extractor
from farm.engine.measure.closing import Paint, Quality, Subject, Trial, quality, trials
from farm.engine.models import LIGHT, PREVIEW, TEXTURE, load_extractor, load_preview_net
from farm.engine.precision import NAMES, forward_seconds
from farm.engine.preview_net import PreviewNet
from farm.engine.recipe import recipe_for
from farm.engine.style_code import encode_style
from farm.engine.styles import Style
from farm.engine.train.data import Recipe
from farm.engine.train.split import HELD_OUT_PHOTOGRAPHS, held_out_scenes, held_out_styles
from farm.imaging import Cell, contact_sheet, decode, resize
from farm.imaging.picture import Array
from farm.route.calibration import cores
from farm.spec.words import duration

SIDE = 256
"""Long edge of contents and styles, in pixels."""
SHOWN = 12
"""Trials on a sheet, evenly from the worst to the best."""
EXACT = "float32"
_WIDTH = 1800


@dataclass(frozen=True)
class Sample:
    """What is measured on: generated contents beside the held-out photographs, and styles."""

    scenes: int = 2
    styles: int = 20
    iterations: int = 200
    side: int = SIDE


@dataclass(frozen=True)
class Candidate:
    """A net in one precision; ``seconds`` of one forward pass at 256 × 256."""

    model: str
    precision: str
    paint: Paint
    seconds: float

    @property
    def name(self) -> str:
        """As figures and captions have it."""
        return f"{self.model} {self.precision}"


SAMPLE = Sample()


def figures(photographs: Path, sheet: Path | None, *, keep: bool) -> list[Figure]:
    """Measure all preview nets that are here; write the sheet, and the cards' quality if ``keep``.

    Raises:
        Unavailable: weights are damaged, or a card cannot be written.
    """
    chosen = settings.load()
    catalogue = Catalogue(models_folder(chosen))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(cores(chosen))
    nets = [card.name for card in catalogue.models() if card.name in (PREVIEW, LIGHT)]
    if not nets:
        return [Figure(name=PREVIEW, note="not measured: farm-preview is not on this machine")]
    extractor = load_extractor(catalogue, TEXTURE, device)
    found = [one for name in nets for one in candidates(catalogue, name, extractor, device)]
    contents, styles = subjects(photographs, SAMPLE, device)
    done = list(_tried(contents, styles, found, extractor, SAMPLE))
    results = {one.name: quality(done, one.name) for one in found}
    if keep:
        for name in nets:
            _write(catalogue, [one for one in found if one.model == name], results)
    if sheet is not None:
        _save(pages(done, [one.name for one in found if one.precision == EXACT]), sheet)
    return [figure for one in found for figure in _rows(one, results[one.name], found[0])]


def candidates(
    catalogue: Catalogue, model: str, extractor: Extractor, device: torch.device
) -> Iterator[Candidate]:
    """The net in float32, and in bfloat16 even where a processor only imitates it: that looks alike."""
    net = load_preview_net(catalogue, model, device)
    steer = torch.zeros(1, net.modulation_size, device=device)

    def forward(picture: Tensor, modulation: None, kind: torch.dtype) -> Tensor:
        with torch.inference_mode(), _autocast(device, kind):
            shown = picture.to(memory_format=torch.channels_last)
            answer: Tensor = net(shown, steer if modulation is None else modulation)
            return answer

    seconds = forward_seconds(forward, device, list(NAMES.values()))
    for name, kind in NAMES.items():
        yield Candidate(model, name, painter(net, extractor, kind), seconds[kind])


def painter(net: PreviewNet, extractor: Extractor, kind: torch.dtype) -> Paint:
    """The net as a way to paint."""

    def paint(content: Tensor, style: Tensor, strength: float) -> Tensor:
        with torch.inference_mode():
            code = encode_style(extractor, style)
            given = blend(net, content, [Style(style)], [code], strength)
            with _autocast(content.device, kind):
                shown = given.content.to(memory_format=torch.channels_last)
                painted: Tensor = net(shown, given.modulation)
            return painted.float().clamp(0, 1)

    return paint


def _autocast(device: torch.device, kind: torch.dtype) -> torch.autocast:
    return torch.autocast(device.type, torch.bfloat16, enabled=kind == torch.bfloat16)


def subjects(
    photographs: Path, sample: Sample, device: torch.device
) -> tuple[list[Subject], list[Subject]]:
    """Contents and styles that no training sees; photographs as far as the folder has them."""
    contents = [
        Subject(name, _small(decode(photographs / name).pixels, sample.side, device))
        for name in HELD_OUT_PHOTOGRAPHS
        if (photographs / name).exists()
    ]
    scenes = held_out_scenes(sample.scenes, sample.side)
    contents += [_generated(recipe, device) for recipe in scenes]
    return contents, [_generated(one, device) for one in held_out_styles(sample.styles, sample.side)]


def _generated(recipe: Recipe, device: torch.device) -> Subject:
    pixels = procedural.picture(recipe.generator, recipe.seed, recipe.side, recipe.side)
    name = f"{recipe.generator} {recipe.seed}"
    return Subject(name, torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device))


def _small(pixels: Array, side: int, device: torch.device) -> Tensor:
    height, width = pixels.shape[:2]
    share = side / max(height, width)
    small = resize(pixels, (max(16, round(width * share)), max(16, round(height * share))))
    return torch.from_numpy(small).permute(2, 0, 1)[None].contiguous().to(device)


def _tried(
    contents: Sequence[Subject], styles: Sequence[Subject], found: Sequence[Candidate],
    extractor: Extractor, sample: Sample,
) -> Iterator[Trial]:  # fmt: skip
    total, began = len(contents) * len(styles), monotonic()
    paints: Mapping[str, Paint] = {one.name: one.paint for one in found}
    recipe = recipe_for(TEXTURE)
    made = trials(contents, styles, paints, extractor, recipe, iterations=sample.iterations)
    for number, trial in enumerate(made, start=1):
        left = (monotonic() - began) / number * (total - number)
        closed = ", ".join(f"{name} {trial.closed(name):.0%}" for name in paints)
        messages().print(
            f"{number}/{total} {trial.content} in {trial.style}: {closed}; {duration(left)} left"
        )
        yield trial


def _rows(one: Candidate, found: Quality, first: Candidate) -> list[Figure]:
    name, among = one.name, f"{found.trials} held-out pairs"
    return [
        Figure(name=f"{name}: way closed", value=found.closed, note=f"median of {among}"),
        Figure(name=f"{name}: way closed, worst decile", value=found.worst_decile),
        Figure(name=f"{name}: way closed beyond the palette", value=found.beyond_palette,
               note="median; from the content in the style's colours"),
        Figure(name=f"{name}: SSIM with the content", value=found.ssim,
               ratios={"of_the_optimum's": found.ssim / found.optimum_ssim}, note="median"),
        Figure(name=f"{name}: rank correlation with prints", value=found.rank,
               note="of losses over styles, mean over contents"),
        Figure(name=f"{name}: net alone 256²", value=one.seconds * 1e3, unit="ms",
               ratios={f"of_{first.name}".replace(" ", "_"): one.seconds / first.seconds}),
    ]  # fmt: skip


def _write(catalogue: Catalogue, found: Sequence[Candidate], results: Mapping[str, Quality]) -> None:
    """Put what was measured into the net's card, each precision beside float32."""
    card = catalogue.model(found[0].model)
    exact = results[found[0].name]
    said = dict(card.quality)
    for one in found:
        got, prefix = results[one.name], "" if one.precision == EXACT else f"{one.precision}_"
        said |= {
            f"{prefix}closed_median": got.closed, f"{prefix}closed_worst_decile": got.worst_decile,
            f"{prefix}closed_beyond_palette": got.beyond_palette, f"{prefix}ssim": got.ssim,
            f"{prefix}rank_correlation": got.rank, f"{prefix}milliseconds_256": one.seconds * 1e3,
        }  # fmt: skip
        if prefix:
            said[f"{prefix}closed_delta"] = got.closed - exact.closed
    said |= {"optimum_ssim": exact.optimum_ssim, "trials": exact.trials}
    rounded = {name: round(value, 4) for name, value in said.items() if np.isfinite(value)}
    write_card(catalogue.folder / card.name, card.model_copy(update={"quality": rounded}))


def pages(done: Sequence[Trial], names: Sequence[str]) -> Array:
    """The sheet of the nets named: trials from the worst to the best of the first, ``(h, w, 3)``."""
    order = sorted(done, key=lambda trial: trial.closed(names[0]))
    places = np.unique(np.linspace(0, len(order) - 1, min(SHOWN, len(order))).round().astype(int))
    return np.concatenate([_row(order[place], names) for place in places])


def _row(trial: Trial, names: Sequence[str]) -> Array:
    captions = {
        "content": trial.content, "style": trial.style,
        "optimum": f"loss {trial.optimum:.3f}, SSIM {trial.optimum_ssim:.2f}",
    } | {
        name: f"{trial.closed(name):.0%} of the way, {trial.beyond_palette(name):.0%} beyond the "
        f"palette, SSIM {trial.ssims[name]:.2f}"
        for name in names
    }  # fmt: skip
    cells = [
        Cell(picture[0].permute(1, 2, 0).cpu().numpy(), name, captions[name])
        for name, picture in trial.pictures.items()
        if name in captions
    ]
    return contact_sheet(cells, width=_WIDTH, title=f"{trial.content} in {trial.style}")


def _save(pixels: Array, path: Path) -> None:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)).save(path, quality=88)
