"""Previews that come in parts: a tiny version first, or several styles, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from farm import AsyncClient, Client
from farm.client import Preview
from farm.errors import InvalidInput, NotFound, Unreachable
from farm.gateway import create_app
from farm.gateway.orders import Nets, PreviewAnswer, PreviewOrder
from farm.gateway.testing import EchoPreviews, blank_png, in_memory, listening

CONTENT = blank_png(60, 40)


class Styled(EchoPreviews):
    """Answers with the style, so that it shows which answer belongs to which."""

    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        answer = await super().preview(order)
        picture = order.style if isinstance(order.style, bytes) else order.style.encode()
        return replace(answer, picture=picture, rung="light", degraded="for a test")


@pytest.fixture
def tier() -> EchoPreviews:
    return EchoPreviews()


@pytest.fixture
def url(tmp_path: Path, tier: EchoPreviews) -> Iterator[str]:
    with listening(create_app(in_memory(tmp_path, previews=tier))) as found:
        yield found


def test_a_tiny_version_comes_before_the_one_asked_for(url: str, tier: EchoPreviews) -> None:
    early: list[Preview] = []
    with Client(url) as client:
        made = client.preview(CONTENT, "wave", size=512, first=early.append)
        assert (made.data, made.width, made.fidelity) == (CONTENT, 512, "full")
        assert [(one.fidelity, one.width) for one in early] == [("tiny", 96)]
        client.preview(CONTENT, "wave", size=128, first=early.append)
        assert len(early) == 1, "as good as tiny itself"
    assert [order.size for order in tier.orders] == [96, 512, 128]


def test_what_was_made_before_needs_no_tiny_version(url: str, tier: EchoPreviews) -> None:
    tier.made_by = Nets("w1")
    early: list[Preview] = []
    with Client(url) as client:
        assert client.preview(CONTENT, "wave").kept == ""
        assert client.preview(CONTENT, "wave", first=early.append).kept == "memory"
    assert early == []


def test_errors_are_typed_in_a_stream_too(url: str) -> None:
    with Client(url) as client:
        with pytest.raises(InvalidInput, match="content"):
            client.preview(b"no picture", "wave", first=print)
        with pytest.raises(NotFound, match="nope"):
            client.previews(CONTENT, ["wave", "nope"])
        with pytest.raises(InvalidInput, match="styles: none"):
            client.previews(CONTENT, [])
        with pytest.raises(InvalidInput, match="more than 24"):
            client.previews(CONTENT, ["wave"] * 25)


def test_several_styles_at_once_come_in_their_order(tmp_path: Path) -> None:
    own = [blank_png(8, 8, grey) for grey in (1, 2)]
    styles: list[str | bytes | Path] = ["wave", own[0], "wave", own[1]]
    app = create_app(in_memory(tmp_path, previews=Styled()))

    async def story(url: str) -> list[Preview]:
        async with AsyncClient(url) as client:
            return await client.previews(CONTENT, styles, each=lambda number, made: told.append(number))

    told: list[int] = []
    with listening(app) as url:
        found = asyncio.run(story(url))
    assert [one.data for one in found] == [b"wave", own[0], b"wave", own[1]]
    assert sorted(told) == [0, 1, 2, 3]
    assert (found[0].fidelity, found[0].degraded) == ("light", "for a test")


def test_a_page_of_styles_is_not_turned_away_for_its_own_sake(tmp_path: Path) -> None:
    class Together(EchoPreviews):
        """Answers nobody before all are there."""

        gate = asyncio.Event()

        async def preview(self, order: PreviewOrder) -> PreviewAnswer:
            answer = await super().preview(order)
            if len(self.orders) == 24:
                self.gate.set()
            await asyncio.wait_for(self.gate.wait(), 20)
            return answer

    with listening(create_app(in_memory(tmp_path, previews=Together()))) as url, Client(url) as client:
        found = client.previews(CONTENT, ["wave"] * 24, size=256)
    assert {(one.fidelity, one.width) for one in found} == {("full", 256)}


def test_an_answer_cut_short_is_no_answer() -> None:
    def half(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"event: rendition\ndata: {", request=request)

    with (
        Client("http://localhost:1", transport=httpx.MockTransport(half)) as client,
        pytest.raises(Unreachable, match="ended before its picture"),
    ):
        client.preview(CONTENT, "wave", first=print)
