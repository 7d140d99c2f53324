"""Inputs at rest: the values of inputs that the user does not name, while another input moves."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.input_roles import input_roles
from onnxviz.model.expectations.integer_inputs import holds_numbers, rounded
from onnxviz.model.expectations.sample_inputs import filled, sample_texts, settled_shape, told_values
from onnxviz.model.graph.graph import Graph


def resting_input(
    model: Graph,
    name: str,
    shape: tuple[int, ...],
    dims: Mapping[str, int] | None = None,
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> np.ndarray:
    """Return an input's resting value: the middle of its range, or 0 without a range.

    Conditions are true, masks leave everything on, caches are 0, positions are 0, 1, 2, …, and lengths are those of the
    sequence that they count. A whole number that the graph compares with a constant, such as a rate or a mode, is that
    constant. A text is the first that the graph knows.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    shape : tuple of int
        Shape with the batch.
    dims, shapes : mapping, optional
        Sizes that are known for names, and for whole inputs, as in `told_values`.
    """
    info = model.require(name)
    if info.dtype == "string":
        return sample_texts(model, name, shape)
    told = told_values(model, name, shape, dims, shapes)
    if told is not None:
        return told
    role = input_roles(model).get(name)
    if not info.is_float:
        if role is not None and role.name == "position":
            counted: np.ndarray = np.broadcast_to(np.arange(shape[-1], dtype=np.int64), shape).copy()
            return counted
        # A boolean may be a switch, which rests at false.
        expected = contract(model, name) if info.dtype != "bool" and holds_numbers(model, info) else None
        if expected is not None and expected.bounded:
            return rounded(np.full(shape, (min(expected.low) + max(expected.high)) / 2), info.dtype)
        return np.zeros(shape, np.int64)
    if role is not None and role.name == "cache":
        return np.zeros(shape, np.float32)
    expected = contract(model, name)
    middle = np.zeros(shape, np.float32)
    if expected.bounded:
        values = (np.asarray(expected.low) + np.asarray(expected.high)) / 2
        if expected.letters:
            values = np.asarray(1 / len(expected.letters))  # each letter has the same share
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
    """Return values for some inputs: the given values, and resting values for the others.

    A given array without axes fills its input.
    """
    known = filled(model, held, dims, shapes)
    return {
        name: known[name]
        if name in known
        else resting_input(model, name, settled_shape(model, name, dims, shapes), dims, shapes)
        for name in names
    }
