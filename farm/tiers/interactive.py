"""The interactive tier: the preview net behind dynamic batching, and the HTTP ingress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ray import serve
from ray.exceptions import RayActorError
from ray.serve.handle import DeploymentHandle

from farm.catalog.catalogue import Catalogue
from farm.dispatch.previews import Previewer
from farm.dispatch.serving import Made, Painted, Ready, Request, Serving
from farm.errors import FarmError
from farm.imaging.limits import Limits
from farm.observe.logs import bound
from farm.settings import Settings
from farm.tiers.census import actors
from farm.tiers.meter import RayMeter

CONTROLLER = "SERVE_CONTROLLER_ACTOR"
AsgiApp = Any
BATCH_PIXELS = 4 * 512 * 512
"""Most pixels that go through the net at a time: more of them are no faster, only later."""
BuildApp = Callable[[DeploymentHandle[Any]], AsgiApp]
"""Makes the gateway's ASGI app around a handle of ``Previews``; runs in the ingress replica."""


def batch_pixels(batch: list[Ready]) -> int:
    """How large a batch is; a picture that is more than one by itself is one by itself."""
    return sum(min(one.pixels, BATCH_PIXELS) for one in batch)


def is_lost(error: Exception) -> bool:
    """Whether an answer failed because of the process that was to make it, not of what was asked."""
    return isinstance(error, RayActorError)


@serve.deployment(
    name="Previews",
    max_ongoing_requests=64,
    health_check_period_s=5,
    ray_actor_options={"num_cpus": 0},
)
class Previews:
    """Answers previews; requests that wait together go through the net together.

    Serve sends it requests once it is made, and it is made when it is warm.
    """

    def __init__(self, models: Path, max_megapixels: int, threads: int) -> None:
        torch.set_num_threads(threads)
        catalogue, limits = Catalogue(models), Limits(max_megapixels=max_megapixels)
        self._meter = RayMeter()

        def load(name: str) -> Previewer:
            return Previewer(catalogue, limits, torch.device("cpu"), model=name)

        self._serving = Serving(catalogue, load, self._meter)
        self._serving.warm()

    async def check_health(self) -> None:
        """Serve asks every few seconds: the moment to look for new weights."""
        await asyncio.to_thread(self._serving.renew)

    async def preview(
        self,
        content: bytes,
        style: bytes | str,
        size: int,
        strength: float,
        light: bool = False,
        request_id: str = "",
    ) -> Made:
        """One preview, JPEG. Raises as ``Previewer.prepare`` does, and Unstable."""
        loop = asyncio.get_running_loop()
        with bound(request_id=request_id):
            request = Request(content, style, size, strength, light)
            ready = await asyncio.to_thread(self._serving.prepare, request)
            began = loop.time()
            painted = await self._paint(ready)
            if isinstance(painted, FarmError):
                raise painted
            wait = max(0.0, loop.time() - began - painted.seconds)
            made = await asyncio.to_thread(self._serving.encode, painted, ready, wait)
        for stage, seconds in made.result.stages.items():
            self._meter.observe("farm_preview_seconds", seconds, stage=stage)
        self._meter.observe("farm_preview_seconds", sum(made.result.stages.values()), stage="total")
        return made

    # Serve drops from a batch whatever was cancelled before its turn.
    @serve.batch(max_batch_size=BATCH_PIXELS, batch_wait_timeout_s=0.002, batch_size_fn=batch_pixels)
    async def _paint(self, batch: list[Ready]) -> list[Painted | FarmError]:
        return await asyncio.to_thread(self._serving.paint, batch)


@serve.deployment(name="Gateway", max_ongoing_requests=256, ray_actor_options={"num_cpus": 0})
@serve.ingress()
class Gateway:
    """The ingress: an ASGI app that knows nothing of Ray but the handle it was built with."""

    def __init__(self, build: BuildApp, previews: DeploymentHandle[Any]) -> None:
        self._build, self._previews = build, previews

    def __serve_build_asgi_app__(self) -> AsgiApp:
        return self._build(self._previews)


def application(build: BuildApp, models: Path, max_megapixels: int, threads: int) -> serve.Application:
    """The Serve application: ingress and previews."""
    previews = Previews.bind(models, max_megapixels, threads)  # type: ignore[attr-defined]
    app: serve.Application = Gateway.bind(build, previews)  # type: ignore[attr-defined]
    return app


def start_serve(settings: Settings) -> bool:
    """Have Serve listen where the settings say; whether it is ours, not one that was there before.

    In a cluster it listens on the head, whatever nodes the replicas are on.
    """
    ours = not any(each.name == CONTROLLER and not each.dead for each in actors())
    location = "HeadOnly" if settings.ray_address else None
    http = {"host": settings.host, "port": settings.port}
    serve.start(proxy_location=location, http_options=http)
    return ours


def stop_serve(*, whole: bool) -> None:
    """Let the replicas finish what they are at and end; the ``whole`` of Serve if asked for.

    With a Ray of its own that ends anyway, Serve need not be ended as a whole: Ray reports how it does
    that as an error.
    """
    serve.delete("farm")
    if whole:
        serve.shutdown()  # type: ignore[no-untyped-call]
