"""The contact sheet of a volume: its slices along the depth, all in one scale."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from onnxviz.drawing.pictures import Picture, diverging
from onnxviz.drawing.sheet import ColorBar, Sheet, Tile
from onnxviz.errors import DataError
from onnxviz.wording import number_text

MOST = 48
"""At most this many slices are shown, evenly spaced."""


def volume_sheet(volume: NDArray[Any], title: str = "", subtitle: str = "", label: str = "value") -> Picture:
    """Draw a volume slice by slice.

    Parameters
    ----------
    volume : (channel, depth, height, width)
        The volume. Values below its median are drawn in blue, values above in red.
    title, subtitle : str
        Two lines above.
    label : str
        What the values are, and their unit.

    Returns
    -------
    (height, width, 3) uint8

    Raises
    ------
    DataError
        If the array has another number of axes, is empty, or holds numbers that are not finite.
    """
    values = np.asarray(volume, dtype=np.float64)
    if values.ndim != 4 or not values.size or not np.isfinite(values).all():
        raise DataError(
            f"an array of shape {values.shape} is no volume of finite numbers; (channel, depth, height, width) is"
        )
    channels, depth = values.shape[:2]
    middle = float(np.median(values))
    largest = float(np.abs(values - middle).max()) or 1.0
    shown = np.unique(np.linspace(0, depth - 1, max(1, min(depth, MOST // channels))).round().astype(int))
    tiles = [
        Tile(
            diverging(values[channel, place] - middle, largest),
            f"depth {place}",
            section=f"channel {channel}" if channels > 1 else "",
        )
        for channel in range(channels)
        for place in shown.tolist()
    ]
    note = f"{len(shown)} of {depth} slices, evenly spaced" if len(shown) < depth else ""
    bar = ColorBar("diverging", -largest, largest, f"{label}, from the median, {number_text(middle, 3)}")
    return Sheet(tiles, title, subtitle, note, bar).draw()
