"""How a first layer's kernels are looked at: the input that they see, its colors, and the scale that each is drawn in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture
    from onnxviz.model.expectations.first_layer import FirstLayer

Colors = Literal["rgb", "bgr", "gray"]

_FAINT = 0.02
"""A kernel is drawn in its own scale, but not larger than this share of the strongest: what is nearly nothing looks so."""


def kernel_scale(found: FirstLayer, index: int) -> float:
    """Return the magnitude that a kernel is drawn in full color at."""
    largest = float(np.abs(found.kernels).max(initial=0.0)) or 1.0
    return max(float(np.abs(found.kernels[index]).max(initial=0.0)), _FAINT * largest)


def drawn_kernel(found: FirstLayer, index: int, colors: Colors | None, letters: str = "") -> Picture:
    """Draw one kernel of a convolution in its own scale.

    Parameters
    ----------
    found : FirstLayer
        The kernels.
    index : int
        The filter.
    colors : {"rgb", "bgr", "gray"} or None
        What the channels of kernels are, as `kernel_colors` returns it.
    letters : str
        The letters that the kernels read, as `kernel_letters` returns them; "" for other inputs.
    """
    from onnxviz.drawing.kernels import kernel_picture

    kernel = found.kernels[index]
    if letters:
        return motif_picture(lettered(kernel, len(letters)), letters)
    return kernel_picture(kernel, kernel_scale(found, index), colors if colors in ("rgb", "bgr") else None)


def seen_by(model: Any, found: FirstLayer) -> str | None:
    """Return the input that the layer reads, if it is the first on the way from one."""
    from onnxviz.errors import OnnxvizError
    from onnxviz.model.expectations.first_layer import first_layer

    for name in model.inputs:
        try:
            if first_layer(model, name).weight == found.weight:
                return str(name)
        except OnnxvizError:
            continue
    return None


def kernel_colors(found: FirstLayer, expected: InputContract | None) -> Colors | None:
    """Return what the channels of kernels are as colors: "rgb", "bgr", "gray", or None where they are none."""
    planes = 5 if expected is not None and expected.kind == "clip" and found.kernels.ndim == 5 else 4
    if expected is None or found.kernels.ndim != planes or found.groups > 1:
        return None
    if found.kernels.shape[1] == 3 and expected.color in ("rgb", "bgr"):
        return "rgb" if expected.color == "rgb" else "bgr"
    return "gray" if found.kernels.shape[1] == 1 and expected.color == "gray" else None


def matrix_picture(model: Any, found: FirstLayer, title: str = "", subtitle: str = "") -> Picture:
    """Draw a matrix as a heat map, a row for each unit; features with names stand as rows, where a name is read."""
    from onnxviz.drawing.heat_map import Plane, heat_map
    from onnxviz.model.graph.labels import feature_names

    units, features = found.kernels.shape
    names = feature_names(model.original)
    plane = Plane(found.kernels, "unit", "feature", scale="diverging", label="weight")
    if len(names) == features and features <= 40 < 10 * units:
        plane = replace(plane, values=found.kernels.T, rows="feature", columns="unit", row_names=names)
    return heat_map(plane, title, subtitle)


def kernel_letters(found: FirstLayer, expected: InputContract | None) -> str:
    """Return the letters that kernels read, in the order of their axis; "" if they read no one-hot letters."""
    known = "" if expected is None else expected.letters
    sizes = [size for size in found.kernels.shape[1:] if size > 1]
    return known if len(known) in sizes and len(sizes) <= 2 and found.groups == 1 else ""


def motif_picture(weights: np.ndarray, letters: str) -> Picture:
    """Draw a kernel over one-hot letters as a logo.

    Only differences between letters tell: one of them is always there, so the mean of a position acts as a bias.

    Parameters
    ----------
    weights : (position, letter) ndarray
        The weights.
    letters : str
        The letters, in the order of their axis.
    """
    from onnxviz.drawing.sequence_logo import logo_tile

    return logo_tile(weights - weights.mean(axis=1, keepdims=True), letters)


_WEAK = 0.25
"""A position of a motif counts if its weights differ by at least this share of the largest difference in the kernel."""


def lettered(kernel: np.ndarray, count: int) -> np.ndarray:
    """Return a kernel over one-hot letters as (position, letter).

    Parameters
    ----------
    kernel : (channel, *spatial) ndarray
        The kernel. One of its axes has an entry for each letter, one for each position; all others have size 1.
    count : int
        The number of letters.
    """
    axis = next(place for place, size in enumerate(kernel.shape) if size == count)
    return np.moveaxis(kernel, axis, -1).reshape(-1, count)


def consensus(weights: np.ndarray, letters: str) -> str:
    """Return the letter of the largest weight at each position, "." at positions where all letters weigh about the same.

    Parameters
    ----------
    weights : (position, letter) ndarray
        The weights.
    letters : str
        The letters, in the order of their axis.

    Examples
    --------
    >>> consensus(np.array([[1.0, 0, 0, 0], [0, 0, 0, 0.1], [0, 0, 2, 0]]), "ACGT")
    'A.G'
    """
    spread = weights.max(axis=1) - weights.min(axis=1)
    least = _WEAK * float(spread.max(initial=0.0))
    return "".join(
        letters[int(row.argmax())] if own > 0 and own >= least else "."
        for row, own in zip(weights, spread, strict=True)
    )
