"""The question that fits a target, decided once from the model's axes and operators."""

from __future__ import annotations

from dataclasses import replace

from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.channel_axis import channel_axis
from onnxviz.model.tensors.detector_rows import row_axes
from onnxviz.model.tensors.linear_answers import Linear, linear_answer
from onnxviz.model.tensors.sample_view import placed, sample_view
from onnxviz.question import Question
from onnxviz.target import EACH, Target

_LINEAR = {Linear.FIRST: Question.LOUD, Linear.DEEP: Question.RECTIFIED}


def questioned(model: Graph, target: Target, each: bool = False) -> Target:
    """Return a target as an index into the axes after the samples, with the question that fits.

    Rows of a detector's head: the highest. A convolution before its rectifier: the mean after the rectifier; where the
    convolution reads the model's input, the mean over the loud places, since the mean of what is linear in a picture depends
    on the picture's mean alone. All else: the mean.

    Parameters
    ----------
    model : Graph
        The model.
    target : Target
        The target as a person writes it. A tensor that the model lacks is left to others to refuse.
    each : bool
        Whether the units that the index leaves are looked at one by one, so that the question is about the places of each.
    """
    if target.tensor not in model.tensors:
        return target
    target = placed(model, target)
    shape = model.tensors[target.tensor].shape
    if shape is None:
        return target
    units = channel_axis(model, target.tensor)
    return replace(target, fitting=_fitting(model, target, shape, units, each), units=units)


def _fitting(
    model: Graph, target: Target, shape: tuple[int | str | None, ...], units: int | None, each: bool
) -> Question:
    """Return the question that fits what the index of a target leaves."""
    view = sample_view(model, target.tensor)
    order, sizes = view.order(len(shape)), view.sizes(shape)
    if len(target.index) - (Ellipsis in target.index) > len(sizes):
        return Question.MEAN  # the index does not fit, which is told later
    rows = row_axes(model, target.tensor)
    left = [
        axis
        for axis, entry in enumerate(target.entries(len(sizes)))
        if not (isinstance(entry, int) or entry is EACH or (each and axis == units)) and sizes[axis] != 1
    ]
    if rows and (left or 0 in rows) and all(order[axis] in rows for axis in left):
        return Question.HIGHEST
    if not left:
        return Question.VALUE
    linear = linear_answer(model, target.tensor)
    if linear is not None and any(axis != units for axis in left):
        return _LINEAR[linear]
    return Question.MEAN
