"""The probability that the model gives to a class at the input that was found, by ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from onnxviz.methods.evidence.verdict import ClassProbability

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.objectives.objectives import Objective

_SUM = 0.01
"""Probabilities sum to 1 but for this much, which float16 needs."""


def class_probability(
    search: Search, objective: Objective, array: np.ndarray, start: np.ndarray
) -> ClassProbability | None:
    """Return the probability of the class that a target is; None where the target is no class.

    A target is a class where its tensor, or the Softmax behind it, reaches an output of the model, and holds numbers that are not
    negative and sum to 1 over the classes: at the input that was found and at the start. How the model computes them does not
    matter: a Softmax, trees, or a mean of several networks.

    Parameters
    ----------
    search : Search
        What was climbed.
    objective : Objective
        The target.
    array, start : (*shape) ndarray
        The input that was found, and the start; of tokens their ids.
    """
    from onnxviz.model.graph.zipped import class_labels
    from onnxviz.model.tensors.probabilities import is_sigmoid, probability_tensor

    target = objective.target
    if target is None or not target.index or not all(isinstance(entry, int) for entry in target.index):
        return None
    if target.tensor == search.wrt or target.tensor not in search.model.tensors:
        return None
    name = probability_tensor(search.model, target.tensor)
    if not name or not search.model.tensors[name].is_float:
        return None
    index = tuple(entry for entry in target.index if isinstance(entry, int))
    values = [_values(search, name, one) for one in (array, start)]
    found = values[0]
    if found is None or found.ndim < len(index) or found[index].size != 1:
        return None
    for axis in reversed(range(len(index))):
        rows = [None if one is None else _distribution(one, index, axis) for one in values]
        row = rows[0]
        if row is None or any(one is None for one in rows):
            continue
        own, best = index[axis] % len(row), int(row.argmax())
        labels = class_labels(search.model, target.tensor)
        named = f"class {best}" + (f" ({labels[best]})" if len(labels) == len(row) else "")
        wins = row[own] >= row[best]
        return ClassProbability(float(row[own]), "" if wins else named, 0.0 if wins else float(row[best]))
    # Each number of a flat output is a class of its own; a map of numbers may be a picture.
    if found.ndim == 1 and is_sigmoid(search.model, name):
        return ClassProbability(float(found[index].reshape(())))
    return None


def _values(search: Search, name: str, array: np.ndarray) -> np.ndarray | None:
    """Return a tensor at one input, without the batch; None where one input gives several rows."""
    fed = {**search.held, **search.moving.fed(np.repeat(array[None], search.copies, axis=0))}
    values = np.asarray(search.session([name])(fed)[name])
    return values[0].astype(np.float64) if values.ndim and len(values) == search.copies else None


def _distribution(values: np.ndarray, index: tuple[int, ...], axis: int) -> np.ndarray | None:
    """Return the probabilities along one of the indexed axes, of logarithms their exponentials; None where they are none."""
    if values.ndim <= axis or values.shape[axis] < 2:
        return None
    along: list[int | slice] = [*index]
    along[axis] = slice(None)
    row = values[tuple(along)].reshape(-1)
    for one in (row, np.exp(np.minimum(row, 0.0)) if (row <= _SUM).all() else row):
        if len(one) == values.shape[axis] and (one >= -_SUM).all() and abs(float(one.sum()) - 1) <= _SUM:
            return np.asarray(one)
    return None
