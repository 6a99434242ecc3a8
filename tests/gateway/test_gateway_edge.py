from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.errors import Unavailable
from farm.gateway import create_app
from farm.gateway.guard import host_allowed
from farm.gateway.ports import Services
from farm.gateway.testing import InProcess, in_memory
from farm.settings import Settings


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return in_memory(tmp_path, settings=Settings(home=tmp_path, url="https://farm.example"))


@pytest.fixture
def http(services: Services) -> Iterator[httpx.Client]:
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(services), portal)
        yield httpx.Client(transport=transport, base_url="http://localhost")


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("127.0.0.1:8700", True), ("localhost", True), ("[::1]:8700", True), ("127.9.9.9", True),
        ("farm.example:80", True), ("evil.example", False), ("localhost.evil.example", False),
        ("", False), ("[::1", False), ("testserver", False),
    ],
)  # fmt: skip
def test_a_farm_on_loopback_answers_to_its_own_names_only(host: str, allowed: bool) -> None:
    assert host_allowed(host, Settings(url="https://farm.example")) is allowed


def test_a_farm_on_the_network_answers_to_any_name() -> None:
    assert host_allowed("render.studio.example", Settings(host="0.0.0.0"))


def test_a_rebound_name_is_turned_away(http: httpx.Client) -> None:
    answer = http.get("/v1/jobs", headers={"Host": "evil.example:8700"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:farm:unknown-host")


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost", 404),
        ("https://farm.example", 404),
        ("http://evil.example", 403),
        ("null", 403),
        (None, 404),
    ],
)
def test_pages_from_elsewhere_cannot_act(http: httpx.Client, origin: str | None, status: int) -> None:
    headers = {"Origin": origin} if origin else {}
    assert http.post("/v1/jobs/none:cancel", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("given", "kept"), [("shot-7.a", True), ("a" * 65, False), ("<b>", False), ("", False)]
)
def test_a_request_id_is_kept_where_it_is_sound(http: httpx.Client, given: str, kept: bool) -> None:
    answer = http.get("/healthz", headers={"X-Request-ID": given})
    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status", "slug"),
    [
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/v1/jobs", 405, "method-not-allowed"),
        ("GET", "/v1/jobs?limit=0", 422, "invalid-input"),
        ("GET", "/v1/jobs?limit=many", 422, "invalid-input"),
        ("POST", "/v1/previews", 422, "invalid-input"),
    ],
)
def test_every_error_is_a_problem(
    http: httpx.Client, method: str, path: str, status: int, slug: str
) -> None:
    answer = http.request(method, path, headers={"X-Request-ID": "r1"})
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["type"] == f"urn:farm:{slug}"
    assert body["request_id"] == "r1"
    assert set(body) == {"type", "title", "status", "detail", "field", "request_id"}


def test_a_wrong_query_names_field_and_value(http: httpx.Client) -> None:
    body = http.get("/v1/jobs?limit=many").json()
    assert body["field"] == "limit"
    assert "'many'" in body["detail"]


def test_an_unexpected_error_tells_its_id_and_nothing_else(
    services: Services,
    http: httpx.Client,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(**_: object) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr(services.queue, "jobs", broken)
    answer = http.get("/v1/jobs", headers={"X-Request-ID": "r2"})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:farm:internal")
    assert "secret" not in answer.text
    assert "r2" in caplog.text
    assert "secret of the house" in caplog.text


def test_ready_says_why_not(
    services: Services, http: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.get("/readyz").json()["jobs"]["queued"] == 0

    def full() -> None:
        raise Unavailable("store: cannot be written (no space left on device); make room.")

    monkeypatch.setattr(services.store, "check", full)
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:farm:unavailable")
    assert http.get("/healthz").json() == {"status": "alive"}


def test_requests_are_counted_by_template(http: httpx.Client) -> None:
    http.get("/v1/jobs/a")
    http.get("/v1/jobs/b")
    http.get("/nowhere")
    metrics = http.get("/metrics").text
    assert (
        'farm_http_requests_total{method="GET",route="/v1/jobs/{job_id}",status="404"} 2.0' in metrics
    )
    assert 'route="unmatched"' in metrics
    assert 'farm_http_seconds_count{route="/v1/jobs/{job_id}"} 2.0' in metrics


def test_a_job_file_of_megabytes_is_too_large(http: httpx.Client) -> None:
    assert http.put("/v1/jobs/mine", content=b"x" * 1_000_001).status_code == 413


def test_the_contract_is_published(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/v1/previews", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}:cancel", "/v1/quotes"} <= set(paths)


def test_the_catalogue_is_served(http: httpx.Client) -> None:
    assert http.get("/v1/styles").json()[0]["name"] == "wave"
    assert http.get("/v1/styles/wave").json()["licence"] == "CC0-1.0"
    assert http.get("/v1/styles/wave/picture").headers["content-type"] == "image/png"
    assert http.get("/v1/styles/nope").status_code == 404
    assert http.get("/v1/models").json()[0]["name"] == "echo"
