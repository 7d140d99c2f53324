"""The optimizer: one that climbs by gradients, or CMA-ES where an operator stops the gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from onnxviz.analyses.listener import Listener
from onnxviz.errors import DifferentiationError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model

OptimizerName = Literal["adam", "nadam", "lbfgs", "cma"]


def stops(
    model: Model, objectives: tuple[Objective, ...], moving: Moving, straight_through: bool = False
) -> tuple[str, ...]:
    """Return for each objective the reason why no gradient reaches the moving tensor; "" where a gradient does.

    Raises
    ------
    DifferentiationError
        If an objective does not depend on the moving tensor at all.
    """
    from onnxviz.model.graph.structure import read_by
    from onnxviz.model.tensors.support import reach

    wrt, sources = moving.name, set(moving.sources)
    joined = moving.joined
    discrete = "" if joined is None or joined.smooth else f"{joined.discrete} holds texts or whole numbers"
    reached = reach(model, moving.sources, straight_through=straight_through)
    found = []
    for objective in objectives:
        tensors = moving.in_graph(objective.tensors)
        nodes = model.cut(tensors, moving.sources).nodes
        reads = wrt in objective.tensors or not sources.isdisjoint(tensors)
        if not reads and not moving.stops and not model.cut(tensors).inputs:
            raise DifferentiationError(
                f"{objective}: constant, as it depends on no input of {model.name}; it was not maximized; aim at another tensor"
            )
        if not reads and all(sources.isdisjoint(read_by(node)) for node in nodes):
            raise DifferentiationError(
                f"{objective}: no gradient reaches {wrt}: nothing connects them; move another tensor with `wrt`, or aim at another"
            )
        # That the tensor reaches itself says nothing of those beside it.
        states = [reached[name] for name in tensors if name not in sources] or [
            reached[name] for name in moving.sources
        ]
        blocked = [state for state in states if not state.converted]
        if not blocked and not any(state.differentiable for state in states):
            blocked = states
        told = sorted((state for state in blocked if state.reason), key=lambda state: not state.stopped)
        found.append(discrete or (told[0].reason if told else ""))
    return tuple(found)


def choose_optimizer(
    listener: Listener,
    asked: str | None,
    objectives: tuple[Objective, ...],
    stopped: tuple[str, ...],
    wrt: str,
) -> OptimizerName:
    """Return the optimizer of the request; by default adam, or cma (with a note) where no gradient reaches the tensor.

    Raises
    ------
    DifferentiationError
        If the request wants an optimizer with gradients and no gradient reaches the tensor.
    """
    place = next((place for place, reason in enumerate(stopped) if reason), None)
    if asked == "cma" or place is None:
        return cast("OptimizerName", asked or "adam")
    said = f"{objectives[place]}: no gradient reaches {wrt}: {stopped[place]}"
    if asked is not None:
        raise DifferentiationError(f"{said}; `optimizer` cma searches without gradients")
    others = " (all targets are)" if len(objectives) > 1 else ""
    listener.note(f"{said}; searched without gradients instead, by CMA-ES over ONNX Runtime{others}")
    return "cma"
