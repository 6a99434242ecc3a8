"""Whether a job may use the styles it names. No style goes on without a licence and a source."""

from __future__ import annotations

from farm.catalog.catalogue import Catalogue
from farm.errors import NotFound, Refused
from farm.spec.job import Job
from farm.spec.style import StyleRef

NOT_LICENCES = frozenset(
    {"", "unknown", "none", "unlicensed", "n/a", "tbd", "?", "all-rights-reserved", "copyrighted"}
)
"""What people write where there is no licence to use a picture."""

REMEDY = "write e.g. 'rights: {licence: CC0-1.0, source: \"Jane Doe, 2024\"}'"


def check_rights(job: Job, catalogue: Catalogue) -> None:
    """Pass silently when every style of ``job`` may be used.

    Raises:
        NotFound: a style is not in the catalogue.
        Refused: a style has no licence or no source.
    """
    for index, style in enumerate(job.styles):
        if style.name is not None:
            _check_catalogued(style.name, f"styles.{index}.name", catalogue)
        else:
            _check_own(style, f"styles.{index}.rights")


def is_licence(text: str) -> bool:
    """Whether ``text`` grants anything; ``unknown``, ``none`` and the like do not."""
    return "-".join(text.casefold().replace("_", " ").replace("-", " ").split()) not in NOT_LICENCES


def _check_catalogued(name: str, field: str, catalogue: Catalogue) -> None:
    try:
        card = catalogue.style(name)
    except NotFound as error:
        raise NotFound(f"{field}: {error.message.removeprefix('style: ')}", field=field) from None
    if not is_licence(card.licence):
        raise Refused(
            f"{field}: the catalogue's {name!r} has the licence {card.licence!r}, which does not allow "
            "its use; correct its card or choose another style (farm styles list).",
            field=field,
        )


def _check_own(style: StyleRef, field: str) -> None:
    if style.rights is None:
        raise Refused(
            f"{field}: missing for the image {style.image!r}; {REMEDY} beside the image.", field=field
        )
    if not is_licence(style.rights.licence):
        raise Refused(
            f"{field}.licence: {style.rights.licence!r} does not allow the use of {style.image!r}; "
            f"get the right to use it, then {REMEDY}.",
            field=f"{field}.licence",
        )
    if not style.rights.source.strip():
        raise Refused(
            f"{field}.source: empty for the image {style.image!r}; {REMEDY}.", field=f"{field}.source"
        )
