from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm import Client
from farm.clock import ManualClock
from farm.errors import (
    Conflict,
    FarmError,
    IllegalTransition,
    InvalidInput,
    JobFailed,
    NotFound,
    Refused,
    TooLarge,
)
from farm.gateway import create_app
from farm.gateway.testing import InProcess, blank_png, in_memory
from farm.settings import Settings
from farm.spec.event import Artefact, Done, Rendition

JOB = """\
farm: 1
kind: print
content: cat.png
styles: [{image: cat.png, rights: {licence: own, source: me}}, {name: wave}]
output: {long_edge: 96}
"""


class Counting(httpx.BaseTransport):
    """Passes requests on, counts them, and loses the first ``lost`` answers to PUT."""

    def __init__(self, inner: httpx.BaseTransport) -> None:
        self.inner = inner
        self.seen: list[str] = []
        self.lost = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(f"{request.method} {request.url.path}")
        answer = self.inner.handle_request(request)
        if self.lost and request.method == "PUT" and "jobs" in request.url.path:
            self.lost -= 1
            raise httpx.ReadError("connection reset", request=request)
        return answer


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[SimpleNamespace]:
    clock = ManualClock()
    settings = Settings(home=tmp_path, max_upload_mb=1)
    services = in_memory(tmp_path / "store", clock=clock, settings=settings)
    app = create_app(services)
    (tmp_path / "cat.png").write_bytes(blank_png(60, 40))
    (tmp_path / "job.yaml").write_text(JOB)
    with start_blocking_portal() as portal:
        wire = Counting(InProcess(app, portal))
        with Client("http://localhost", transport=wire, clock=clock) as client:
            yield SimpleNamespace(
                client=client,
                wire=wire,
                services=services,
                clock=clock,
                folder=tmp_path,
                file=tmp_path / "job.yaml",
                settle=lambda: portal.call(app.state.first_renditions.settled),
            )


def finish(farm: SimpleNamespace, job_id: str) -> None:
    queue, store = farm.services.queue, farm.services.store
    lease = queue.claim("worker", 30.0)
    assert lease.job == job_id
    picture = blank_png(12, 8)
    made = Artefact(name="p.png", blob=store.put(picture), media_type="image/png", bytes=len(picture))
    queue.record(lease, Rendition(fidelity="scale", width=12, height=8, picture=made))
    final = Artefact(name="../final.tif", blob=store.put(b"II*\0x"), media_type="image/tiff", bytes=5)
    queue.record(lease, Rendition(fidelity="final", width=96, height=64, picture=final))
    queue.complete(lease, Done(artefacts=(final,), usd=0.01))


def test_a_print_from_the_job_file_to_the_folder(farm: SimpleNamespace) -> None:
    job = farm.client.submit(farm.file)
    farm.settle()
    finish(farm, job.id)
    assert job.result().usd == 0.01
    kinds = [event.kind for event in job.events()]
    assert kinds[0] == "queued"
    assert kinds[-1] == "done"
    paths = job.fetch(farm.folder / "out" / "deep")
    assert [path.name for path in paths] == [
        "01-preview.png", "02-scale-12x8.png", "final.tif", "events.jsonl",
    ]  # fmt: skip
    assert paths[0].read_bytes() == blank_png(60, 40)
    assert paths[2].read_bytes() == b"II*\0x"
    lines = paths[3].read_text().splitlines()
    assert [json.loads(line)["kind"] for line in lines] == kinds
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(p.name for p in paths)


def test_a_picture_is_sent_once_and_not_again(farm: SimpleNamespace) -> None:
    farm.client.submit(farm.file, id="one")
    farm.client.submit(farm.file, id="two")
    assert farm.wire.seen.count("PUT /v1/blobs") == 1
    spec = farm.client.job("two").record().spec
    assert (
        spec.content == spec.styles[0].image == "sha256:" + farm.client.upload(farm.folder / "cat.png")
    )


def test_an_answer_that_got_lost_makes_no_second_job(farm: SimpleNamespace) -> None:
    farm.wire.lost = 2
    job = farm.client.submit(farm.file)
    assert [record.id for record in farm.client.jobs()] == [job.id]
    assert farm.wire.seen.count(f"PUT /v1/jobs/{job.id}") == 3


def test_a_key_is_the_same_job_and_meets_post_with_the_same_key(farm: SimpleNamespace) -> None:
    first = farm.client.submit(farm.file, key="sq010_sh0020")
    assert farm.client.submit(farm.file, key="sq010_sh0020").id == first.id
    with pytest.raises(Conflict):
        farm.client.submit(farm.file, key="sq010_sh0020", overrides=["priority=99"])
    with pytest.raises(InvalidInput, match="one of them"):
        farm.client.submit(farm.file, key="a", id="b")


def test_specs_come_as_mapping_or_job_too(farm: SimpleNamespace) -> None:
    spec = {"farm": 1, "kind": "preview", "content": str(farm.folder / "cat.png"),
            "styles": [{"name": "wave"}], "output": {"long_edge": 96}}  # fmt: skip
    job = farm.client.submit(spec, overrides=["priority=7"])
    record = job.record()
    assert (record.priority, record.spec.kind) == (7, "preview")
    again = farm.client.submit(record.spec)
    assert again.record().spec == record.spec


def test_a_quote_before_the_order(farm: SimpleNamespace) -> None:
    quote = farm.client.quote(farm.file, overrides=["output.long_edge=192"])
    assert (quote.width, quote.height) == (192, 128)
    assert quote.decision.reason == "the only pool"
    assert farm.client.jobs() == []


def test_a_handle_can_do_what_the_farm_can(farm: SimpleNamespace) -> None:
    farm.client.submit(farm.file, id="mine")
    job = farm.client.job("mine")
    assert job.pause().state == "paused"
    assert job.resume().state == "queued"
    assert job.cancel("too dark").state == "cancelled"
    with pytest.raises(JobFailed, match="too dark"):
        job.result()
    assert job.retry().state == "queued"
    assert job.tasks()[0].job == "mine"
    assert [record.id for record in farm.client.jobs(state="queued", limit=1)] == ["mine"]


def test_a_result_waits_and_its_patience_is_the_callers(farm: SimpleNamespace) -> None:
    job = farm.client.submit(farm.file)
    before = farm.clock.now()
    with pytest.raises(TimeoutError, match="after 5 s"):
        job.result(timeout=5)
    assert farm.clock.now() - before == pytest.approx(5)


def test_the_last_end_counts(farm: SimpleNamespace) -> None:
    job = farm.client.submit(farm.file)
    farm.settle()
    job.cancel()
    job.retry()
    finish(farm, job.id)
    assert job.result().usd == 0.01


def test_a_preview_by_path_bytes_and_name(farm: SimpleNamespace) -> None:
    cat = farm.folder / "cat.png"
    for content, style in [(cat, "wave"), (str(cat), cat), (cat.read_bytes(), str(cat))]:
        preview = farm.client.preview(content, style, size=128)
        assert (preview.width, preview.model, preview.stages) == (128, "echo", {"model": 0.003})
    assert [type(order.style) for order in farm.services.previews.orders] == [str, bytes, bytes]
    assert preview.save(farm.folder / "p.png").read_bytes() == cat.read_bytes()


def test_catalogue_and_state(farm: SimpleNamespace) -> None:
    assert farm.client.styles() == [farm.client.style("wave")]
    assert farm.client.models()[0]["name"] == "echo"
    assert farm.client.ready()["status"] == "ready"


def _pause_cancelled(farm: SimpleNamespace) -> None:
    job = farm.client.submit(farm.file)
    job.cancel()
    job.pause()


def _submit_with(override: str) -> Callable[[SimpleNamespace], object]:
    return lambda farm: farm.client.submit(farm.file, overrides=[override])


def _save_nowhere(farm: SimpleNamespace) -> None:
    farm.client.preview(farm.folder / "cat.png", "wave").save(farm.folder / "no" / "p.png")


@pytest.mark.parametrize(
    ("ask", "kind", "code"),
    [
        pytest.param(lambda f: f.client.job("none"), NotFound, 4, id="no job"),
        pytest.param(lambda f: f.client.job("../../etc"), NotFound, 4, id="no id"),
        pytest.param(lambda f: f.client.style("a/b?c"), NotFound, 4, id="no style"),
        pytest.param(lambda f: f.client.download("0" * 64, f.folder / "x"), NotFound, 4, id="no blob"),
        pytest.param(lambda f: f.client.preview(b"no", "wave"), InvalidInput, 2, id="no picture"),
        pytest.param(lambda f: f.client.preview("no.png", "wave"), InvalidInput, 2, id="no file"),
        pytest.param(lambda f: f.client.preview(b"x" * 1_000_001, "wave"), TooLarge, 2, id="too large"),
        pytest.param(lambda f: f.client.submit(f.file, id="no id"), InvalidInput, 2, id="bad id"),
        pytest.param(_submit_with("content=no.png"), InvalidInput, 2, id="path"),
        pytest.param(_submit_with("styles.0.rights=null"), Refused, 5, id="rights"),
        pytest.param(_submit_with("routing.budget_usd=0.001"), Refused, 5, id="budget"),
        pytest.param(_pause_cancelled, IllegalTransition, 2, id="move"),
        pytest.param(_save_nowhere, InvalidInput, 2, id="no folder"),
    ],
)
def test_every_error_is_its_class_and_exit_code(
    farm: SimpleNamespace, ask: Callable[[SimpleNamespace], object], kind: type[FarmError], code: int
) -> None:
    with pytest.raises(FarmError) as caught:
        ask(farm)
    assert type(caught.value) is kind
    assert caught.value.exit_code == code
    assert "\n" not in caught.value.message
    assert not (farm.folder / "x").exists()


def test_a_picture_that_is_missing_is_named_by_its_field(farm: SimpleNamespace) -> None:
    with pytest.raises(InvalidInput) as caught:
        farm.client.submit(farm.file, overrides=["styles.0.image=no.png"])
    assert caught.value.field == "styles.0.image"
    assert farm.client.jobs() == []
