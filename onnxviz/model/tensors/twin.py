"""The tensor before a squashing function: it is maximized in place of a target that saturates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from onnxviz.model.graph.branch_logits import LOGITS, with_branch_logits
from onnxviz.model.graph.graph import AnyGraph, Graph
from onnxviz.question import Question
from onnxviz.target import EACH, Target

_SQUASHING = {"Softmax", "LogSoftmax", "Sigmoid", "HardSigmoid", "Hardmax"}
_TRANSPARENT = {"Identity", "Cast", "Dropout"}


def with_twins(model: AnyGraph) -> AnyGraph:
    """Return a graph in which `unsquashed` also finds the logits of a Softmax or Sigmoid inside the branches of an If."""
    return with_branch_logits(model, _SQUASHING)


def unsquashed(model: Graph, target: Target) -> Target | None:
    """Return the target in the tensor before a Softmax or Sigmoid; None if no such operator makes the target.

    The probability's gradient vanishes if the class is certain; the logit's does not (Simonyan et al. 2014).

    Parameters
    ----------
    model : Graph
        The model; from `with_twins`, where twins inside an If count.
    target : Target
        The target. It must be one number of the tensor, or it would not rise with the twin: its index selects one class, and
        its question one place where places are left. A mean of squashed numbers is no squashed mean.
    """
    single = target.question in (Question.HIGHEST, Question.CENTER)
    picked = [isinstance(entry, int) or entry is EACH for entry in target.index]
    if not (any(picked) if single else picked and all(picked)):
        return None
    name = target.tensor
    for _ in range(8):
        node = model.producers.get(name)
        if node is None or node.domain:
            return None
        if node.op_type in _SQUASHING:
            twin = node.input[0]
            return replace(target, tensor=twin) if model.tensors[twin].is_float else None
        if node.op_type == "If" and f"{name}{LOGITS}" in node.output:
            return replace(target, tensor=f"{name}{LOGITS}")
        if node.op_type not in _TRANSPARENT:
            return None
        name = node.input[0]
    return None


def rival(model: Graph, twin: Target, shape: Sequence[int]) -> Target | None:
    """Return the other class of a Softmax over two; None if there are more, or if the classes are not the last axis.

    None too if the target is the highest of several places, since the other class has its own highest place.

    With two classes the probability depends only on the difference of the logits: a logit may fall while its class
    wins.

    Parameters
    ----------
    model : Graph
        The model.
    twin : Target
        A target in the tensor that the Softmax reads, from `unsquashed`.
    shape : sequence of int
        That tensor's shape, with the batch.
    """
    readers = [node for node in model.nodes if twin.tensor in node.input and node.op_type in ("Softmax", "LogSoftmax")]
    if twin.question is Question.HIGHEST:
        return None
    if len(readers) != 1 or len(twin.index) != len(shape) - 1 or shape[-1] != 2:
        return None
    default = -1 if model.opsets.get("", 1) >= 13 else 1
    axis = next((entry.i for entry in readers[0].attribute if entry.name == "axis"), default)
    picked = twin.index[-1]
    if axis % len(shape) != len(shape) - 1 or not isinstance(picked, int):
        return None
    return replace(twin, index=(*twin.index[:-1], 1 - picked % 2))
