"""The torch module that onnx2torch makes of a model, as a function from named tensors to named tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnx import ModelProto
from onnx.external_data_helper import load_external_data_for_model

from onnxviz.errors import EvaluationError, OnnxvizError, Unsupported
from onnxviz.model.graph import structure
from onnxviz.model.onnx2torch.package import onnx2torch

if TYPE_CHECKING:
    from onnxviz.model.model import Model


class Onnx2torchModule:
    """A model as onnx2torch converts it, with the values of its inner tensors.

    If onnx2torch cannot convert some nodes, the module holds only the tensors that do not depend on them.

    Parameters
    ----------
    model : Model
        The model.
    device : str or torch.device
        Device of the weights and of the computation.

    Attributes
    ----------
    unsupported : dict of str to Unsupported
        The tensors of nodes that onnx2torch cannot convert, or whose modules fail when they run, each with the reason.

    Raises
    ------
    UsageError
        If onnx2torch cannot be imported.
    EvaluationError
        If onnx2torch cannot convert the model although it converts each of its nodes.
    """

    def __init__(self, model: Model, device: str | torch.device = "cpu") -> None:
        onnx2torch()
        self.model = model
        self.device = torch.device(device)
        self.unsupported: dict[str, Unsupported] = {}
        proto = self._whole()
        try:
            self._convert(proto)
        except Exception as error:  # onnx2torch raises whatever its converters raise
            self.unsupported = self._refused(proto)
            if not self.unsupported:
                raise EvaluationError(f"onnx2torch does not convert {model.name}: {_sentence(error)}") from None
            names = self.known([name for name in model.producers if name])
            if names:
                self._convert(self._loaded(model.cut(names).to_proto()))

    def known(self, names: Iterable[str]) -> list[str]:
        """Return those of some tensors that depend on no unsupported node."""
        lost = set(self.unsupported)
        for node in self.model.nodes:
            if not lost.isdisjoint(structure.read_by(node)):
                lost.update(name for name in node.output if name)
        return [name for name in names if name not in lost]

    def network(self, names: Sequence[str], wrt: Sequence[str] = ()) -> Onnx2torchNetwork:
        """Return the part of the module up to some tensors.

        Parameters
        ----------
        names : sequence of str
            Tensors to compute.
        wrt : sequence of str
            Tensors that are fed instead of computed.
        """
        return Onnx2torchNetwork(self, tuple(names), frozenset(wrt))

    def try_out(self, inputs: Mapping[str, Any]) -> None:
        """Run the module once, and add the nodes whose modules fail to `unsupported`."""
        if self.known(self.model.producers):
            self.run(inputs, (), frozenset(), failing=True)

    def run(
        self, inputs: Mapping[str, Any], names: Sequence[str], wrt: frozenset[str], failing: bool = False
    ) -> dict[str, Any]:
        """Return the values of some tensors; with `failing`, note the nodes that fail instead of raising an error."""
        values: dict[torch.fx.Node, Any] = {}
        made: dict[str, Any] = {
            name: self._tensor(inputs[name]) for name in (*self._inputs.values(), *wrt) if name in inputs
        }
        found: dict[str, Any] = {name: made[name] for name in names if name in made}
        needed = self._needed(names, wrt) if names else set(self._graph.graph.nodes)
        lost: set[torch.fx.Node] = set()
        readers = {node: sum(user in needed for user in node.users) for node in needed}
        for node in self._graph.graph.nodes:
            if node not in needed or node.op == "output":
                continue
            outputs = self._outputs.get(node, ())
            if outputs and all(not name or name in wrt for name in outputs):
                values[node] = self._packed([made.get(name) for name in outputs])
                continue
            if not lost.isdisjoint(node.all_input_nodes):
                lost.add(node)
                continue
            try:
                values[node] = self._value(node, values, made)
            except Exception as error:  # a module raises what torch raises
                first = next(filter(None, outputs), node.name)
                sentence = f"onnx2torch fails at {first}: {_sentence(error)}"
                if not failing:
                    raise EvaluationError(sentence) from None
                self._note(first, f"onnx2torch converts it, but its module fails when it runs: {_sentence(error)}")
                lost.add(node)
                continue
            parts = zip(outputs, self._parts(values[node], len(outputs)), strict=False)
            found |= {name: value for name, value in parts if name in names}
            for one in node.all_input_nodes:  # free what nothing reads any more
                readers[one] = readers.get(one, 1) - 1
                if readers[one] <= 0:
                    values.pop(one, None)
        return found

    def _value(self, node: torch.fx.Node, values: Mapping[torch.fx.Node, Any], made: Mapping[str, Any]) -> Any:
        if node.op == "placeholder":
            return made[self._inputs[node]]
        arguments, keywords = torch.fx.node.map_arg((node.args, dict(node.kwargs)), lambda one: values[one])
        if node.op == "call_function":
            assert callable(node.target)
            return node.target(*arguments, **keywords)
        if node.op == "get_attr":
            value: Any = self._graph
            for part in str(node.target).split("."):
                value = getattr(value, part)
            return value
        return self._graph.get_submodule(str(node.target))(*arguments, **keywords)

    def _needed(self, names: Sequence[str], wrt: frozenset[str]) -> set[torch.fx.Node]:
        """Return the nodes of the torch graph that some tensors need."""
        needed: set[torch.fx.Node] = set()
        stack = [node for node, outputs in self._outputs.items() if any(name in names for name in outputs)]
        while stack:
            node = stack.pop()
            if node in needed:
                continue
            needed.add(node)
            outputs = self._outputs.get(node, ())
            if not outputs or not all(not name or name in wrt for name in outputs):
                stack.extend(node.all_input_nodes)
        return needed

    def _whole(self) -> ModelProto:
        return self._loaded(self.model.original)

    def _loaded(self, proto: ModelProto) -> ModelProto:
        """Return a copy of a model with the weights of other files in it; `load` has checked where these lie."""
        copy = ModelProto()
        copy.CopyFrom(proto)
        if self.model.source.folder is not None:
            load_external_data_for_model(copy, str(self.model.source.folder))
        return copy

    def _convert(self, proto: ModelProto) -> None:
        module: torch.fx.GraphModule = onnx2torch().convert(proto, attach_onnx_mapping=True)
        self._graph = module.eval().requires_grad_(False).to(self.device)
        stored = {one.name for one in proto.graph.initializer}
        fed = [value.name for value in proto.graph.input if value.name not in stored]
        nodes = list(self._graph.graph.nodes)
        self._inputs: dict[Any, str] = dict(zip((one for one in nodes if one.op == "placeholder"), fed, strict=True))
        self._outputs: dict[torch.fx.Node, tuple[str, ...]] = {}
        for node in nodes:
            if node.op == "call_module":
                mapping: Any = self._graph.get_submodule(str(node.target)).onnx_mapping
                self._outputs[node] = tuple(mapping.outputs)

    def _refused(self, proto: ModelProto) -> dict[str, Unsupported]:
        """Return the tensors of the nodes that onnx2torch cannot convert, one by one."""
        from onnx2torch.node_converters.registry import get_converter
        from onnx2torch.onnx_graph import OnnxGraph
        from onnx2torch.utils.safe_shape_inference import safe_shape_inference

        part = self._loaded(self.model.cut(self.model.producers).to_proto()) if proto.functions else proto
        graph = OnnxGraph(safe_shape_inference(part).graph)
        for node in graph.nodes.values():
            version = self.model.opsets.get("" if node.domain == "ai.onnx" else node.domain, 1)
            try:
                get_converter(node.operation_type, version, node.domain)(node, graph)
            except NotImplementedError:
                self._note(
                    next(filter(None, node.output_values)), "onnx2torch has no converter for it", node.output_values
                )
            except Exception as error:  # as above
                reason = f"onnx2torch does not convert it: {_sentence(error)}"
                self._note(next(filter(None, node.output_values)), reason, node.output_values)
        return self.unsupported

    def _note(self, tensor: str, reason: str, outputs: Sequence[str] = ()) -> None:
        node = self.model.producers.get(tensor)
        domain, operator = ("", "Constant") if node is None else (node.domain, node.op_type)
        told = Unsupported(domain, operator, self.model.opsets.get(domain, 1), 1, tensor, reason)
        for name in (*outputs, *(node.output if node is not None else (tensor,))):
            if name:
                self.unsupported[name] = told

    def _tensor(self, value: Any) -> Any:
        if value is None or isinstance(value, list):
            return value
        tensor = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.ascontiguousarray(value))
        return tensor.to(self.device)

    @staticmethod
    def _parts(value: Any, count: int) -> Sequence[Any]:
        return value if count > 1 and isinstance(value, tuple | list) else [value]

    @staticmethod
    def _packed(values: list[Any]) -> Any:
        return values[0] if len(values) == 1 else tuple(values)


class Onnx2torchNetwork:
    """A part of a module of onnx2torch: a function from named tensors to named tensors.

    Parameters
    ----------
    module : Onnx2torchModule
        The module.
    names : tuple of str
        Tensors to compute.
    wrt : frozenset of str
        Tensors that are fed instead of computed.
    """

    def __init__(self, module: Onnx2torchModule, names: tuple[str, ...], wrt: frozenset[str]) -> None:
        self.module = module
        self.names = names
        self.wrt = wrt

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of the tensors.

        Raises
        ------
        EvaluationError
            If a module of onnx2torch fails, or does not compute one of the tensors.
        """
        found = self.module.run(inputs, self.names, self.wrt)
        lost = [name for name in self.names if name not in found]
        if lost:
            raise EvaluationError(f"the module of onnx2torch does not hold {lost[0]}")
        return found


def merged(every: Iterable[Unsupported]) -> tuple[Unsupported, ...]:
    """Return one entry for each operator and reason, with the number of its nodes."""
    found: dict[tuple[str, str, int, str], Unsupported] = {}
    for one in {one.first_tensor: one for one in every}.values():
        key = (one.domain, one.operator, one.version, one.reason)
        found[key] = replace(found[key], count=found[key].count + 1) if key in found else one
    return tuple(found.values())


def _sentence(error: Exception) -> str:
    if isinstance(error, OnnxvizError):
        return str(error)
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
