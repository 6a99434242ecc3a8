from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.errors import Busy
from farm.gateway import create_app
from farm.gateway.ports import PreviewAnswer, PreviewOrder
from farm.gateway.testing import EchoPreviews, InProcess, blank_png, in_memory
from farm.settings import Settings

CONTENT, STYLE = blank_png(60, 40), blank_png(9, 9, grey=3)


class BusyPreviews(EchoPreviews):
    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        raise Busy("previews: 64 are waiting; try again in 3 seconds.", retry_after=2.2)


@pytest.fixture
def previews() -> EchoPreviews:
    return EchoPreviews()


@pytest.fixture
def http(tmp_path: Path, previews: EchoPreviews) -> Iterator[httpx.Client]:
    settings = Settings(home=tmp_path, max_upload_mb=1)
    app = create_app(in_memory(tmp_path, previews=previews, settings=settings))
    with start_blocking_portal() as portal:
        yield httpx.Client(transport=InProcess(app, portal), base_url="http://localhost")


def test_a_preview_is_the_picture_with_its_story_in_headers(
    http: httpx.Client, previews: EchoPreviews
) -> None:
    answer = http.post(
        "/v1/previews",
        files={"content": CONTENT, "style": STYLE},
        data={"size": "256", "strength": "0.9"},
    )
    assert answer.content == CONTENT
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-farm-model"] == "echo"
    assert answer.headers["x-farm-size"] == "256x256"
    assert float(answer.headers["x-farm-seconds"]) == 0.004
    assert json.loads(answer.headers["x-farm-stages"]) == {"model": 0.003}
    (order,) = previews.orders
    assert (order.content, order.style, order.size, order.strength) == (CONTENT, STYLE, 256, 0.9)


def test_a_style_of_the_catalogue_goes_by_name(http: httpx.Client, previews: EchoPreviews) -> None:
    http.post("/v1/previews", files={"content": CONTENT}, data={"style_name": "wave"})
    assert (previews.orders[0].style, previews.orders[0].size) == ("wave", 512)


@pytest.mark.parametrize(
    ("files", "data", "status", "field"),
    [
        pytest.param({"style": STYLE}, {}, 422, "content", id="no content"),
        pytest.param({"content": CONTENT}, {}, 422, "style", id="no style"),
        pytest.param(
            {"content": CONTENT, "style": STYLE}, {"style_name": "wave"}, 422, "style", id="two styles"
        ),
        pytest.param({"content": CONTENT}, {"style_name": "nope"}, 404, "style", id="unknown style"),
        pytest.param({"content": b"GIF?", "style": STYLE}, {}, 422, "content", id="no picture"),
        pytest.param({"content": CONTENT, "style": STYLE[:20]}, {}, 422, "style", id="half a picture"),
        pytest.param({"content": b"", "style": STYLE}, {}, 422, "content", id="empty"),
        pytest.param(
            {"content": CONTENT}, {"style_name": "wave", "size": "9"}, 422, "size", id="small"
        ),
        pytest.param(
            {"content": CONTENT}, {"style_name": "wave", "strength": "2"}, 422, "strength", id="strong"
        ),
        pytest.param({"content": b"x" * 1_000_001, "style": STYLE}, {}, 413, None, id="too large"),
    ],
)
def test_what_cannot_be_previewed_is_told_by_field(
    http: httpx.Client,
    previews: EchoPreviews,
    files: dict[str, bytes],
    data: dict[str, str],
    status: int,
    field: str | None,
) -> None:
    answer = http.post("/v1/previews", files=files, data=data)
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert previews.orders == []


def test_a_busy_tier_says_when_to_come_back(tmp_path: Path) -> None:
    app = create_app(in_memory(tmp_path, previews=BusyPreviews()))
    with start_blocking_portal() as portal:
        http = httpx.Client(transport=InProcess(app, portal), base_url="http://localhost")
        answer = http.post("/v1/previews", files={"content": CONTENT}, data={"style_name": "wave"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "3")
