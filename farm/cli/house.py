"""Where the layers are put together: the gateway's services on real queue, store and tiers."""

from __future__ import annotations

from typing import Any

from farm import settings
from farm.catalog import Catalogue, check_rights, models_folder
from farm.cli.handle import HandlePreviews
from farm.clock import SystemClock
from farm.dispatch.learner import Learner
from farm.dispatch.quotes import Quoter
from farm.gateway.ports import Services
from farm.observe.meter import PrometheusMeter
from farm.queue import open_queue
from farm.spec import Job
from farm.store import BlobStore
from farm.store.shelf import Shelf


class CatalogueCards:
    """The catalogue as the gateway shows it."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def styles(self) -> list[dict[str, Any]]:
        """Every style's card."""
        return [card.model_dump(mode="json") for card in self._catalogue.styles()]

    def style(self, name: str) -> dict[str, Any]:
        """One style's card. Raises NotFound."""
        return self._catalogue.style(name).model_dump(mode="json")

    def style_picture(self, name: str) -> bytes:
        """A style's encoded picture. Raises NotFound."""
        return self._catalogue.style_path(name).read_bytes()

    def models(self) -> list[dict[str, Any]]:
        """Every model's card."""
        return [card.model_dump(mode="json") for card in self._catalogue.models()]

    def check_rights(self, job: Job) -> None:
        """Raises Refused: a style of the job may not be used; NotFound: no such style."""
        check_rights(job, self._catalogue)


def build_gateway(handle: Any) -> Any:
    """The gateway's ASGI app on this process's settings; called in the ingress replica."""
    import farm.imaging  # noqa: F401 — or the first request would wait for its libraries
    from farm.gateway.app import create_app
    from farm.tiers.pools import pools
    from farm.tiers.view import ClusterView

    chosen, clock, meter = settings.load(), SystemClock(), PrometheusMeter()
    catalogue = Catalogue(models_folder(chosen))
    queue = open_queue(chosen.database_url, clock)
    return create_app(
        Services(
            queue=queue,
            store=BlobStore(chosen.store_url),
            previews=HandlePreviews(handle, catalogue),
            quotes=Quoter(Learner(lambda: pools(chosen), queue, clock), clock),
            catalogue=CatalogueCards(catalogue),
            tiers=ClusterView(),
            settings=chosen,
            clock=clock,
            meter=meter,
            metrics=meter.exposition,
            shelf=Shelf(chosen.store_url, "previews", clock),
        )
    )
