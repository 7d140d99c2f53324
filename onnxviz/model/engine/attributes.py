"""A node's attributes as Python values and torch tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from onnx import AttributeProto, TensorProto

from onnxviz.errors import EvaluationError
from onnxviz.model.graph.constants import read_array
from onnxviz.model.operators.numbers.element_types import from_numpy


def attribute_value(attribute: AttributeProto, label: str, folder: Path | None) -> Any:
    """Return an attribute's value as an operator's function takes it.

    Parameters
    ----------
    attribute : AttributeProto
        The attribute; not a graph, since graphs are converted.
    label : str
        Name of the node for messages.
    folder : Path or None
        The model's folder, for external data.

    Returns
    -------
    int, float, str, tuple of them, Tensor or TypeProto

    Raises
    ------
    ModelError
        If a tensor cannot be read.
    EvaluationError
        If the attribute has a type that no operator takes.
    """
    kind = attribute.type
    if kind == AttributeProto.FLOAT:
        return attribute.f
    if kind == AttributeProto.INT:
        return attribute.i
    if kind == AttributeProto.STRING:
        return attribute.s.decode("utf-8", "replace")
    if kind == AttributeProto.FLOATS:
        return tuple(attribute.floats)
    if kind == AttributeProto.INTS:
        return tuple(attribute.ints)
    if kind == AttributeProto.STRINGS:
        return tuple(text.decode("utf-8", "replace") for text in attribute.strings)
    if kind in (AttributeProto.TENSOR, AttributeProto.SPARSE_TENSOR):
        what = f"the attribute '{attribute.name}' of {label}"
        if kind == AttributeProto.TENSOR:
            if attribute.t.data_type == TensorProto.STRING:
                return tuple(text.decode("utf-8", "replace") for text in attribute.t.string_data)
            return from_numpy(read_array(attribute.t, folder, what))
        return from_numpy(read_array(attribute.sparse_tensor, folder, what))
    if kind == AttributeProto.TYPE_PROTO:
        return attribute.tp
    raise EvaluationError(f"its attribute '{attribute.name}' has a type that is not supported")
