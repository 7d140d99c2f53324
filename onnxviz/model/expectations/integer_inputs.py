"""Inputs of integers that a graph reads as numbers: pictures of bytes, sound as samples, tables of whole numbers."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from onnx import NodeProto

from onnxviz.model.expectations.embedding import find_embedding
from onnxviz.model.expectations.input_roles import data_inputs, input_roles
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.tensor_info import TensorInfo

_NARROW = ("int8", "uint8", "int16", "uint16")
"""Types of pictures and sound. Masks, lengths and positions have 32 or 64 bits."""

_BOTH = frozenset(
    ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum", "Mean", "Pow", "Mod", "Concat", "Where", "CastLike")
)
"""Operators that read data at every place. At other places than the first, others read indices, axes and sizes."""

_ARITHMETIC = frozenset(
    ("QLinearConv", "QLinearMatMul", "QGemm", "QLinearAdd", "QLinearMul", "ConvInteger", "MatMulInteger")
)
"""Operators of quantized networks, which need no floats."""

_KEPT = ("Identity", "Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that keep every boolean."""

_CODES = frozenset(
    (
        "OneHot",
        "OneHotEncoder",
        "Range",
        "ConstantOfShape",
        "EmbedLayerNormalization",
        "TfIdfVectorizer",
        "LabelEncoder",
        "CategoryMapper",
    )
)
"""Operators that read whole numbers as codes or sizes, at every place."""


def reads_as_numbers(model: Graph, name: str) -> bool:
    """Return whether a graph reckons with an input of integers or booleans, or turns it into floats, and never indexes with it.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        Name of an input.

    Examples
    --------
    >>> import onnx.parser
    >>> from onnxviz import load
    >>> text = '<ir_version: 8, opset_import: ["" : 17]> g (uint8[1, 3] x) => (float[1, 3] y) { y = Cast <to = 1> (x) }'
    >>> reads_as_numbers(load(onnx.parser.parse_model(text)), "x")
    True
    """
    if model.require(name).dtype == "bool":
        return _cast_first(model, name)
    if not model.require(name).is_integer:
        return False
    reached, found = {name}, False
    for node in model.nodes:
        places = [place for place, one in enumerate(node.input) if one in reached]
        if not places or node.op_type in ("Shape", "Size"):
            continue
        if not _is_data(node, places):
            return False
        found = found or node.op_type in _ARITHMETIC
        for made in filter(None, node.output):
            info = model.tensors[made]
            found = found or (info.is_float and bool(info.element_type))
            if info.is_integer:
                reached.add(made)
    return found


def _cast_first(model: Graph, name: str) -> bool:
    """Return whether a graph turns an input of booleans into numbers, and reads it in no other way."""
    reached, found = {name}, False
    for node in model.nodes:
        if reached.isdisjoint(node.input) or node.op_type in ("Shape", "Size"):
            continue
        if node.op_type in ("Cast", "CastLike") and node.input[0] in reached:
            found = True
        elif node.op_type in _KEPT and node.input[0] in reached:
            reached.update(node.output)
        else:
            return False
    return found


def movable_inputs(model: Graph, held: Collection[str] = ()) -> list[TensorInfo]:
    """Return the inputs that a search can move: floats, and integers that the graph reads as numbers.

    Caches, masks, lengths and positions move only if no input of data is left. Integers of 32 and 64 bits count only if no
    other input can move.

    Parameters
    ----------
    model : Graph
        The model.
    held : collection of str
        The inputs with a fixed value, which cannot move.
    """
    free = [name for name in model.inputs if name not in held]
    free = [name for name in data_inputs(model) if name in free] or free
    infos = [model.inputs[name] for name in free]
    found = [info for info in infos if info.is_float or (info.dtype in _NARROW and holds_numbers(model, info))]
    return found or [info for info in infos if holds_numbers(model, info)]


def holds_numbers(model: Graph, info: TensorInfo) -> bool:
    """Return whether an input of integers holds a picture, a sound or features, and no tokens, masks or positions."""
    if info.name not in model.inputs or not info.shape or not reads_as_numbers(model, info.name):
        return False
    if info.dtype in _NARROW:
        return True
    own = model.inputs[info.name].shape
    alike = (other.name for other in model.inputs.values() if other.shape == own and other.name != info.name)
    return info.name not in input_roles(model) and all(find_embedding(model, other) is None for other in alike)


def rounded(array: np.ndarray, dtype: str) -> np.ndarray:
    """Return an array in a type; for integers and booleans, floats are rounded to the nearest number that the type holds."""
    if np.dtype(dtype).kind == "b" and np.asarray(array).dtype.kind == "f":
        return np.asarray(np.asarray(array) >= 0.5)
    if np.dtype(dtype).kind not in "iu" or np.asarray(array).dtype.kind != "f":
        return np.asarray(array, dtype)
    array = np.asarray(array)
    limits = np.iinfo(dtype)
    high = float(limits.max)
    if int(high) > limits.max:  # no float of 64 bits is the highest number of 64 bits
        high = float(np.nextafter(high, 0.0))
    nearest = np.rint(array.astype(np.float64))
    return np.asarray(np.clip(nearest, float(limits.min), high).astype(dtype))


def _is_data(node: NodeProto, places: list[int]) -> bool:
    """Return whether a node reads the tensors at some places as data, and not as indices, axes or sizes."""
    if node.op_type in _CODES:
        return False
    anywhere = (
        node.op_type in _BOTH or node.op_type.startswith(("QLinear", "QGemm", "MatMul")) or node.domain == "ai.onnx.ml"
    )
    return anywhere or places == [0]
