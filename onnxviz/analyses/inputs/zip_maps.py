"""Targets on the maps of a ZipMap, replaced by the tensor of scores before it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def unzip(listener: Listener, model: Model, objective: Objective) -> Objective:
    """Return the objective; a term on the maps of a ZipMap becomes a term on the tensor before the ZipMap."""
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.model.graph.zipped import unzipped

    terms = []
    for weight, term in objective.terms:
        other = unzipped(model, term.target) if isinstance(term, Activation) else None
        if other is not None:
            listener.note(f"{term}: ZipMap makes no tensor but maps; using {other}, the tensor before it")
        terms.append((weight, term if other is None else Activation(other)))
    return type(objective)(tuple(terms))
