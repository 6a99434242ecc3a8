"""Notices of the clouds, from the metadata service that each machine of theirs can ask.

Addresses and answers are those of the clouds' own documentation: AWS "Spot Instance interruption
notices", Google "Spot VMs: preemption", Azure "Scheduled Events for Linux VMs".
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx

from farm.clock import Clock
from farm.dispatch.notice import FileNotice, Notice, Source, moment
from farm.errors import InvalidInput
from farm.settings import Settings

ANSWER_SECONDS = 1.0
"""The service is on the machine's own link; elsewhere nobody answers."""
TOKEN_SECONDS = 21600
GOOGLE_SECONDS = 30.0
AZURE_LEAVING = frozenset({"Preempt", "Terminate", "Redeploy", "Reboot"})


class _Metadata:
    """Asks a metadata service; every failure is no answer."""

    def __init__(self, base: str, transport: httpx.BaseTransport | None) -> None:
        # A proxy of the environment must not stand between a machine and its own metadata.
        self._http = httpx.Client(
            base_url=base, timeout=ANSWER_SECONDS, transport=transport, trust_env=False
        )

    def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> str | None:
        try:
            answer = self._http.request(method, path, headers=headers)
        except httpx.HTTPError:
            return None
        return answer.text.strip() if answer.is_success else None

    def json(self, path: str, headers: dict[str, str]) -> dict[str, Any]:
        try:
            found = httpx.Response(200, text=self.ask(path, headers) or "{}").json()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class AwsNotice:
    """A spot instance's two minutes, by IMDSv2."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._service = _Metadata("http://169.254.169.254", transport)

    def look(self) -> Notice | None:
        """As ``Source.look``."""
        token = self._service.ask(
            "/latest/api/token", {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}, "PUT"
        )
        if token is None:
            return None
        said = self._service.json(
            "/latest/meta-data/spot/instance-action", {"X-aws-ec2-metadata-token": token}
        )
        if "action" not in said:
            return None
        return Notice("aws", f"the spot instance will {said['action']}", moment(said.get("time")))


class GoogleNotice:
    """A Spot VM's thirty seconds. The service tells only that they have begun."""

    def __init__(self, clock: Clock, transport: httpx.BaseTransport | None = None) -> None:
        self._service = _Metadata("http://metadata.google.internal", transport)
        self._clock = clock
        self._deadline: float | None = None

    def look(self) -> Notice | None:
        """As ``Source.look``."""
        said = self._service.ask(
            "/computeMetadata/v1/instance/preempted", {"Metadata-Flavor": "Google"}
        )
        if said != "TRUE":
            return None
        self._deadline = self._deadline or self._clock.now() + GOOGLE_SECONDS
        return Notice("google", "the Spot VM was preempted", self._deadline)


class AzureNotice:
    """Scheduled Events of this VM that end it or start it anew; a freeze of seconds is waited out."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self._service = _Metadata("http://169.254.169.254", transport)

    def look(self) -> Notice | None:
        """As ``Source.look``."""
        headers = {"Metadata": "true"}
        said = self._service.json("/metadata/scheduledevents?api-version=2020-07-01", headers)
        events = said.get("Events", [])
        leaving = [each for each in events if each.get("EventType") in AZURE_LEAVING]
        if not leaving:
            return None
        # All machines of an availability set see each other's events.
        name = self._service.ask(
            "/metadata/instance/compute/name?api-version=2021-02-01&format=text", headers
        )
        for each in leaving:
            if name is None or name in each.get("Resources", []):
                kind = str(each["EventType"]).lower()
                return Notice("azure", f"Azure announced a {kind}", _http_date(each.get("NotBefore")))
        return None


def sources(settings: Settings, clock: Clock, node: str) -> list[Source]:
    """What the settings name, for the node of that id.

    Raises:
        InvalidInput: a source that is not known.
    """
    kinds: dict[str, Callable[[], Source]] = {
        "aws": AwsNotice,
        "google": lambda: GoogleNotice(clock),
        "azure": AzureNotice,
    }
    names = [name for name in settings.notices.replace(" ", "").split(",") if name]
    unknown = [name for name in names if name not in kinds]
    if unknown:
        raise InvalidInput(
            f"FARM_NOTICES: {unknown[0]!r} is not known; name some of {', '.join(kinds)}.",
            field="notices",
        )
    found = [kinds[name]() for name in names]
    if settings.notice_file:
        found.append(FileNotice(Path(str(settings.notice_file).replace("{node}", node))))
    return found


def _http_date(text: object) -> float | None:
    """Epoch seconds of ``Mon, 19 Sep 2016 18:29:47 GMT``; None where it is empty: it has begun."""
    try:
        found = parsedate_to_datetime(str(text))
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
