"""From other primaries to Rec. 709's."""

from __future__ import annotations

import numpy as np

from farm.imaging.picture import Array

REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""x and y of red, green, blue and white (ITU-R BT.709; sRGB has the same)."""

Chromaticities = tuple[float, ...]
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SAME = 1e-4


def to_rec709(chromaticities: Chromaticities) -> Array | None:
    """The (3, 3) matrix from light in these primaries to Rec. 709, white to white (Bradford).

    Negative results are colours outside Rec. 709. ``None`` where the primaries are Rec. 709's own.

    Raises:
        ValueError: they span no colours.
    """
    given = np.array(chromaticities, dtype=np.float64)
    if given.shape != (8,) or not np.isfinite(given).all() or (np.abs(given[1::2]) < _SAME).any():
        raise ValueError("its primaries span no colours")
    if np.abs(given - REC709).max() < _SAME:
        return None
    try:
        theirs, ours = _to_xyz(given), _to_xyz(np.array(REC709))
        cones = (_BRADFORD @ _white(REC709)) / (_BRADFORD @ _white(given))
        adapted = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
        matrix = np.linalg.inv(ours) @ adapted @ theirs
    except np.linalg.LinAlgError:
        raise ValueError("its primaries span no colours") from None
    found: Array = matrix.astype(np.float32)
    return found


def _white(chromaticities: Chromaticities | np.ndarray) -> np.ndarray:
    x, y = chromaticities[6:8]
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _to_xyz(chromaticities: np.ndarray) -> np.ndarray:
    """RGB to XYZ with a white of luminance 1 (SMPTE RP 177)."""
    x, y = chromaticities[0:6:2], chromaticities[1:6:2]
    columns = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    shares = np.linalg.solve(columns, _white(chromaticities))
    return np.asarray(columns * shares)
