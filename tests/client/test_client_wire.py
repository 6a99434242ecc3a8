from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from farm import Client
from farm.client import ids
from farm.clock import ManualClock
from farm.errors import BY_SLUG, Busy, FarmError, InvalidInput, Unavailable, Unreachable
from farm.gateway.problem import from_error


def client(
    answer: Callable[[httpx.Request], httpx.Response], clock: ManualClock | None = None
) -> Client:
    transport = httpx.MockTransport(answer)
    return Client("http://localhost:8700", transport=transport, clock=clock or ManualClock())


@pytest.mark.parametrize("slug", sorted(BY_SLUG))
def test_every_error_of_the_farm_comes_back_as_its_class(slug: str) -> None:
    sent = BY_SLUG[slug]("output.dpi: 3 is too few; use 300.")
    answer = from_error(sent, "r1")
    with pytest.raises(FarmError) as caught:
        client(
            lambda _: httpx.Response(
                answer.status_code, headers=dict(answer.headers), content=bytes(answer.body)
            )
        ).models()
    assert type(caught.value) is BY_SLUG[slug]
    assert str(caught.value) == sent.message


def test_busy_says_when_and_field_is_kept() -> None:
    busy = from_error(Busy("later", retry_after=7), "r1")
    with pytest.raises(Busy) as caught:
        client(
            lambda _: httpx.Response(429, headers=dict(busy.headers), content=bytes(busy.body))
        ).models()
    assert caught.value.retry_after == 7
    wrong = from_error(InvalidInput("no", field="output.dpi"), "r1")
    with pytest.raises(InvalidInput) as invalid:
        client(
            lambda _: httpx.Response(422, headers=dict(wrong.headers), content=bytes(wrong.body))
        ).models()
    assert invalid.value.field == "output.dpi"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(httpx.Response(404, text="<h1>nginx</h1>"), Unreachable, id="a stranger"),
        pytest.param(httpx.Response(200, text="<h1>hello</h1>"), Unreachable, id="a friendly stranger"),
        pytest.param(httpx.Response(200, json={"no": "list"}), Unreachable, id="another shape"),
        pytest.param(
            httpx.Response(500, headers={"content-type": "application/problem+json"}, content=b"{"),
            Unreachable,
            id="half a problem",
        ),
        pytest.param(
            httpx.Response(
                500,
                headers={"content-type": "application/problem+json"},
                content=json.dumps({"type": "urn:farm:internal", "detail": "It broke."}).encode(),
            ),
            Unavailable,
            id="an inner error",
        ),
    ],
)
def test_answers_that_are_not_right_are_told_in_a_sentence(
    answer: httpx.Response, kind: type[FarmError]
) -> None:
    with pytest.raises(FarmError) as caught:
        client(lambda _: answer).models()
    assert type(caught.value) is kind


def test_no_farm_is_one_sentence_with_the_address_and_the_remedy() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    clock = ManualClock()
    began = clock.now()
    with pytest.raises(Unreachable) as caught:
        client(refuse, clock).ready()
    assert "http://localhost:8700" in caught.value.message
    assert "farm up" in caught.value.message
    assert caught.value.exit_code == 3
    assert clock.now() - began == pytest.approx(0.5)


@pytest.mark.parametrize(("method", "times"), [("models", 3), ("preview", 1)])
def test_only_what_may_be_repeated_is(method: str, times: int) -> None:
    seen = []

    def lose(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise httpx.RemoteProtocolError("gone", request=request)

    arguments = {"models": (), "preview": (b"x", "wave")}[method]
    with pytest.raises(Unreachable, match="lost"):
        getattr(client(lose), method)(*arguments)
    assert len(seen) == times


def test_a_slow_answer_is_not_asked_for_again() -> None:
    seen = []

    def slow(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(Unreachable, match="in time"):
        client(slow).models()
    assert len(seen) == 1


def test_bytes_that_are_not_those_asked_for_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="other bytes"):
        client(lambda _: httpx.Response(200, content=b"evil")).download("0" * 64, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["localhost:8700", "ftp://farm", "http://", "http://farm:x", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"http://127\.0\.0\.1:8700"):
        Client(url)


def test_the_address_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FARM_URL", "http://farm.example:80/")
    assert Client().url == "http://farm.example:80"


def test_ids_sort_by_time_and_keys_are_stable() -> None:
    early, late = ids.fresh(1_800_000_000.0), ids.fresh(1_800_000_001.0)
    assert early.startswith("j-20270115-080000-")
    assert early < late
    assert ids.from_key("a") == ids.from_key("a") != ids.from_key("b")
    assert ids.checked(ids.from_key("x" * 256))
    with pytest.raises(InvalidInput):
        ids.from_key("x" * 257)
