from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.gateway import create_app
from farm.gateway.testing import InProcess, in_memory
from farm.spec.event import FINAL_KINDS


@pytest.fixture
def page(tmp_path: Path) -> Iterator[httpx.Response]:
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(in_memory(tmp_path)), portal)
        yield httpx.Client(transport=transport, base_url="http://localhost").get("/")


def test_the_page_needs_nothing_from_elsewhere(page: httpx.Response) -> None:
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'self' 'unsafe-inline' blob:;")
    assert not re.search(r"https?://|@import|<link", page.text)


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_contracts_are_shown_without_a_network(tmp_path: Path, path: str) -> None:
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(in_memory(tmp_path)), portal)
        http = httpx.Client(transport=transport, base_url="http://localhost")
        text = http.get(path).text
        loaded = set(re.findall(r'(?:src|href|spec-url)="([^"]+)"', text)) | {"/openapi.json"}
        assert not re.search("https?://", text)
        assert any(link.endswith(".js") for link in loaded)
        assert {http.get(link).status_code for link in loaded} == {200}


def test_every_element_that_the_script_names_is_there(page: httpx.Response) -> None:
    named = set(re.findall(r'\$\("([a-z]+)"\)', page.text))
    assert named
    assert named <= set(re.findall(r'id="([a-z]+)"', page.text))


def test_the_page_builds_its_nodes_from_text_never_from_markup(page: httpx.Response) -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page.text)


def test_the_page_listens_for_every_end(page: httpx.Response) -> None:
    for kind in FINAL_KINDS | {"end", "rendition", "progress"}:
        assert f'"{kind}"' in page.text
