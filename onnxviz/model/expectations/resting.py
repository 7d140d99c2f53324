"""Inputs at rest: what the inputs that nobody speaks of are held at while another one moves."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from onnxviz.model.expectations.compared import compared_number
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.sample_inputs import settled_shape
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.resized import resized
from onnxviz.model.graph.tensor_info import TensorInfo

_WORKING_SET = 1 << 30
"""Bytes that one batch's activations may take, forward and backward."""

_MOST_AT_ONCE = 512


def resting_input(model: Graph, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return the middle of an input's range, or 0 where it has none; true for conditions, 1 for masks, 0, 1, 2, … for positions.

    A whole number that the graph compares with a constant, as a rate or a mode, is held at that.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    shape : tuple of int
        With the batch.
    """
    info = model.require(name)
    if info.dtype == "bool":
        return np.ones(shape, np.bool_)
    if not info.is_float:
        compared = compared_number(model, name)
        if compared is not None:
            return np.full(shape, compared, np.int64)
        # What whole numbers mean, only their name tells: a mask of zeros would hide every token.
        if "position" in name.lower() and shape:
            counted: np.ndarray = np.broadcast_to(np.arange(shape[-1], dtype=np.int64), shape).copy()
            return counted
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
    """Return values for some inputs: those given, the others at rest."""
    return {
        name: held[name] if name in held else resting_input(model, name, settled_shape(model, name, dims, shapes))
        for name in names
    }


def samples_at_once(model: Graph, tensors: list[str], wrt: list[str], shape: tuple[int, ...]) -> int:
    """Return how many samples fit into the working set, judged by the sizes of the activations that the graph declares.

    Parameters
    ----------
    model : Graph
        The model.
    tensors, wrt : list of str
        What is computed, from what.
    shape : tuple of int
        Of the moving input, with the batch; stands for every size that the graph leaves open.
    """
    # Forward values, gradients, and the copies that convolutions make.
    return max(1, min(_MOST_AT_ONCE, _WORKING_SET // (activation_elements(model, tensors, wrt, shape) * 4 * 3)))


def activation_elements(model: Graph, tensors: list[str], wrt: list[str], shape: tuple[int, ...]) -> int:
    """Return how many numbers the activations of one sample are; the parameters are those of `samples_at_once`."""
    part = model.cut(tensors, wrt)
    moving = [name for name in wrt or part.inputs if name in part.inputs]
    if len(moving) == 1 and len(part.inputs[moving[0]].shape or ()) == len(shape):
        # Sizes that the file leaves open follow from the input's, as a detector's for pictures of any size.
        part = resized(part, moving[0], shape)
    open_size = max(shape[1:], default=1)
    return math.prod(shape[1:]) + sum(elements(part.tensors[name], open_size) for name in part.producers)


def elements(info: TensorInfo, open_size: int) -> int:
    """Return how many numbers one sample of a tensor is; `open_size` stands for sizes that are not known, 0 for an unknown shape."""
    if info.shape is None:
        return 0
    return math.prod(size if isinstance(size, int) else min(open_size, 256) for size in info.shape[1:])
