"""Pictures in and out: decoding with limits, colour, resizing, encoding, contact sheets."""

from farm.imaging.decode import Info, decode, inspect
from farm.imaging.encode import encode, media_type
from farm.imaging.limits import Limits
from farm.imaging.picture import Picture
from farm.imaging.resize import resize
from farm.imaging.sheet import Cell, contact_sheet

__all__ = [
    "Cell", "Info", "Limits", "Picture", "contact_sheet", "decode", "encode", "inspect",
    "media_type", "resize",
]  # fmt: skip
