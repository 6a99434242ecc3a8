"""Previews under load: sixteen clients that wait for each other's answers, and many that do not."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from time import perf_counter

from farm.cli.figures import Figure
from farm.client import AsyncClient, Client
from farm.errors import Busy, FarmError

CLIENTS = 16
OVER = 4.0
"""Times what the farm can carry."""
CALM = 0.5
IN_TIME = 1.0
"""Seconds within which people are to have their answer."""

Ask = Callable[[], Awaitable[str]]
"""One preview of a picture that nobody had before; returns its fidelity."""


@dataclass(frozen=True)
class Sizes:
    """How much is asked for: trips with several clients, seconds of overload and of calm after it."""

    side: int = 512
    trips: int = 320
    kept: int = 100
    overload: float = 20.0
    calm: float = 8.0


FULL, QUICK = Sizes(), Sizes(trips=64, kept=20, overload=4.0, calm=6.0)


@dataclass(frozen=True)
class Reply:
    """What became of one request: asked at, answered after (both in seconds), and how.

    ``outcome`` is the fidelity of the picture, ``busy``, or the error's name.
    """

    at: float
    seconds: float
    outcome: str


def figures(client: Client, content: bytes, style: bytes, bare: float, sizes: Sizes) -> list[Figure]:
    """Figures of a farm under load; ``bare`` are pictures a second that the net makes by itself."""
    before = _memory(client)
    hits = _hits(client, content, style, sizes)
    together, storm, calm = asyncio.run(_storm(client.url, content, style, sizes))
    rate, waits = _rate(together), [one.seconds for one in together]
    after = _memory(client)
    asked = len(hits) + len(together) + len(storm) + len(calm)
    return [
        Figure(name="kept preview", value=statistics.median(hits) * 1e3, unit="ms",
               note=f"median, p95 {_p95(hits) * 1e3:.3g} ms"),
        Figure(name=f"{CLIENTS} clients {sizes.side}²", value=rate, unit="1/s",
               ratios={"of_the_batched_net_alone": rate / bare},
               note=f"p95 {_p95(waits) * 1e3:.4g} ms"),
        *overload(storm, calm),
        Figure(name="memory of the farm", value=after, unit="MB",
               ratios={"of_before": after / before} if before else {},
               note=f"after {asked} requests"),
    ]  # fmt: skip


def overload(storm: Sequence[Reply], calm: Sequence[Reply]) -> list[Figure]:
    """Figures of too many requests, and of those after them."""
    shown = [one for one in storm if one.outcome not in ("busy", "error")]
    failed = [one for one in (*storm, *calm) if one.outcome == "error"]
    name, everything = f"{OVER:g} times the load", [one.seconds for one in storm]
    return [
        Figure(name=f"{name}: a picture within {IN_TIME:g} s", unit="%",
               value=100 * _in_time(shown, storm),
               note=f"of {len(storm)}; p95 {_p95(everything) * 1e3:.4g} ms"),
        Figure(name=f"{name}: any answer within {IN_TIME:g} s", unit="%",
               value=100 * _in_time([one for one in storm if one not in failed], storm),
               note="429 among them"),
        Figure(name=f"{name}: degraded", unit="%",
               value=100 * sum(one.outcome != "full" for one in shown) / len(storm),
               note=_kinds(shown)),
        Figure(name=f"{name}: errors but 429", value=len(failed)),
        Figure(name="back to full after", value=recovery(calm), unit="s"),
    ]  # fmt: skip


def recovery(calm: Sequence[Reply]) -> float:
    """Seconds after the overload until everything asked for is made in full again."""
    began = min(one.at for one in calm)
    return max((one.at - began for one in calm if one.outcome != "full"), default=0.0)


async def closed(ask: Ask, clients: int, trips: int) -> list[Reply]:
    """``trips`` requests by so many clients, each of which asks again once it has its answer."""
    left, replies = iter(range(trips)), list[Reply]()

    async def one() -> None:
        for _ in left:
            replies.append(await _reply(ask))

    await asyncio.gather(*(one() for _ in range(clients)))
    return replies


async def opened(ask: Ask, rate: float, seconds: float) -> list[Reply]:
    """Requests at a rate, whether or not those before are answered: how people come."""
    began, running = perf_counter(), []
    for number in range(max(1, round(rate * seconds))):
        await asyncio.sleep(max(0.0, began + number / rate - perf_counter()))
        running.append(asyncio.create_task(_reply(ask)))
    return list(await asyncio.gather(*running))


async def _storm(
    url: str, content: bytes, style: bytes, sizes: Sizes
) -> tuple[list[Reply], list[Reply], list[Reply]]:
    numbers = count(1)
    async with AsyncClient(url, timeout=60.0) as client:

        async def ask() -> str:
            picture = renamed(content, next(numbers))
            return (await client.preview(picture, style, size=sizes.side)).fidelity

        await closed(ask, CLIENTS, CLIENTS)
        together = await closed(ask, CLIENTS, sizes.trips)
        rate = _rate(together)
        storm = await opened(ask, OVER * rate, sizes.overload)
        return together, storm, await opened(ask, CALM * rate, sizes.calm)


async def _reply(ask: Ask) -> Reply:
    at = perf_counter()
    try:
        outcome = await ask()
    except Busy:
        outcome = "busy"
    except FarmError:
        outcome = "error"
    return Reply(at, perf_counter() - at, outcome)


def renamed(jpeg: bytes, number: int) -> bytes:
    """The same picture in other bytes: a JPEG with a comment, so that it was never seen before."""
    return jpeg[:2] + b"\xff\xfe\x00\x0a" + number.to_bytes(8) + jpeg[2:]


def _hits(client: Client, content: bytes, style: bytes, sizes: Sizes) -> list[float]:
    """Seconds of previews that were made before."""
    taken = []
    client.preview(content, style, size=sizes.side)
    for _ in range(sizes.kept):
        began = perf_counter()
        client.preview(content, style, size=sizes.side)
        taken.append(perf_counter() - began)
    return taken


def _memory(client: Client) -> float:
    """Megabytes of what answers previews."""
    roles = ("gateway", "previews")
    return sum(each.memory_mb or 0 for each in client.farm().processes if each.role in roles)


def _rate(replies: Sequence[Reply]) -> float:
    """Answers a second."""
    span = max(one.at + one.seconds for one in replies) - min(one.at for one in replies)
    return len(replies) / span


def _in_time(good: Sequence[Reply], all_of_them: Sequence[Reply]) -> float:
    return sum(one.seconds <= IN_TIME for one in good) / len(all_of_them)


def _kinds(replies: Sequence[Reply]) -> str:
    found = sorted({one.outcome for one in replies})
    return ", ".join(f"{sum(one.outcome == kind for one in replies)} {kind}" for kind in found)


def _p95(taken: Sequence[float]) -> float:
    return statistics.quantiles(taken, n=20, method="inclusive")[-1] if len(taken) > 1 else taken[0]
