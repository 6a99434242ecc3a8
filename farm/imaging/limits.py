"""What a picture may cost before it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

from farm.errors import InvalidInput, TooLarge


@dataclass(frozen=True)
class Limits:
    """The largest file and picture that is taken in."""

    max_bytes: int = 256_000_000
    max_megapixels: float = 400.0
    max_edge: int = 200_000
    max_aspect: float = 100.0

    def check_bytes(self, size: int, field: str) -> None:
        """Refuse an empty file and one over ``max_bytes``.

        Raises:
            InvalidInput: nothing in it.
            TooLarge: more bytes than allowed.
        """
        if size == 0:
            raise InvalidInput(f"{field}: the file is empty; give a picture.", field=field)
        if size > self.max_bytes:
            raise TooLarge(
                f"{field}: {size / 1e6:.1f} MB is over the limit of {self.max_bytes / 1e6:.6g} MB;"
                " compress it or make it smaller.",
                field=field,
            )

    def check_size(self, width: int, height: int, field: str) -> None:
        """Refuse a picture without pixels, with too many, or far too long for its width.

        Raises:
            InvalidInput: an edge is 0, or one edge is ``max_aspect`` times the other.
            TooLarge: an edge or the megapixels are over the limit.
        """
        size = f"{field}: {width}×{height} pixels"
        if width < 1 or height < 1:
            raise InvalidInput(f"{size} is no picture; export it again.", field=field)
        if max(width, height) > self.max_edge:
            raise TooLarge(f"{size} has an edge over {self.max_edge}; make it smaller.", field=field)
        if width * height > self.max_megapixels * 1e6:
            raise TooLarge(
                f"{size} is over the limit of {self.max_megapixels:g} megapixels; make it smaller.",
                field=field,
            )
        if max(width, height) > self.max_aspect * min(width, height):
            raise InvalidInput(
                f"{size} is longer than {self.max_aspect:g} times its width; crop it.", field=field
            )
