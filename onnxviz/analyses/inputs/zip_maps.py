"""Targets as a person writes them, replaced by targets on samples: before a ZipMap, and with the samples first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def unzip(listener: Listener, model: Model, objective: Objective) -> Objective:
    """Return the objective; a term on the maps of a ZipMap becomes a term on the tensor before the ZipMap.

    An index of a tensor with steps first becomes an index into the axes after the samples, as `placed` tells.
    """
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.model.tensors.sample_view import placed

    terms = []
    for weight, term in objective.terms:
        other = unzipped(model, term.target) if isinstance(term, Activation) else None
        if other is not None:
            listener.note(f"{term}: ZipMap makes no tensor but maps; using {other}, the tensor before it")
        own = term if other is None else Activation(other)
        targets = [placed(model, target) for target in own.targets]
        terms.append((weight, own.aimed(targets) if targets != list(own.targets) else own))
    return type(objective)(tuple(terms))
