"""Folding of a graph for known sizes: values that follow from them become constants, and unused nodes are removed."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, SparseTensorProto, TensorProto, TypeProto

from onnxviz.errors import ModelError, OnnxvizError
from onnxviz.model.graph import structure
from onnxviz.model.graph.constants import Weight, declare, hoist, read_array, to_proto
from onnxviz.model.graph.graph import AnyGraph, Graph
from onnxviz.model.graph.inferred_sizes import Sizes, built_shape, joined, padded_shape, reshaped, sizes_in, typed
from onnxviz.model.graph.known_values import Known, computable, compute, sizes_of
from onnxviz.model.graph.size_operators import MOST_ELEMENTS
from onnxviz.model.graph.type_inference import infer_graph, infer_node

_ROOM = 1 << 20
"""Most bytes of all larger values together that one folding computes."""

_SMALL = 256
"""Most bytes of a value that is not counted: a shape, an index, an axis. A file with many of them is large itself."""

_FEW = 1024
"""Most elements of a floating-point value that folding computes from stored constants alone."""

_KEPT = 8
"""Most foldings of one graph that are kept."""

_SIZES = ("Shape", "Size")

_TOLD = {"Reshape": (5, 1), "Expand": (8, 1), "ConstantOfShape": (9, 0), "Pad": (11, 1)}
"""Operators with an input that gives their output's sizes -> (first opset version, position of the input)."""

_FOLDED: WeakKeyDictionary[Graph, dict[Any, Graph | None]] = WeakKeyDictionary()


def folded(
    model: AnyGraph,
    shapes: Mapping[str, Sequence[int | str | None]] | None = None,
    held: Mapping[str, np.ndarray] | None = None,
) -> AnyGraph:
    """Return a graph in which all values that follow from the inputs' sizes and from held values are constant.

    Such values are the shape of a tensor whose sizes are known, and values computed from it: paddings, targets of a
    Reshape, ranges. An If whose condition is known is replaced by its branch; other bodies stay as they are. The
    remaining tensors keep their names. Floating-point values that follow from stored weights alone are not folded: a
    network computes them once (`engine.passes`), and only numpy runs here.

    Parameters
    ----------
    model : Graph
        The graph; not changed.
    shapes : mapping of str to sequence of (int, str or None), optional
        Sizes of inputs, if they differ from the file's; None or a name for a size that stays open.
    held : mapping of str to ndarray, optional
        Values of inputs that do not change. They stay inputs.

    Returns
    -------
    Graph
        The folded graph. Its sizes are inferred again; open sizes have only the file's own names. It does not count as
        a whole model. If there is nothing to fold, the same graph. The same sizes and values return the same object.
    """
    values = {name: np.asarray(value) for name, value in (held or {}).items() if name in model.inputs}
    known = {
        name: value for name, value in values.items() if value.size <= MOST_ELEMENTS and value.dtype.kind in "biuf"
    }
    asked = {**{name: value.shape for name, value in values.items()}, **(shapes or {})}
    sizes = {
        name: tuple(shape)
        for name, shape in asked.items()
        if name in model.inputs and tuple(shape) != model.inputs[name].shape
    }
    if not sizes and not known and not _may_fold(model):
        return model
    key = (
        tuple(sorted(sizes.items(), key=str)),
        tuple((name, value.dtype.str, value.tobytes()) for name, value in sorted(known.items())),
    )
    kept = _FOLDED.setdefault(model, {})
    if key not in kept:
        if len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        made = _Folding(model, sizes, known).graph()
        kept[key] = None if made is model else made
    found = kept[key]
    return model if found is None else found  # type: ignore[return-value]  # made from this graph


def computes_sizes(model: Graph) -> bool:
    """Return whether a graph computes anything from the sizes of its tensors."""
    return any(node.op_type in _SIZES and not node.domain for node in model.nodes)


def _may_fold(model: Graph) -> bool:
    """Return whether folding could find anything at the file's own sizes; other graphs are spared its cost."""
    names = _declared_names(model)
    return (
        computes_sizes(model)
        or any(all(name in model.constants for name in node.input) for node in model.nodes)
        or (
            any(node.op_type in _TOLD and not node.domain for node in model.nodes)
            and any(
                size not in names
                for info in model.tensors.values()
                for size in info.shape or ()
                if not isinstance(size, int)
            )
        )
    )


def _declared_names(model: Graph) -> set[str | None]:
    values = (*model.graph.input, *model.graph.output, *model.graph.value_info)
    return {dim.dim_param for value in values for dim in value.type.tensor_type.shape.dim if dim.dim_param}


class _Folding:
    """One folding: a walk through a graph's nodes."""

    def __init__(self, model: Graph, shapes: Mapping[str, Sizes], held: Mapping[str, np.ndarray]) -> None:
        self.model = model
        self.shapes = shapes
        self.opsets = model.opsets
        self.constants: dict[str, Weight] = dict(model.constants)
        self.open: dict[str, str | None] = {}
        self.inputs = [self._input(value) for value in model.graph.input]
        self.own = {name: name for name in self.open}
        self.types = self._inferred()
        self.loose = {name for name, kind in self.types.items() if not self._is_settled(kind)}
        typed_values = {name: self._as_declared(name, value) for name, value in held.items()}
        self.values = {name: Known(value) for name, value in typed_values.items() if value.dtype.kind in "biuf"}
        self.derived = set(self.values)
        self.changed: set[str] = set()
        self.nodes: list[NodeProto] = []
        self.settled: dict[str, np.ndarray] = {}
        self.folder = model.source.folder
        self.taken = set(model.tensors)
        self.inside: Counter[str] | None = None
        self.inlined: set[str] = set()
        self.room = _ROOM

    # The start: inputs, and types by ONNX's own inference.

    def _input(self, value: Any) -> Any:
        """Return an input's declaration with its known sizes; each open size gets its own name."""
        copy = onnx.ValueInfoProto()
        copy.CopyFrom(value)
        info = self.model.inputs.get(value.name)
        shape = self.shapes.get(value.name, None if info is None else info.shape)
        if info is None or info.container != "tensor" or shape is None:
            return copy
        written = info.shape if info.shape is not None and len(info.shape) == len(shape) else (None,) * len(shape)
        copy.type.tensor_type.ClearField("shape")
        dims = copy.type.tensor_type.shape.dim
        for size, said in zip(shape, written, strict=True):
            if isinstance(size, int):
                dims.add().dim_value = size
            else:
                # Inputs whose sizes have the same name may be fed different sizes.
                name = f"size {len(self.open)}"
                self.open[name] = said if isinstance(said, str) else size
                dims.add().dim_param = name
        return copy

    def _inferred(self) -> dict[str, TypeProto]:
        """Return the types that follow from the inputs alone: other sizes in the file may be wrong."""
        graph = GraphProto(name=self.model.graph.name, node=self.model.nodes, input=self.inputs)
        graph.initializer.extend(self.model.graph.initializer)
        for values, others in (
            (self.model.graph.value_info, graph.value_info),
            (self.model.graph.output, graph.output),
        ):
            for value in values:
                copy = others.add()
                copy.CopyFrom(value)
                copy.type.tensor_type.ClearField("shape")
        proto = ModelProto(ir_version=max(self.model.original.ir_version, 4), graph=graph)
        for domain, version in self.opsets.items():
            proto.opset_import.add(domain=domain, version=version)
        return infer_graph(proto)

    def _is_settled(self, kind: TypeProto) -> bool:
        """Return whether all sizes of a type are known, by number or by our names; drop the names of inference."""
        _rename_sizes(kind, self.own)
        sizes = sizes_in(kind)
        return sizes is not None and None not in sizes

    def _as_declared(self, name: str, value: np.ndarray) -> np.ndarray:
        kind = self.model.inputs[name].element_type
        return value.astype(onnx.helper.tensor_dtype_to_np_dtype(kind)) if kind else value

    # The walk.

    def graph(self) -> Graph:
        """Return the folded graph; the model itself if nothing was folded."""
        pending = deque(self.model.nodes)
        while pending:
            node = pending.popleft()
            branch = self._branch(node)
            if branch is not None:
                pending.extendleft(reversed(branch))
                continue
            version = self.opsets.get(node.domain, 1)
            self._infer(node, version)
            if not self._fold(node, version):
                self.nodes.append(self._with_constant_target(node))
        return self._built()

    def _fold(self, node: NodeProto, version: int) -> bool:
        """Store the known values of a node's outputs; return whether all are constant: the node can then be removed."""
        if node.op_type == "Identity" and not node.domain and len(node.input) == 1 and node.input[0] in self.constants:
            # Another name for a stored weight, however large.
            self.constants.update((name, self.constants[node.input[0]]) for name in node.output)
            return True
        derived, made = self._computed(node, version)
        if made is None or len(made) != len(node.output) or not all(map(self._fits, node.output, made)):
            return False
        known = {name: one for name, one in zip(node.output, made, strict=True) if name}
        self.values.update(known)
        if derived:
            self.derived.update(known)
        for name, one in known.items():
            if name in self.loose or name not in self.types:
                kind = onnx.helper.np_dtype_to_tensor_dtype(one.array.dtype)
                self._refine(name, onnx.helper.make_tensor_type_proto(kind, one.array.shape))
        if any(one.open is not None or (one.array.dtype.kind == "f" and not derived) for one in made):
            return False
        self.settled.update((name, one.array) for name, one in known.items())
        return True

    def _fits(self, name: str, known: Known) -> bool:
        """Return whether a value has the type and the sizes that inference found."""
        kind = self.types.get(name)
        if kind is None or not kind.HasField("tensor_type"):
            return True
        element, sizes = kind.tensor_type.elem_type, sizes_in(kind)
        if element and element != onnx.helper.np_dtype_to_tensor_dtype(known.array.dtype):
            return False
        return sizes is None or (
            len(sizes) == known.array.ndim
            and all(
                not isinstance(size, int) or size == own for size, own in zip(sizes, known.array.shape, strict=True)
            )
        )

    def _computed(self, node: NodeProto, version: int) -> tuple[bool, tuple[Known, ...] | None]:
        """Return whether a node's value depends on sizes or held values, and the value if it is known."""
        if not node.input and node.op_type != "Constant":
            return False, None
        if node.op_type in _SIZES and not node.domain:
            shape = sizes_in(self.types.get(node.input[0]))
            known = None if shape is None else sizes_of(node, version, shape)
            return True, None if known is None else (known,)
        if not computable(node, version) or not all(self._is_known(name) for name in node.input):
            return False, None
        derived = any(name in self.derived for name in node.input)
        values = [self._value(name) if name else None for name in node.input]
        if any(name and value is None for name, value in zip(node.input, values, strict=True)):
            return derived, None
        made = compute(node, version, values)
        if made is None or (not derived and any(one.array.dtype.kind == "f" and one.array.size > _FEW for one in made)):
            return derived, None
        size = sum(one.array.nbytes for one in made)
        if size > max(_SMALL, self.room):
            return derived, None
        self.room -= size if size > _SMALL else 0
        return derived, made

    def _is_known(self, name: str) -> bool:
        if not name or name in self.values:
            return True
        weight = self.constants.get(name)
        return isinstance(weight, TensorProto) and math.prod(weight.dims) <= MOST_ELEMENTS

    def _value(self, name: str) -> Known | None:
        if name in self.values:
            return self.values[name]
        if not name or not self._is_known(name):
            return None
        try:
            array = read_array(self.constants[name], self.folder, f"the weight '{name}'")
        except OnnxvizError:
            return None
        return Known(array) if array.dtype.kind in "biuf" else None

    # Sizes.

    def _infer(self, node: NodeProto, version: int) -> None:
        """Infer a node's open sizes again, if more is known than at the first inference."""
        if all(name in self.types and name not in self.loose for name in node.output if name):
            return
        newly = any(name in self.values or name in self.changed for name in node.input)
        inferred = all(name in self.types and name not in self.inlined for name in node.output if name)
        if inferred and not newly and node.op_type not in _TOLD:
            return
        data = {}
        for name in node.input:
            value = self._value(name) if name else None
            if value is not None and value.open is None and value.array.size <= _FEW:
                data[name] = to_proto(name, value.array)
        for name, kind in infer_node(node, version, self.types, data).items():
            self._refine(name, kind)
        made = self._told(node, version)
        if made is not None:
            self._refine(node.output[0], typed(self.types.get(node.output[0]), made))

    def _told(self, node: NodeProto, version: int) -> Sizes | None:
        """Return the output shape that the value of an input gives; some of its sizes may be open."""
        since, place = (version + 1, 0) if node.domain else _TOLD.get(node.op_type, (version + 1, 0))
        if version < since or place >= len(node.input):
            return None
        value = self._value(node.input[place])
        if value is None or value.array.ndim != 1 or value.array.dtype.kind != "i":
            return None
        before = sizes_in(self.types.get(node.input[0]))
        if node.op_type == "Reshape":
            return reshaped(before, value.entries, _allows_zero(node))
        if node.op_type == "Pad":
            return None if len(node.input) > 3 else padded_shape(before, value.entries)
        return built_shape(None if node.op_type == "ConstantOfShape" else before, value.entries)

    def _refine(self, name: str, kind: TypeProto) -> None:
        """Add newly known sizes to a tensor's type."""
        settled = self._is_settled(kind)
        old = self.types.get(name)
        new = kind if old is None or not old.WhichOneof("value") else joined(old, kind)
        if new is not old:
            self.types[name] = new
            self.changed.add(name)
            if settled or self._is_settled(new):
                self.loose.discard(name)
            else:
                self.loose.add(name)

    def _with_constant_target(self, node: NodeProto) -> NodeProto:
        """Return a Reshape with a constant target, if one size is open or open sizes keep their axes; else the node."""
        if node.op_type != "Reshape" or node.domain or len(node.input) < 2:
            return node
        value = self.values.get(node.input[1])
        if value is None or value.open is None or value.array.ndim != 1:
            return node
        before = sizes_in(self.types.get(node.input[0])) or ()
        target = _constant_target(value.entries, before, _allows_zero(node))
        if target is None:
            return node
        name = self._free(f"{node.output[0]}/target")
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.input[1] = name
        self.constants[name] = to_proto(name, np.array(target, np.int64))
        return copy

    # Branches.

    def _branch(self, node: NodeProto) -> list[NodeProto] | None:
        """Return the nodes that replace an If whose condition is known; None for all other nodes."""
        if node.op_type != "If" or node.domain or not node.input:
            return None
        value = self._value(node.input[0])
        if value is None or value.open is not None or value.array.size != 1:
            return None
        wanted = "then_branch" if bool(value.array.reshape(-1)[0]) else "else_branch"
        body = next((one.g for one in node.attribute if one.name == wanted and one.type == AttributeProto.GRAPH), None)
        if body is None or len(body.output) < len(node.output):
            return None
        own: dict[str, Weight] = {tensor.name: tensor for tensor in body.initializer}
        own |= {sparse.values.name: sparse for sparse in body.sparse_initializer}
        given = structure.captured(body)
        try:
            nodes = structure.in_order(hoist(body.node, own), {*own, *given})
        except ModelError:
            return None  # this branch may never be taken: the file runs without it
        return self._inlined(node, body, nodes, own)

    def _inlined(
        self, node: NodeProto, body: GraphProto, nodes: list[NodeProto], own: Mapping[str, Weight]
    ) -> list[NodeProto]:
        if self.inside is None:
            self.inside = Counter(name for one in self.model.nodes for name in _names_inside(one))
        self.inside.subtract(_names_inside(node))
        made = {name for one in nodes for name in one.output if name} | own.keys()
        names: dict[str, str] = {}
        handed = []
        for value, output in zip(body.output, node.output, strict=False):
            if output and value.name in made and value.name not in names:
                names[value.name] = output
            elif output:
                handed.append((value.name, output))
        names.update((name, self._free(name)) for name in made if name not in names)
        self.constants.update((names[name], weight) for name, weight in own.items())
        for name, weight in own.items():
            kind = weight.values.data_type if isinstance(weight, SparseTensorProto) else weight.data_type
            self.types.setdefault(names[name], onnx.helper.make_tensor_type_proto(kind, weight.dims))
        inlined = [structure.renamed(one, names) for one in nodes]
        self.inlined.update(name for one in inlined for name in one.output)
        self.inside.update(name for one in inlined for name in _names_inside(one))
        # Outputs of a branch that it does not make itself, or that it returns twice.
        return inlined + [
            onnx.helper.make_node("Identity", [names.get(name, name)], [output]) for name, output in handed
        ]

    def _free(self, name: str) -> str:
        """Return a name that no tensor has; the given name if possible."""
        while name in self.taken or (self.inside is not None and self.inside[name] > 0):
            name += "'"
        self.taken.add(name)
        return name

    # The end.

    def _built(self) -> Graph:
        """Return the graph of the remaining nodes and of the tensors that they read."""
        model = self.model
        outputs = [value.name for value in model.graph.output]
        before = {name for node in model.nodes for name in structure.read_by(node)} | set(outputs)
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            # A tensor that no node of the file reads can still be asked for.
            if any(name in needed or (name in model.producers and name not in before) for name in node.output if name):
                nodes.append(node)
                needed.update(structure.read_by(node))
        nodes.reverse()
        self._name_sizes()
        if len(nodes) == len(model.nodes) and not self.settled and not self._knows_more():
            return model
        stored = {**self.constants, **self.settled}
        constants = {
            name: to_proto(name, weight) if isinstance(weight, np.ndarray) else weight
            for name, weight in stored.items()
            if name in needed or (name in model.constants and name not in before)
        }
        graph = GraphProto(name=model.graph.name, node=nodes)
        graph.input.extend(self._with_names(value) for value in self.inputs)
        declare(graph, constants)
        for value in model.graph.output:
            copy = graph.output.add()
            copy.CopyFrom(value)
            if self.types.get(value.name, TypeProto()).WhichOneof("value"):
                copy.type.CopyFrom(self.types[value.name])
        settled = {name: weight for name, weight in stored.items() if name in self.settled or name not in constants}
        made = type(model)(
            model.source,
            graph,
            model.opsets,
            constants,
            model.original,
            whole=False,
            settled=settled,
            classes=model.classes,
        )
        made.types = self.types
        return made

    def _name_sizes(self) -> None:
        """Give open sizes the file's names. Where inference knows no type, take the file's if the file's sizes hold."""
        for kind in self.types.values():
            _rename_sizes(kind, self.open)
        for name, shape in self.shapes.items():
            written = self.model.inputs[name].shape or ()
            if any(isinstance(one, int) and one != size for one, size in zip(written, shape, strict=False)):
                return
        names = {name: name for name in self.open.values() if name}
        for name, kind in self.model.types.items():
            if kind.WhichOneof("value") and (name in self.loose or name not in self.types):
                said = TypeProto()
                said.CopyFrom(kind)
                _rename_sizes(said, names)
                old = self.types.get(name)
                self.types[name] = said if old is None or not old.WhichOneof("value") else joined(old, said)

    def _with_names(self, value: Any) -> Any:
        _rename_sizes(value.type, self.open)
        return value

    def _knows_more(self) -> bool:
        """Return whether any size is known that the model did not know."""
        return bool(self.shapes) or any(
            sizes_in(kind) != sizes_in(self.model.types.get(name)) for name, kind in self.types.items()
        )


def _allows_zero(node: NodeProto) -> bool:
    return any(one.name == "allowzero" and one.i for one in node.attribute)


def _constant_target(entries: Sequence[int | str], before: Sizes, allows_zero: bool) -> list[int] | None:
    """Return a constant Reshape target that holds for any value of the open entries; None if there is none."""
    places = [place for place, one in enumerate(entries) if isinstance(one, str)]
    others = [one for one in entries if isinstance(one, int)]
    kept = not allows_zero and all(place < len(before) and before[place] == entries[place] for place in places)
    if kept and "?" not in entries and all(one > 0 or one == -1 for one in others):
        return [0 if isinstance(one, str) else one for one in entries]
    if len(places) == 1 and all(one > 0 for one in others):
        return [-1 if isinstance(one, str) else one for one in entries]
    return None


def _rename_sizes(kind: TypeProto, names: Mapping[str, str | None]) -> None:
    """Rename sizes; a size without a new name becomes unknown."""
    for dim in kind.tensor_type.shape.dim if kind.HasField("tensor_type") else ():
        if dim.dim_param:
            name = names.get(dim.dim_param)
            if name is None:
                dim.Clear()
            else:
                dim.dim_param = name


def _names_inside(node: NodeProto) -> Iterator[str]:
    """Yield the names that are made in a node's bodies, at any depth."""
    for graph in structure.subgraphs(node):
        yield from (value.name for value in graph.input)
        yield from (tensor.name for tensor in graph.initializer)
        for inner in graph.node:
            yield from (name for name in inner.output if name)
            yield from _names_inside(inner)
