"""Traces as files of JSON lines; ``trace`` describes them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from farm.errors import InvalidInput, NotFound, Unavailable
from farm.route.accelerator import Pool
from farm.route.footprint import Footprint
from farm.route.simulate.trace import Change, Orders, Project, Trace
from farm.spec.base import Value, suggestion

VERSION = 1
INFINITE = math.inf
JOB_KEYS = ("at", "job", "project", "due", "budget", "spot")
CHANGE_KEYS = ("at", "pool", "usd_per_hour", "count", "preemptions_per_hour")
_FOOTPRINT = TypeAdapter(Footprint)


class Head(Value):
    """The first line."""

    trace: int = Field(ge=VERSION, le=VERSION)
    name: str
    seed: int = 0
    seconds: float = Field(gt=0)
    pools: tuple[Pool, ...] = Field(min_length=1)
    works: dict[str, dict[str, Any]] = Field(min_length=1)
    projects: dict[str, float | None] = Field(min_length=1, description="Caps in USD by name.")
    speeds: dict[str, float] = Field(default_factory=dict)


def write(trace: Trace, path: Path) -> None:
    """Write ``trace`` into ``path``.

    Raises:
        Unavailable: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            _write(trace, file)
    except OSError as error:
        raise Unavailable(
            f"{path}: cannot be written ({error.strerror}); name a file in a folder you may write."
        ) from None


def read(path: Path) -> Trace:
    """The trace in ``path``.

    Raises:
        NotFound: there is no such file.
        InvalidInput: a line of it is not as ``trace`` says.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return _read(file, path.name)
    except FileNotFoundError:
        raise NotFound(
            f"{path}: no such trace; 'farm simulate --generate mixed --save {path}' makes one.",
            field="trace",
        ) from None
    except (OSError, UnicodeDecodeError):
        raise InvalidInput(
            f"{path}: cannot be read as text; give a file of JSON lines.", field="trace"
        ) from None


def _write(trace: Trace, file: TextIO) -> None:
    head = {
        "trace": VERSION, "name": trace.name, "seed": trace.seed, "seconds": trace.seconds,
        "pools": [pool.model_dump(mode="json", exclude_none=True) for pool in trace.pools],
        "works": {name: asdict(work) for name, work in trace.works.items()},
        "projects": {project.name: project.cap_usd for project in trace.projects},
        "speeds": dict(trace.speeds),
    }  # fmt: skip
    file.write(json.dumps(head) + "\n")
    lines = sorted(chain(_jobs(trace), _changes(trace)), key=lambda line: float(line["at"]))
    for line in lines:
        file.write(json.dumps(line) + "\n")


def _jobs(trace: Trace) -> Iterator[dict[str, Any]]:
    works, orders = tuple(trace.works), trace.orders
    columns = (orders.at, orders.work, orders.project, orders.due, orders.budget, orders.spot)
    for at, work, project, due, budget, spot in zip(*(c.tolist() for c in columns), strict=True):
        line = {"at": at, "job": works[work], "project": trace.projects[project].name}
        if due != INFINITE:
            line["due"] = due
        if budget != INFINITE:
            line["budget"] = budget
        if not spot:
            line["spot"] = False
        yield line


def _changes(trace: Trace) -> Iterator[dict[str, Any]]:
    for change in trace.changes:
        line = {key: value for key, value in asdict(change).items() if value is not None}
        yield {**line, "pool": trace.pools[change.pool].name}


def _read(file: TextIO, name: str) -> Trace:
    try:
        head = Head.model_validate_json(file.readline())
        works = {key: _FOOTPRINT.validate_python(value) for key, value in head.works.items()}
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "head"
        raise InvalidInput(
            f"{name}, line 1: {where}: {first['msg'].lower()}; see 'farm simulate --help' for the "
            "first line of a trace.",
            field=where,
        ) from None
    reader = _Lines(name, head, tuple(works))
    for number, line in enumerate(file, 2):
        if line.strip():
            reader.add(number, line)
    return Trace(
        head.name, head.seed, head.seconds, head.pools, works,
        tuple(Project(key, cap) for key, cap in head.projects.items()),
        reader.orders(), tuple(reader.changes), head.speeds,
    )  # fmt: skip


class _Lines:
    """Collects the lines after the head."""

    def __init__(self, file: str, head: Head, works: Sequence[str]) -> None:
        self.file, self.number = file, 1
        self.changes: list[Change] = []
        self._works = {name: index for index, name in enumerate(works)}
        self._projects = {name: index for index, name in enumerate(head.projects)}
        self._pools = {pool.name: index for index, pool in enumerate(head.pools)}
        self._rows: list[tuple[float, int, int, float, float, bool]] = []
        self._latest = 0.0

    def add(self, number: int, text: str) -> None:
        """Take one line."""
        self.number = number
        try:
            line = json.loads(text)
        except json.JSONDecodeError:
            raise self._wrong("line", text.strip(), "write one JSON object a line") from None
        if not isinstance(line, dict):
            raise self._wrong("line", text.strip(), "write one JSON object a line")
        at = self._number(line, "at")
        if at < self._latest:
            raise self._wrong("at", at, f"put lines in the order of time, after {self._latest:g}")
        self._latest = at
        if "job" in line:
            self._job(line, at)
        else:
            self._change(line, at)

    def orders(self) -> Orders:
        """All jobs so far."""
        columns = list(zip(*self._rows, strict=True)) or [()] * 6
        at, work, project, due, budget, spot = columns
        return Orders(
            np.array(at, float), np.array(work, np.int64), np.array(project, np.int64),
            np.array(due, float), np.array(budget, float), np.array(spot, bool),
        )  # fmt: skip

    def _job(self, line: Mapping[str, Any], at: float) -> None:
        self._known(line, JOB_KEYS)
        spot = line.get("spot", True)
        if not isinstance(spot, bool):
            raise self._wrong("spot", spot, "write true or false")
        self._rows.append((
            at,
            self._index(self._works, line, "job"),
            self._index(self._projects, line, "project"),
            self._number(line, "due", INFINITE),
            self._number(line, "budget", INFINITE),
            spot,
        ))  # fmt: skip

    def _change(self, line: Mapping[str, Any], at: float) -> None:
        self._known(line, CHANGE_KEYS)
        pool = self._index(self._pools, line, "pool")
        values = {key: self._number(line, key) for key in CHANGE_KEYS[2:] if key in line}
        count = values.get("count")
        self.changes.append(Change(
            at, pool, values.get("usd_per_hour"), None if count is None else int(count),
            values.get("preemptions_per_hour"),
        ))  # fmt: skip

    def _number(self, line: Mapping[str, Any], key: str, default: float | None = None) -> float:
        value = line.get(key, default)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            return float(value)
        raise self._wrong(key, value, "write a number that is not negative")

    def _index(self, known: Mapping[str, int], line: Mapping[str, Any], key: str) -> int:
        value = line.get(key)
        if isinstance(value, str) and value in known:
            return known[value]
        raise self._wrong(key, value, suggestion(str(value), list(known)).rstrip("."))

    def _known(self, line: Mapping[str, Any], keys: Sequence[str]) -> None:
        for key in line:
            if key not in keys:
                raise self._wrong(key, line[key], f"unknown key; {suggestion(key, keys).rstrip('.')}")

    def _wrong(self, key: str, value: object, remedy: str) -> InvalidInput:
        shown = repr(value)
        shown = shown if len(shown) <= 60 else shown[:57] + "..."
        return InvalidInput(f"{self.file}, line {self.number}: {key}: {shown}; {remedy}.", field=key)
