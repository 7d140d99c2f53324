"""The constants of a graph: they are listed, kept outside the graph if they are large, and read from the file."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, SequenceProto, SparseTensorProto, TensorProto

from onnxviz.errors import AllocationError, ExternalDataError, ModelError
from onnxviz.model.graph import external_data

Weight = TensorProto | SparseTensorProto

_INLINE = 2048
"""Bytes up to which a constant stays in the graph, where shape inference can read it."""

_MOST_ELEMENTS = 1 << 30
"""Most elements of a weight."""


def separate(full: GraphProto) -> tuple[GraphProto, dict[str, Weight]]:
    """Copy a graph without its large constants, and list all constants by name.

    Parameters
    ----------
    full : GraphProto
        The graph of the file; not changed.

    Returns
    -------
    graph : GraphProto
        Without Constant nodes that hold a tensor: they count as initializers.
    constants : dict of str to (TensorProto or SparseTensorProto)
        Initializers, and the tensors of Constant nodes.

    Raises
    ------
    ModelError
        If two initializers have the same name.
    """
    graph = GraphProto(name=full.name, input=full.input, output=full.output, value_info=full.value_info)
    constants: dict[str, Weight] = {}
    for tensor in full.initializer:
        _add(constants, tensor.name, tensor)
    for sparse in full.sparse_initializer:
        _add(constants, sparse.values.name, sparse)
    graph.node.extend(hoist(full.node, constants))
    declare(graph, constants)
    return graph, constants


def hoist(nodes: Iterable[NodeProto], constants: dict[str, Weight], taken: Collection[str] = ()) -> list[NodeProto]:
    """Move the tensors of Constant nodes to the constants, and return the other nodes.

    Parameters
    ----------
    nodes : iterable of NodeProto
        The graph's nodes.
    constants : dict of str to (TensorProto or SparseTensorProto)
        Constants by name; the moved tensors are added.
    taken : collection of str
        Names of other constants. A node that makes one of them again is not moved, and refused later.
    """
    others = []
    for node in nodes:
        value = _constant_value(node)
        if value is None or node.output[0] in constants or node.output[0] in taken:
            others.append(node)
        else:
            constants[node.output[0]] = value
    return others


def _add(constants: dict[str, Weight], name: str, weight: Weight) -> None:
    if name in constants:
        raise ModelError(f"the initializer '{name}' occurs twice in the file; each name may occur once")
    constants[name] = weight


def _constant_value(node: NodeProto) -> Weight | None:
    """Return the tensor, dense or sparse, that a Constant node holds; None for other nodes, and for bare numbers."""
    if node.op_type != "Constant" or node.domain not in ("", "ai.onnx") or len(node.output) != 1:
        return None
    for attribute in node.attribute:
        if attribute.ref_attr_name:
            continue
        if attribute.name == "value" and attribute.type == AttributeProto.TENSOR:
            value: Weight = attribute.t
            return value
        if attribute.name == "sparse_value" and attribute.type == AttributeProto.SPARSE_TENSOR:
            sparse: Weight = attribute.sparse_tensor
            return sparse  # as above: the name tells the type that protocol buffers do not
    return None


def declare(graph: GraphProto, constants: Mapping[str, Weight]) -> None:
    """Add constants to a graph: small ones with their values, large ones only by name, type and shape.

    Parameters
    ----------
    graph : GraphProto
        Changed in place.
    constants : mapping of str to (TensorProto or SparseTensorProto)
        Constants by their names in the graph.
    """
    for name, weight in constants.items():
        tensor = graph.initializer.add()
        if isinstance(weight, SparseTensorProto):
            tensor.data_type = weight.values.data_type
            tensor.dims.extend(weight.dims)
            tensor.data_location = TensorProto.EXTERNAL
        elif _is_small(weight):
            tensor.CopyFrom(weight)
        else:
            tensor.data_type = weight.data_type
            tensor.dims.extend(weight.dims)
            tensor.data_location = TensorProto.EXTERNAL
        tensor.name = name  # a Constant node's tensor may have another name, or none


def _is_small(weight: TensorProto) -> bool:
    """Return whether a constant stays in the graph. Its bytes are counted only if its shape does not decide."""
    # Four elements of the narrowest types share a byte. Counting bytes serializes the whole tensor.
    if external_data.is_external(weight) or math.prod(weight.dims) > 4 * _INLINE:
        return False
    return bool(weight.ByteSize() <= _INLINE)


def tensors_in(nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    """Yield all tensors inside nodes: in attributes and in subgraphs."""
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from _parts(attribute.sparse_tensor)
            yield from attribute.tensors
            for sparse in attribute.sparse_tensors:
                yield from _parts(sparse)
            graphs = [*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs]
            for graph in graphs:
                yield from graph.initializer
                for sparse in graph.sparse_initializer:
                    yield from _parts(sparse)
                yield from tensors_in(graph.node)


def named_parts(name: str, weight: Weight) -> Iterator[TensorProto]:
    """Yield the dense tensors of a constant, under the constant's name in the graph."""
    for part in _parts(weight) if isinstance(weight, SparseTensorProto) else (weight,):
        if not external_data.is_external(part) or part.name == name:
            yield part
        else:
            renamed = TensorProto()
            renamed.CopyFrom(part)
            renamed.name = name
            yield renamed


def _parts(sparse: SparseTensorProto) -> tuple[TensorProto, TensorProto]:
    return sparse.values, sparse.indices


def read_array(weight: Weight, folder: Path | None, what: str) -> np.ndarray:
    """Return a constant's values in the model's own type; a sparse constant becomes a dense array.

    Parameters
    ----------
    weight : TensorProto or SparseTensorProto
        The constant, from the file.
    folder : Path or None
        The model's folder, which must contain external data.
    what : str
        Name of the constant for messages: "the weight 'conv1.weight'".

    Raises
    ------
    AllocationError
        If its declared shape has too many elements.
    ExternalDataError
        If its values are stored where reading is not allowed.
    ModelError
        If its values cannot be read.
    """
    if math.prod(weight.dims) > _MOST_ELEMENTS:
        raise AllocationError(
            f"{what} is declared with the shape {list(weight.dims)}, {math.prod(weight.dims):,} elements; "
            f"at most {_MOST_ELEMENTS:,} are allowed"
        )
    try:
        if isinstance(weight, SparseTensorProto):
            values, indices = (read_array(part, folder, what) for part in _parts(weight))
            return _dense(values, indices, tuple(weight.dims))
        if external_data.is_external(weight):
            return external_data.read(weight, folder)
        array: np.ndarray = onnx.numpy_helper.to_array(weight)
        return array
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ModelError(f"{what} cannot be read ({error}); the file is damaged") from None


def to_proto(name: str, array: np.ndarray) -> TensorProto:
    """Return an array as a constant of a graph."""
    return onnx.numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)


def from_proto(value: Any, what: str) -> Any:
    """Return a value of ONNX's test data as a numpy array, or as a list of arrays for a sequence.

    Parameters
    ----------
    value : object
        A TensorProto, SparseTensorProto or SequenceProto of them; anything else is returned as it is.
    what : str
        Name of the value for messages: "the value of 'image'".

    Raises
    ------
    AllocationError, ExternalDataError, ModelError
        As in `read_array`. External data are refused: a value has no folder.
    """
    if isinstance(value, SequenceProto):
        return [from_proto(part, what) for part in (*value.tensor_values, *value.sparse_tensor_values)]
    if not isinstance(value, Weight):
        return value
    if any(external_data.is_external(part) for part in named_parts(what, value)):
        raise ExternalDataError(
            f"{what} points to an external file, which is not read; give a value that holds its numbers"
        )
    return read_array(value, None, what)


def _dense(values: np.ndarray, indices: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    full = np.zeros(shape, values.dtype)
    if indices.ndim == 2:
        full[tuple(indices.T)] = values
    else:
        full.reshape(-1)[indices] = values
    return full
