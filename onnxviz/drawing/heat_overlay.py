"""A map of values laid over the picture it came from."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.drawing.pictures import Picture, diverging_colors
from onnxviz.errors import DataError

_SHOWN = 448
"""Pictures are enlarged to about so many pixels a side."""
_PALE = 0.45
_STRONGEST = 0.85


def heat_overlay(picture: Picture, values: NDArray[Any], limit: float | None = None) -> Picture:
    """Color a picture by a map that covers it: red where it is above zero, blue where it is below.

    The picture is turned gray and pale; the map, scaled to its size bilinearly, is the more opaque the larger it is.

    Parameters
    ----------
    picture : (height, width, 3) uint8
    values : (rows, columns)
        Spread evenly over the whole picture.
    limit : float, optional
        The magnitude of full color; by default the largest one.

    Returns
    -------
    (height, width, 3) uint8
        Enlarged to some 448 pixels a side where the picture is smaller.

    Raises
    ------
    DataError
        The map is no plane, or has no finite value.
    """
    plane = np.asarray(values, np.float32)
    if plane.ndim != 2 or not np.isfinite(plane).any():
        raise DataError(f"an array of shape {plane.shape} cannot be laid over a picture; (row, column) can")
    plane = np.nan_to_num(plane)
    limit = float(np.abs(plane).max()) if limit is None else limit
    factor = max(1, _SHOWN // max(picture.shape[:2]))
    size = (picture.shape[1] * factor, picture.shape[0] * factor)
    base = Image.fromarray(np.ascontiguousarray(picture)).convert("L")
    gray = np.asarray(base.resize(size, Image.Resampling.NEAREST), np.float32)[:, :, None]
    gray = gray * (1 - _PALE) + 255 * _PALE
    wide = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
    share = np.clip(wide / limit, -1.0, 1.0) if limit > 0 else np.zeros_like(wide)
    scale = diverging_colors()
    middle = (len(scale) - 1) // 2
    # Colors from the scale's saturated part; how strong they are shows in how much of the picture they cover.
    colors = scale[np.where(share < 0, middle - round(0.75 * middle), middle + round(0.75 * middle))].astype(np.float32)
    cover = (_STRONGEST * np.abs(share) ** 0.8)[:, :, None]
    return np.asarray(np.rint(gray * (1 - cover) + colors * cover), np.uint8)
