from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.gateway import create_app
from farm.gateway.ports import PreviewAnswer, PreviewOrder
from farm.gateway.testing import EchoPreviews, InProcess, blank_png, in_memory
from farm.spec import JobState


class BrokenPreviews(EchoPreviews):
    async def preview(self, order: PreviewOrder) -> PreviewAnswer:
        raise RuntimeError("the net fell over")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SimpleNamespace]:
    services = in_memory(tmp_path)
    app = create_app(services)
    with start_blocking_portal() as portal:
        http = httpx.Client(transport=InProcess(app, portal), base_url="http://localhost")
        content = services.store.put(blank_png(60, 40))
        yield SimpleNamespace(
            http=http,
            app=app,
            services=services,
            content=f"sha256:{content}",
            settle=lambda: portal.call(app.state.first_renditions.settled),
        )


def job(house: SimpleNamespace, **changes: Any) -> dict[str, Any]:
    base = {
        "farm": 1,
        "kind": "print",
        "content": house.content,
        "styles": [{"name": "wave"}],
        "output": {"long_edge": 96},
    }
    return base | changes


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    assert found["status"] == answer.status_code
    assert found["request_id"] == answer.headers["x-request-id"]
    return found


def test_the_same_put_is_the_same_job_and_another_body_a_conflict(house: SimpleNamespace) -> None:
    first = house.http.put("/v1/jobs/mine", json=job(house))
    second = house.http.put("/v1/jobs/mine", json=job(house))
    other = house.http.put("/v1/jobs/mine", json=job(house, priority=90))
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.headers["location"] == "/v1/jobs/mine"
    assert first.json()["id"] == second.json()["id"] == "mine"
    assert other.status_code == 409
    assert problem(other)["type"] == "urn:farm:conflict"


def test_a_post_gets_a_sortable_id_and_the_same_key_the_same_job(house: SimpleNamespace) -> None:
    fresh = house.http.post("/v1/jobs", json=job(house)).json()["id"]
    assert re.fullmatch(r"j-\d{8}-\d{6}-[0-9a-f]{8}", fresh)
    again = house.http.post("/v1/jobs", json=job(house)).json()["id"]
    assert again != fresh
    key = {"Idempotency-Key": "order 66"}
    first = house.http.post("/v1/jobs", json=job(house), headers=key)
    second = house.http.post("/v1/jobs", json=job(house), headers=key)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["id"] == second.json()["id"]
    assert (
        house.http.post("/v1/jobs", json=job(house), headers={"Idempotency-Key": ""}).status_code == 422
    )


def test_a_repeated_put_is_answered_though_its_inputs_are_gone(house: SimpleNamespace) -> None:
    spec = job(house, routing={"budget_usd": 1})
    assert house.http.put("/v1/jobs/mine", json=spec).status_code == 201
    house.services.store._fs.rm_file(house.services.store._path(house.content.removeprefix("sha256:")))
    assert house.http.put("/v1/jobs/mine", json=spec).status_code == 200


@pytest.mark.parametrize(
    ("changes", "status", "field", "words"),
    [
        pytest.param({"contnt": "x"}, 422, "contnt", "did you mean 'content'", id="unknown key"),
        pytest.param({"farm": 2}, 422, "farm", "farm: 1", id="version"),
        pytest.param({"content": "cat.jpg"}, 422, "content", "PUT /v1/blobs", id="path"),
        pytest.param({"content": "sha256:" + "0" * 64}, 422, "content", "PUT /v1/blobs", id="missing"),
        pytest.param({"styles": [{"name": "nope"}]}, 404, "style", "'wave'", id="style"),
        pytest.param(
            {"routing": {"budget_usd": 0.001}}, 403, "routing.budget_usd", "0.01", id="budget"
        ),
        pytest.param(
            {"output": {"long_edge": "9 parsec"}}, 422, "output.long_edge", "parsec", id="unit"
        ),
    ],
)
def test_what_cannot_be_taken_is_one_sentence(
    house: SimpleNamespace, changes: dict[str, Any], status: int, field: str | None, words: str
) -> None:
    answer = house.http.put("/v1/jobs/mine", json=job(house, **changes))
    found = problem(answer)
    assert (answer.status_code, found["field"]) == (status, field)
    assert words in found["detail"]
    assert house.http.get("/v1/jobs").json()["jobs"] == []


def test_a_blob_that_is_no_picture_is_named_by_its_field(house: SimpleNamespace) -> None:
    text = house.services.store.put(b"not a picture at all")
    styles = [{"image": f"sha256:{text}", "rights": {"licence": "own", "source": "me"}}]
    found = problem(house.http.put("/v1/jobs/mine", json=job(house, styles=styles)))
    assert (found["status"], found["field"]) == (422, "styles.0.image")


def test_a_print_by_a_net_that_is_not_here_is_refused_before_it_is_accepted(
    house: SimpleNamespace,
) -> None:
    asked = job(house, quality={"extractor": "vgg19"})
    for answer in (
        house.http.put("/v1/jobs/mine", json=asked), house.http.post("/v1/quotes", json=asked)
    ):  # fmt: skip
        found = problem(answer)
        assert (found["status"], found["field"]) == (422, "quality.extractor")
        assert "farm models pull vgg19" in found["detail"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("styles", "engraving", "write a list, such as [a, b]"),
        ("output", "large", "write keys under it: "),
        ("labels", "red", "write keys under it"),
    ],
)
def test_a_value_of_another_shape_is_told_what_to_write(
    house: SimpleNamespace, field: str, value: str, told: str
) -> None:
    found = problem(house.http.put("/v1/jobs/mine", json=job(house, **{field: value})))
    assert (found["status"], found["field"]) == (422, field)
    assert told in found["detail"]


def test_a_style_picture_without_rights_is_refused(house: SimpleNamespace) -> None:
    styles = [{"image": house.content}]
    found = problem(house.http.put("/v1/jobs/mine", json=job(house, styles=styles)))
    assert (found["status"], found["type"]) == (403, "urn:farm:refused")


@pytest.mark.parametrize(
    "body",
    [b'{"farm": 1, "kind"', b"\xff\xfe", b"[" * 100_000, b"[]", b""],
    ids=["half", "no text", "deep", "list", "empty"],
)
def test_a_body_that_is_no_json_object_is_refused(house: SimpleNamespace, body: bytes) -> None:
    answer = house.http.put("/v1/jobs/mine", content=body)
    assert answer.status_code == 422
    assert problem(answer)["field"] == "body"


def test_half_a_json_says_where_it_ends(house: SimpleNamespace) -> None:
    answer = house.http.put("/v1/jobs/mine", content=b'{"farm": 1,\n "kind"')
    assert "line 2, column 8" in problem(answer)["detail"]


@pytest.mark.parametrize("job_id", [".hidden", "a" * 65, "a b"])
def test_an_id_that_cannot_be_one_is_refused(house: SimpleNamespace, job_id: str) -> None:
    answer = house.http.put(f"/v1/jobs/{job_id}", json=job(house))
    assert (answer.status_code, problem(answer)["field"]) == (422, "id")


def test_the_first_rendition_is_made_once(house: SimpleNamespace) -> None:
    for _ in range(3):
        house.http.put("/v1/jobs/mine", json=job(house))
    house.settle()
    events = house.services.queue.events("mine")
    renditions = [event for event in events if event.kind == "rendition"]
    assert [(r.fidelity, r.model, r.width) for r in renditions] == [("preview", "echo", 96)]
    assert house.services.store.get(renditions[0].picture.blob) == blank_png(60, 40)
    (order,) = house.services.previews.orders
    assert order.style == "wave"


def test_the_heaviest_style_makes_the_first_rendition(house: SimpleNamespace) -> None:
    rights = {"licence": "own", "source": "me"}
    picture = blank_png(20, 20, grey=7)
    image = f"sha256:{house.services.store.put(picture)}"
    styles = [{"name": "wave"}, {"image": image, "weight": 3, "rights": rights}]
    house.http.put("/v1/jobs/mine", json=job(house, styles=styles))
    house.settle()
    assert house.services.previews.orders[0].style == picture


def test_a_job_goes_on_when_its_first_rendition_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    services = in_memory(tmp_path, previews=BrokenPreviews())
    app = create_app(services)
    content = services.store.put(blank_png(60, 40))
    with start_blocking_portal() as portal:
        http = httpx.Client(transport=InProcess(app, portal), base_url="http://localhost")
        broken = SimpleNamespace(content=f"sha256:{content}")
        assert http.put("/v1/jobs/mine", json=job(broken)).status_code == 201
        portal.call(app.state.first_renditions.settled)
    assert services.queue.job("mine").state is JobState.QUEUED
    assert "job mine: its first rendition" in caplog.text


def test_a_preview_job_has_a_preview_task_and_no_rendition_of_the_gateway(
    house: SimpleNamespace,
) -> None:
    house.http.put("/v1/jobs/mine", json=job(house, kind="preview"))
    house.settle()
    assert house.services.previews.orders == []
    (task,) = house.http.get("/v1/jobs/mine/tasks").json()
    assert task["job"] == "mine"
    assert "preview" in json.dumps(task)


def test_jobs_are_listed_newest_first_page_by_page(house: SimpleNamespace) -> None:
    for name in ("a", "b", "c"):
        house.http.put(f"/v1/jobs/{name}", json=job(house))
        house.services.clock.advance(1)
    first = house.http.get("/v1/jobs", params={"limit": 2}).json()
    assert [record["id"] for record in first["jobs"]] == ["c", "b"]
    rest = house.http.get("/v1/jobs", params={"limit": 2, "before": first["before"]}).json()
    assert [record["id"] for record in rest["jobs"]] == ["a"]
    assert rest["before"] is None
    assert house.http.get("/v1/jobs", params={"state": "done"}).json()["jobs"] == []
    assert house.http.get("/v1/jobs", params={"state": "dnoe"}).status_code == 422


def test_verbs_move_a_job_and_an_illegal_one_is_told(house: SimpleNamespace) -> None:
    house.http.put("/v1/jobs/mine", json=job(house))
    states = [
        house.http.post(f"/v1/jobs/mine:{verb}").json()["state"]
        for verb in ("pause", "resume", "cancel", "retry")
    ]
    assert states == ["paused", "queued", "cancelled", "queued"]
    house.http.post("/v1/jobs/mine:cancel")
    assert problem(house.http.post("/v1/jobs/mine:pause"))["type"] == "urn:farm:illegal-transition"
    assert house.http.post("/v1/jobs/mine:explode").status_code == 405
    assert problem(house.http.post("/v1/jobs/none:pause"))["type"] == "urn:farm:not-found"


def test_a_quote_queues_nothing(house: SimpleNamespace) -> None:
    answer = house.http.post("/v1/quotes", json=job(house, routing={"budget_usd": 0.001}))
    assert (answer.json()["width"], answer.json()["height"]) == (96, 64)
    assert house.http.get("/v1/jobs").json()["jobs"] == []
