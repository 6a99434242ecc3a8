"""The models and styles of a folder; no file is handed out whose bytes are not those of its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farm.catalog.cards import CARD, CardT, ModelCard, StyleCard, digest, read_card
from farm.errors import BadModel, FarmError, NotFound
from farm.spec.base import suggestion

STYLES = "styles"
PULLABLE = ("vgg19",)
"""Models that are not shipped but can be fetched by ``farm models pull``."""


@dataclass(frozen=True)
class Finding:
    """What ``verify`` found about one card. ``problem`` is a sentence, empty where all is well."""

    kind: str
    name: str
    path: Path
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file is what its card says."""
        return not self.problem


class Catalogue:
    """Models in ``folder/<name>/`` and styles in ``folder/styles/<name>/``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def models(self) -> list[ModelCard]:
        """All models, by name."""
        return [read_card(self.folder / name, ModelCard) for name in self._model_names()]

    def styles(self) -> list[StyleCard]:
        """All styles, by name."""
        return [read_card(self.folder / STYLES / name, StyleCard) for name in self._style_names()]

    def model(self, name: str) -> ModelCard:
        """The card of one model.

        Raises:
            NotFound: there is no such model here.
        """
        known = self._model_names()
        if name in known:
            return read_card(self.folder / name, ModelCard)
        if name in PULLABLE:
            raise NotFound(
                f"model: {name!r} is not in {self.folder}; fetch it with 'farm models pull {name}'.",
                field="model",
            )
        raise _missing("model", name, known, self.folder)

    def style(self, name: str) -> StyleCard:
        """The card of one style.

        Raises:
            NotFound: there is no such style here.
        """
        known = self._style_names()
        if name not in known:
            raise _missing("style", name, known, self.folder / STYLES)
        return read_card(self.folder / STYLES / name, StyleCard)

    def weights(self, name: str) -> Path:
        """The file of a model's weights, checked against its card.

        Raises:
            NotFound: there is no such model here.
            BadModel: the file is missing or its bytes are not those of the card.
        """
        card = self.model(name)
        path = self.folder / name / card.file
        _check(path, card.sha256, card.bytes)
        return path

    def style_path(self, name: str) -> Path:
        """The file of a style's picture, checked against its card.

        Raises:
            NotFound: there is no such style here.
            BadModel: the file is missing or its bytes are not those of the card.
        """
        card = self.style(name)
        path = self.folder / STYLES / name / card.file
        _check(path, card.sha256)
        return path

    def verify(self) -> list[Finding]:
        """One finding for each model and style, whether it is well or not."""
        models = [self._finding("model", self.folder / name, ModelCard) for name in self._model_names()]
        styles = [
            self._finding("style", self.folder / STYLES / name, StyleCard)
            for name in self._style_names()
        ]
        return models + styles

    def _finding(self, kind: str, folder: Path, card: type[CardT]) -> Finding:
        try:
            read = read_card(folder, card)
            path = folder / read.file
            _check(path, read.sha256, read.bytes if isinstance(read, ModelCard) else None)
        except FarmError as error:
            return Finding(kind, folder.name, folder, error.message)
        return Finding(kind, folder.name, path)

    def _model_names(self) -> list[str]:
        return [name for name in _cards_in(self.folder) if name != STYLES]

    def _style_names(self) -> list[str]:
        return _cards_in(self.folder / STYLES)


def _cards_in(folder: Path) -> list[str]:
    return sorted(path.parent.name for path in folder.glob(f"*/{CARD}"))


def _missing(kind: str, name: str, known: Sequence[str], folder: Path) -> NotFound:
    hint = suggestion(name, known) if known else f"{folder} holds none; set FARM_MODELS."
    return NotFound(f"{kind}: no {kind} {name!r}; {hint}", field=kind)


def _check(path: Path, sha256: str, size: int | None = None) -> None:
    """Compare a file with its card; the size first, as it costs nothing."""
    try:
        whole = size is None or path.stat().st_size == size
        same = whole and digest(path) == sha256
    except FileNotFoundError:
        problem = "missing"
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    else:
        if same:
            return
        problem = "not the file its card describes"
    raise BadModel(f"{path}: {problem}; run 'farm models verify' and restore it from the release.")
