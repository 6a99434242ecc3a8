"""The pictures that a job names: local paths, and blobs written as ``sha256:<hex>``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from farm.spec import Job
from farm.spec.quality import INITS

PREFIX = "sha256:"


def pictures(job: Job) -> Iterator[tuple[str, str]]:
    """Every picture of a job as (dotted field, reference), content first."""
    yield "content", job.content
    for index, style in enumerate(job.styles):
        if style.image is not None:
            yield f"styles.{index}.image", style.image
        if style.mask is not None:
            yield f"styles.{index}.mask", style.mask
    if job.quality.init not in INITS:
        yield "quality.init", job.quality.init


def blob_of(reference: str) -> str | None:
    """The hex digest in ``sha256:<hex>``, or None where the reference is something else."""
    match = re.fullmatch(PREFIX + r"([0-9a-f]{64})", reference)
    return match[1] if match else None


def replaced(job: Job, references: Mapping[str, str]) -> Job:
    """The job with other references at some dotted fields."""
    styles = tuple(
        style.model_copy(
            update={
                name: references[f"styles.{index}.{name}"]
                for name in ("image", "mask")
                if f"styles.{index}.{name}" in references
            }
        )
        for index, style in enumerate(job.styles)
    )
    content = references.get("content", job.content)
    init = references.get("quality.init", job.quality.init)
    quality = job.quality.model_copy(update={"init": init})
    return job.model_copy(update={"content": content, "styles": styles, "quality": quality})
