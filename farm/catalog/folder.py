"""Where the models and styles are: set by the operator, in the checkout, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

from farm.settings import Settings

_PACKAGE = Path(__file__).resolve().parent.parent


def models_folder(settings: Settings, package: Path = _PACKAGE) -> Path:
    """The folder of models.

    Args:
        settings: ``models`` wins where it is set.
        package: folder of the ``farm`` package; a checkout has ``models/`` beside it, an installed
            wheel carries ``_models/`` in it.
    """
    if settings.models is not None:
        return settings.models.expanduser().absolute()
    checkout = package.parent / "models"
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout
    return package / "_models"
