"""No style without a right to use it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from farm.catalog import Catalogue, StyleCard, check_rights, digest, write_card
from farm.errors import NotFound, Refused
from farm.spec import Job, parse_job

GOOD = {"licence": "CC0-1.0", "source": "Jane Doe, 2024"}


def job(*styles: dict[str, Any]) -> Job:
    data = {"farm": 1, "kind": "print", "content": "a.png", "styles": list(styles)}
    return parse_job({**data, "output": {"long_edge": 512}})


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    for name, licence in (("free", "CC0-1.0"), ("dubious", "Unknown"), ("bare", "")):
        home = tmp_path / "styles" / name
        home.mkdir(parents=True)
        (home / "style.png").write_bytes(b"x")
        sha256 = digest(home / "style.png")
        write_card(home, StyleCard(name=name, title=name, sha256=sha256, licence=licence, source="us"))
    return Catalogue(tmp_path)


def test_a_licensed_style_and_an_image_with_rights_pass(catalogue: Catalogue) -> None:
    check_rights(job({"name": "free"}, {"image": "own.png", "rights": GOOD}), catalogue)


def test_an_unknown_style_is_not_found(catalogue: Catalogue) -> None:
    with pytest.raises(NotFound, match=r"^styles\.1\.name: no style 'fre'; did you mean 'free'"):
        check_rights(job({"name": "free"}, {"name": "fre"}), catalogue)


@pytest.mark.parametrize("name", ["dubious", "bare"])
def test_a_catalogue_style_without_licence_is_refused(catalogue: Catalogue, name: str) -> None:
    with pytest.raises(Refused, match=r"^styles\.0\.name: .*farm styles list"):
        check_rights(job({"name": name}), catalogue)


def test_an_image_without_rights_is_refused_with_an_example(catalogue: Catalogue) -> None:
    with pytest.raises(Refused, match=r"^styles\.1\.rights: .*'own\.png'.*CC0-1\.0") as caught:
        check_rights(job({"name": "free"}, {"image": "own.png"}), catalogue)
    assert caught.value.field == "styles.1.rights"


@pytest.mark.parametrize(
    "licence", ["unknown", "None", " ", "all-rights-reserved", "All Rights Reserved", "N/A"]
)
def test_what_is_no_licence_is_refused(catalogue: Catalogue, licence: str) -> None:
    with pytest.raises(Refused, match=r"^styles\.0\.rights\.licence: "):
        check_rights(job({"image": "own.png", "rights": {**GOOD, "licence": licence}}), catalogue)


def test_a_blank_source_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(Refused, match=r"^styles\.0\.rights\.source: "):
        check_rights(job({"image": "own.png", "rights": {**GOOD, "source": "  "}}), catalogue)
