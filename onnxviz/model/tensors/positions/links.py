"""Links: the positions of an axis that a position of another axis reads, for taps, pads, slices and resampling."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from onnxviz.model.tensors.positions.tracks import Line, Link


def taps(
    axis: int, length: int, positions: int, *, kernel: int, stride: int = 1, dilation: int = 1, begin: int = 0
) -> Link:
    """Return the link of the windows of a convolution or pool.

    Parameters
    ----------
    axis, positions : int
        Axis of the output, and number of windows.
    length : int
        Length of the operand's axis.
    kernel, stride, dilation, begin : int
        The window's number of taps, its step, the distance between its taps, and the padding before the axis.
    """
    start = np.arange(positions, dtype=np.int64) * stride - begin
    # Padding is not read: the first and the last tap inside the axis count.
    least = np.maximum(0, -(start // dilation))
    most = np.minimum(kernel - 1, (length - 1 - start) // dilation)
    first, last = start + least * dilation, start + most * dilation
    line = Line(Fraction(stride), Fraction(-begin), Fraction(-begin + (kernel - 1) * dilation))
    return _link(axis, first, np.where(least <= most, last, first - 1), line)


def transposed_taps(
    axis: int, length: int, positions: int, *, kernel: int, stride: int = 1, dilation: int = 1, begin: int = 0
) -> Link:
    """Return the link of a transposed convolution; the parameters are those of `taps`."""
    first = np.full(positions, length, np.int64)
    last = np.full(positions, -1, np.int64)
    source = np.arange(length, dtype=np.int64)
    for tap in range(kernel):
        target = source * stride + tap * dilation - begin
        inside = (target >= 0) & (target < positions)
        first[target[inside]] = np.minimum(first[target[inside]], source[inside])
        last[target[inside]] = np.maximum(last[target[inside]], source[inside])
    line = Line(Fraction(1, stride), Fraction(begin - (kernel - 1) * dilation, stride), Fraction(begin, stride))
    return _link(axis, first, last, line)


def picks(axis: int, source: np.ndarray, line: Line | None = None) -> Link:
    """Return the link of positions that each read one position, or none if `source` is negative."""
    source = np.asarray(source, np.int64)
    return _link(axis, np.maximum(source, 0), np.where(source < 0, -1, source), line)


def blocks(axis: int, positions: int, size: int) -> Link:
    """Return the link of positions that each read a block."""
    start = np.arange(positions, dtype=np.int64) * size
    return _link(axis, start, start + size - 1, Line(Fraction(size), Fraction(0), Fraction(size - 1)))


def shares(axis: int, length: int, size: int) -> Link:
    """Return the link of positions where each `size` neighbors read the same position."""
    middle = Fraction(1 - size, 2 * size)
    return picks(axis, np.arange(length * size) // size, Line(Fraction(1, size), middle, middle))


def padded(axis: int, length: int, before: int, after: int, mode: str) -> Link | None:
    """Return the link of an axis that is padded, or cropped if an amount is negative; None for an unknown mode."""
    places = np.arange(max(-before, 0), length - max(-after, 0))
    amounts = (max(before, 0), max(after, 0))
    line = Line(Fraction(1), Fraction(-before), Fraction(-before))
    if mode == "constant":
        return picks(axis, np.pad(places, amounts, constant_values=-1), line)
    if mode not in ("reflect", "edge", "wrap") or not len(places):
        return None
    return picks(axis, np.pad(places, amounts, mode=mode), line)  # type: ignore[call-overload]  # one of three names


def sliced(axis: int, length: int, start: int, end: int, step: int) -> Link:
    """Return the link of a slice; negative starts and ends count from the end."""
    places = range(*slice(start, end, step).indices(length))
    line = Line(Fraction(places.step), Fraction(places.start), Fraction(places.start))
    return picks(axis, np.array(places, np.int64), line)


def weighted(axis: int, positions: np.ndarray, weights: np.ndarray, stride: Fraction, reach: Fraction) -> Link:
    """Return the link of a resampled axis.

    Parameters
    ----------
    axis : int
        Axis of the output.
    positions, weights : (output, taps) ndarray
        Positions that are read, and their weights; a weight of 0 does not count.
    stride, reach : Fraction
        Length of the operand's axis divided by the output's size, and half of a position's span.
    """
    read = weights != 0
    first = np.where(read, positions, np.iinfo(np.int64).max).min(1)
    last = np.where(read, positions, -1).max(1)
    middle = (stride - 1) / 2
    return _link(axis, first, last, Line(stride, middle - reach, middle + reach))


def _link(axis: int, first: np.ndarray, last: np.ndarray, line: Line | None) -> Link:
    return Link(axis, np.asarray(first, np.int64), np.asarray(last, np.int64), line)
