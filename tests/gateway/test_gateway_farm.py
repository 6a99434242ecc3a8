"""What operators see and set over HTTP: the farm, projects, nodes, attempts, labels, tasks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.clock import ManualClock
from farm.errors import Unavailable, Unreachable
from farm.gateway import create_app
from farm.gateway.testing import InProcess, in_memory, wave_job
from farm.spec.event import Done, Started


@pytest.fixture
def house(tmp_path: Path) -> Iterator[SimpleNamespace]:
    clock = ManualClock()
    services = in_memory(tmp_path, clock=clock)
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(services), portal)
        http = httpx.Client(transport=transport, base_url="http://localhost")
        yield SimpleNamespace(
            http=http, queue=services.queue, tiers=services.tiers, clock=clock
        )  # fmt: skip


def test_metrics_tell_what_the_gateway_knows_and_no_more(house: SimpleNamespace) -> None:
    for name in ("a", "b", "c"):
        house.queue.add(name, wave_job())
    assert house.queue.claim("w1", 30)
    house.queue.cancel("b", at_once=True)
    text = house.http.get("/metrics").text
    for state, number in (("queued", 1), ("running", 1), ("paused", 0)):
        assert f'farm_jobs{{state="{state}"}} {number}.0\n' in text
    assert 'farm_jobs{state="cancelled"}' not in text
    assert "farm_dispatcher_up" not in text, "the dispatcher says so itself, through Ray"
    house.queue.counts = unavailable
    assert 'farm_jobs{state="queued"} NaN\n' in house.http.get("/metrics").text


def unavailable() -> dict[str, int]:
    raise Unavailable("database: away.")


def fail_three(house: SimpleNamespace, node: str) -> None:
    """Three different tasks fail on one node, which is then out."""
    for name in ("a", "b", "c"):
        house.queue.add(name, wave_job())
        lease = house.queue.claim("w1", 30)
        started = Started(task=lease.task, attempt=1, worker="w1", node=node)
        house.queue.record(lease, started)
        house.queue.fail(lease, "unknown", "it broke.")


def problem(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def test_the_farm_at_a_glance(house: SimpleNamespace) -> None:
    house.queue.add("mine", wave_job(project="ads"))
    view = house.http.get("/v1/farm").json()
    assert view["jobs"]["queued"] == 1
    assert [process["role"] for process in view["processes"]] == ["gateway", "ray"]
    assert view["dispatcher"]["version"] == view["version"]
    assert [(p["name"], p["ready"]) for p in view["projects"]] == [("ads", 1)]
    assert (view["nodes"], view["problems"]) == ([], [])


def test_what_cannot_be_found_out_is_named_and_the_rest_is_told(house: SimpleNamespace) -> None:
    house.tiers.away = Unreachable("ray: no cluster answers; look at it.")
    view = house.http.get("/v1/farm").json()
    assert view["problems"] == ["ray: no cluster answers; look at it."] * 2
    assert (view["processes"], view["dispatcher"]) == ([], None)
    assert view["jobs"]["queued"] == 0


def test_a_projects_share_is_set_and_kept(house: SimpleNamespace) -> None:
    answer = house.http.put("/v1/projects/ads", json={"weight": 2, "max_running": 1})
    assert answer.json() == {
        "name": "ads", "weight": 2.0, "max_running": 1, "running": 0, "ready": 0, "cap_usd": None,
        "period": "month", "spent_usd": 0.0, "reserved_usd": 0.0,
    }  # fmt: skip
    assert house.http.get("/v1/projects").json() == [answer.json()]
    house.http.put("/v1/projects/ads", json={})
    assert house.http.get("/v1/projects").json()[0]["max_running"] is None


@pytest.mark.parametrize(
    ("name", "share", "field"),
    [
        ("ads", {"weight": 0}, "weight"),
        ("ads", {"max_running": -1}, "max_running"),
        ("ads", {"wieght": 1}, "wieght"),
        ("a b", {"weight": 1}, "name"),
    ],
)
def test_a_share_that_is_none_is_refused(
    house: SimpleNamespace, name: str, share: dict[str, Any], field: str
) -> None:
    answer = house.http.put(f"/v1/projects/{name}", json=share)
    assert (answer.status_code, problem(answer)["field"]) == (422, field)
    assert house.http.get("/v1/projects").json() == []


def test_a_node_that_is_out_is_readmitted(house: SimpleNamespace) -> None:
    fail_three(house, "n1")
    (node,) = house.http.get("/v1/nodes").json()
    assert (node["name"], node["out"], node["failed_tasks"]) == ("n1", True, 3)
    assert node["reason"]
    assert node["since"] == house.clock.now()
    back = house.http.post("/v1/nodes/n1:readmit").json()
    assert (back["name"], back["out"]) == ("n1", False)
    assert not any(known["out"] for known in house.http.get("/v1/nodes").json())


def test_an_unknown_node_is_not_found(house: SimpleNamespace) -> None:
    answer = house.http.post("/v1/nodes/n9:readmit")
    assert (answer.status_code, problem(answer)["field"]) == (404, "node")


def test_attempts_say_where_and_how_they_ended(house: SimpleNamespace) -> None:
    fail_three(house, "n1")
    (attempt,) = house.http.get("/v1/jobs/a/attempts").json()
    assert (attempt["task"], attempt["node"], attempt["worker"]) == ("a/print", "n1", "w1")
    assert (attempt["outcome"], attempt["cause"]) == ("failed", "unknown")
    assert "token" not in attempt, "a fencing token is nobody's business"
    assert house.http.get("/v1/jobs/none/attempts").status_code == 404


def test_jobs_by_label(house: SimpleNamespace) -> None:
    house.queue.add("one", wave_job(labels={"shot": "sq010=a"}))
    house.queue.add("two", wave_job(labels={"shot": "sq020"}))
    found = house.http.get("/v1/jobs", params={"label": "shot=sq010=a"}).json()["jobs"]
    assert [job["id"] for job in found] == ["one"]
    answer = house.http.get("/v1/jobs", params={"label": "shot"})
    assert (answer.status_code, problem(answer)["field"]) == (422, "label")


def test_a_job_is_cancelled_without_waiting_for_its_worker(house: SimpleNamespace) -> None:
    house.queue.add("mine", wave_job())
    house.queue.claim("w1", 30)
    asked = house.http.post("/v1/jobs/mine:cancel").json()
    assert (asked["state"], asked["cancel_requested"]) == ("running", True)
    assert house.http.post("/v1/jobs/mine:cancel?now=true").json()["state"] == "cancelled"


def test_only_the_tasks_that_are_named_are_tried_again(house: SimpleNamespace) -> None:
    house.queue.add("mine", wave_job(), tasks=("a", "b", "c"))
    house.queue.complete(house.queue.claim("w1", 30), Done())
    house.queue.fail(house.queue.claim("w1", 30), "unknown", "it broke.")
    answer = house.http.post("/v1/jobs/mine:retry?tasks=b")
    assert answer.json()["state"] == "queued"
    states = {task["name"]: task["state"] for task in house.http.get("/v1/jobs/mine/tasks").json()}
    assert (states["a"], states["b"]) == ("done", "ready")
    unknown = house.http.post("/v1/jobs/mine:retry?tasks=nope")
    assert problem(unknown)["status"] == unknown.status_code >= 400


def test_the_contract_names_them(house: SimpleNamespace) -> None:
    paths = house.http.get("/openapi.json").json()["paths"]
    assert {
        "/v1/farm", "/v1/projects", "/v1/projects/{name}", "/v1/nodes", "/v1/nodes/{node}:readmit",
        "/v1/jobs/{job_id}/attempts",
    } <= set(paths)  # fmt: skip
    for path in ("/v1/farm", "/v1/projects", "/v1/nodes"):
        assert paths[path]["get"]["description"]
