"""``farm models train`` and ``farm models pull``: where models come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from farm import settings
from farm.catalog import Catalogue, models_folder
from farm.cli.models import models_app
from farm.cli.out import messages
from farm.errors import InvalidInput
from farm.spec.words import duration

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from farm.catalog.cards import ModelCard
    from farm.engine.train.course import Progress
    from farm.engine.train.preview import PreviewRecipe

PICTURES = ("*.png", "*.jpg", "*.jpeg")
train_app = typer.Typer(help="Train a model of the project.", no_args_is_help=True)

Photographs = Annotated[
    Path, typer.Option(help="Folder of photographs to learn from besides generated ones.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Training steps; default: the recipe's.")]
Size = Annotated[str, typer.Option(help="full, or light for when full cannot keep up.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Pictures of a step; default: the device's.")]
Side = Annotated[int | None, typer.Option(min=32, help="Their side in pixels; default: the device's.")]
Seed = Annotated[int | None, typer.Option(min=1, help="Decides the weights; default: the recipe's.")]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="NAME", help="cpu or cuda:0; a GPU if there is one."),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes that generate pictures.")]
Checkpoint = Annotated[
    Path | None, typer.Option(metavar="FILE", help="To go on from; default: in the farm's home.")
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Models folder; default: the one in use.")
]
Into = Annotated[Path | None, typer.Option("--out", help="Models folder; default: the one in use.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``farm models``."""
    models_app.add_typer(train_app, name="train")


def _folder(out: Path | None) -> Path:
    return out or models_folder(settings.load())


def _picture(path: Path) -> Tensor:
    """``(3, h, w)`` in [0, 1]."""
    from farm.dispatch.pictures import tensor
    from farm.imaging.decode import decode

    return tensor(decode(path))[0]


def _photographs(folder: Path, without: tuple[str, ...] = ()) -> tuple[list[str], list[Tensor]]:
    paths = sorted(path for pattern in PICTURES for path in folder.glob(pattern))
    paths = [path for path in paths if path.name not in without]
    if not paths:
        raise InvalidInput(
            f"photographs: no PNG or JPEG in {folder}; name a folder that has some.",
            field="photographs",
        )
    return [path.name for path in paths], [_picture(path) for path in paths]


def _reporter() -> Callable[[Progress], None]:
    """Says where a run is, how fast it goes and when it will end."""
    console = messages()

    def report(progress: Progress) -> None:
        end = datetime.now() + timedelta(seconds=progress.seconds_left)
        console.print(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  "
            f"{progress.pace:.2f} steps/s  {duration(progress.seconds_left)} left, until {end:%H:%M:%S}"
        )

    return report


@train_app.command()
def texture(
    photographs: Photographs = Path("jobs/pictures"), steps: Steps = None, out: Out = None
) -> None:
    """Train farm-texture, the loss network, from photographs and generated pictures."""
    from farm.engine.train.texture import TextureRecipe, train_and_publish

    recipe = TextureRecipe() if steps is None else replace(TextureRecipe(), steps=steps)
    names, pictures = _photographs(photographs)
    _done(train_and_publish(names, pictures, recipe, _folder(out), _reporter()))


@train_app.command()
def preview(
    size: Size = "full", photographs: Photographs = Path("jobs/pictures"), steps: Steps = None,
    batch: Batch = None, side: Side = None, seed: Seed = None, device: Device = None,
    workers: Workers = None, checkpoint: Checkpoint = None, out: Out = None,
) -> None:  # fmt: skip
    """Train an any-style preview net, full or light, against farm-texture's losses.

    A light one learns from the full one too, if that is there. Run it again to go on after an
    interruption.
    """
    from farm.engine.models import PREVIEW, TEXTURE, load_extractor, load_preview_net
    from farm.engine.train.preview import Material, recipe_on, train
    from farm.engine.train.release import NAMES, publish_preview
    from farm.engine.train.split import HELD_OUT_PHOTOGRAPHS

    if size not in NAMES:
        raise InvalidInput(f"size: {size!r} is not a size; 'full' and 'light' are.", field="size")
    place, folder = _device(device), _folder(out)
    catalogue = Catalogue(folder)
    known = {card.name for card in catalogue.models()}
    teacher = PREVIEW if size == "light" and PREVIEW in known else None
    recipe = replace(
        _asked(recipe_on(place), steps=steps, batch=batch, side=side, seed=seed),
        size=size, teacher=teacher,
    )  # fmt: skip
    names, pictures = _photographs(photographs, HELD_OUT_PHOTOGRAPHS)
    material = Material(
        pictures, _styles(catalogue), load_extractor(catalogue, TEXTURE, place),
        load_preview_net(catalogue, teacher, place) if teacher else None,
    )  # fmt: skip
    kept = checkpoint or _checkpoint(NAMES[size])
    net, finished = train(
        material, recipe, _reporter(), place, workers=_workers(workers), checkpoint=kept
    )
    card = publish_preview(net, finished, recipe, names, folder, place)
    kept.unlink(missing_ok=True)
    _done(card)


@train_app.command()
def style(  # options of a command
    image: Annotated[Path, typer.Argument(metavar="IMAGE", help="The style's picture.")],
    name: Annotated[str, typer.Option("--name", "-o", metavar="NAME", help="Of the model.")],
    licence: Annotated[
        str, typer.Option(help="Of the style's picture: an SPDX id, 'own' or 'commissioned'.")
    ] = "own",
    base: Annotated[str, typer.Option(help="The any-style net to begin with.")] = "farm-preview",
    photographs: Photographs = Path("jobs/pictures"), steps: Steps = None, batch: Batch = None,
    side: Side = None, seed: Seed = None, device: Device = None, workers: Workers = None,
    checkpoint: Checkpoint = None, out: Into = None,
) -> None:  # fmt: skip
    """Train a preview net of one style, from an any-style net on: a matter of minutes."""
    from farm.engine.models import TEXTURE, load_extractor, load_preview_net
    from farm.engine.preview_net import Shape
    from farm.engine.resample import resample
    from farm.engine.train.release import publish_style
    from farm.engine.train.split import HELD_OUT_PHOTOGRAPHS
    from farm.engine.train.style import STYLE_EDGE, Lessons, style_recipe, train_style

    place, folder = _device(device), _folder(out)
    if name in {card.name for card in Catalogue(folder).models() if card.kind != "style"}:
        raise InvalidInput(f"name: {name!r} is a model of the farm; take another.", field="name")
    catalogue = Catalogue(folder)
    built = catalogue.model(base).architecture
    shape = Shape(tuple(built["widths"]), built["blocks"], built["sketch"])
    picture = _picture(image)
    share = min(1.0, STYLE_EDGE / max(picture.shape[1:]))
    rows, columns = (max(32, round(edge * share)) for edge in picture.shape[1:])
    names, pictures = _photographs(photographs, HELD_OUT_PHOTOGRAPHS)
    lessons = Lessons(
        resample(picture[None], rows, columns).clamp(0, 1), pictures,
        load_extractor(catalogue, TEXTURE, place), load_preview_net(catalogue, base, place), shape,
    )  # fmt: skip
    recipe = _asked(style_recipe(place), steps=steps, batch=batch, side=side, seed=seed)
    kept = checkpoint or _checkpoint(name)
    net, finished = train_style(
        lessons, recipe, _reporter(), place, workers=_workers(workers), checkpoint=kept
    )
    card = publish_style(
        net, finished, recipe, shape, base, image.name, names, folder / name, place, licence=licence
    )
    kept.unlink(missing_ok=True)
    _done(card)


def _asked(recipe: PreviewRecipe, **options: int | None) -> PreviewRecipe:
    """The recipe with what was given on the command line."""
    given = {name: value for name, value in options.items() if value is not None}
    return replace(recipe, **given)  # type: ignore[arg-type]  # fields of ints


def _device(name: str | None) -> torch.device:
    import torch

    from farm.route.calibration import cores

    chosen = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type == "cpu":
        torch.set_num_threads(cores(settings.load()))
    return chosen


def _workers(asked: int | None) -> int:
    """Processes that make pictures: what is left beside a processor that trains."""
    from farm.route.calibration import cores

    return asked or max(1, cores(settings.load()) - 1)


def _checkpoint(name: str) -> Path:
    return settings.load().folder / "training" / f"{name}.safetensors"


def _styles(catalogue: Catalogue) -> list[Tensor]:
    return [_picture(catalogue.style_path(card.name)) for card in catalogue.styles()]


def _done(card: ModelCard) -> None:
    messages().print(f"{card.name} {card.version}: {card.bytes / 1e6:.1f} MB, sha256 {card.sha256}")


@models_app.command()
def pull(
    name: Annotated[str, typer.Argument(help="vgg19: ImageNet weights, for research use.")],
    out: Out = None,
) -> None:
    """Fetch a model that is not shipped, verify it and keep what the farm needs of it."""
    from farm.engine.vgg import pull_vgg19

    if name != "vgg19":
        raise InvalidInput(f"name: {name!r} cannot be pulled; 'vgg19' can.", field="name")
    card = pull_vgg19(_folder(out))
    messages().print(f"{card.name}: {card.bytes / 1e6:.1f} MB, sha256 {card.sha256}")
