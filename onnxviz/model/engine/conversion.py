"""Conversion of ONNX nodes to a `Plan`: find each operator, expand operators that the schema defines by others."""

from __future__ import annotations

import inspect
from collections import ChainMap, Counter, deque
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from onnx import AttributeProto, GraphProto, NodeProto, TensorProto, TypeProto

from onnxviz.errors import EvaluationError, ModelError, Unsupported
from onnxviz.model.engine.attributes import attribute_value
from onnxviz.model.engine.plan import Body, Plan, Slot, Step
from onnxviz.model.graph import structure
from onnxviz.model.graph.constants import Weight, read_array
from onnxviz.model.graph.expansion import expand, schema_of
from onnxviz.model.graph.extensions import NO_EXTENSIONS, Extensions
from onnxviz.model.graph.fake_quantization import ROUNDING
from onnxviz.model.graph.type_inference import infer_node
from onnxviz.model.operators.declaration import Declaration, Node, find
from onnxviz.model.operators.numbers.element_types import from_numpy
from onnxviz.model.operators.numbers.rounding import passing

_DEEPEST = 64
"""How deep function bodies and subgraphs may be nested: the file is untrusted."""

Lookup = Callable[[str], Any]


@dataclass
class Conversion:
    """The state of one conversion, shared between a graph and the bodies inside it.

    Attributes
    ----------
    opsets : mapping of str to int
        Operator versions by domain.
    folder : Path or None
        The model's folder, for external data inside bodies.
    straight_through : bool
        Whether gradients pass through every rounding as if nothing were rounded.
    passing : frozenset of str
        Rounded tensors through which gradients pass in any case.
    unsupported : dict
        Nodes that cannot be converted, by domain, operator and version.
    extensions : Extensions
        The custom operators that the user named. They serve what is not known otherwise.
    """

    opsets: Mapping[str, int]
    folder: Path | None = None
    straight_through: bool = False
    passing: frozenset[str] = frozenset()
    unsupported: dict[tuple[str, str, int], Unsupported] = field(default_factory=dict)
    bodies: int = 0
    extensions: Extensions = NO_EXTENSIONS

    def fresh(self) -> str:
        """Return a new prefix for the names inside an expanded function body."""
        self.bodies += 1
        return f"\0{self.bodies}/"

    def refuse(self, node: NodeProto, version: int, tensor: str, reason: str) -> None:
        """Record a node that cannot be converted, and the model's own tensor that needs the node."""
        key = (node.domain, node.op_type, version)
        known = self.unsupported.get(key)
        if known is None:
            self.unsupported[key] = Unsupported(*key, 1, tensor, reason)
        else:
            self.unsupported[key] = replace(known, count=known.count + 1)

    def plan(
        self,
        nodes: Iterable[NodeProto],
        inputs: Sequence[str],
        outputs: Sequence[str],
        constant: Lookup,
        types: MutableMapping[str, TypeProto],
        depth: int = 0,
    ) -> Plan:
        """Return the plan of nodes, given in an order in which they can run; `passes.rewritten` makes it ready.

        Parameters
        ----------
        nodes : iterable of NodeProto
            The graph's nodes.
        inputs, outputs : sequence of str
            Tensors that are fed, and tensors to compute.
        constant : callable
            Returns the value of a name that is neither an input nor made by a node; `MISSING` if it is not a constant:
            the name is then captured from the graph around.
        types : mapping of str to TypeProto
            Known types by name; inferred types are added.
        depth : int
            Number of graphs around this one.

        Raises
        ------
        ModelError
            If a node contradicts its operator's schema.
        """
        if depth > _DEEPEST:
            raise ModelError(f"graphs are nested more than {_DEEPEST} deep")
        return _Builder(self, tuple(inputs), tuple(outputs), constant, types, depth).build(list(nodes))


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class _Builder:
    """The conversion of one graph."""

    def __init__(
        self,
        conversion: Conversion,
        inputs: tuple[str, ...],
        outputs: tuple[str, ...],
        constant: Lookup,
        types: MutableMapping[str, TypeProto],
        depth: int,
    ) -> None:
        self.conversion = conversion
        self.inputs = inputs
        self.outputs = outputs
        self.constant = constant
        self.types = types
        self.depth = depth
        self.slots: dict[str, Slot] = {name: Slot(place) for place, name in enumerate(inputs)}
        self.known: dict[str, Any] = {}
        self.captured: list[str] = []
        self.steps: list[Step] = []

    def build(self, nodes: list[NodeProto]) -> Plan:
        self.readers = Counter(name for node in nodes for name in structure.read_by(node))
        self.readers.update(self.outputs)
        # Captured values come between the inputs and the steps' outputs, so they are counted first.
        made = {name for node in nodes for name in node.output}
        for name in self.readers:
            if name not in made and name not in self.slots and self.constant(name) is MISSING:
                self.slots[name] = Slot(len(self.inputs) + len(self.captured))
                self.captured.append(name)
        self.size = len(self.inputs) + len(self.captured)
        # For a node of a function body: the model's own tensor that the body makes.
        pending = deque((node, self.conversion.opsets, 0, _first_output(node)) for node in nodes)
        while pending:
            node, opsets, depth, tensor = pending.popleft()
            expanded = self._convert(node, opsets, depth, tensor)
            if expanded is not None:
                inner, inner_opsets = expanded
                for one in inner:
                    self.readers.update(structure.read_by(one))
                pending.extendleft((one, inner_opsets, depth + 1, tensor) for one in reversed(inner))
        results = [self._value(name) for name in self.outputs]
        return Plan(self.inputs, tuple(self.captured), self.outputs, results, self.steps, self.size)

    def _value(self, name: str) -> Any:
        """Return the constant or the slot behind a name; None for an input that is left out."""
        if not name:
            return None
        if name in self.known:
            return self.known[name]
        if name in self.slots:
            return self.slots[name]
        value = self.constant(name)
        if value is MISSING:
            raise ModelError(f"no node makes the tensor '{name}'")
        self.known[name] = value
        return value

    def _convert(
        self, node: NodeProto, opsets: Mapping[str, int], depth: int, tensor: str
    ) -> tuple[list[NodeProto], dict[str, int]] | None:
        version = opsets.get(node.domain, 1)
        self._infer(node, version)
        declaration = find(node.domain, node.op_type, version)
        if declaration is None:
            expanded = None
            if depth < _DEEPEST:
                types = [self.types.get(name) for name in node.input]
                expanded = expand(node, opsets, types, self.conversion.fresh)
            if expanded is not None:
                return expanded
        try:
            declaration = declaration or self._custom(node, version)
        except EvaluationError as error:
            self.conversion.refuse(node, version, tensor, str(error))
            self._assign_slots(node)
            return None
        if declaration is None:
            self.conversion.refuse(node, version, tensor, _why_unknown(node, version))
            self._assign_slots(node)
            return None
        if (
            node.op_type in ROUNDING
            and not node.domain
            and (self.conversion.straight_through or node.output[0] in self.conversion.passing)
        ):
            declaration = passing(declaration)
        try:
            step = self._step(node, version, declaration, tensor)
        except EvaluationError as error:
            self.conversion.refuse(node, version, tensor, str(error))
            self._assign_slots(node)
            return None
        step.outputs = self._assign_slots(node)
        self.steps.append(step)
        return None

    def _custom(self, node: NodeProto, version: int) -> Declaration | None:
        """Return the declaration by which a plugin serves a node, or None."""
        found = self.conversion.extensions.find(node.domain, node.op_type, version)
        if found is None:
            return None
        values = {name: self._value(name) for name in node.input if name}
        constants = {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}
        types = {name: self.types[name] for name in values if name in self.types}
        declaration: Declaration = found.bound(node, constants, types)
        return declaration

    def _infer(self, node: NodeProto, version: int) -> None:
        types = self.types
        if not all(name in types and types[name].WhichOneof("value") for name in node.output if name):
            for name, kind in infer_node(node, version, types).items():
                types.setdefault(name, kind)

    def _assign_slots(self, node: NodeProto) -> list[int]:
        places = []
        for name in node.output:
            if not name or not self.readers[name]:
                places.append(-1)
                continue
            self.slots[name] = Slot(self.size)
            places.append(self.size)
            self.size += 1
        return places

    def _step(self, node: NodeProto, version: int, declaration: Declaration, tensor: str) -> Step:
        arguments = [self._value(name) for name in node.input]
        while arguments and arguments[-1] is None:
            arguments.pop()
        label = f"{node.op_type} at {tensor}"
        if len(arguments) > len(declaration.parameters) and not declaration.variadic:
            raise EvaluationError(
                f"it has {len(arguments)} inputs; at most {len(declaration.parameters)} are supported"
            )
        for place in declaration.required:
            if place >= len(arguments) or arguments[place] is None:
                raise ModelError(f"{label} lacks its input '{declaration.parameters[place]}'; the file is damaged")
        types = self.types
        described = Node(
            node.domain,
            node.op_type,
            node.name,
            version,
            tuple(node.input),
            tuple(node.output),
            tuple(_element_type(types.get(name)) for name in node.input),
            tuple(_element_type(types.get(name)) for name in node.output),
        )
        keywords, bodies = self._attributes(node, version, declaration, label)
        if declaration.takes_node:
            keywords["node"] = described
        step = Step(declaration, described, label, arguments, keywords, bodies, [])
        step.rounded = TensorProto.BFLOAT16 in described.output_types
        step.convert()
        return step

    def _attributes(
        self, node: NodeProto, version: int, declaration: Declaration, label: str
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        schema = schema_of(node, version)
        given = {attribute.name: attribute for attribute in node.attribute}
        if schema is None:
            strange = set(given) - set(declaration.attributes) - declaration.ignored
            if strange:
                raise EvaluationError(f"its attribute {min(strange)} is not supported")
        keywords: dict[str, Any] = {}
        bodies: dict[str, Any] = {}
        for name, default in declaration.attributes.items():
            attribute = given.get(name)
            declared = schema.attributes.get(name) if schema is not None else None
            if attribute is None and declared is not None and declared.default_value.type:
                attribute = declared.default_value
            if attribute is None:
                if declared is not None and declared.required:
                    raise ModelError(f"{label} lacks its attribute '{name}'; the file is damaged")
                keywords[name] = None if default is inspect.Parameter.empty else default
            elif attribute.type == AttributeProto.GRAPH:
                bodies[name] = self._body(attribute.g)
            elif attribute.type == AttributeProto.GRAPHS:
                bodies[name] = tuple(self._body(graph) for graph in attribute.graphs)
            else:
                keywords[name] = attribute_value(attribute, label, self.conversion.folder)
        return keywords, bodies

    def _body(self, graph: GraphProto) -> Body:
        own: dict[str, Weight] = {tensor.name: tensor for tensor in graph.initializer}
        own |= {sparse.values.name: sparse for sparse in graph.sparse_initializer}
        values: dict[str, Any] = {}

        def constant(name: str) -> Any:
            if name in own:
                if name not in values:
                    what = f"the weight '{name}' of a body"
                    values[name] = from_numpy(read_array(own[name], self.conversion.folder, what))
                return values[name]
            if name in self.slots:
                return MISSING
            try:
                return self._value(name)
            except ModelError:
                return MISSING

        # Two bodies in one graph may use the same names for tensors of different types.
        types: MutableMapping[str, TypeProto] = ChainMap({}, self.types)
        for value in [*graph.input, *graph.value_info, *graph.output]:
            if value.type.WhichOneof("value"):
                types[value.name] = value.type
        inputs = [value.name for value in graph.input if value.name not in own]
        given = {*inputs, *own, *structure.captured(graph)}
        nodes = structure.in_order(list(graph.node), given)
        plan = self.conversion.plan(
            nodes, inputs, [value.name for value in graph.output], constant, types, self.depth + 1
        )
        return Body(plan, [self._value(name) for name in plan.captured])


def _first_output(node: NodeProto) -> str:
    return next(filter(None, node.output), node.name)


def _element_type(kind: TypeProto | None) -> int:
    return kind.tensor_type.elem_type if kind is not None and kind.HasField("tensor_type") else 0


def _why_unknown(node: NodeProto, version: int) -> str:
    schema = schema_of(node, version)
    if schema is None:
        return (
            "no operator of that name is known at this version"
            if node.domain == ""
            else f"no operator of that name is known in the domain '{node.domain}'"
        )
    kinds = {value.type_str for value in [*schema.inputs, *schema.outputs]}
    if "tensor(string)" in kinds:
        return "it works on strings, which cannot be differentiated"
    return "it is not implemented"
