"""Pictures of convolution kernels with one, two or three spatial axes."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

from onnxviz.drawing.colors import HAIRLINE, PALETTE
from onnxviz.drawing.pictures import Picture, diverging, enlarge, to_rgb
from onnxviz.errors import DataError

# More curves than this cannot be told apart; the kernel is then drawn as a map of channel by position.
_MOST_LINES = 4
_CURVE_SIZE = (480, 300)
_PIXEL, _LINE = 4, 2


def kernel_picture(kernel: NDArray[Any], limit: float, colors: Literal["rgb", "bgr"] | None = None) -> Picture:
    """Draw one kernel.

    Parameters
    ----------
    kernel : (channel, length), (channel, height, width) or (channel, depth, height, width)
        One output channel of a convolution's weight, in the weight's own units.
    limit : float
        The magnitude that is drawn in full color, or at the full height of a curve. Kernels of one sheet can be compared only
        if all have the same limit.
    colors : {"rgb", "bgr"}, optional
        The colors of the three channels. Zero is then middle gray. Default: every channel is drawn by itself.

    Returns
    -------
    (height, width, 3) uint8
        A color picture where `colors` is given, of a kernel over clips one for each frame. Else negative values are blue and
        positive ones red: one plane for each channel, nearly in a square; for a volume one row of slices for each channel. A
        one-dimensional kernel of up to 4 channels is drawn as curves, of more channels as a map of channel by length.

    Raises
    ------
    DataError
        If the kernel has another number of axes or not three planes for `colors`, or if the limit is not above zero.

    See Also
    --------
    curve, planes
    """
    kernel = np.asarray(kernel, dtype=np.float64)
    if not 0 < limit < math.inf:
        raise DataError(
            f"a kernel cannot be drawn up to {limit}; give the largest magnitude of all kernels, or 1 if all are zero"
        )
    if colors is not None:
        if kernel.ndim not in (3, 4) or kernel.shape[0] != 3 or colors not in ("rgb", "bgr"):
            raise DataError(f"a kernel of shape {kernel.shape} has no {colors} colors; (3, height, width) has")
        order = kernel if colors == "rgb" else kernel[::-1]
        if kernel.ndim == 4:
            return _frames([to_rgb(np.moveaxis(frame, 0, 2), -limit, limit) for frame in np.moveaxis(order, 1, 0)])
        return to_rgb(np.moveaxis(order, 0, 2), -limit, limit)
    if kernel.ndim == 2:
        return curve(kernel, limit) if kernel.shape[0] <= _MOST_LINES else diverging(kernel, limit)
    if kernel.ndim == 3 and len(kernel) == 1:
        return diverging(kernel[0], limit)
    if kernel.ndim == 3:
        return planes(kernel, limit, math.ceil(math.sqrt(len(kernel))))
    if kernel.ndim == 4:
        return planes(kernel.reshape(-1, *kernel.shape[2:]), limit, kernel.shape[1])
    raise DataError(f"a kernel of shape {kernel.shape} cannot be drawn; (channel, …) with one to three axes can")


def _frames(pictures: list[Picture]) -> Picture:
    """Return the frames of a kernel side by side, with thin lines between them; every value is a square of 4 by 4 pixels."""
    blocks = [enlarge(picture, _PIXEL) for picture in pictures]
    line = np.empty((len(blocks[0]), _LINE, 3), np.uint8)
    line[:] = ImageColor.getrgb(HAIRLINE)
    return np.concatenate([part for block in blocks for part in (line, block)][1:], axis=1)


def planes(array: NDArray[Any], limit: float, columns: int) -> Picture:
    """Draw planes side by side on one scale from blue through white to red, with thin lines between them.

    Parameters
    ----------
    array : (plane, height, width)
        Slices of a volume, or channels.
    limit : float
        The magnitude that is drawn in full color.
    columns : int
        How many planes stand in a row.

    Returns
    -------
    (height, width, 3) uint8
        Every value is a square of 4 by 4 pixels.

    Raises
    ------
    DataError
        If there are no planes.
    """
    if array.ndim != 3 or not array.size:
        raise DataError(f"an array of shape {array.shape} has no planes; (plane, height, width) has")
    count, height, width = array.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    # The line is thinner than a value, since a wide line would look like the gap between two kernels of a sheet.
    high, wide = height * _PIXEL + _LINE, width * _PIXEL + _LINE
    picture = np.empty((rows * high - _LINE, columns * wide - _LINE, 3), dtype=np.uint8)
    picture[:] = ImageColor.getrgb(HAIRLINE)
    for number, plane in enumerate(array):
        row, column = divmod(number, columns)
        block = enlarge(diverging(plane, limit), _PIXEL)
        picture[row * high : (row + 1) * high - _LINE, column * wide : (column + 1) * wide - _LINE] = block
    return picture


def curve(lines: NDArray[Any], limit: float) -> Picture:
    """Draw short sequences as curves about a line at zero.

    Parameters
    ----------
    lines : (line, length)
        The sequences, each drawn in its own color.
    limit : float
        The magnitude that reaches the upper or the lower edge.

    Returns
    -------
    (300, 480, 3) uint8
        The picture, large enough to be scaled down on a sheet.

    Raises
    ------
    DataError
        If there is no value, or if a value is not finite.
    """
    lines = np.asarray(lines, dtype=np.float64)
    if lines.ndim != 2 or not lines.size or not np.isfinite(lines).all():
        raise DataError(f"an array of shape {lines.shape} has no curves; (line, length) of finite numbers has")
    # Pillow's lines have hard edges, so they are drawn large and scaled down.
    fine = 3
    width, height = _CURVE_SIZE[0] * fine, _CURVE_SIZE[1] * fine
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    pen.line((0, height / 2, width, height / 2), fill=HAIRLINE, width=3 * fine)
    margin = 24 * fine
    places = np.linspace(margin, width - margin, lines.shape[1]) if lines.shape[1] > 1 else np.array([width / 2])
    for number, values in enumerate(lines):
        color = PALETTE[number % len(PALETTE)]
        levels = height / 2 - np.clip(values / limit, -1.05, 1.05) * (height / 2 - margin)
        points = list(zip(places.tolist(), levels.tolist(), strict=True))
        pen.line(points, fill=color, width=6 * fine, joint="curve")
        if lines.shape[1] <= 32:
            radius = 7 * fine
            for x, y in points:
                pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return np.asarray(canvas.reduce(fine))
