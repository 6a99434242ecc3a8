"""What a farm keeps: its home, the token, the database, the store and the weights."""

from __future__ import annotations

import shutil
import stat
import tempfile
from pathlib import Path

from farm.catalog import Catalogue, models_folder
from farm.cli.checks.row import Doubt
from farm.clock import Clock
from farm.errors import Unavailable
from farm.settings import Settings

GB = 1e9
LEAST_GB, COMFORTABLE_GB = 1.0, 10.0


def home(settings: Settings, clock: Clock) -> str:
    """The folder of the farm's state can be written."""
    try:
        settings.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.folder):
            return str(settings.folder)
    except OSError as error:
        raise Unavailable(
            f"{settings.folder} cannot be written ({error.strerror}); "
            "set FARM_HOME to a folder that you may write."
        ) from None


def token(settings: Settings, clock: Clock) -> str:
    """The token that Ray and its dashboard ask for is the owner's alone."""
    path = settings.folder / "ray.token"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return "none yet; 'farm up' makes it"
    if mode & 0o077:
        raise Unavailable(f"{path} can be read by others (mode {mode:04o}); chmod 600 {path}")
    return f"mode {mode:04o}"


def database(settings: Settings, clock: Clock) -> str:
    """The database answers, is whole, and has tables that this version can use."""
    from farm.cli.databases import examine

    return examine(settings.database_url)


def store(settings: Settings, clock: Clock) -> str | Doubt:
    """Blobs can be written, and there is room for more."""
    from farm.store import BlobStore

    BlobStore(settings.store_url).check()
    folder = Path(settings.store_url.removeprefix("file://"))
    if not folder.is_dir():
        return settings.store_url
    free = shutil.disk_usage(folder).free / GB
    found = f"{folder}, {free:,.0f} GB free"
    if free < LEAST_GB:
        raise Unavailable(f"{folder} has {free:.2f} GB free; make room on its disk, or set FARM_STORE.")
    if free < COMFORTABLE_GB:
        return Doubt(found, "make room; a large print's checkpoints and picture take some GB")
    return found


def models(settings: Settings, clock: Clock) -> str:
    """Models and styles are there and whole."""
    catalogue = Catalogue(models_folder(settings))
    findings = catalogue.verify()
    if not findings:
        raise Unavailable(f"{catalogue.folder} holds no models; set FARM_MODELS to their folder.")
    for finding in findings:
        if not finding.ok:
            raise Unavailable(finding.problem)
    return f"{len(findings)} whole in {catalogue.folder}"
