"""The job file: what a person hands in, as YAML, JSON or from the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from farm.errors import InvalidInput
from farm.spec.base import Value, sentence, suggestion
from farm.spec.output import Output
from farm.spec.quality import EngineOptions, Quality
from farm.spec.routing import Routing
from farm.spec.style import StyleRef

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class _JobBase(Value):
    """What every kind of job has."""

    farm: Literal[1] = 1
    content: str = Field(min_length=1, description="A picture's path, or 'sha256:…' of a blob.")
    styles: tuple[StyleRef, ...] = Field(min_length=1, max_length=8)
    output: Output
    quality: Quality = Quality()
    routing: Routing = Routing()
    engine: EngineOptions = EngineOptions()
    project: str = Field(default="default", pattern=NAME)
    priority: int = Field(default=50, ge=0, le=100, description="100 goes first.")
    labels: dict[str, str] = Field(default_factory=dict, max_length=32)
    after: tuple[Annotated[str, Field(pattern=NAME)], ...] = Field(
        default=(), max_length=256, description="Ids of jobs that must be done before this one begins."
    )


class PrintJob(_JobBase):
    """A picture optimised for print, scale by scale."""

    kind: Literal["print"] = "print"


class PreviewJob(_JobBase):
    """A picture made by the preview net in one pass, at the output's size and format."""

    kind: Literal["preview"] = "preview"


Job = PrintJob | PreviewJob
KINDS: dict[str, type[PrintJob] | type[PreviewJob]] = {"print": PrintJob, "preview": PreviewJob}


def parse_job(data: Mapping[str, Any]) -> Job:
    """A job from the mapping in its file.

    Raises:
        InvalidInput: one sentence with the field, the value and the remedy.
    """
    if not isinstance(data, Mapping):
        raise InvalidInput("job: a mapping of keys is needed; see jobs/print-a4.yaml.", field="job")
    version = data.get("farm")
    if version != 1:
        found = "missing" if version is None else f"{version!r} is not known"
        raise InvalidInput(f"farm: {found}; write 'farm: 1' at the top of the job file.", field="farm")
    kind = data.get("kind")
    if kind == "sequence":
        raise InvalidInput(
            "kind: 'sequence' is not available yet; submit its frames as kind 'print'.", field="kind"
        )
    if not isinstance(kind, str) or kind not in KINDS:
        found = "missing" if kind is None else f"{kind!r} is not known"
        hint = suggestion(str(kind), list(KINDS)) if kind else "write 'kind: print'."
        raise InvalidInput(f"kind: {found}; {hint}", field="kind")
    try:
        return KINDS[kind].model_validate(dict(data))
    except ValidationError as error:
        raise sentence(error, KINDS[kind]) from None
