"""Previews step by step: one picture, one that gets better, or one picture in several styles."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from farm.client import _files
from farm.client._protocol import Call, Flow, Work, ask, error_of, problem_error
from farm.client.preview import Preview
from farm.errors import FarmError, InvalidInput, Unreachable

Picture = str | Path | bytes
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".exr"})
_FIELDS = [field.name for field in fields(Preview) if field.name != "data"]
_EVENTS = {"Accept": "text/event-stream"}


@dataclass(frozen=True)
class Wanted:
    """How previews are to be: long edge in pixels, share of the style, seconds they are of use for."""

    size: int
    strength: float
    deadline: float | None = None

    def form(self) -> dict[str, str | list[str]]:
        """As form fields."""
        asked = {"size": self.size, "strength": self.strength, "deadline": self.deadline}
        return {name: str(value) for name, value in asked.items() if value is not None}


def is_name(style: Picture) -> bool:
    """Whether a style is a name of the catalogue: text that does not look like a picture's path."""
    if not isinstance(style, str):
        return False
    return Path(style).suffix.lower() not in _SUFFIXES and "/" not in style and "\\" not in style


def preview(
    content: Picture, style: Picture, wanted: Wanted, first: Callable[[Preview], object] | None
) -> Flow[Preview]:
    """A stylised picture; ``first`` is shown a tiny version of it before."""
    form, files, _ = yield from _sent(content, [style], wanted)
    if first is None:
        return _preview((yield from ask(Call("POST", "/v1/previews", form=form, files=files))))
    frames = _Frames(lambda _, made: first(made))
    yield from _streamed(form, files, frames)
    return frames.found[0]


def previews(
    content: Picture,
    styles: Sequence[Picture],
    wanted: Wanted,
    each: Callable[[int, Preview], object] | None,
) -> Flow[list[Preview]]:
    """A picture in each style, in their order."""
    if not styles:
        raise InvalidInput("styles: none are given; give one at least.", field="styles")
    form, files, order = yield from _sent(content, styles, wanted)
    told = each or (lambda _number, _made: None)
    frames = _Frames(lambda number, made: told(order[number], made), whole=True)
    yield from _streamed(form, files, frames)
    return [frames.found[order.index(number)] for number in range(len(styles))]


class _Frames:
    """The events of an answer while it arrives.

    Args:
        seen: told of pictures: of tiny versions, or of those that are ``whole``.
    """

    def __init__(self, seen: Callable[[int, Preview], object], *, whole: bool = False) -> None:
        self._seen, self._whole = seen, whole
        self._buffer = b""
        self.found: dict[int, Preview] = {}
        self.error: FarmError | None = None
        self.ended = False

    def write(self, data: bytes) -> None:
        """Take what arrived."""
        *frames, self._buffer = (self._buffer + data).split(b"\n\n")
        for frame in frames:
            parts = dict(line.split(b": ", 1) for line in frame.split(b"\n") if b": " in line)
            self._take(parts.get(b"event", b"").decode(), json.loads(parts.get(b"data", b"{}")))

    def _take(self, name: str, data: dict[str, Any]) -> None:
        if name == "end":
            self.ended = True
        elif name == "problem":
            self.error = self.error or problem_error(data, int(data["status"]))
        elif name == "rendition":
            picture, number = base64.b64decode(data.pop("picture")), int(data.pop("style"))
            made = Preview(picture, **{field: data[field] for field in _FIELDS})
            tiny = made.fidelity == "tiny"
            if not tiny:
                self.found[number] = made
            if tiny != self._whole:
                self._seen(number, made)


def _streamed(
    form: dict[str, str | list[str]], files: list[tuple[str, bytes]], frames: _Frames
) -> Flow[None]:
    @contextmanager
    def sink() -> Iterator[_Frames]:
        yield frames

    call = Call("POST", "/v1/previews", form=form, files=files, headers=_EVENTS, sink=sink)
    answer = yield from ask(call)
    if frames.error is not None:
        raise frames.error
    if not frames.ended:
        where = str(answer.request.url.copy_with(path="/", query=None)).rstrip("/")
        raise Unreachable(f"url: the answer of {where} ended before its picture; ask again.")


def _sent(
    content: Picture, styles: Sequence[Picture], wanted: Wanted
) -> Flow[tuple[dict[str, str | list[str]], list[tuple[str, bytes]], list[int]]]:
    """Form and files, and which style the farm's first, second … is: it takes pictures before names."""
    form, files = wanted.form(), [("content", (yield from _bytes(content, "content")))]
    own = [number for number, style in enumerate(styles) if not is_name(style)]
    named = [number for number, style in enumerate(styles) if is_name(style)]
    for number in own:
        files.append(("style", (yield from _bytes(styles[number], "style"))))
    if named:
        form["style_name"] = [str(styles[number]) for number in named]
    return form, files, own + named


def _bytes(picture: Picture, field: str) -> Flow[bytes]:
    if isinstance(picture, bytes):
        return picture
    data: bytes = yield Work(partial(_files.content, Path(picture).expanduser(), field))
    return data


def _preview(answer: httpx.Response) -> Preview:
    headers = answer.headers
    try:
        width, height = (int(edge) for edge in headers["X-Farm-Size"].split("x"))
        return Preview(
            data=answer.content,
            media_type=headers["Content-Type"],
            width=width,
            height=height,
            model=headers["X-Farm-Model"],
            seconds=float(headers["X-Farm-Seconds"]),
            stages=json.loads(headers["X-Farm-Stages"]),
            fidelity=headers.get("X-Farm-Fidelity", "full"),
            degraded=headers.get("X-Farm-Degraded", ""),
            kept=headers.get("X-Farm-Kept", ""),
        )
    except (KeyError, ValueError):
        raise error_of(answer) from None
