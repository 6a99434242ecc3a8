"""Colour conversion by profiles made of tables, through littlecms at 8 bits."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from farm.imaging.colour import srgb_profile
from farm.imaging.header import MalformedError, Raw
from farm.imaging.picture import Array

_MODES = {"grey": "L", "rgb": "RGB", "cmyk": "CMYK"}


def convert(raw: Raw, icc: bytes) -> Array:
    """sRGB float32 (height, width, 3), relative colorimetric with black point compensation.

    Raises:
        MalformedError: littlecms cannot use the profile.
    """
    step = raw.maximum / 255
    eight = np.round(raw.samples / step).astype(np.uint8) if raw.maximum != 255 else raw.samples
    height, width = eight.shape[:2]
    mode = _MODES[raw.space]
    image = Image.frombuffer(
        mode, (width, height), np.ascontiguousarray(eight).tobytes(), "raw", mode, 0, 1
    )
    try:
        converted = ImageCms.profileToProfile(
            image,
            io.BytesIO(icc),
            io.BytesIO(srgb_profile()),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        raise MalformedError("its colour profile cannot be used") from None
    return np.asarray(converted, dtype=np.float32) / np.float32(255)
