"""One wait on the queue rings the bell of every stream."""

from __future__ import annotations

import asyncio
import queue as threads
from collections.abc import Callable, Coroutine

import pytest

from farm.errors import FarmError, Unavailable
from farm.gateway import news
from farm.gateway.news import News


class Versions:
    """A queue whose waits end when the test says so; counts how many wait at once."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.waiting = self.most = 0
        self._answers: threads.Queue[int | FarmError] = threads.Queue()

    def version(self) -> int:
        return 1

    def wait(self, version: int, timeout: float) -> int:
        self.asked.append(version)
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        answer = self._answers.get(timeout=60)
        self.waiting -= 1
        if isinstance(answer, FarmError):
            raise answer
        return answer

    def answer(self, version: int | FarmError) -> None:
        self._answers.put(version)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.001)


def played(story: Callable[[News, Versions], Coroutine[None, None, None]]) -> Versions:
    """Run a story; its waits are let go at the end."""
    versions = Versions()
    asyncio.run(story(News(versions), versions))
    return versions


def test_all_streams_share_one_wait_and_all_hear_it() -> None:
    async def story(news: News, versions: Versions) -> None:
        with news.listener() as one, news.listener() as two:
            await one.wait(0, 60)  # the first version rings: what came before it may be unseen
            await two.wait(0, 60)
            one.clear()
            two.clear()
            await until(lambda: versions.waiting)
            versions.answer(2)
            await one.wait(0, 60)
            await two.wait(0, 60)
            await until(lambda: len(versions.asked) == 2)
        versions.answer(2)

    versions = played(story)
    assert versions.asked == [1, 2]
    assert versions.most == 1


def test_a_wait_that_ends_without_news_rings_nobody() -> None:
    async def story(news: News, versions: Versions) -> None:
        with news.listener() as bell:
            await bell.wait(0, 60)
            bell.clear()
            versions.answer(1)
            versions.answer(1)
            await until(lambda: len(versions.asked) == 3)
            assert not bell.rung
            versions.answer(1)

    assert played(story).asked == [1, 1, 1]


def test_nobody_waits_while_nobody_listens() -> None:
    async def story(news: News, versions: Versions) -> None:
        with news.listener() as bell:
            await bell.wait(0, 60)
        versions.answer(1)
        await until(lambda: not news.busy)
        with news.listener() as bell:
            await bell.wait(0, 60)  # a new listener begins with a version of its own
            await until(lambda: versions.waiting)
            versions.answer(1)

    assert played(story).asked == [1, 1]


def test_a_queue_that_fails_wakes_the_streams_to_find_out_and_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(news, "WAIT_SECONDS", 0.0)

    async def story(news: News, versions: Versions) -> None:
        with news.listener() as bell:
            await bell.wait(0, 60)
            bell.clear()
            versions.answer(Unavailable("database: gone; look for it."))
            await bell.wait(0, 60)
            await until(lambda: versions.waiting)
            versions.answer(2)

    assert played(story).asked == [1, 1]
    assert "database: gone" in caplog.text
