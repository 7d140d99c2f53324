"""Targets as a person writes them, replaced by targets on samples: before a ZipMap or a rounding, and with the samples first."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onnxviz.question import Question

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def with_floats(listener: Listener, model: Model, objective: Objective) -> Objective:
    """Return the objective; a term on maps or on rounded numbers becomes a term on the float tensor before them.

    An index of a tensor with steps first becomes an index into the axes after the samples, as `placed` tells, and each target gets
    the question that fits. An objective that only lowers its targets lowers their means: below 0 a rectifier is silent, so
    there would be nothing to lower.

    Parameters
    ----------
    listener : Listener
        Told of each term that is replaced.
    model : Model
        The model.
    objective : Objective
        The objective. A term whose index would not fit the float tensor stays.
    """
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.model.tensors.float_source import unrounded
    from onnxviz.model.tensors.questions import questioned

    terms, lowers = [], all(weight < 0 for weight, _ in objective.terms)
    for weight, term in objective.terms:
        other = None
        if isinstance(term, Activation):
            other, made = unzipped(model, term.target), "ZipMap makes no tensor but maps"
            info = model.tensors.get(term.target.tensor)  # an unknown name is told later, with names that are close
            if other is None and info is not None:
                other, made = unrounded(model, term.target), f"{info.operator} rounds it to {info.dtype}"
        if other is not None:
            listener.note(f"{term}: {made}; using {other}, the tensor before it")
        own = term if other is None else Activation(other)
        targets = [questioned(model, target) for target in own.targets]
        if lowers:
            targets = [replace(one, fitting=Question.MEAN) if one.question.rectifies else one for one in targets]
        terms.append((weight, own.aimed(targets) if targets != list(own.targets) else own))
    return type(objective)(tuple(terms))
