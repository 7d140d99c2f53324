"""A map of values, laid over the picture that the values belong to."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onnxviz.drawing.pictures import Picture, diverging_colors
from onnxviz.errors import DataError

_SHOWN = 448
"""Small pictures are enlarged to about this many pixels a side."""
_PALE = 0.45
_STRONGEST = 0.85


def heat_overlay(picture: Picture, values: NDArray[Any], limit: float | None = None) -> Picture:
    """Color a picture by a map of values: red where the values are above zero, blue where they are below.

    The picture is drawn in pale gray. The map is scaled bilinearly to the size of the picture, and large magnitudes are more opaque
    than small ones.

    Parameters
    ----------
    picture : (height, width, 3) uint8
        The picture under the map.
    values : (rows, columns)
        The map, spread evenly over the whole picture.
    limit : float, optional
        The magnitude that is drawn in full color. Default: the largest magnitude.

    Returns
    -------
    (height, width, 3) uint8
        About 448 pixels a side or more, since small pictures are enlarged.

    Raises
    ------
    DataError
        If the map is no plane, or has no finite value.
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
    # All colors are of the saturated part of the scale; the opacity shows the magnitude.
    colors = scale[np.where(share < 0, middle - round(0.75 * middle), middle + round(0.75 * middle))].astype(np.float32)
    cover = (_STRONGEST * np.abs(share) ** 0.8)[:, :, None]
    return np.asarray(np.rint(gray * (1 - cover) + colors * cover), np.uint8)
