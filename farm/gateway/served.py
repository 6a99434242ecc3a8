"""Previews as people get them: kept ones at once, others as far up the ladder as the moment allows."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import replace

from farm.errors import Busy, FarmError, Refused
from farm.gateway.backlog import Backlog
from farm.gateway.kept import Kept, Key
from farm.gateway.orders import Nets, PreviewAnswer, PreviewOrder
from farm.gateway.ports import Services
from farm.route import budget
from farm.route.ladder import Grant, Standing, Wish, grant

MEGABYTE = 1_000_000
_AT_A_TIME = 16
"""Previews on their way to the shelf; more than that are not kept there."""


class Served:
    """The interactive tier behind cache, ladder and books; a ``Previews`` itself.

    Args:
        now: seconds of a clock that never goes back.
    """

    def __init__(self, services: Services, now: Callable[[], float] = time.perf_counter) -> None:
        self._services, self._now = services, now
        settings = services.settings
        self._kept = Kept(services.shelf, settings.preview_cache_mb * MEGABYTE)
        self._backlog = Backlog(now)
        self._code = services.tiers.version()
        self._usd_per_second = settings.cpu_price_usd_h * (settings.cpus or os.cpu_count() or 1) / 3600
        self._shelving: set[asyncio.Task[None]] = set()
        for stage, seconds in budget.BUDGET.items():
            services.meter.set("farm_preview_budget_seconds", seconds, stage=stage)

    def nets(self) -> Nets:
        """Of the tier."""
        return self._services.previews.nets()

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        """A preview; its ``rung`` and ``degraded`` say what became of it.

        Raises:
            InvalidInput: not a picture. NotFound: no such style.
            Busy: too much work waits. Refused: neither its deadline nor its budget can be kept.
        """
        began = self._now()
        key = await self._key(order)
        answer = await self._before(key, order) or await self._granted(key, order)
        self._services.meter.count("farm_preview_rungs_total", 1.0, rung=answer.rung)
        return replace(answer, seconds=self._now() - began) if answer.kept else answer

    async def ready(self, order: PreviewOrder) -> PreviewAnswer | None:
        """A preview that was made before; None where it has to be made. Raises NotFound."""
        return await self._before(await self._key(order), order)

    async def settled(self) -> None:
        """Wait until nothing is on its way to the shelf."""
        while self._shelving:
            await asyncio.gather(*self._shelving)

    async def _before(self, key: Key, order: PreviewOrder) -> PreviewAnswer | None:
        found = None
        if key.weights and not order.fresh:
            found = self._kept.get(key)
            if found is None:
                found = await asyncio.to_thread(self._kept.fetched, key)
                if found is not None:
                    self._kept.put(key, found)
        where = found.kept if found is not None else "nowhere"
        self._services.meter.count("farm_preview_kept_total", 1.0, where=where)
        return found

    async def _granted(self, key: Key, order: PreviewOrder) -> PreviewAnswer:
        near = self._kept.neighbour(key) if key.weights and not order.fresh else None
        wish = Wish(
            order.size, order.aspect, order.deadline, order.budget_usd, neighbour=near is not None
        )
        granted = grant(wish, self._standing())
        if granted.rung == "refused":
            self._services.meter.count("farm_preview_rungs_total", 1.0, rung="refused")
            raise _refusal(granted, order)
        if granted.rung == "neighbour" and near is not None:
            other, answer = near
            stands = f"kept at {other.size} px and strength {other.strength:g}"
            return replace(answer, rung="neighbour", degraded=f"{stands}: {granted.reason}")
        answer = await self._made(order, granted)
        self._keep(key, granted, answer)
        return answer

    def _standing(self) -> Standing:
        backlog = self._backlog
        return Standing(
            backlog.pixels, backlog.seconds_per_pixel, self.nets().light, self._usd_per_second
        )

    async def _made(self, order: PreviewOrder, granted: Grant) -> PreviewAnswer:
        meter = self._services.meter
        with self._backlog.of(granted.work):
            meter.set("farm_preview_backlog_seconds", self._backlog.seconds)
            asked = replace(order, size=granted.edge, light=granted.rung == "light")
            answer = await self._services.previews.preview(asked)
        meter.set("farm_preview_backlog_seconds", self._backlog.seconds)
        for stage in budget.over(answer.stages, answer.width * answer.height):
            meter.count("farm_preview_over_budget_total", 1.0, stage=stage)
        if answer.rung != "full" or granted.rung == "full":
            return answer
        return replace(answer, rung=granted.rung, degraded=_words(order, granted))

    def _keep(self, key: Key, granted: Grant, answer: PreviewAnswer) -> None:
        # What the light net made is not what the same order gets tomorrow.
        if not answer.weights or answer.rung == "light":
            return
        key = replace(key, weights=answer.weights, size=granted.edge)
        whole = replace(answer, rung="full", degraded="")
        self._kept.put(key, whole)
        if len(self._shelving) < _AT_A_TIME:
            task = asyncio.create_task(asyncio.to_thread(self._kept.stored, key, whole))
            self._shelving.add(task)
            task.add_done_callback(self._shelving.discard)

    async def _key(self, order: PreviewOrder) -> Key:
        content = await _sha256(order.content)
        if isinstance(order.style, bytes):
            style = await _sha256(order.style)
        else:
            card = await asyncio.to_thread(self._services.catalogue.style, order.style)
            style = str(card.get("sha256", order.style))
        return Key(content, style, self.nets().weights, self._code, order.size, order.strength)


async def _sha256(data: bytes) -> str:
    if len(data) < MEGABYTE:
        return hashlib.sha256(data).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()


def _words(order: PreviewOrder, granted: Grant) -> str:
    size = "" if granted.edge == order.size else f" at {granted.edge} px of {order.size}"
    net = " by the light net" if granted.rung == "light" else ""
    return f"made{net}{size}: {granted.reason}"


def _refusal(granted: Grant, order: PreviewOrder) -> FarmError:
    if granted.retry_after is None:
        field = (
            "budget_usd" if order.budget_usd is not None and "budget" in granted.reason else "deadline"
        )
        return Refused(
            f"{field}: {granted.reason}, and no preview can be made within that; allow more.",
            field=field,
        )
    after = max(0.1, granted.retry_after)
    return Busy(f"previews: {granted.reason}; try again in {after:.1f} s.", retry_after=after)
