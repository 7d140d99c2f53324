"""How large activations are: from folding where that settles every size, else from one run that hands out shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from onnx import GraphProto, NodeProto
from onnx.helper import make_node, make_tensor_value_info

from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.resting import rest
from onnxviz.model.expectations.sample_inputs import random_input, settled_shape
from onnxviz.model.graph import structure
from onnxviz.model.graph.folding import folded
from onnxviz.model.graph.tensor_info import TensorInfo
from onnxviz.model.model import Model
from onnxviz.model.staged_session import session_of
from onnxviz.model.tensors.data_choices import chooses_by_data
from onnxviz.model.tensors.data_sizes import tensors_of_data_size

_WORKING_SET = 1 << 30
"""Bytes that one batch's activations may take, forward and backward."""

_MOST_AT_ONCE = 512

_TOLD_APART = 64
"""Elements up to which the values of a held input are looked at: on a rate or a switch sizes may depend."""

_GUESSED = 256
"""The most that an open size counts for where nothing settles it."""

_KEPT = 16
"""Measurements of one model that are kept."""


def samples_at_once(
    model: Model,
    tensors: Sequence[str],
    wrt: Sequence[str],
    shape: tuple[int, ...],
    others: Mapping[str, np.ndarray] | None = None,
) -> int:
    """Return how many samples may run at once; the parameters are those of `activation_elements`.

    They must fit into the working set. Where the size of a tensor depends on the values of a sample, each runs alone: in a batch,
    short samples would be padded to the longest one. So does each where an If chooses its branch by the values.
    """
    cut = model.cut(tensors, wrt)
    moving = [name for name in cut.inputs if name in wrt or name not in (others or {})]
    if chooses_by_data(cut, moving) or not tensors_of_data_size(model, moving).isdisjoint(tensors):
        return 1
    # Forward values, gradients, and the copies that convolutions make.
    elements = activation_elements(model, tensors, wrt, shape, others)
    return max(1, min(_MOST_AT_ONCE, _WORKING_SET // (elements * 4 * 3)))


def activation_elements(
    model: Model,
    tensors: Sequence[str],
    wrt: Sequence[str],
    shape: tuple[int, ...],
    others: Mapping[str, np.ndarray] | None = None,
) -> int:
    """Return how many numbers the activations of one sample are, its own numbers among them.

    Parameters
    ----------
    model : Model
        The model. It runs once where folding leaves a size open; where ONNX Runtime refuses that run, open sizes count as the
        largest of `shape`, and as 256 at most.
    tensors : sequence of str
        What is computed.
    wrt : sequence of str
        Tensors that are fed instead of computed; none where the model's inputs are.
    shape : tuple of int
        Of the moving tensor, with its batch: the one of `wrt`, or the input that `others` lacks. Where several move, it is that
        of those it fits.
    others : mapping of str to ndarray, optional
        Values of inputs that do not move; by default they are at rest.
    """
    return _measured(model, tensors, wrt, shape, others).up_to(tensors)


def operator_count(
    model: Model,
    tensors: Sequence[str],
    wrt: Sequence[str],
    shape: tuple[int, ...],
    others: Mapping[str, np.ndarray] | None = None,
) -> int:
    """Return how many operators compute some tensors once the sizes are settled; the parameters are those of `activation_elements`."""
    return len(_measured(model, tensors, wrt, shape, others).nodes(tensors))


def elements_of_each(
    model: Model, tensors: Sequence[str], shape: tuple[int, ...], others: Mapping[str, np.ndarray] | None = None
) -> dict[str, int]:
    """Return how many numbers the activations up to each of some tensors are, measured together; as `activation_elements`."""
    measured = _measured(model, tensors, (), shape, others)
    return {name: measured.up_to([name]) for name in tensors}


def tensor_elements(model: Model, tensors: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how many numbers some tensors are for one set of inputs, all samples of it together.

    Parameters
    ----------
    model : Model
        The model; it may run, as `activation_elements` says.
    tensors : sequence of str
        What is asked for.
    inputs : mapping of str to ndarray
        Values for all inputs.
    """
    values = {name: np.asarray(value) for name, value in inputs.items()}
    batch = max((value.shape[0] for value in values.values() if value.ndim), default=1)
    measured = _taken(model, tensors, _Fed((), {}, values, batch))
    return {name: measured.elements(name) for name in tensors}


@dataclass(frozen=True)
class _Fed:
    """What a cut of a model is measured with.

    Attributes
    ----------
    wrt : tuple of str
        Tensors that are fed instead of computed.
    moving : dict of str to tuple of int
        The shapes of what moves.
    held : dict of str to ndarray
        The values of what does not.
    batch : int
        How many samples that is.
    """

    wrt: tuple[str, ...]
    moving: dict[str, tuple[int, ...]]
    held: dict[str, np.ndarray]
    batch: int

    @property
    def key(self) -> Any:
        """What tells two of them apart."""
        values = [
            (name, value.shape, value.tobytes() if value.size <= _TOLD_APART else b"")
            for name, value in sorted(self.held.items())
        ]
        return self.wrt, tuple(sorted(self.moving.items())), tuple(values), self.batch


@dataclass
class _Measured:
    """The sizes of one cut of a model.

    Attributes
    ----------
    graph : Model
        The cut, folded.
    covered : frozenset of str
        The tensors that it was cut for.
    fed : _Fed
        What it was measured with.
    activations : frozenset of str
        The tensors that count.
    shapes : dict of str to tuple of int
        Of what is known.
    """

    graph: Model
    covered: frozenset[str]
    fed: _Fed
    activations: frozenset[str]
    shapes: dict[str, tuple[int, ...]]

    def nodes(self, tensors: Sequence[str]) -> list[NodeProto]:
        """Return the nodes that compute some tensors."""
        positions, _ = structure.ancestors(self.graph.nodes, tensors, self.fed.wrt)
        return [self.graph.nodes[position] for position in positions]

    def up_to(self, tensors: Sequence[str]) -> int:
        """Return how many numbers of one sample are computed for some tensors."""
        nodes = self.nodes(tensors)
        read = {name for node in nodes for name in structure.read_by(node)} | set(tensors)
        # What nothing reads is not kept: the mask of a Dropout, say.
        made = {name for node in nodes for name in node.output if name in self.activations and name in read}
        count = sum(map(self.elements, made)) + sum(
            math.prod(self.fed.moving[name]) for name in read & self.fed.moving.keys()
        )
        return max(1, math.ceil(count / self.fed.batch))

    def elements(self, name: str) -> int:
        """Return how many numbers a tensor is, all samples together."""
        if name in self.shapes:
            return math.prod(self.shapes[name])
        shape = self.graph.require(name).shape
        if shape is None:
            return 0
        fed = [*self.fed.moving.values(), *(value.shape for value in self.fed.held.values())]
        largest = max((size for one in fed for size in one[1:]), default=1)
        return self.fed.batch * math.prod(
            size if isinstance(size, int) else min(largest, _GUESSED) for size in shape[1:]
        )


_MEASURED: WeakKeyDictionary[Model, dict[Any, _Measured]] = WeakKeyDictionary()


def _measured(
    model: Model,
    tensors: Sequence[str],
    wrt: Sequence[str],
    shape: tuple[int, ...],
    others: Mapping[str, np.ndarray] | None,
) -> _Measured:
    """Return the sizes of a cut of a model for a moving tensor of some shape."""
    inputs = model.cut(tensors, wrt).inputs
    held = {name: np.asarray(value) for name, value in (others or {}).items() if name in inputs and name not in wrt}
    names = [name for name in wrt or inputs if name in inputs and name not in held]
    whole = len(names) == 1 and len(inputs[names[0]].shape or shape) == len(shape) - 1
    moving = {name: shape[1:] if whole else _own_shape(model, inputs[name], shape, len(names) == 1) for name in names}
    named = {
        str(said): size
        for name, sizes in moving.items()
        for said, size in zip(inputs[name].shape or (), sizes, strict=False)
        if isinstance(said, str)
    }
    resting = [name for name in inputs if name not in moving and name not in held]
    batch = 1 if whole else max((sizes[0] for sizes in moving.values() if sizes), default=1)
    return _taken(
        model, tensors, _Fed(tuple(wrt), moving, {**held, **rest(model, resting, {}, named, {})}, max(1, batch))
    )


def _own_shape(model: Model, info: TensorInfo, shape: tuple[int, ...], alone: bool) -> tuple[int, ...]:
    """Return the shape that a moving tensor is measured at: the one that is told where it fits."""
    declared = info.shape
    if declared is None:
        return shape
    fits = len(declared) == len(shape) and (
        alone
        or all(not isinstance(size, int) or size == told for size, told in zip(declared[1:], shape[1:], strict=True))
    )
    if not fits:
        return settled_shape(model, info.name, {}, {})
    # A batch that the file fixes is fed whole, whatever one sample of it is.
    return (declared[0], *shape[1:]) if declared and isinstance(declared[0], int) else shape


def _taken(model: Model, tensors: Sequence[str], fed: _Fed) -> _Measured:
    """Return the measurement for some values, an earlier one if it covers the tensors."""
    kept, key = _MEASURED.setdefault(model, {}), fed.key
    before = kept.get(key)
    if before is None or not before.covered.issuperset(tensors):
        if before is None and len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        every = frozenset(tensors) | (before.covered if before is not None else frozenset())
        kept[key] = _measure(model, sorted(every), fed)
    return kept[key]


def _measure(model: Model, tensors: Sequence[str], fed: _Fed) -> _Measured:
    part = model.cut(tensors, fed.wrt)
    sizes = {name: value.shape for name, value in fed.held.items()}
    # Rates, lengths and switches settle sizes and branches; what follows from a held picture is computed all the same.
    told = {
        name: value for name, value in fed.held.items() if value.size <= (1 if value.dtype.kind == "f" else _TOLD_APART)
    }
    graph = folded(part, {**sizes, **fed.moving}, told)
    activations = _activations(graph)
    shapes = _settled(graph, [*graph.producers, *tensors])
    if not shapes.keys() >= set(activations):
        for one in (graph, part):
            try:
                shapes |= _run(model, one, fed)
                break
            except OnnxvizError:
                continue  # what is folded may not run where the file's own graph does, or neither
    return _Measured(graph, frozenset(tensors), fed, frozenset(activations), shapes)


def _settled(graph: Model, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that folding has found."""
    found = {}
    for name in names:
        info = graph.require(name)
        if info.container == "tensor" and info.shape is not None and all(isinstance(size, int) for size in info.shape):
            found[name] = tuple(int(size) for size in info.shape if size is not None)
    return found


def _activations(graph: Model) -> list[str]:
    """Return the tensors whose values depend on what is fed, and not on its size alone."""
    reached = set(graph.inputs)
    made = []
    for node in graph.nodes:
        if node.op_type in ("Shape", "Size") and not node.domain:
            continue
        if not reached.isdisjoint(structure.read_by(node)):
            names = [name for name in node.output if name and graph.tensors[name].container == "tensor"]
            reached.update(name for name in node.output if name)
            made += names
    return made


def _run(model: Model, graph: Model, fed: _Fed) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all activations by one run of ONNX Runtime, which hands out nothing else.

    Raises
    ------
    UsageError
        If it cannot be told what an input takes.
    EvaluationError
        If ONNX Runtime refuses the graph or the values.
    """
    names = _activations(graph)
    values = {name: random_input(model, name, shape) for name, shape in fed.moving.items()}
    shown = GraphProto()
    shown.CopyFrom(graph.graph)
    del shown.output[:]
    for place, name in enumerate(names):
        shown.node.append(make_node("Shape", [name], [f"{name}\0{place}"]))
        shown.output.append(make_tensor_value_info(f"{name}\0{place}", 7, None))
    told = [value.name for value in shown.output]
    every = Model(
        graph.source, shown, graph.opsets, graph.constants, graph.original, whole=False, classes=graph.classes
    )
    found = session_of(every, told)({**fed.held, **values})
    return {name: tuple(found[one].tolist()) for name, one in zip(names, told, strict=True)}
