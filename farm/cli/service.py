"""The farm as a Serve application of a cluster that others run, such as KubeRay's RayService."""

from __future__ import annotations

import os
from typing import Any

from farm import settings
from farm.catalog import models_folder
from farm.cli.house import build_gateway


def build(args: dict[str, str]) -> Any:
    """The application that ``import_path`` names; the dispatcher is started beside it.

    Called on the cluster itself, whose processes have the farm's settings in their environment. One of
    another version of the farm takes the dispatcher's place.

    Raises:
        InvalidInput: a setting does not fit.
        Unavailable: a dispatcher of another version does not end.
    """
    from farm.tiers.dispatcher import start_dispatcher
    from farm.tiers.interactive import application

    chosen = settings.load()
    models, threads = models_folder(chosen), chosen.cpus or os.cpu_count() or 1
    start_dispatcher(chosen, models, threads)
    return application(build_gateway, models, chosen.max_megapixels, threads)
