"""Where the layers are put together: the gateway's services on real queue, store and tiers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm import settings
from farm.catalog import Catalogue, check_rights, models_folder
from farm.clock import SystemClock
from farm.dispatch.learner import Learner
from farm.dispatch.quotes import Quoter
from farm.errors import FarmError
from farm.gateway.ports import PreviewAnswer, PreviewOrder, Services
from farm.observe.meter import PrometheusMeter
from farm.queue import open_queue
from farm.spec import Job
from farm.store import BlobStore


class HandlePreviews:
    """Previews through a handle of the interactive tier's deployment."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        """Raises whatever the replica raised."""
        try:
            made = await self._handle.preview.remote(
                order.content, order.style, order.size, order.strength
            )
        except Exception as error:
            # Ray wraps what a replica raised; people should read the sentence inside.
            cause = getattr(error, "cause", None)
            if isinstance(cause, FarmError):
                raise cause from None
            raise
        stages: Mapping[str, float] = made.stages
        return PreviewAnswer(
            made.picture, made.media_type, made.width, made.height, made.model,
            sum(stages.values()), stages,
        )  # fmt: skip


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
    from farm.gateway.app import create_app
    from farm.tiers.pools import pools
    from farm.tiers.view import ClusterView

    chosen, clock, meter = settings.load(), SystemClock(), PrometheusMeter()
    queue = open_queue(chosen.database_url, clock)
    return create_app(
        Services(
            queue=queue,
            store=BlobStore(chosen.store_url),
            previews=HandlePreviews(handle),
            quotes=Quoter(Learner(lambda: pools(chosen), queue, clock), clock),
            catalogue=CatalogueCards(Catalogue(models_folder(chosen))),
            tiers=ClusterView(),
            settings=chosen,
            clock=clock,
            meter=meter,
            metrics=meter.exposition,
        )
    )
