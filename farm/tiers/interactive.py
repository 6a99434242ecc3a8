"""The interactive tier: the preview net behind dynamic batching, and the HTTP ingress."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from ray import serve
from ray.serve.handle import DeploymentHandle

from farm.catalog.catalogue import Catalogue
from farm.dispatch.previews import Prepared, Previewer, PreviewResult
from farm.imaging.limits import Limits
from farm.settings import Settings
from farm.tiers.census import actors
from farm.tiers.meter import RayMeter

CONTROLLER = "SERVE_CONTROLLER_ACTOR"
AsgiApp = Any
BuildApp = Callable[[DeploymentHandle[Any]], AsgiApp]
"""Makes the gateway's ASGI app around a handle of ``Previews``; runs in the ingress replica."""


@serve.deployment(name="Previews", max_ongoing_requests=64, ray_actor_options={"num_cpus": 0})
class Previews:
    """Answers previews; requests that wait together go through the net together."""

    def __init__(self, models: Path, max_megapixels: int, threads: int) -> None:
        torch.set_num_threads(threads)
        limits = Limits(max_megapixels=max_megapixels)
        self._previewer = Previewer(Catalogue(models), limits, torch.device("cpu"))
        self._meter = RayMeter()

    async def preview(
        self, content: bytes, style: bytes | str, size: int, strength: float
    ) -> PreviewResult:
        """One preview, JPEG. Raises as ``Previewer.prepare`` does."""
        loop = asyncio.get_running_loop()
        prepared = await asyncio.to_thread(self._previewer.prepare, content, style, size, strength)
        began = loop.time()
        picture = await self._stylise(prepared)
        stages = {"decode": prepared.seconds, "model": loop.time() - began}
        result = await asyncio.to_thread(self._previewer.encode, picture, stages)
        for stage, seconds in result.stages.items():
            self._meter.observe("farm_preview_seconds", seconds, stage=stage)
        self._meter.observe("farm_preview_seconds", sum(result.stages.values()), stage="total")
        return result

    @serve.batch(max_batch_size=8, batch_wait_timeout_s=0.002)
    async def _stylise(self, batch: list[Prepared]) -> list[torch.Tensor]:
        return await asyncio.to_thread(self._previewer.stylise, batch)


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
