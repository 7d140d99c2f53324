"""The tensor before a squashing function: where a target saturates, it is the one to climb."""

from __future__ import annotations

from onnxviz.model.graph import Model
from onnxviz.model.target import EACH, Target

_SQUASHING = {"Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid", "Hardmax"}
_TRANSPARENT = {"Identity", "Cast", "Dropout"}


def unsquashed(model: Model, target: Target) -> Target | None:
    """Return the same place in the tensor before a Softmax or Sigmoid; None where the target is no output of one.

    The probability's gradient vanishes where the class is certain; the logit's does not (Simonyan et al. 2014).

    Parameters
    ----------
    model : Model
        The model.
    target : Target
        What is aimed at; its index must pick one class, or it would not rise with the twin.
    """
    if not target.index or not all(isinstance(entry, int) or entry is EACH for entry in target.index):
        return None
    name = target.tensor
    for _ in range(8):
        node = model.producers.get(name)
        if node is None or node.domain:
            return None
        if node.op_type in _SQUASHING:
            twin = node.input[0]
            return Target(twin, target.index) if model.tensors[twin].is_float else None
        if node.op_type not in _TRANSPARENT:
            return None
        name = node.input[0]
    return None
