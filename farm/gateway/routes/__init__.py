"""One module per noun."""

from farm.gateway.routes import (
    blobs,
    catalogue,
    events,
    farm,
    health,
    jobs,
    page,
    previews,
    quotes,
    verbs,
)

ROUTERS = tuple(
    module.router
    for module in (previews, jobs, events, verbs, quotes, blobs, catalogue, farm, health, page)
)
