"""``farm models train`` and ``farm models pull``: where models come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from farm import settings
from farm.cli.models import models_app
from farm.cli.out import messages
from farm.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

    from farm.engine.train.texture import Progress

PICTURES = ("*.png", "*.jpg", "*.jpeg")
train_app = typer.Typer(help="Train a model of the project.", no_args_is_help=True)

Photographs = Annotated[
    Path, typer.Option(help="Folder of photographs to learn from besides generated ones.")
]
Steps = Annotated[int | None, typer.Option(min=1, help="Training steps; default: the recipe's.")]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Models folder; default: the one in use.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to ``farm models``."""
    models_app.add_typer(train_app, name="train")


def _folder(out: Path | None) -> Path:
    from farm.catalog import models_folder

    return out or models_folder(settings.load())


def _photographs(folder: Path, without: tuple[str, ...] = ()) -> tuple[list[str], list[Tensor]]:
    from farm.dispatch.pictures import tensor
    from farm.imaging.decode import decode

    paths = sorted(path for pattern in PICTURES for path in folder.glob(pattern))
    paths = [path for path in paths if path.name not in without]
    if not paths:
        raise InvalidInput(
            f"photographs: no PNG or JPEG in {folder}; name a folder that has some.",
            field="photographs",
        )
    return [path.name for path in paths], [tensor(decode(path))[0] for path in paths]


def _reporter() -> Callable[[Progress], None]:
    console, began = messages(), monotonic()

    def report(progress: Progress) -> None:
        console.print(
            f"step {progress.step}/{progress.steps}  loss {progress.loss:.4f}  "
            f"{monotonic() - began:.0f} s"
        )

    return report


@train_app.command()
def texture(
    photographs: Photographs = Path("jobs/pictures"), steps: Steps = None, out: Out = None
) -> None:
    """Train farm-texture, the loss network, from photographs and generated pictures."""
    from dataclasses import replace

    from farm.engine.train.texture import TextureRecipe, train_and_publish

    recipe = TextureRecipe() if steps is None else replace(TextureRecipe(), steps=steps)
    names, pictures = _photographs(photographs)
    card = train_and_publish(names, pictures, recipe, _folder(out), _reporter())
    messages().print(f"{card.name} {card.version}: {card.bytes / 1e6:.1f} MB, sha256 {card.sha256}")


@train_app.command()
def preview(
    photographs: Photographs = Path("jobs/pictures"), steps: Steps = None, out: Out = None
) -> None:
    """Train farm-preview, the any-style preview net, against farm-texture's losses."""
    from dataclasses import replace

    import torch

    from farm.catalog import Catalogue
    from farm.dispatch.pictures import tensor
    from farm.engine.models import TEXTURE, load_extractor
    from farm.engine.train.preview import HELD_OUT, PreviewRecipe, train_and_publish
    from farm.imaging.decode import decode

    recipe = PreviewRecipe() if steps is None else replace(PreviewRecipe(), steps=steps)
    folder = _folder(out)
    catalogue = Catalogue(folder)
    extractor = load_extractor(catalogue, TEXTURE, torch.device("cpu"))
    styles = [tensor(decode(catalogue.style_path(card.name)))[0] for card in catalogue.styles()]
    names, pictures = _photographs(photographs, HELD_OUT)
    card = train_and_publish(names, pictures, styles, extractor, recipe, folder, _reporter())
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
