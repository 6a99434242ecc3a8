"""Taking a job in: every check, then the queue, then its first rendition."""

from __future__ import annotations

import asyncio

from farm.errors import InvalidInput, NotFound, Refused
from farm.gateway import pictures
from farm.gateway.accounts import offer_of
from farm.gateway.ports import Services
from farm.gateway.renditions import FirstRenditions
from farm.queue import Offer
from farm.route import caps
from farm.spec import Job, JobRecord, Quote


async def quote(services: Services, job: Job, content: tuple[int, int]) -> Quote:
    """What a job with a content of (width, height) pixels would cost.

    Raises:
        InvalidInput: its loss network is not here.
        Refused: no pool can take it, or keep its deadline and budget.
    """
    await asyncio.to_thread(check_extractor, services, job)
    return await asyncio.to_thread(services.quotes.quote, job, content)


async def quote_with_notes(services: Services, job: Job, content: tuple[int, int]) -> Quote:
    """The same for people, who are told what else would keep the order from being taken."""
    found = await quote(services, job, content)
    return found.model_copy(update={"notes": await asyncio.to_thread(_notes, services, job, found)})


def _notes(services: Services, job: Job, price: Quote) -> tuple[str, ...]:
    found = []
    try:
        services.catalogue.check_rights(job)
    except (Refused, NotFound) as refusal:
        found.append(refusal.message)
    try:
        caps.accept(services.queue.account(job.project), price.decision.chosen.p90_usd)
    except Refused as refusal:
        found.append(refusal.message)
    return tuple(found)


def check_extractor(services: Services, job: Job) -> None:
    """Refuse a print by a loss network that this farm does not have.

    Raises:
        InvalidInput: it is not among the models.
    """
    wanted = job.quality.extractor
    if job.kind == "print" and wanted not in {card["name"] for card in services.catalogue.models()}:
        raise InvalidInput(
            f"quality.extractor: {wanted!r} is not on this farm; run 'farm models pull {wanted}' there "
            "once, or use 'farm-texture'.",
            field="quality.extractor",
        )


def check_budget(job: Job, offer: Quote) -> None:
    """Refuse a job that will probably cost more than its budget.

    Raises:
        Refused: the median cost is over ``routing.budget_usd``.
    """
    budget, expected = job.routing.budget_usd, offer.decision.chosen.p50_usd
    if budget is not None and expected > budget:
        raise Refused(
            f"routing.budget_usd: {budget:g} is below the expected cost of {expected:.4g} USD on "
            f"{offer.decision.chosen.pool}; raise it or ask for a smaller output.",
            field="routing.budget_usd",
        )


async def admit(
    services: Services, renditions: FirstRenditions, job_id: str, job: Job
) -> tuple[JobRecord, bool]:
    """The accepted job, and whether it is new.

    A job that is already there is not checked again: prices or rights may have changed since, and
    the same request must get the same answer.

    Raises:
        InvalidInput: a picture is missing, or is none.
        Refused: rights to a style, the budget, or the cap of its project.
        Conflict: the id belongs to another job.
    """
    if await asyncio.to_thread(_exists, services, job_id):
        return await _add(services, job_id, job, None)
    size = await pictures.check_all(services, job)
    await asyncio.to_thread(services.catalogue.check_rights, job)
    price = await quote(services, job, size)
    check_budget(job, price)
    record, created = await _add(services, job_id, job, offer_of(price))
    if created:
        services.meter.count("farm_jobs_submitted_total", 1.0, kind=job.kind)
        if job.kind == "print":
            renditions.begin(job_id, job, size)
    return record, created


def _exists(services: Services, job_id: str) -> bool:
    try:
        services.queue.job(job_id)
    except NotFound:
        return False
    return True


async def _add(
    services: Services, job_id: str, job: Job, offer: Offer | None
) -> tuple[JobRecord, bool]:
    return await asyncio.to_thread(services.queue.add, job_id, job, tasks=(job.kind,), offer=offer)
