"""The pictures of a job, looked at before it is accepted."""

from __future__ import annotations

import asyncio

from farm.client import refs
from farm.errors import InvalidInput
from farm.gateway.ports import Services
from farm.settings import Settings
from farm.spec import Job


def size_of(data: bytes, settings: Settings, field: str) -> tuple[int, int]:
    """(width, height) of an encoded picture, from its header.

    Raises:
        InvalidInput: not a picture, or one over the limits; the sentence names ``field``.
    """
    # Found here, not on import: routes that touch no picture then need no imaging libraries.
    from farm.imaging import Limits, inspect

    limits = Limits(
        max_bytes=settings.max_upload_mb * 1_000_000, max_megapixels=settings.max_megapixels
    )
    info = inspect(data, limits, field=field)
    return info.width, info.height


async def content_size(services: Services, job: Job) -> tuple[int, int]:
    """(width, height) of a job's content, looked up in the store."""
    return await _stored_size(services, "content", job.content)


async def check_all(services: Services, job: Job) -> tuple[int, int]:
    """Look at every picture that a job names; returns the content's (width, height).

    Raises:
        InvalidInput: a reference that is no blob, a blob that is not there or is not a picture.
    """
    sizes = [await _stored_size(services, field, value) for field, value in refs.pictures(job)]
    return sizes[0]


async def _stored_size(services: Services, field: str, reference: str) -> tuple[int, int]:
    sha = refs.blob_of(reference)
    if sha is None:
        raise InvalidInput(
            f"{field}: {reference[:100]!r} is not a blob; upload the picture with PUT /v1/blobs "
            "and write 'sha256:' and its 64 hex digits.",
            field=field,
        )
    return await asyncio.to_thread(_blob_size, services, field, sha)


def _blob_size(services: Services, field: str, sha: str) -> tuple[int, int]:
    if not services.store.has(sha):
        raise InvalidInput(
            f"{field}: no blob {sha} is here; upload the picture with PUT /v1/blobs first.", field=field
        )
    return size_of(services.store.get(sha), services.settings, field)
