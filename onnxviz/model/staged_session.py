"""Sessions of models with custom operators that ONNX Runtime does not know: the plugins compute these, ONNX Runtime the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import NodeProto, TensorProto
from onnx.helper import (
    make_graph,
    make_model,
    make_node,
    make_opsetid,
    make_tensor_value_info,
    np_dtype_to_tensor_dtype,
)

from onnxviz.errors import Unsupported, UsageError
from onnxviz.model.graph import structure
from onnxviz.model.session import Session, register

if TYPE_CHECKING:
    from onnxviz.model.graph.graph import Graph

_UNKNOWN = ("is not a registered function/op", "Could not find an implementation for", "Failed to find kernel for")


def session_of(model: Graph, tensors: Sequence[str], wrt: Sequence[str] = (), threads: int | None = None) -> Session:
    """Return a session of the part of a model up to some tensors, with plugins in the place of operators that the runtime lacks.

    Parameters
    ----------
    model, tensors, wrt, threads
        As in `Session`.

    Raises
    ------
    TargetError, EvaluationError
        As `Session` does.
    """
    for name in (*tensors, *wrt):
        model.require(name)
    lacking = _before(model, tensors, wrt)
    return StagedSession(model, tensors, wrt, threads, lacking) if lacking else Session(model, tensors, wrt, threads)


def unconfirmed(model: Graph) -> tuple[Unsupported, ...]:
    """Return the custom operators that plugins compute and ONNX Runtime does not know, so that nothing confirms them."""
    found: dict[tuple[str, str], Unsupported] = {}
    for node in lacking_nodes(model):
        key = (node.domain, node.op_type)
        known = found.get(key)
        version = model.opsets.get(node.domain, 1)
        first = known.first_tensor if known else next(filter(None, node.output), node.name)
        reason = "ONNX Runtime does not know it, so the plugin alone computes it; name a library that has it with `custom_ops`"
        found[key] = Unsupported(*key, version, known.count + 1 if known else 1, first, reason)
    return tuple(found.values())


def lacking_nodes(model: Graph) -> list[NodeProto]:
    """Return the nodes, in order, whose operators plugins serve and ONNX Runtime does not know."""
    extensions = model.extensions
    if not extensions.operators:
        return []
    libraries = extensions.names.custom_ops
    return [
        node
        for node in model.nodes
        if extensions.find(node.domain, node.op_type, model.opsets.get(node.domain, 1)) is not None
        and not _runtime_knows(node.domain, node.op_type, model.opsets.get(node.domain, 1), libraries)
    ]


def _before(model: Graph, tensors: Sequence[str], wrt: Sequence[str]) -> list[NodeProto]:
    """Return those of the nodes that ONNX Runtime lacks on which some tensors depend."""
    lacking = {id(node) for node in lacking_nodes(model)}
    if not lacking:
        return []
    positions, _ = structure.ancestors(model.nodes, tensors, set(wrt))
    return [model.nodes[position] for position in positions if id(model.nodes[position]) in lacking]


@lru_cache(maxsize=256)
def _runtime_knows(domain: str, operator: str, version: int, libraries: tuple[str, ...]) -> bool:
    """Return whether ONNX Runtime, with some libraries, knows an operator."""
    import onnxruntime

    # Whether inputs and attributes fit does not matter: the runtime first looks for the operator.
    node = make_node(operator, ["x"], ["y"], domain=domain)
    x, y = make_tensor_value_info("x", TensorProto.FLOAT, None), make_tensor_value_info("y", TensorProto.FLOAT, None)
    opsets = [make_opsetid("", 17), make_opsetid(domain, version)] if domain else [make_opsetid("", version)]
    probe = make_model(make_graph([node], "probe", [x], [y]), opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    register(options, libraries)
    try:
        onnxruntime.InferenceSession(probe.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a type of its own for each status
        return not any(words in str(error) for words in _UNKNOWN)
    return True


class StagedSession(Session):
    """A session in stages: plugins compute the operators that ONNX Runtime lacks, from its values of their inputs.

    Parameters
    ----------
    model, tensors, wrt, threads
        As in `Session`.
    lacking : sequence of NodeProto
        The nodes that plugins compute, in an order in which they can run.

    Notes
    -----
    ONNX Runtime computes everything before, between and behind these nodes. `unconfirmed` lists their operators.
    """

    def __init__(
        self,
        model: Graph,
        tensors: Sequence[str],
        wrt: Sequence[str],
        threads: int | None,
        lacking: Sequence[NodeProto],
    ) -> None:
        self.model = model
        self.tensors = tuple(tensors)
        self.untouched = False
        self._wrt, self._threads = tuple(wrt), threads
        self._lacking = lacking
        part = model.cut(tensors, wrt)
        self.inputs = {name: (info.dtype, info.shape or ()) for name, info in part.inputs.items()}
        self._parts: dict[tuple[str, ...], Session] = {}
        self._networks: dict[str, Any] = {}

    def __call__(self, inputs: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """Return the values of the tensors, as `Session` does.

        Raises
        ------
        UsageError, EvaluationError
            As `Session`; also if a plugin's function refuses its inputs.
        """
        for name in self.inputs:
            if name not in inputs:
                raise UsageError(f"{self.model.name} needs the input '{name}'; give its value (`held`)")
        values: dict[str, Any] = dict(inputs)
        made: list[str] = []
        waiting = list(self._lacking)
        while waiting:
            # All nodes whose inputs no other waiting node changes share one run.
            behind = {name for node in waiting for name in node.output if name}
            ready = [node for node in waiting if not self._depends(node, behind, made)]
            reads = list(dict.fromkeys(name for node in ready for name in self._reads(node)))
            values.update(self._run(reads, made, values))
            for node in ready:
                values.update(self._by_plugin(node, values))
                made += [name for name in node.output if name]
            waiting = [node for node in waiting if not any(node is one for one in ready)]
        return self._run(list(self.tensors), made, values)

    def _reads(self, node: NodeProto) -> list[str]:
        return [name for name in structure.read_by(node) if name not in self.model.constants]

    def _depends(self, node: NodeProto, behind: set[str], made: Sequence[str]) -> bool:
        nodes = self.model.nodes
        positions, leaves = structure.ancestors(nodes, self._reads(node), {*self._wrt, *made})
        return not behind.isdisjoint(
            {*leaves, *(name for place in positions for name in nodes[place].output)} - {*made}
        )

    def _run(self, names: Sequence[str], made: Sequence[str], values: Mapping[str, Any]) -> dict[str, Any]:
        """Return tensors as ONNX Runtime computes them behind what plugins have computed."""
        stops = {*self._wrt, *made}
        _, leaves = structure.ancestors(self.model.nodes, names, stops)
        wrt = [name for name in (*self._wrt, *made) if name in leaves]
        key = (*names, "\0", *wrt)
        if key not in self._parts:
            kinds = {name: np_dtype_to_tensor_dtype(np.asarray(values[name]).dtype) for name in wrt}
            self._parts[key] = Session(self.model, names, wrt, self._threads, kinds)
        return self._parts[key](values) if names else {}

    def _by_plugin(self, node: NodeProto, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
        import torch

        from onnxviz.model.engine.network import Network

        outputs = [name for name in node.output if name]
        reads = self._reads(node)
        if outputs[0] not in self._networks:
            self._networks[outputs[0]] = Network(self.model, outputs, reads)
        with torch.no_grad():
            answers = self._networks[outputs[0]]({name: values[name] for name in reads})
        found = {}
        for name in outputs:
            array = answers[name].cpu().numpy()
            kind = self.model.tensors[name].dtype
            found[name] = array.astype(kind) if kind in ("float16", "float32", "float64") else array
        return found
