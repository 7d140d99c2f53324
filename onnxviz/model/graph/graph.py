"""The graph: nodes, tensors, stored weights by name, and cuts. Large weights are read only when needed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from onnx import GraphProto, ModelProto, NodeProto, SparseTensorProto, TypeProto, ValueInfoProto

from onnxviz.errors import EvaluationError, ModelError, OnnxvizError, TargetError
from onnxviz.model.graph import external_data, preparation, reading, structure
from onnxviz.model.graph.constants import Weight, declare, read_array, to_proto
from onnxviz.model.graph.extensions import Extensions
from onnxviz.model.graph.fake_quantization import fake_quantized
from onnxviz.model.graph.labels import class_names
from onnxviz.model.graph.tensor_info import TensorInfo, from_type
from onnxviz.model.graph.type_inference import infer_graph, infer_untrusted

AnyGraph = TypeVar("AnyGraph", bound="Graph")
"""A graph; a model if a model is given."""


class Graph:
    """An ONNX graph that can be inspected and cut; `onnxviz.model.model.Model` can be run as well.

    Attributes
    ----------
    source : Source
        Origin of the graph: `name`, `path`, `digest` and `size`.
    graph : GraphProto
        Nodes in an order in which they can run, model-local functions inlined, domain "ai.onnx" written as "".
        Constants of more than 2 kB have no values here: they are read when needed. Not to be changed.
    opsets : dict of str to int
        The version of each operator domain, assumed where the file imports none; the ONNX domain is "".
    constants : dict of str to (TensorProto or SparseTensorProto)
        Initializers, and the tensors of Constant nodes.
    original : ModelProto
        The file as it is; not to be changed.
    whole : bool
        Whether this is the whole file; false for graphs from `cut` and `folding.folded`.
    settled : dict of str to (ndarray, TensorProto or SparseTensorProto)
        Tensors that folding found to be constant, by name. Those that no node reads any more are not in `constants` and
        `tensors`.
    classes : tuple of str
        The names that the user gives to the classes; empty if the user gives none.
    kinds : dict of str to (str, str)
        The kinds that the user gives to inputs, each with its letters; "" for kinds without letters.
    """

    def __init__(
        self,
        source: reading.Source,
        graph: GraphProto,
        opsets: dict[str, int],
        constants: dict[str, Weight],
        original: ModelProto,
        *,
        whole: bool = True,
        settled: Mapping[str, Weight | np.ndarray] | None = None,
        classes: tuple[str, ...] = (),
        kinds: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        self.source = source
        self.graph = graph
        self.opsets = opsets
        self.constants = constants
        self.original = original
        self.whole = whole
        self.settled = dict(settled or {})
        self.classes = classes
        self.kinds = dict(kinds or {})

    def named(self: AnyGraph, classes: Sequence[str]) -> AnyGraph:
        """Return this graph with other names of classes; both share everything else."""
        found = copy(self)
        found.classes = tuple(classes)
        return found

    def of_kinds(self: AnyGraph, kinds: Mapping[str, tuple[str, str]]) -> AnyGraph:
        """Return this graph with the kinds of some inputs as the user tells them, each with its letters, ""; both share everything else."""
        found = copy(self)
        found.kinds = dict(kinds)
        return found

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, by index: those of the user, else those of the file; empty if nobody names them."""
        return self.classes or class_names(self.original)

    @property
    def name(self) -> str:
        """The file's name, for messages."""
        return self.source.name

    @property
    def path(self) -> Path | None:
        """The file, if there is one."""
        return self.source.path

    @property
    def imported_opsets(self) -> dict[str, int]:
        """The operator sets that the file imports, by domain; the ONNX domain is "ai.onnx" here, as people write it.

        `opsets` holds more: a version is assumed for each domain that the file does not import. Files older than opset
        imports import none.
        """
        return {entry.domain or "ai.onnx": entry.version for entry in self.original.opset_import}

    @property
    def digest(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return self.source.digest

    @property
    def extensions(self) -> Extensions:
        """The custom operators that the user named beside the model."""
        return self.source.extensions

    @property
    def identity(self) -> dict[str, Any]:
        """What identifies the model among the settings of a result: its digest, and the digests of plugins and libraries."""
        return {"model": self.digest, **self.extensions.settings}

    @cached_property
    def beside(self) -> dict[str, Path]:
        """The files of external weights, by the names that the model gives them."""
        parts = preparation.every_tensor(self.original, self.constants)
        return {
            external_data.written(part): external_data.locate(part, self.source.folder).file
            for part in parts
            if external_data.is_external(part)
        }

    @cached_property
    def nodes(self) -> tuple[NodeProto, ...]:
        """The nodes, in an order in which they can run."""
        return tuple(self.graph.node)

    @cached_property
    def inputs(self) -> dict[str, TensorInfo]:
        """The inputs that must be fed; an initializer that is also an input counts as a weight."""
        return {
            value.name: from_type(value.name, value.type, "Input")
            for value in self.graph.input
            if value.name not in self.constants
        }

    @cached_property
    def outputs(self) -> dict[str, TensorInfo]:
        """The model's outputs."""
        return {value.name: self.tensors[value.name] for value in self.graph.output}

    @cached_property
    def tensors(self) -> dict[str, TensorInfo]:
        """All tensors outside of subgraphs: inputs, weights, then each node's outputs, in graph order."""
        table = dict(self.inputs)
        table.update((name, self._stored(name, weight)) for name, weight in self.constants.items())
        for node in self.nodes:
            for name in node.output:
                if name:
                    table[name] = from_type(name, self.types.get(name), node.op_type, node.domain)
        return table

    def _settled(self, name: str) -> Weight:
        value = self.settled[name]
        return to_proto(name, value) if isinstance(value, np.ndarray) else value

    def _stored(self, name: str, weight: Weight) -> TensorInfo:
        kind = "Initializer" if name in self._initializers else "Constant"
        values = weight.values if isinstance(weight, SparseTensorProto) else weight
        return TensorInfo(name, values.data_type, tuple(weight.dims), kind)

    @cached_property
    def producers(self) -> dict[str, NodeProto]:
        """The node that makes each tensor."""
        return {name: self.nodes[position] for name, position in structure.producers(self.nodes).items()}

    @cached_property
    def _initializers(self) -> frozenset[str]:
        graph = self.original.graph
        return frozenset(
            [*(one.name for one in graph.initializer), *(one.values.name for one in graph.sparse_initializer)]
        )

    @cached_property
    def fake_quantized(self) -> frozenset[str]:
        """Tensors that a fake quantization in float arithmetic rounds. Gradients pass straight through the rounding."""
        fixed = set(self.constants)
        for node in self.nodes:
            if not node.domain and node.input and all(name in fixed for name in structure.read_by(node)):
                fixed.update(node.output)

        def value(name: str) -> np.ndarray | None:
            try:
                return self.weight(name) if name in fixed else None
            except OnnxvizError:  # a weight that cannot be read is no known scale
                return None

        return fake_quantized(self.nodes, value)

    @cached_property
    def types(self) -> dict[str, TypeProto]:
        """The type of each tensor, as far as it can be inferred without a run."""
        proto = self._with_graph(self.graph)
        if not self.whole:  # inference has survived the whole file already
            return infer_graph(proto)
        try:
            return infer_untrusted(proto)
        except ModelError as error:
            raise ModelError(f"{self.name}: {error}") from None

    def require(self, name: str, written: str | None = None) -> TensorInfo:
        """Return the facts about a tensor, if the graph has it.

        Parameters
        ----------
        name : str
            The tensor's name.
        written : str, optional
            The text that the user wrote, for the message.

        Raises
        ------
        TargetError
            If there is no such tensor. The message lists the closest names.
        """
        if name in self.tensors:
            return self.tensors[name]
        if name in self.settled:
            return self._stored(name, self._settled(name))
        close = difflib.get_close_matches(name, self.tensors, n=3, cutoff=0.5)
        hint = f" Close: {', '.join(close)}." if close else ""
        file = self.path if self.path else "MODEL"
        raise TargetError(
            f"{written or name}: no tensor of that name in {self.name}.{hint} All: onnxviz inspect {file} '*'"
        )

    def weight(self, name: str) -> np.ndarray:
        """Return the values of a constant tensor, read from the file.

        Parameters
        ----------
        name : str
            An initializer, or a Constant's output. A `Model` also accepts any other tensor that depends on no input.

        Returns
        -------
        ndarray
            The values, in the model's own type.

        Raises
        ------
        TargetError
            If there is no such tensor, or it depends on an input.
        ExternalDataError
            If its values are stored where reading is not allowed.
        EvaluationError
            If it must be computed.
        """
        self.require(name)
        if name in self.constants or name in self.settled:
            stored = self.constants[name] if name in self.constants else self._settled(name)
            return read_array(stored, self.source.folder, f"{self.name}: the weight '{name}'")
        _, leaves = structure.ancestors(self.nodes, [name], ())
        fed = [leaf for leaf in leaves if leaf not in self.constants and leaf not in self.settled]
        if fed:
            raise TargetError(f"{name} is no weight: it depends on the input {fed[0]}")
        return self._computed_weight(name)

    def _computed_weight(self, name: str) -> np.ndarray:
        """Return a tensor that depends on constants alone."""
        raise EvaluationError(f"{name} is not stored in {self.name}: it is computed from weights")

    def cut(self: AnyGraph, tensors: Iterable[str], wrt: Iterable[str] = ()) -> AnyGraph:
        """Return the smallest graph that computes some tensors.

        Parameters
        ----------
        tensors : iterable of str
            Its outputs, in this order.
        wrt : iterable of str
            Tensors that become inputs: nodes before them are left out.

        Raises
        ------
        TargetError
            If one of the names is not a tensor of the model.
        """
        names = list(dict.fromkeys(tensors))
        stops = list(dict.fromkeys(wrt))
        for name in [*names, *stops]:
            self.require(name)
        positions, leaves = structure.ancestors(self.nodes, names, set(stops))
        graph = GraphProto(name=self.graph.name)
        for position in positions:
            node = graph.node.add()
            node.CopyFrom(self.nodes[position])
            for place, output in enumerate(node.output):
                if output in stops:  # one of several outputs: the node stays for the others
                    node.output[place] = self._unused(f"{output}/before")
        fed = [name for name in self.inputs if name in leaves and name not in stops]
        for name in [*fed, *stops]:
            graph.input.append(self._value_info(name))
        constants = {name: weight for name, weight in self.constants.items() if name in leaves and name not in stops}
        constants |= {name: self._settled(name) for name in names if name in self.settled and name not in stops}
        declare(graph, constants)
        for node in graph.node:
            graph.value_info.extend(
                self._value_info(name) for name in node.output if name in self.types and name not in names
            )
        graph.output.extend(self._value_info(name) for name in names)
        return type(self)(
            self.source,
            graph,
            self.opsets,
            constants,
            self.original,
            whole=False,
            settled=self.settled,
            classes=self.classes,
            kinds=self.kinds,
        )

    def _value_info(self, name: str) -> ValueInfoProto:
        """Return a tensor's declaration. If its type is unknown, the type is left out: ONNX Runtime infers it."""
        info = self.require(name)
        value = ValueInfoProto(name=name)
        if info.container != "tensor":
            value.type.CopyFrom(self.types[name])
        elif info.element_type:
            value.type.tensor_type.elem_type = info.element_type
            if info.shape is not None:
                for size in info.shape:
                    dim = value.type.tensor_type.shape.dim.add()
                    if isinstance(size, int):
                        dim.dim_value = size
                    elif size:
                        dim.dim_param = size
        return value

    def _unused(self, name: str) -> str:
        while name in self.tensors:
            name += "'"
        return name

    def to_proto(self) -> ModelProto:
        """Return the model with the values of its constants in place; external data stays external."""
        proto = self._with_graph(self.graph)
        del proto.graph.initializer[:]
        del proto.graph.sparse_initializer[:]
        for name, weight in self.constants.items():
            if isinstance(weight, SparseTensorProto):
                sparse = proto.graph.sparse_initializer.add()
                sparse.CopyFrom(weight)
                sparse.values.name = name  # as below
            else:
                tensor = proto.graph.initializer.add()
                tensor.CopyFrom(weight)
                tensor.name = name  # a Constant node's tensor may have another name, or none
        return proto

    def _with_graph(self, graph: GraphProto) -> ModelProto:
        proto = ModelProto(
            ir_version=max(self.original.ir_version, 4), producer_name=self.original.producer_name, graph=graph
        )
        for domain, version in self.opsets.items():
            proto.opset_import.add(domain=domain, version=version)
        return proto

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, {len(self.nodes)} nodes)"
