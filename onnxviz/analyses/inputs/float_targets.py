"""Targets that hold no floating-point numbers, replaced by the float tensor before them: maps of a ZipMap, rounded outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def with_floats(listener: Listener, model: Model, objective: Objective) -> Objective:
    """Return the objective; a term on maps or on rounded numbers becomes a term on the float tensor before them.

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

    terms = []
    for weight, term in objective.terms:
        other = None
        if isinstance(term, Activation):
            other, made = unzipped(model, term.target), "ZipMap makes no tensor but maps"
            info = model.tensors.get(term.target.tensor)  # an unknown name is told later, with names that are close
            if other is None and info is not None:
                other, made = unrounded(model, term.target), f"{info.operator} rounds it to {info.dtype}"
        if other is not None:
            listener.note(f"{term}: {made}; using {other}, the tensor before it")
        terms.append((weight, term if other is None else Activation(other)))
    return type(objective)(tuple(terms))
