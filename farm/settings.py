"""Settings from the environment (``FARM_…``), each with a default that suits one laptop."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from farm.errors import InvalidInput


class Settings(BaseSettings):
    """What an operator may set; every field is the environment variable ``FARM_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="FARM_", frozen=True, extra="ignore")

    home: Path = Field(default=Path("~/.farm"), description="Database, store, logs of a local farm.")
    url: str | None = Field(
        default=None, description="Where clients find the farm; default: this host."
    )
    host: str = Field(default="127.0.0.1", description="Address the farm listens on.")
    port: int = Field(default=8700, ge=1, le=65535, description="HTTP port of the farm.")
    dashboard_port: int = Field(default=8701, ge=1, le=65535, description="Port of the Ray dashboard.")
    database: str | None = Field(default=None, description="SQLAlchemy URL; default: SQLite in home.")
    store: str | None = Field(default=None, description="fsspec URL of the store; default: in home.")
    models: Path | None = Field(default=None, description="Folder of models; default: the shipped one.")
    cpus: int | None = Field(default=None, ge=1, description="CPU cores the farm may use.")
    cpu_price_usd_h: float = Field(
        default=0.04, ge=0, description="Price of one CPU core hour in USD, for quotes and costs."
    )
    accelerators: Path | None = Field(
        default=None, description="Your accelerators and prices; default: accelerators.yaml in home."
    )
    cluster_file: Path | None = Field(
        default=None, description="The cluster.yaml whose node types the autoscaler may start."
    )
    lease_seconds: float = Field(
        default=30.0, gt=0, description="A silent worker loses its task after."
    )
    lease_grace_seconds: float = Field(
        default=15.0, ge=0,
        description="After its lease, a worker that cannot be reached is taken for gone after.",
    )  # fmt: skip
    silence_seconds: float = Field(
        default=120.0, gt=0, description="A print process that answers nothing is ended after."
    )
    linger_seconds: float = Field(
        default=60.0, ge=0,
        description="A print process waits so long for the next print; starting one takes seconds.",
    )  # fmt: skip
    drain_seconds: float = Field(
        default=20.0, ge=0, description="Prints may take so long to be kept when the farm goes down."
    )
    max_devices: int = Field(
        default=8, ge=1, description="Processors or GPUs that the autoscaler is asked for at most."
    )
    ray_address: str | None = Field(
        default=None, description="host:port of a Ray cluster to join; default: a Ray of its own."
    )
    notices: str = Field(
        default="", description="Who tells that a machine goes away: some of aws,google,azure."
    )
    notice_file: Path | None = Field(
        default=None, description="A file whose appearance on a machine says that it goes away; "
        "'{node}' in it stands for the Ray node's id.",
    )  # fmt: skip
    max_attempts: int = Field(default=3, ge=1, description="Attempts a task has before quarantine.")
    max_upload_mb: int = Field(default=256, ge=1, description="Largest upload, in megabytes.")
    preview_cache_mb: int = Field(
        default=64, ge=0, description="Previews kept in memory, in megabytes; 0: none."
    )
    max_megapixels: int = Field(default=400, ge=1, description="Largest picture, in megapixels.")

    @cached_property
    def folder(self) -> Path:
        """``home`` with ``~`` resolved."""
        return self.home.expanduser().absolute()

    @property
    def database_url(self) -> str:
        """The database, SQLite under ``home`` unless set."""
        return self.database or f"sqlite:///{self.folder / 'farm.db'}"

    @property
    def store_url(self) -> str:
        """The store's root, a folder under ``home`` unless set."""
        return self.store or str(self.folder / "store")

    @property
    def farm_url(self) -> str:
        """Where clients find the farm: as set, or as one that runs in ``home`` says of itself."""
        asked = self.url or (None if "port" in self.model_fields_set else self._running_at())
        return (asked or f"http://{self.host}:{self.port}").rstrip("/")

    def _running_at(self) -> str | None:
        try:
            facts = json.loads((self.folder / "farm.json").read_text(encoding="utf-8"))
            return str(facts["url"])
        except (OSError, ValueError, KeyError, TypeError):
            return None


def load() -> Settings:
    """The settings of this process.

    Raises:
        InvalidInput: a ``FARM_…`` variable has a value that does not fit.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "FARM_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(
            f"{name}: {first['input']!r} does not fit ({first['msg'].lower()}); correct or unset it.",
            field=name,
        ) from None
