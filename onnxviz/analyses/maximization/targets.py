"""The targets: read, checked, expanded where they hold a ``*``; and what is climbed in the place of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.float_targets import with_floats
from onnxviz.analyses.listener import Listener
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.graph.tensor_info import TensorInfo
    from onnxviz.model.model import Model


def parse_aims(listener: Listener, model: Model, texts: tuple[str, ...], moving: Moving) -> tuple[Objective, ...]:
    """Return the objectives that texts stand for.

    Raises
    ------
    TargetError
        If a text cannot be read, or the model has no such tensor.
    UsageError
        If a tensor holds no floating-point numbers.
    """
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.tensors.support import reach

    parsed = []
    for text in texts:
        objective = with_floats(listener, model, Objective.parse(text, model.tensors, moving.name))
        for name in moving.in_graph(objective.tensors):
            info = model.require(name, text)
            # The integers of a quantized network carry a gradient.
            if not info.is_float and not (info.is_integer and reach(model, moving.sources)[name].differentiable):
                raise UsageError(f"{text}: {_no_floats(model, info)}")
        parsed.append(objective)
    return tuple(parsed)


def _no_floats(model: Model, info: TensorInfo) -> str:
    """Return what a tensor without floats holds, and the float tensor to aim at in its place."""
    from onnxviz.model.tensors.float_source import float_source

    source = float_source(model, info.name)
    said = f"{info.name} holds {info.dtype}; only floating-point tensors can be maximized"
    if source is None:
        return said
    unit = "[0]" if model.tensors[source.tensor].units else ""
    return f"{said}. {source.operator} makes it from {source.tensor}: aim there, as in {source.tensor}{unit}"


def expand_aims(
    subject: Subject, written: tuple[Objective, ...], seed: int
) -> tuple[tuple[Objective, ...], dict[str, tuple[int, ...]]]:
    """Return the objectives with every index checked and every ``*`` replaced, and the sizes of their tensors.

    Sizes that the graph does not tell are measured by ONNX Runtime. They are those after the batch, 1 where nobody asked for them.
    """
    from onnxviz.model.tensors.sample_view import sample_view
    from onnxviz.target import EACH

    model, moving, shape, wrt = subject.model, subject.moving, subject.shape, subject.name
    sizes: dict[str, tuple[Any, ...]] = {wrt: shape[1:]} if moving.joined or moving.own else {}
    own = shape if moving.own is None else moving.own.fed(np.broadcast_to(0, shape)).shape
    for objective in written:
        for target in objective.targets:
            name = target.tensor
            if name in sizes and None not in sizes[name]:
                continue
            known = model.tensors[name].shape
            needed = EACH in target.index or objective.asks
            if known is None or (needed and not all(isinstance(size, int) for size in known[1:])):
                fed = subject.settled.sized({}, {wrt: own} if wrt in model.inputs else {}).feed(seed)
                known = tuple(np.asarray(model.session([name])(fed)[name]).shape)
            after = sample_view(model, name, len(known)).sizes(known)
            sizes[name] = tuple(size if isinstance(size, int) else None for size in after)
    for objective in written:
        for target in objective.targets:
            target.check(sizes[target.tensor])
    whole = {name: tuple(size or 1 for size in known) for name, known in sizes.items()}
    return tuple(one for objective in written for one in objective.expand(whole)), whole


def is_starred(model: Model, text: str, wrt: str) -> bool:
    """Return whether a text asks for several units by a ``*`` in an index."""
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.target import EACH

    (written,) = with_class_numbers(model, (text,))
    return any(EACH in target.index for target in Objective.parse(written, model.tensors, wrt).targets)


def climbed_aim(model: Model, objective: Objective) -> Objective:
    """Return what is climbed for an objective: its tensors before they are squashed."""
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
