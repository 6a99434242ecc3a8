"""Job files: YAML or JSON on disk, with overrides from the command line."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farm.client import refs
from farm.client._loader import load_text, load_value
from farm.errors import InvalidInput, TooLarge
from farm.spec import Job, parse_job
from farm.spec.base import fields_at, suggestion
from farm.spec.job import KINDS, PrintJob

MAX_BYTES = 1_000_000


def read(path: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Job:
    """A job from its file.

    Args:
        overrides: ``path=value`` with dotted paths and YAML values, e.g. ``output.long_edge=2048``.

    Relative picture paths, overridden ones too, start at the job file's folder.

    Raises:
        InvalidInput: one sentence with the line or the field, the value and the remedy.
    """
    file = Path(path).expanduser()
    data = load_text(_text(file), str(path), json=file.suffix.lower() == ".json")
    return _resolved(parse_job(overridden(data, overrides)), file.absolute().parent)


def job_of(spec: Job | Mapping[str, Any] | str | os.PathLike[str], overrides: Sequence[str]) -> Job:
    """A job from whatever it was given as; only files have a folder for relative paths to start at."""
    if isinstance(spec, str | os.PathLike):
        return read(spec, overrides)
    data = spec if isinstance(spec, Mapping) else spec.model_dump(mode="json")
    return parse_job(overridden(data, overrides))


def pictures(job: Job) -> list[tuple[str, Path]]:
    """The local pictures that a job names, as (dotted field, path); blobs are left out."""
    return [
        (field, Path(reference).expanduser())
        for field, reference in refs.pictures(job)
        if not reference.startswith(refs.PREFIX)
    ]


def overridden(data: Any, overrides: Sequence[str]) -> Any:
    """The mapping of a job file with ``path=value`` settings applied to a copy.

    Raises:
        InvalidInput: a setting without ``=``, or with a path that leads nowhere.
    """
    if not overrides or not isinstance(data, Mapping):
        return data
    result = copy.deepcopy(dict(data))
    for override in overrides:
        path, equals, text = override.partition("=")
        if not equals or not all(path.split(".")):
            raise InvalidInput(
                f"--set: {override!r} is not path=value; write it as output.long_edge=2048.",
                field="--set",
            )
        _set(result, path.split("."), load_value(text, path))
    return result


def _set(data: dict[str, Any], path: Sequence[str], item: Any) -> None:
    _check_known(data, path)
    node: Any = data
    for depth, part in enumerate(path[:-1]):
        key = _key(node, part, path[: depth + 1])
        if isinstance(node, dict) and node.get(key) is None:
            node[key] = {}
        node = node[key]
    node[_key(node, path[-1], path)] = item


def _key(node: Any, part: str, path: Sequence[str]) -> Any:
    where = ".".join(path)
    if isinstance(node, dict):
        return part
    if isinstance(node, list):
        if part.isascii() and part.isdecimal() and int(part) < len(node):
            return int(part)
        raise InvalidInput(
            f"--set {where}: there is no entry {part!r}; the list has 0 to {len(node) - 1}.",
            field=where,
        )
    raise InvalidInput(f"--set {where}: {'.'.join(path[:-1])} holds a plain value.", field=where)


def _check_known(data: Mapping[str, Any], path: Sequence[str]) -> None:
    model = KINDS.get(str(data.get("kind")), PrintJob)
    steps = [int(part) if part.isdecimal() else part for part in path]
    known = fields_at(model, steps[:-1])
    if known and isinstance(steps[-1], str) and steps[-1] not in known:
        field = ".".join(path)
        raise InvalidInput(f"--set {field}: unknown key; {suggestion(steps[-1], known)}", field=field)


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise TooLarge(
                f"job file: {str(file)!r} is over {MAX_BYTES // 1_000_000} MB; that is no job file.",
                field="job",
            )
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidInput(
            f"job file: {str(file)!r} is not there; correct the path.", field="job"
        ) from None
    except UnicodeDecodeError:
        raise InvalidInput(
            f"job file: {str(file)!r} is not text in UTF-8; give a YAML or JSON file.", field="job"
        ) from None
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise InvalidInput(
            f"job file: {str(file)!r} cannot be read ({reason}); give a YAML or JSON file.", field="job"
        ) from None


def _resolved(job: Job, folder: Path) -> Job:
    found = {field: str(folder / path) for field, path in pictures(job)}
    return refs.replaced(job, found)
