"""Notices that a machine goes away, from files and from the clouds' own answers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from farm.clock import ManualClock
from farm.dispatch.notice import DEFAULT_SECONDS, FileNotice, Notice, Source, first, fits, moment
from farm.dispatch.notice_clouds import (
    GOOGLE_SECONDS,
    AwsNotice,
    AzureNotice,
    GoogleNotice,
    sources,
)
from farm.errors import InvalidInput
from farm.settings import Settings

Answer = Callable[[httpx.Request], httpx.Response]
NOBODY: list[Answer] = [
    lambda request: httpx.Response(404),
    lambda request: httpx.Response(200, text="<html>a captive portal</html>"),
    lambda request: httpx.Response(200, text="[]"),
]


def unplugged(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectTimeout("nobody there", request=request)


def aws(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/latest/api/token":
        assert request.method == "PUT"
        assert int(request.headers["X-aws-ec2-metadata-token-ttl-seconds"]) > 0
        return httpx.Response(200, text="t0ken")
    assert request.url.path == "/latest/meta-data/spot/instance-action"
    assert request.headers["X-aws-ec2-metadata-token"] == "t0ken"
    return httpx.Response(200, json={"action": "terminate", "time": "2026-05-04T12:00:00Z"})


def google(request: httpx.Request) -> httpx.Response:
    assert request.headers["Metadata-Flavor"] == "Google"
    assert request.url.path == "/computeMetadata/v1/instance/preempted"
    return httpx.Response(200, text="TRUE")


def azure(kind: str, *resources: str) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.headers["Metadata"] == "true"
        if request.url.path == "/metadata/instance/compute/name":
            return httpx.Response(200, text="vm_1")
        noon = "Mon, 04 May 2026 12:00:00 GMT"
        event = {"EventType": kind, "Resources": list(resources), "NotBefore": noon}
        return httpx.Response(200, json={"DocumentIncarnation": 1, "Events": [event]})

    return answer


def test_aws_gives_its_two_minutes() -> None:
    found = AwsNotice(httpx.MockTransport(aws)).look()
    noon = moment("2026-05-04T12:00:00+00:00")
    assert found == Notice("aws", "the spot instance will terminate", noon)


def test_google_gives_thirty_seconds_from_when_it_was_first_seen() -> None:
    clock = ManualClock()
    source, began = GoogleNotice(clock, httpx.MockTransport(google)), clock.now()
    for _ in range(3):
        found = source.look()
        assert found is not None
        assert found.deadline == began + GOOGLE_SECONDS
        clock.advance(5)


def test_azure_tells_of_this_machine_only() -> None:
    noon = moment("2026-05-04T12:00:00Z")
    found = AzureNotice(httpx.MockTransport(azure("Preempt", "vm_0", "vm_1"))).look()
    assert found == Notice("azure", "Azure announced a preempt", noon)
    assert AzureNotice(httpx.MockTransport(azure("Preempt", "vm_0"))).look() is None
    assert AzureNotice(httpx.MockTransport(azure("Freeze", "vm_1"))).look() is None


@pytest.mark.parametrize("answer", [*NOBODY, unplugged])
def test_no_answer_is_no_notice(answer: Answer) -> None:
    transport = httpx.MockTransport(answer)
    asked: list[Source] = [
        AwsNotice(transport),
        GoogleNotice(ManualClock(), transport),
        AzureNotice(transport),
    ]
    assert [source.look() for source in asked] == [None] * 3


@pytest.mark.parametrize(
    ("text", "reason", "deadline"),
    [
        ("", "leave was left here", 1000 + DEFAULT_SECONDS),
        ('{"seconds": 30, "reason": "maintenance"}', "maintenance", 1030.0),
        ('{"deadline": "1970-01-01T01:00:00Z"}', "leave was left here", 3600.0),
        ("the rack is moved\n", "the rack is moved", 1000 + DEFAULT_SECONDS),
        ("[1]", "leave was left here", 1000 + DEFAULT_SECONDS),
    ],
)
def test_a_file_says_when_and_why(tmp_path: Path, text: str, reason: str, deadline: float) -> None:
    file = tmp_path / "leave"
    assert FileNotice(file).look() is None
    file.write_text(text, encoding="utf-8")
    os.utime(file, (1000, 1000))
    assert FileNotice(file).look() == Notice("file", reason, deadline)


def test_the_earliest_of_several_notices_counts(tmp_path: Path) -> None:
    for name, seconds in (("late", 90), ("soon", 30)):
        (tmp_path / name).write_text(f'{{"seconds": {seconds}}}', encoding="utf-8")
        os.utime(tmp_path / name, (1000, 1000))
    files = [FileNotice(tmp_path / name) for name in ("none", "late", "soon")]
    found = first(files)
    assert found is not None
    assert found.deadline == 1030
    assert first(files[:1]) is None


def test_a_checkpoint_is_begun_only_where_it_fits_with_some_slack() -> None:
    clock = ManualClock(1000.0)
    notice = Notice("test", "", 1030.0)
    assert fits(notice, clock, 24.0)
    assert not fits(notice, clock, 24.1)
    assert fits(notice, clock, None), "nobody knows: it is tried"
    assert fits(Notice("test", ""), clock, 1e9), "somebody waits for it"


def test_the_settings_name_the_sources_of_a_node(tmp_path: Path) -> None:
    (tmp_path / "leave-n1").touch()
    chosen = Settings(home=tmp_path, notices="aws, azure", notice_file=tmp_path / "leave-{node}")
    found = sources(chosen, ManualClock(), "n1")
    assert [type(each) for each in found] == [AwsNotice, AzureNotice, FileNotice]
    assert found[-1].look() is not None
    assert sources(chosen, ManualClock(), "n2")[-1].look() is None
    with pytest.raises(InvalidInput, match=r"FARM_NOTICES: 'oracle' is not known; name some of aws"):
        sources(chosen.model_copy(update={"notices": "aws,oracle"}), ManualClock(), "n1")
