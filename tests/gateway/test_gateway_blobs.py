from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from farm.gateway import create_app
from farm.gateway.testing import InProcess, blank_png, in_memory, listening
from farm.settings import Settings

PNG = blank_png(8, 8)
SHA = hashlib.sha256(PNG).hexdigest()


@pytest.fixture
def http(tmp_path: Path) -> Iterator[httpx.Client]:
    services = in_memory(tmp_path, settings=Settings(home=tmp_path, max_upload_mb=1))
    with start_blocking_portal() as portal:
        transport = InProcess(create_app(services), portal)
        yield httpx.Client(transport=transport, base_url="http://localhost")


def test_bytes_go_in_and_come_out_by_their_hash(http: httpx.Client) -> None:
    answer = http.put("/v1/blobs", content=PNG)
    assert (answer.status_code, answer.json()) == (201, {"sha256": SHA, "bytes": len(PNG)})
    back = http.get(f"/v1/blobs/{SHA}")
    assert back.content == PNG
    assert back.headers["content-type"] == "image/png"
    assert back.headers["content-length"] == str(len(PNG))
    assert back.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in back.headers["cache-control"]
    again = http.get(f"/v1/blobs/{SHA}", headers={"If-None-Match": back.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_head_says_what_get_would(http: httpx.Client) -> None:
    http.put("/v1/blobs", content=PNG)
    head = http.head(f"/v1/blobs/{SHA}")
    assert head.content == b""
    assert head.headers["content-length"] == str(len(PNG))
    assert http.head("/v1/blobs/" + "0" * 64).status_code == 404


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"II*\x00", "image/tiff"),
        (b"MM\x00+", "image/tiff"),
        (b"<script>", "application/octet-stream"),
        (b"<svg", "application/octet-stream"),
    ],
)
def test_only_pictures_get_a_type_of_their_own(
    http: httpx.Client, head: bytes, media_type: str
) -> None:
    sha = http.put("/v1/blobs", content=head + b"rest").json()["sha256"]
    assert http.get(f"/v1/blobs/{sha}").headers["content-type"] == media_type


def test_a_long_blob_comes_whole(http: httpx.Client) -> None:
    data = bytes(range(256)) * 3000
    sha = http.put("/v1/blobs", content=data).json()["sha256"]
    assert http.get(f"/v1/blobs/{sha}").content == data


def test_an_upload_over_the_limit_is_refused_whether_its_length_is_told_or_not(tmp_path: Path) -> None:
    services = in_memory(tmp_path, settings=Settings(home=tmp_path, max_upload_mb=1))
    app = create_app(services)
    with listening(app) as url, httpx.Client(base_url=url, trust_env=False) as http:
        told = http.put("/v1/blobs", content=b"x" * 1_000_001)
        untold = http.put("/v1/blobs", content=(b"x" * 100_000 for _ in range(11)))
        for answer in (told, untold):
            assert answer.status_code == 413
            assert answer.json()["type"] == "urn:farm:too-large"
            assert "FARM_MAX_UPLOAD_MB" in answer.json()["detail"]
        assert http.put("/v1/blobs", content=b"x" * 1_000_000).status_code == 201
    assert list((tmp_path / "tmp").iterdir()) == []


def test_an_empty_upload_is_refused(http: httpx.Client) -> None:
    assert http.put("/v1/blobs", content=b"").status_code == 422


@pytest.mark.parametrize("name", ["..%2f..%2fetc%2fpasswd", "ABC", "0" * 63, SHA.upper(), "0" * 64])
def test_what_is_no_blob_is_not_found(http: httpx.Client, name: str) -> None:
    assert http.get(f"/v1/blobs/{name}").status_code == 404
