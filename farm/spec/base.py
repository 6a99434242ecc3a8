"""The base of every value here, and validation errors put into one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from farm.errors import InvalidInput


class Value(BaseModel):
    """Frozen, and refuses keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def suggestion(word: str, known: Sequence[str]) -> str:
    """``Did you mean 'x'?`` where one of ``known`` is close to ``word``, else what there is."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"known here: {', '.join(sorted(known))}."


def sentence(error: ValidationError, model: type[BaseModel]) -> InvalidInput:
    """The first of pydantic's complaints as one sentence with field, value and remedy."""
    first = error.errors()[0]
    path = [part for part in first["loc"] if part not in ("print", "preview")]
    field = ".".join(str(part) for part in path)
    if first["type"] == "extra_forbidden":
        known = list(fields_at(model, path[:-1]))
        return InvalidInput(f"{field}: unknown key; {suggestion(str(path[-1]), known)}", field=field)
    if first["type"] == "missing":
        return InvalidInput(f"{field}: missing; add it to the job file.", field=field)
    wanted = _shape(first["type"], fields_at(model, path))
    reason = wanted or first["msg"].removeprefix("Value error, ")
    reason = reason[:1].lower() + reason[1:]
    shown = repr(first["input"])
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return InvalidInput(f"{field or 'job'}: {shown} is not valid: {reason.rstrip('.')}.", field=field)


def _shape(kind: str, keys: Sequence[str]) -> str:
    """What to write where a value is of another shape, in a job file's words."""
    if kind in ("tuple_type", "list_type"):
        return "write a list, such as [a, b]"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"write keys under it: {', '.join(keys)}" if keys else "write keys under it"
    return ""


def fields_at(model: type[BaseModel], path: Sequence[Any]) -> tuple[str, ...]:
    """The keys allowed at a path inside a model; list indices are stepped over."""
    current: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return ()
        field = current.model_fields.get(str(part))
        current = _model_in(field.annotation) if field else None
    if isinstance(current, type) and issubclass(current, BaseModel):
        return tuple(current.model_fields)
    return ()


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_in(inner)
        if found is not None:
            return found
    return None
