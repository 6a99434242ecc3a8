"""Caps, costs and quotes over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.gateway import create_app
from farm.gateway.testing import InProcess, blank_png, in_memory
from farm.spec import Decision, Option
from farm.spec.event import Done, Routed

CARD = Option(
    pool="spot", accelerator="card", p50_seconds=10, p90_seconds=20, p50_usd=0.01, p90_usd=0.02,
    usd_per_hour=3.6,
)  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SimpleNamespace]:
    services = in_memory(tmp_path)
    app = create_app(services)
    with start_blocking_portal() as portal:
        http = httpx.Client(transport=InProcess(app, portal), base_url="http://localhost")
        content = services.store.put(blank_png(60, 40))
        yield SimpleNamespace(http=http, services=services, content=f"sha256:{content}")


def job(house: SimpleNamespace, **changes: Any) -> dict[str, Any]:
    base = {
        "farm": 1, "kind": "print", "content": house.content, "styles": [{"name": "wave"}],
        "output": {"long_edge": 96},
    }  # fmt: skip
    return base | changes


def run(house: SimpleNamespace, seconds: float = 8.0) -> None:
    """The next task, to its end, for a tenth of a cent a second."""
    queue, clock = house.services.queue, house.services.clock
    lease = queue.claim("w", 60)
    decision = Decision(chosen=CARD, reason="the only one")
    queue.record(lease, Routed(task=lease.task, decision=decision))
    clock.advance(seconds)
    queue.complete(lease, Done())


def test_an_accepted_job_holds_what_nine_of_ten_stay_under(house: SimpleNamespace) -> None:
    house.http.put("/v1/jobs/a", json=job(house, project="ads"))
    (project,) = house.http.get("/v1/projects").json()
    assert (project["reserved_usd"], project["spent_usd"], project["cap_usd"]) == (0.02, 0.0, None)
    cost = house.http.get("/v1/jobs/a/cost").json()
    assert (cost["quoted"]["p50_usd"], cost["quoted"]["p90_usd"]) == (0.01, 0.02)
    assert house.http.get("/v1/jobs/none/cost").status_code == 404


def test_a_cap_refuses_what_does_not_fit_in_one_sentence(house: SimpleNamespace) -> None:
    set_to = house.http.put("/v1/projects/ads/cap", json={"cap_usd": 0.03, "period": "day"})
    assert (set_to.json()["cap_usd"], set_to.json()["period"]) == (0.03, "day")
    assert house.http.put("/v1/jobs/a", json=job(house, project="ads")).status_code == 201
    answer = house.http.put("/v1/jobs/b", json=job(house, project="ads"))
    assert (answer.status_code, answer.json()["field"]) == (403, "project")
    assert "'ads' has spent $0.00 and promised $0.020 of its $0.030 a day" in answer.json()["detail"]
    assert "up to $0.020; " in answer.json()["detail"]
    again = house.http.put("/v1/jobs/a", json=job(house, project="ads"))
    assert again.status_code == 200, "what is in already is not asked for again"
    assert house.http.put("/v1/jobs/c", json=job(house)).status_code == 201
    for body in ({"cap_usd": -1}, {"period": "year"}, {}):
        assert house.http.put("/v1/projects/ads/cap", json=body).status_code == 422


def test_of_two_that_race_for_the_last_dollar_one_is_taken(house: SimpleNamespace) -> None:
    house.http.put("/v1/projects/ads/cap", json={"cap_usd": 0.02})
    start, codes = threading.Barrier(2), []

    def order(name: str) -> None:
        start.wait()
        answer = house.http.put(f"/v1/jobs/{name}", json=job(house, project="ads"))
        codes.append(answer.status_code)

    threads = [threading.Thread(target=order, args=(name,)) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [201, 403]


def test_costs_are_summed_up_by_what_is_asked_for(house: SimpleNamespace) -> None:
    house.http.put("/v1/jobs/a", json=job(house, project="ads", labels={"shot": "sq1"}))
    run(house)
    house.http.put("/v1/jobs/b", json=job(house, project="films", labels={"feature": "hero"}))
    run(house, 25.0)
    ask = lambda **params: house.http.get("/v1/costs", params=params).json()  # noqa: E731
    ads, films = sorted(ask(), key=lambda line: line["key"])
    assert (ads["key"], ads["usd"], ads["covered"]) == ("ads", 0.008, 1)
    assert (films["actual_usd"], films["quoted_usd"], films["covered"]) == (0.025, 0.01, 0)
    assert {line["key"] for line in ask(by="feature")} == {"print", "hero"}
    assert [line["usd"] for line in ask(by="pool")] == [0.033]
    assert [line["key"] for line in ask(by="day")] == ["2027-01-15"]
    assert [line["key"] for line in ask(tag="shot=sq1")] == ["ads"]
    assert ask(since="2027-01-16") == ask(until="2027-01-14") == ask(project="none") == []
    for wrong in ({"by": "mood"}, {"tag": "shot"}, {"since": "yesterday"}):
        assert house.http.get("/v1/costs", params=wrong).status_code == 422
    cost = house.http.get("/v1/jobs/a/cost").json()
    assert (cost["spent_usd"], cost["seconds"]) == (0.008, 8.0)
    assert [(each["pool"], each["usd"]) for each in cost["runs"]] == [("spot", 0.008)]


def test_waits_are_told(house: SimpleNamespace) -> None:
    house.http.put("/v1/jobs/a", json=job(house, kind="preview", labels={"user": "mia"}))
    run(house, 4.0)
    (wait,) = house.http.get("/v1/waits").json()
    assert (wait["job"], wait["user"], wait["first"], wait["final"]) == ("a", "mia", 4.0, 4.0)
    house.services.clock.advance(8 * 86_400)
    assert house.http.get("/v1/waits", params={"days": 7}).json() == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"styles": [{"image": "CONTENT"}]}, ["styles.0.rights: missing"]),
        ({"styles": [{"name": "nope"}]}, ["style: no 'nope'"]),
        ({"project": "poor"}, ["project: 'poor' has spent $0.00 of its $0.0010 a month"]),
    ],
)
def test_a_quote_says_why_the_order_would_be_refused(
    house: SimpleNamespace, changes: dict[str, Any], words: list[str]
) -> None:
    house.http.put("/v1/projects/poor/cap", json={"cap_usd": 0.001})
    if "styles" in changes and "image" in changes["styles"][0]:
        changes = {"styles": [{"image": house.content}]}
    answer = house.http.post("/v1/quotes", json=job(house, **changes))
    assert answer.status_code == 200
    notes = answer.json()["notes"]
    assert len(notes) == len(words)
    assert all(note.startswith(word) for note, word in zip(notes, words, strict=True))
