"""From a file that a person has to the array that a model's input takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.errors import DataError
from onnxviz.formats.samples import Sample, read_sample

if TYPE_CHECKING:
    from onnxviz.model.inputs import InputContract


def read_input(path: Path, expected: InputContract, shape: tuple[int, ...]) -> np.ndarray:
    """Return a file's content as one sample for an input.

    Parameters
    ----------
    path : Path
        A picture, an array, a table (its first row counts) or a sound.
    expected : InputContract
        What the input expects.
    shape : tuple of int
        The input's shape, sizes settled, the batch included.

    Returns
    -------
    (1, *shape) ndarray
        In the model's own units.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If it cannot be read, or does not fit the input.
    """
    sample = read_sample(path)
    if sample.kind == "image":
        return _image(sample, expected, shape)
    array = sample.array
    if sample.kind == "table":
        array = array[0]
    if sample.kind == "audio":
        return _signal(array, shape, sample)
    return _array(array, shape, sample)


def _image(sample: Sample, expected: InputContract, shape: tuple[int, ...]) -> np.ndarray:
    from onnxviz.formats.image_inputs import fit_image

    if expected.kind != "image" or expected.color is None:
        raise DataError(
            f"{sample.source}: a picture does not fit {expected.name}, which takes {expected.kind} {expected.layout}; give a .npy file"
        )
    low, high, mean, std = image_units(expected)
    sizes = list(shape)
    for axis, size in zip(("height", "width"), sample.array.shape[:2], strict=True):
        place = 1 + expected.axes.index(axis)
        # An input of any size takes the picture at its own.
        if not isinstance(expected.shape[place], int):
            sizes[place] = size
    return fit_image(sample, (1, *sizes[1:]), expected.layout.lower(), expected.color, low, high, mean, std)  # type: ignore[arg-type]  # as in drawing


def image_units(expected: InputContract) -> tuple[float, float, tuple[float, ...] | float, tuple[float, ...] | float]:
    """Return (low, high, mean, std) as the picture functions take them, from a range that may differ between channels."""
    low, high = np.asarray(expected.low or (0.0,)), np.asarray(expected.high or (1.0,))
    if low.size == 1:
        return float(low[0]), float(high[0]), 0.0, 1.0
    # (u - mean) / std runs from low to high while u runs from 0 to 1.
    std = 1.0 / (high - low)
    return 0.0, 1.0, tuple(float(x) for x in -low * std), tuple(float(x) for x in std)


def _signal(array: np.ndarray, shape: tuple[int, ...], sample: Sample) -> np.ndarray:
    """Take as much of a sound as the input holds; a shorter one is followed by silence."""
    wanted = shape[1:]
    channels, length = (1, wanted[0]) if len(wanted) == 1 else (wanted[0], wanted[1]) if len(wanted) == 2 else (0, 0)
    if not channels:
        raise DataError(f"{sample.source}: a sound does not fit an input of shape {_sizes(shape)}; give a .npy file")
    if array.shape[0] != channels:
        array = np.repeat(array.mean(0, keepdims=True), channels, axis=0)
    fitted = np.zeros((channels, length), np.float32)
    used = min(length, array.shape[1])
    fitted[:, :used] = array[:, :used]
    return fitted.reshape(1, *wanted)


def _array(array: np.ndarray, shape: tuple[int, ...], sample: Sample) -> np.ndarray:
    wanted = shape[1:]
    if array.ndim == len(shape) and array.shape[1:] == wanted:
        return array[:1]
    if array.shape == wanted or array.size == int(np.prod(wanted)):
        return array.reshape(1, *wanted)
    raise DataError(
        f"{sample.source}: its shape {_sizes(array.shape)} does not fit the input, which takes {_sizes(wanted)} for each sample"
    )


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "one number"
