"""The kernel of a target that is a unit of a convolution of the model's input."""

from __future__ import annotations

from typing import TYPE_CHECKING

from onnxviz.analyses.kernel_pictures import drawn_kernel, kernel_colors, kernel_letters
from onnxviz.analyses.maximization.pictures import SMALL
from onnxviz.errors import OnnxvizError
from onnxviz.model.tensors.linear_answers import first_convolution
from onnxviz.model.tensors.sample_view import sample_view

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.drawing.pictures import Picture
    from onnxviz.model.model import Model
    from onnxviz.target import Target


def unit_kernel(model: Model, target: Target | None, expected: InputContract) -> Picture | None:
    """Return the kernel of a unit as `filters` draws it, enlarged by whole pixels.

    Parameters
    ----------
    model : Model
        The model.
    target : Target or None
        The target, where it is a single one.
    expected : InputContract
        What the input expects that the convolution reads.

    Returns
    -------
    (height, width, 3) uint8, or None
        None if the target is no unit of a convolution of the input, or if the weights are not constant.
    """
    from onnxviz.drawing.pictures import enlarge
    from onnxviz.model.expectations.first_layer import first_layer

    convolution = None if target is None else first_convolution(model, target.tensor)
    unit = None if target is None else _unit(model, target)
    if convolution is None or unit is None:
        return None
    try:
        found = first_layer(model, weight=convolution)
    except OnnxvizError:  # its weights depend on an input, or its operator has no plain kernels
        return None
    if not -len(found.kernels) <= unit < len(found.kernels):
        return None
    letters = kernel_letters(found, expected)
    picture = drawn_kernel(found, unit, kernel_colors(found, expected), letters)
    return enlarge(picture, max(1, SMALL // max(picture.shape[:2])))


def _unit(model: Model, target: Target) -> int | None:
    """Return the number of the unit that a target aims at; None if it aims at several."""
    shape = model.tensors[target.tensor].shape
    if shape is None or target.units is None:
        return None
    entries = target.entries(len(sample_view(model, target.tensor).sizes(shape)))
    entry = entries[target.units] if target.units < len(entries) else None
    return entry if isinstance(entry, int) else None
