"""What becomes of a preview between the route and the net: kept, degraded, refused, given up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.clock import ManualClock
from farm.errors import Busy, NotFound, Refused, Unavailable
from farm.gateway import create_app
from farm.gateway.backlog import FIRST_GUESS, Backlog
from farm.gateway.orders import Nets, PreviewAnswer, PreviewOrder
from farm.gateway.served import Served
from farm.gateway.testing import EchoPreviews, blank_png, in_memory
from farm.route.ladder import RULES
from farm.settings import Settings
from farm.store import BlobStore
from farm.store.shelf import Shelf

ORDER = PreviewOrder(b"content", b"style", size=512)
SECONDS = (512 * 512 + RULES.fixed) * FIRST_GUESS
"""What such an order is taken to cost before anything was measured."""


class SlowPreviews(EchoPreviews):
    """Answers when told to."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.gate, self.clock, self.given_up = asyncio.Event(), clock, 0

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        answer = await super().preview(order)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        return answer


class House:
    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, ManualClock()
        BlobStore(str(folder)).put(b"a blob: the store is in use")

    def served(self, previews: EchoPreviews, **changes: Any) -> Served:
        shelf = Shelf(str(self.folder), "previews", self.clock)
        services = replace(
            in_memory(self.folder, settings=Settings(home=self.folder, **changes), previews=previews),
            shelf=shelf,
        )
        self.exposition = services.metrics
        return Served(services, self.clock.now)

    def metric(self, name: str) -> float:
        lines = self.exposition().decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(name + " "))


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def echo(weights: str = "w1", light: float | None = None) -> EchoPreviews:
    previews = EchoPreviews()
    previews.made_by = Nets(weights, light)
    return previews


def test_the_same_again_is_made_once(house: House) -> None:
    async def run() -> None:
        previews = echo()
        served = house.served(previews)
        first, again = await served.preview(ORDER), await served.preview(ORDER)
        assert (first.kept, again.kept, again.picture) == ("", "memory", first.picture)
        for other in (
            replace(ORDER, size=500), replace(ORDER, strength=0.6), replace(ORDER, content=b"b"),
            replace(ORDER, style=b"c"), replace(ORDER, fresh=True),
        ):  # fmt: skip
            assert (await served.preview(other)).kept == ""
        assert len(previews.orders) == 6
        await served.settled()

    asyncio.run(run())


def test_another_process_finds_it_in_the_store_unless_the_net_is_another(house: House) -> None:
    async def run() -> None:
        before = house.served(echo())
        await before.preview(ORDER)
        await before.settled()
        same = echo()
        found = await house.served(same).preview(ORDER)
        assert (found.kept, found.picture, found.model) == ("store", b"content", "echo")
        assert same.orders == []
        assert (await house.served(echo("w2")).preview(ORDER)).kept == ""

    asyncio.run(run())


def test_a_replica_that_still_has_the_old_net_fills_no_gap_of_the_new_one(house: House) -> None:
    class Old(EchoPreviews):
        async def preview(self, order: PreviewOrder) -> PreviewAnswer:
            return replace(await super().preview(order), weights="old")

    async def run() -> None:
        previews = Old()
        previews.made_by = Nets("new")
        served = house.served(previews)
        assert [(await served.preview(ORDER)).kept for _ in range(2)] == ["", ""]
        await served.settled()

    asyncio.run(run())


def test_what_is_damaged_in_the_store_is_made_again(house: House) -> None:
    async def run() -> None:
        before = house.served(echo())
        await before.preview(ORDER)
        await before.settled()
        (file,) = (house.folder / "previews").glob("*/*")
        file.write_bytes(file.read_bytes()[:-1] + b"\0")
        assert (await house.served(echo()).preview(ORDER)).kept == ""

    asyncio.run(run())


def test_memory_holds_what_it_was_given_and_no_more(house: House) -> None:
    async def run() -> None:
        served = house.served(echo(), preview_cache_mb=1)
        for number in range(5):
            await served.preview(replace(ORDER, content=bytes([number]) * 400_000))
        await served.settled()
        assert served._kept.bytes == 800_000

    asyncio.run(run())


async def among(
    served: Served, slow: SlowPreviews, waiting: int, then: Callable[[], Awaitable[None]]
) -> None:
    """Run ``then`` while so many other orders wait, and let these end."""
    others = [replace(ORDER, content=bytes([i])) for i in range(waiting)]
    running = [asyncio.create_task(served.preview(order)) for order in others]
    while len(slow.orders) < waiting:
        await asyncio.sleep(0)
    await then()
    slow.gate.set()
    await asyncio.gather(*running)
    await served.settled()


WHOLE = int(RULES.patience / SECONDS)
"""Orders that can be answered in full before the next one cannot."""


@pytest.mark.parametrize(
    ("light", "rung"), [(None, "smaller"), (0.2, "smaller")], ids=["no light net", "light"]
)
def test_under_load_the_answer_says_what_became_of_it(
    house: House, light: float | None, rung: str
) -> None:
    async def run() -> None:
        slow = SlowPreviews(house.clock)
        slow.made_by = Nets("w1", light)
        served = house.served(slow)

        async def ask() -> None:
            task = asyncio.create_task(served.preview(ORDER))
            while len(slow.orders) <= WHOLE:
                await asyncio.sleep(0)
            assert 256 <= slow.orders[-1].size < 512
            slow.gate.set()
            answer = await task
            assert answer.rung == rung
            assert f"at {slow.orders[-1].size} px of 512" in answer.degraded
            assert "s of work wait" in answer.degraded
            assert house.metric(f'farm_preview_rungs_total{{rung="{rung}"}}') == 1

        await among(served, slow, WHOLE, ask)

    asyncio.run(run())


def flood(served: Served) -> None:
    """More work than can be waited for."""
    served._backlog.pixels = 100 * 512 * 512


def test_a_flood_is_answered_by_neighbours_or_refused_with_a_time(house: House) -> None:
    async def run() -> None:
        served = house.served(echo())
        await served.preview(replace(ORDER, size=384, strength=0.4))
        await served.settled()
        flood(served)
        answer = await served.preview(ORDER)
        assert (answer.rung, answer.width) == ("neighbour", 384)
        assert answer.degraded.startswith("kept at 384 px and strength 0.4: ")
        for other in (replace(ORDER, strength=0.9), replace(ORDER, size=1024)):
            with pytest.raises(Busy, match=r"^previews: .* s of work wait; try again in") as busy:
                await served.preview(other)
            assert busy.value.retry_after > 1
        assert (await served.preview(replace(ORDER, size=384, strength=0.4))).rung == "full"

    asyncio.run(run())


def test_the_light_net_is_asked_for_before_anybody_is_refused(house: House) -> None:
    async def run() -> None:
        previews = echo(light=0.01)
        served = house.served(previews)
        served._backlog.pixels = RULES.patience / FIRST_GUESS - 50_000
        answer = await served.preview(ORDER)
        assert (answer.rung, previews.orders[-1].light) == ("light", True)
        assert answer.degraded.startswith("made by the light net")
        assert (await served.preview(replace(ORDER, fresh=True))).kept == ""
        served._backlog.pixels = 0
        assert (await served.preview(ORDER)).rung == "full", "what the light net made is not kept"
        await served.settled()

    asyncio.run(run())


def test_what_cannot_be_kept_at_all_is_refused_for_good(house: House) -> None:
    async def run() -> None:
        served = house.served(echo(), cpus=2)
        with pytest.raises(Refused, match="deadline") as late:
            await served.preview(replace(ORDER, deadline=0.001))
        with pytest.raises(Refused, match="budget_usd 1e-12") as poor:
            await served.preview(replace(ORDER, budget_usd=1e-12))
        assert (late.value.field, poor.value.field) == ("deadline", "budget_usd")
        with pytest.raises(NotFound, match="style"):
            await served.preview(replace(ORDER, style="nope"))

    asyncio.run(run())


def test_who_gives_up_frees_the_slot(house: House) -> None:
    async def run() -> None:
        slow = SlowPreviews(house.clock)
        served = house.served(slow)
        task = asyncio.create_task(served.preview(ORDER))
        while not slow.orders:
            await asyncio.sleep(0)
        assert served._backlog.pixels > 0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (served._backlog.pixels, slow.given_up) == (0, 1)

    asyncio.run(run())


def test_the_pace_is_measured_over_the_time_with_work(house: House) -> None:
    class Timed(EchoPreviews):
        async def preview(self, order: PreviewOrder) -> PreviewAnswer:
            house.clock.advance(0.1)
            return await super().preview(order)

    async def run() -> None:
        served = house.served(Timed())
        for _ in range(30):
            await served.preview(ORDER)
            house.clock.advance(5.0)  # idle
        expected = 0.1 / (512 * 512 + RULES.fixed)
        assert served._backlog.seconds_per_pixel == pytest.approx(expected)

    asyncio.run(run())


def test_one_stall_is_not_believed_and_several_are() -> None:
    clock = ManualClock()
    backlog = Backlog(clock.now)

    def answer(seconds: float) -> float:
        with backlog.of(100_000):
            clock.advance(seconds)
        return backlog.seconds_per_pixel / FIRST_GUESS

    assert answer(11.0) == pytest.approx(4.0)
    for _ in range(20):
        usual = answer(100_000 * FIRST_GUESS)
    assert usual < 1.5
    assert answer(11.0) < 2.0
    for _ in range(40):
        slow = answer(0.5)
    assert slow == pytest.approx(0.5 / 100_000 / FIRST_GUESS, rel=0.05)


def test_stages_over_their_budget_are_counted(house: House) -> None:
    class Late(EchoPreviews):
        async def preview(self, order: PreviewOrder) -> PreviewAnswer:
            return replace(await super().preview(order), stages={"decode": 0.01, "model": 0.5})

    async def run() -> None:
        await house.served(Late()).preview(ORDER)
        assert house.metric('farm_preview_over_budget_total{stage="model"}') == 1
        assert house.metric('farm_preview_budget_seconds{stage="model"}') > 0
        with pytest.raises(StopIteration):
            house.metric('farm_preview_over_budget_total{stage="decode"}')

    asyncio.run(run())


def test_an_error_of_the_tier_keeps_nothing_and_frees_the_slot(house: House) -> None:
    class Down(EchoPreviews):
        async def preview(self, order: PreviewOrder) -> PreviewAnswer:
            raise Unavailable("previews: away; try again.")

    async def run() -> None:
        served = house.served(Down())
        with pytest.raises(Unavailable):
            await served.preview(ORDER)
        assert served._backlog.pixels == 0

    asyncio.run(run())


async def called(app: Any, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What an app sends to a client that sends these messages and then is gone."""
    queue, sent = iter(messages), []

    async def receive() -> dict[str, Any]:
        return next(queue, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    headers = [
        (b"host", b"localhost"), (b"content-type", b"multipart/form-data; boundary=b"),
    ]  # fmt: skip
    scope = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1",
        "method": "POST", "path": "/v1/previews", "raw_path": b"/v1/previews", "query_string": b"",
        "root_path": "", "scheme": "http", "headers": headers, "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return sent


def body() -> bytes:
    part = b'--b\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    return (
        part % (b"content", b'; filename="c.png"') + blank_png(60, 40) + b"\r\n"
        + part % (b"style_name", b"") + b"wave\r\n--b--\r\n"
    )  # fmt: skip


@pytest.mark.parametrize("share", [0.5, 1.0], ids=["mid-upload", "mid-wait"])
def test_a_client_that_hangs_up_is_not_worked_for(house: House, share: float) -> None:
    async def run() -> None:
        slow = SlowPreviews(house.clock)
        app = create_app(in_memory(house.folder, previews=slow))
        whole = body()
        part = {
            "type": "http.request", "body": whole[: int(len(whole) * share)], "more_body": share < 1,
        }  # fmt: skip
        sent = await asyncio.wait_for(called(app, [part]), timeout=20)
        assert len(slow.orders) == slow.given_up
        assert len(slow.orders) <= share
        assert app.state.previews._backlog.pixels == 0
        assert all(message.get("status") != 200 for message in sent)

    asyncio.run(run())
