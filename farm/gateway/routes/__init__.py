"""One module per noun."""

from farm.gateway.routes import blobs, catalogue, events, health, jobs, page, previews, quotes, verbs

ROUTERS = tuple(
    module.router for module in (previews, jobs, events, verbs, quotes, blobs, catalogue, health, page)
)
