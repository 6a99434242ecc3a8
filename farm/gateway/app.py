"""The FastAPI application, put together from routes and services."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from farm.gateway import problem
from farm.gateway.edge import Edge
from farm.gateway.guard import Guard
from farm.gateway.news import News
from farm.gateway.ports import Services
from farm.gateway.renditions import FirstRenditions
from farm.gateway.routes import ROUTERS
from farm.gateway.served import Served


def create_app(services: Services) -> FastAPI:
    """The farm over HTTP; contracts are in ``/docs``. Holds no state but previews, made or running."""
    served = Served(services)
    services = replace(services, previews=served)
    # Farms are often cut off from the network that FastAPI's own pages load their scripts from.
    app = FastAPIOffline(
        title="farm",
        version=version("style-farm"),
        description="A render farm for neural style transfer.",
    )
    app.state.services = services
    app.state.previews = served
    app.state.first_renditions = FirstRenditions(services)
    app.state.news = News(services.queue)
    app.state.sse_clients = 0
    problem.install(app)
    for router in ROUTERS:
        app.include_router(router)
    # The last one added is the outermost: refusals by the guard carry a request id, too.
    app.add_middleware(Guard, settings=services.settings)
    app.add_middleware(Edge, meter=services.meter)
    return app
