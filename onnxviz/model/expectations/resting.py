"""Inputs at rest: the values of inputs that the user does not name, while another input moves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxviz.model.expectations.compared import compared_number
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.integer_inputs import holds_numbers, rounded
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.graph.graph import Graph


def resting_input(model: Graph, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return an input's resting value: the middle of its range, or 0 without a range.

    Conditions are true, masks 1, positions 0, 1, 2, …. A whole number that the graph compares with a constant, such as
    a rate or a mode, is that constant.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    shape : tuple of int
        Shape with the batch.
    """
    info = model.require(name)
    if info.dtype == "bool":
        return np.ones(shape, np.bool_)
    if not info.is_float:
        compared = compared_number(model, name)
        if compared is not None:
            return np.full(shape, compared, np.int64)
        # Only the name tells what whole numbers mean: a mask of zeros would hide every token.
        if "position" in name.lower() and shape:
            counted: np.ndarray = np.broadcast_to(np.arange(shape[-1], dtype=np.int64), shape).copy()
            return counted
        expected = contract(model, name) if holds_numbers(model, info) else None
        if expected is not None and expected.bounded:
            return rounded(np.full(shape, (min(expected.low) + max(expected.high)) / 2), info.dtype)
        return np.full(shape, 1 if "mask" in name.lower() else 0, np.int64)
    expected = contract(model, name)
    middle = np.zeros(shape, np.float32)
    if expected.bounded:
        values = (np.asarray(expected.low) + np.asarray(expected.high)) / 2
        if values.size > 1 and "channel" in expected.axes:
            values = values.reshape([-1 if axis == "channel" else 1 for axis in expected.axes])
        middle = (middle + values).astype(np.float32)
    elif expected.mean and len(expected.mean) in (1, shape[-1] if shape else 1):
        middle = (middle + np.asarray(expected.mean)).astype(np.float32)
    return middle


def rest(
    model: Graph,
    names: list[str],
    held: Mapping[str, np.ndarray],
    dims: Mapping[str, int],
    shapes: Mapping[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """Return values for some inputs: the given values, and resting values for the others."""
    return {
        name: held[name] if name in held else resting_input(model, name, settled_shape(model, name, dims, shapes))
        for name in names
    }
