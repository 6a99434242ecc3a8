"""The Ray that a farm runs on: one of its own on loopback, with a token, or a cluster that is there."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from pathlib import Path
from typing import Any

import ray
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # no stubs

from farm.errors import Conflict, Unreachable
from farm.settings import Settings
from farm.tiers.census import nodes
from farm.tiers.graves import NAMESPACE
from farm.tiers.processes import is_here

log = logging.getLogger(__name__)
OBJECT_STORE_BYTES = 200_000_000
"""Pictures go through the store, so Ray's own holds little."""


def token_file(settings: Settings) -> Path:
    """The file with the token that Ray and its dashboard ask for; made on first use, mode 0600."""
    path = settings.folder / "ray.token"
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    return path


def check_port(host: str, port: int, field: str, remedy: str) -> None:
    """Make sure nobody listens there.

    Raises:
        Conflict: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (error.strerror or "error").lower()
            raise Conflict(
                f"{field}: {port} cannot be used on {host} ({reason}); {remedy}",
                field=field,
            ) from None


def authenticate(settings: Settings) -> None:
    """Show the token of this home to Ray in all that this process asks of it."""
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(token_file(settings)))
    # Ray read its configuration when it was imported; these make it look again.
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def start_ray(settings: Settings, dashboard_port: int) -> dict[str, Any]:
    """Start a Ray of our own, never joining one that happens to run here; returns its addresses."""
    authenticate(settings)
    os.environ.update(
        RAY_USAGE_STATS_ENABLED="0",
        RAY_ENABLE_UV_RUN_RUNTIME_ENV="0",
        RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
        # Previews and prints share the cores; threads that spin while waiting starve each other.
        OMP_WAIT_POLICY="PASSIVE",
    )
    context = ray.init(
        address="local",
        namespace=NAMESPACE,
        num_cpus=max(2, settings.cpus or os.cpu_count() or 2),
        include_dashboard=True,
        dashboard_host="127.0.0.1",
        dashboard_port=dashboard_port,
        object_store_memory=OBJECT_STORE_BYTES,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    session = context.address_info["session_dir"]  # type: ignore[attr-defined]  # a RayContext, here
    return {
        "dashboard": f"http://{context.dashboard_url}",
        "session": session,
        "ray_address": context.address_info["gcs_address"],  # type: ignore[attr-defined]
    }


def join_ray(settings: Settings, address: str) -> dict[str, Any]:
    """Join a cluster that runs already; returns its addresses.

    All of its nodes must reach the farm's store, the models' folder and this code; the database, those
    that the gateway and the dispatcher may run on. SQLite and a folder will do where all nodes are this
    machine. ``RAY_AUTH_MODE`` and ``RAY_AUTH_TOKEN_PATH`` are the cluster's own.

    Raises:
        Unreachable: no cluster answers there.
    """
    try:
        context = ray.init(
            address=address, namespace=NAMESPACE, logging_level=logging.ERROR, log_to_driver=False
        )
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise Unreachable(
            f"FARM_RAY_ADDRESS: no Ray cluster answers at {address} "
            f"({str(error).splitlines()[0].rstrip('.')}); correct or unset it."
        ) from None
    if settings.database_url.startswith("sqlite") and not all(is_here(n.address) for n in nodes()):
        log.warning(
            "database: %s is a file, and the cluster has other machines; set FARM_DATABASE to a "
            "PostgreSQL that all of them reach.", settings.database_url,
        )  # fmt: skip
    facts: dict[str, Any] = context.address_info  # type: ignore[attr-defined]  # a RayContext, here
    return {
        "dashboard": f"http://{context.dashboard_url}" if context.dashboard_url else "",
        "session": facts["session_dir"],
        "ray_address": facts["gcs_address"],
    }
