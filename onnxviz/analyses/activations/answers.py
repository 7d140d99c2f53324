"""The answer of a target to one sample: its values, its units by strength, and the row of the document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.question import Question

if TYPE_CHECKING:
    from onnxviz.methods.samples.activity import Activity
    from onnxviz.model.model import Model
    from onnxviz.target import Target


UNIT_AXES = ("unit", "channel", "feature")
"""The axes that count units; the others count positions."""


@dataclass(frozen=True, eq=False)
class Answer:
    """The answer of one target to one sample.

    Attributes
    ----------
    target : str
        The target as text.
    values : ndarray
        The values that the target picks, without the batch.
    axes : tuple of str
        The names of the axes of `values`.
    units : list of Activity
        The units, the strongest first; empty if no axis counts units.
    labels : tuple of str
        The classes' names, if the units are classes.
    question : Question
        What the value and the score of each unit answer.
    value : float or None
        The target's own value; None where the tensor is empty.
    """

    target: str
    values: np.ndarray
    axes: tuple[str, ...]
    units: list[Activity]
    labels: tuple[str, ...] = ()
    question: Question = Question.MEAN
    value: float | None = None

    def unit(self, index: int) -> str:
        """Return the name of a unit."""
        return self.labels[index] if self.labels else str(index)


def answer_of(model: Model, target: Target, values: np.ndarray, labels: Sequence[str]) -> Answer:
    """Return the values that a target picks, with the strength of its units.

    Parameters
    ----------
    model : Model
        The model.
    target : Target
        The target.
    values : ndarray
        The whole tensor, without the batch.
    labels : sequence of str
        The classes' names, if the model tells them.

    Raises
    ------
    TargetError
        If the target does not fit the values.
    """
    from onnxviz.methods.samples.activity import unit_activity
    from onnxviz.model.tensors.tensor_axes import tensor_axes

    target.check(values.shape)
    axes = list(tensor_axes(model, target.tensor, values.ndim))
    names, kept = [], []
    index: list[Any] = list(target.index)
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index[at : at + 1] = [slice(None)] * (values.ndim - len(index) + 1)
    index += [slice(None)] * (values.ndim - len(index))
    for entry, axis in zip(index, axes, strict=True):
        if not isinstance(entry, int):
            names.append(axis)
            kept.append(entry)
    picked = values[tuple(index)]
    # A map of one position is a number: 1000 channels of 1x1 are 1000 classes.
    spare = tuple(place for place, name in enumerate(names) if name not in UNIT_AXES and picked.shape[place] == 1)
    picked = np.squeeze(picked, spare)
    names, kept = ([one for place, one in enumerate(part) if place not in spare] for part in (names, kept))
    # If only a part of the units is picked, a unit's number is not its place, so units are not counted.
    counted = [axis for axis, entry in zip(names, kept, strict=True) if axis in UNIT_AXES and entry == slice(None)]
    units = unit_activity(picked, names.index(counted[0]), target.question) if counted and picked.size else []
    value = float(target.select(np.asarray(values, np.float64)[None])[0]) if picked.size else None
    classes = picked.ndim == 1 and bool(counted) and len(picked) == len(labels)
    return Answer(str(target), picked, tuple(names), units, tuple(labels) if classes else (), target.question, value)


def answer_row(answer: Answer, tensor: str, top: int) -> dict[str, Any]:
    """Return the entry of `activations --json` for an answer: its statistics and its strongest units.

    Parameters
    ----------
    answer : Answer
        The answer.
    tensor : str
        The tensor's name.
    top : int
        The number of strongest units to list.
    """
    picked = np.asarray(answer.values, np.float64)
    size = picked.size
    finite = picked[np.isfinite(picked)]
    return {
        "target": answer.target,
        "tensor": tensor,
        "shape": list(picked.shape),
        "axes": list(answer.axes),
        "question": answer.question.sentence,
        "value": answer.value,
        "min": float(finite.min()) if finite.size else None,
        "max": float(finite.max()) if finite.size else None,
        "std": float(picked.std()) if size else None,
        "zeros": float((picked == 0).mean()) if size else None,
        "not_finite": int(size - finite.size),
        "strongest": [
            {
                "index": one.index,
                "label": answer.labels[one.index] if answer.labels else "",
                "score": one.score,
                "mean": one.mean,
                "spread": one.spread,
                "strength": one.strength,
                "min": one.low,
                "max": one.high,
                "position": list(one.position),
            }
            for one in answer.units[:top]
        ],
        "files": [],
    }
