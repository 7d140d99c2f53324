"""What --target asks for: read, checked, expanded where it holds a ``*``; and what is climbed in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.zip_maps import unzip
from onnxviz.analyses.listener import Listener
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


def parse_aims(listener: Listener, model: Model, texts: tuple[str, ...], moving: Moving) -> tuple[Objective, ...]:
    """Read what --target gives.

    Raises
    ------
    TargetError
        If one cannot be read, or there is no such tensor.
    UsageError
        If one holds no floating-point numbers.
    """
    from onnxviz.methods.objectives.objectives import Objective

    parsed = []
    for text in texts:
        objective = unzip(listener, model, Objective.parse(text, model.tensors, moving.name))
        for name in moving.in_graph(objective.tensors):
            info = model.require(name, text)
            if not info.is_float:
                raise UsageError(f"{text}: {name} holds {info.dtype}; only floating-point tensors can be maximized")
        parsed.append(objective)
    return tuple(parsed)


def expand_aims(
    model: Model,
    written: tuple[Objective, ...],
    moving: Moving,
    shape: tuple[int, ...],
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[tuple[Objective, ...], dict[str, tuple[int, ...]]]:
    """Check every index and replace every ``*``; sizes that the graph does not tell are measured by ONNX Runtime.

    The sizes after the batch are returned as well, 1 where nobody asked for them.
    """
    from onnxviz.model.expectations.sample_inputs import feed
    from onnxviz.target import EACH

    wrt = moving.name
    sizes: dict[str, tuple[Any, ...]] = {wrt: shape[1:]} if moving.joined or moving.whole else {}
    own = shape[1:] if moving.whole else shape
    for objective in written:
        for target in objective.targets:
            name = target.tensor
            if name in sizes and None not in sizes[name]:
                continue
            known = model.tensors[name].shape
            needed = EACH in target.index or objective.asks
            if known is None or (needed and not all(isinstance(size, int) for size in known[1:])):
                fed = feed(model, held, dims, {**shapes, wrt: own} if wrt in model.inputs else shapes, seed)
                known = tuple(np.asarray(model.session([name])(fed)[name]).shape)
            sizes[name] = tuple(size if isinstance(size, int) else None for size in known[1:])
    for objective in written:
        for target in objective.targets:
            target.check(sizes[target.tensor])
    whole = {name: tuple(size or 1 for size in known) for name, known in sizes.items()}
    return tuple(one for objective in written for one in objective.expand(whole)), whole


def climbed_aim(model: Model, objective: Objective) -> Objective:
    """Return what is climbed in an objective's place: what is squashed, before its squashing."""
    from onnxviz.methods.objectives.objectives import Objective as Sum
    from onnxviz.model.tensors.twin import unsquashed

    terms = [
        (
            weight,
            term.aimed([unsquashed(model, target) or target for target in term.targets]) if term.is_value else term,
        )
        for weight, term in objective.terms
    ]
    return Sum(tuple(terms))
