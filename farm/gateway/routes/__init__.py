"""One module per noun."""

from farm.gateway.routes import (
    blobs,
    catalogue,
    costs,
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
    for module in (previews, jobs, events, verbs, quotes, costs, blobs, catalogue, farm, health, page)
)
