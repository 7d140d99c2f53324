"""Converters that users register with onnx2torch's `add_converter`, as operators of onnxviz."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from onnx import GraphProto, NodeProto, TypeProto, ValueInfoProto
from onnx.numpy_helper import from_array

from onnxviz.errors import EvaluationError
from onnxviz.model.onnx2torch.package import is_imported
from onnxviz.model.operators.declaration import Declaration, Gradient


class Key(NamedTuple):
    """The key of a converter in onnx2torch's registry: the domain, the operator's type and its version."""

    domain: str
    operator: str
    version: int


_of_plugins: dict[str, set[Key]] = {}
"""The keys that each plugin has registered, by the plugin's name."""


def registered() -> set[Key]:
    """Return the keys of the converters that others than onnx2torch itself have registered."""
    own = "onnx2torch."
    return {Key(*key) for key, one in _registry().items() if not (getattr(one, "__module__", "") or "").startswith(own)}


def function(key: Key) -> Callable[..., Any]:
    """Return a registered converter."""
    return next(one for other, one in _registry().items() if tuple(other) == tuple(key))


def forget(plugin: str) -> None:
    """Take away what an earlier state of a plugin's file has registered, since onnx2torch refuses a second converter."""
    gone = _of_plugins.pop(plugin, set()) if plugin.endswith(".py") else set()
    for key in [key for key in _registry() if tuple(key) in gone]:
        del _registry()[key]


def converters(keys: Iterable[Key], plugin: str) -> list[Converter]:
    """Return registered converters as operators, and remember which plugin registered them."""
    found = sorted(keys)
    _of_plugins.setdefault(plugin, set()).update(found)
    last = {(one.domain, one.operator): one.version for one in found}
    made = []
    for place, one in enumerate(found):
        following = found[place + 1] if one.version != last[one.domain, one.operator] else None
        until = None if following is None else following.version - 1
        made.append(Converter(one.domain, one.operator, one.version, until, function(one)))
    return made


def _registry() -> dict[Any, Callable[..., Any]]:
    if not is_imported():
        return {}
    registry: dict[Any, Callable[..., Any]] = sys.modules["onnx2torch.node_converters.registry"]._CONVERTER_REGISTRY
    return registry


@dataclass(frozen=True)
class Converter:
    """A converter of onnx2torch for an operator over a range of opset versions.

    Attributes
    ----------
    domain, operator : str
        The domain of ONNX itself is "".
    since, until : int
        The version that the converter is registered for, and the last version before the operator's next converter. None if there
        is no other. So a converter also serves later versions of the domain, as an operator of ONNX does.
    function : callable
        Takes onnx2torch's node and graph, and returns a torch module and its mapping.
    """

    domain: str
    operator: str
    since: int
    until: int | None
    function: Callable[..., Any]

    @property
    def gradient(self) -> Gradient:
        """What the backward pass computes: a module's own derivative."""
        return Gradient.SMOOTH

    def covers(self, version: int) -> bool:
        """Return whether the converter serves an opset version."""
        return self.since <= version and (self.until is None or version <= self.until)

    def bound(self, node: NodeProto, constants: Mapping[str, Any], types: Mapping[str, TypeProto]) -> Declaration:
        """Return the declaration that computes one node by the converter's torch module.

        Parameters
        ----------
        node : NodeProto
            The node.
        constants : mapping of str to Tensor
            The values of those of its inputs that are constant. The converter finds them among the graph's initializers.
        types : mapping of str to TypeProto
            The known types of its inputs.

        Raises
        ------
        EvaluationError
            If the converter refuses the node.
        """
        from onnx2torch.onnx_graph import OnnxGraph

        graph = GraphProto()
        graph.node.add().CopyFrom(node)
        for name, value in constants.items():
            graph.initializer.append(from_array(value.detach().cpu().numpy(), name))
        for name in dict.fromkeys(node.input):
            if name and name not in constants:
                graph.input.append(ValueInfoProto(name=name, type=types.get(name)))
        graph.output.extend(ValueInfoProto(name=name) for name in node.output if name)
        whole = OnnxGraph(graph)
        try:
            module, mapping = self.function(next(iter(whole.nodes.values())), whole)
        except Exception as error:  # whatever the user's converter raises
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise EvaluationError(f"its converter of onnx2torch refuses it: {reason}") from None
        module.eval().requires_grad_(False)
        inputs = list(node.input)
        strange = [name for name in mapping.inputs if name and name not in inputs]
        if strange:
            raise EvaluationError(f"its converter of onnx2torch reads {strange[0]}, which is no input of the node")
        places = tuple(inputs.index(name) if name else None for name in mapping.inputs)

        def call(*values: Any) -> Any:
            device = next((one.device for one in values if isinstance(one, torch.Tensor)), None)
            if device is not None:
                module.to(device)
            given = [values[place] if place is not None and place < len(values) else None for place in places]
            while given and given[-1] is None:
                given.pop()
            answer = module(*given)
            return tuple(answer) if isinstance(answer, list) and len(node.output) > 1 else answer

        return Declaration(
            domain=self.domain,
            operator=self.operator,
            since=self.since,
            until=self.until,
            function=call,
            gradient=self.gradient,
            deterministic=True,
            ignored=frozenset(attribute.name for attribute in node.attribute),
            parameters=("inputs",),
            required=(),
            converters=(),
            variadic=True,
            attributes={},
            takes_node=False,
        )
