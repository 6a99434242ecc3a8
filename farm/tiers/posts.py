"""What each rank works on, written in Ray's control store before it begins.

A rank takes up one task after another, so its name cannot tell. Whoever has to end an attempt looks it
up here, whether or not the dispatcher that started it still lives. Where the control store is lost all
ranks are, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ray
from ray._raylet import GcsClient  # type: ignore[attr-defined]  # no stubs

_SPACE = b"farm-posts"


@dataclass(frozen=True)
class Post:
    """An attempt at a task."""

    task: str
    attempt: int


def take_post(actors: Sequence[str], post: Post) -> None:
    """Those actors, by id, work on it from now on."""
    store = _store(None)
    for actor in actors:
        store.internal_kv_put(actor.encode(), f"{post.attempt} {post.task}".encode(), True, _SPACE)


def leave_post(actors: Sequence[str]) -> None:
    """Those actors work on nothing any more."""
    store = _store(None)
    for actor in actors:
        store.internal_kv_del(actor.encode(), False, _SPACE)


def posts(address: str | None = None) -> dict[str, Post]:
    """What actors work on, by their ids.

    Args:
        address: ``host:port`` of the cluster's control store; the cluster joined, if absent.
    """
    store = _store(address)
    found: dict[bytes, bytes] = {}
    names = store.internal_kv_keys(b"", _SPACE)
    if names:
        found = store.internal_kv_multi_get(list(names), _SPACE)
    return {actor.decode(): _parsed(text.decode()) for actor, text in found.items()}


def _parsed(text: str) -> Post:
    attempt, task = text.split(" ", 1)
    return Post(task, int(attempt))


def _store(address: str | None) -> Any:
    return GcsClient(address=address or ray.get_runtime_context().gcs_address)
