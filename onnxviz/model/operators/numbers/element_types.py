"""ONNX element types in torch: the torch type that carries each element type, and the tensors that carry numpy arrays."""

from __future__ import annotations

import numpy as np
import torch
from onnx import TensorProto
from torch import Tensor

from onnxviz.errors import EvaluationError

T = TensorProto

# float32 carries float16 and bfloat16, because torch computes them on a CPU slowly and with more rounding than ONNX Runtime.
# The next wider signed type carries an unsigned type that torch hardly supports.
CARRIERS: dict[int, torch.dtype] = {
    T.FLOAT: torch.float32,
    T.DOUBLE: torch.float64,
    T.FLOAT16: torch.float32,
    T.BFLOAT16: torch.float32,
    T.INT8: torch.int8,
    T.INT16: torch.int16,
    T.INT32: torch.int32,
    T.INT64: torch.int64,
    T.UINT8: torch.uint8,
    T.UINT16: torch.int32,
    T.UINT32: torch.int64,
    T.UINT64: torch.int64,
    T.BOOL: torch.bool,
    T.COMPLEX64: torch.complex64,
    T.COMPLEX128: torch.complex128,
    T.INT4: torch.int8,
    T.UINT4: torch.uint8,
    T.FLOAT8E4M3FN: torch.float32,
    T.FLOAT8E4M3FNUZ: torch.float32,
    T.FLOAT8E5M2: torch.float32,
    T.FLOAT8E5M2FNUZ: torch.float32,
}
# Newer element types, which the oldest supported onnx does not have.
for _name, _carrier in (
    ("FLOAT4E2M1", torch.float32),
    ("FLOAT6E2M3", torch.float32),
    ("FLOAT6E3M2", torch.float32),
    ("FLOAT8E8M0", torch.float32),
    ("INT2", torch.int8),
    ("UINT2", torch.uint8),
):
    if hasattr(T, _name):
        CARRIERS[getattr(T, _name)] = _carrier

FLOATING = frozenset(t for t, carrier in CARRIERS.items() if carrier.is_floating_point)


def carrier(element_type: int) -> torch.dtype:
    """Return the torch type that carries an ONNX element type.

    Raises
    ------
    EvaluationError
        If the type is string, or another type that torch cannot hold.
    """
    try:
        return CARRIERS[element_type]
    except KeyError:
        name = type_name(element_type)
        raise EvaluationError(f"a tensor of type {name} has no counterpart in torch; aim at a numeric tensor") from None


def type_name(element_type: int) -> str:
    """Return ONNX's name of an element type in lowercase: "float", "int64", ….

    Examples
    --------
    >>> type_name(1)
    'float'
    """
    try:
        return str(TensorProto.DataType.Name(element_type)).lower()
    except ValueError:
        return f"type {element_type}"


def from_numpy(array: np.ndarray) -> Tensor:
    """Return a tensor that carries a numpy array. The tensor has memory of its own.

    Parameters
    ----------
    array : ndarray
        Any numeric type of numpy or ml_dtypes.

    Raises
    ------
    EvaluationError
        If the array does not hold numbers.
    """
    kind = array.dtype.name
    if kind in ("float16", "bfloat16") or kind.startswith(("float8", "float6_", "float4")):
        array = array.astype(np.float32)
    elif kind in ("int4", "int2"):
        array = array.astype(np.int8)
    elif kind in ("uint4", "uint2"):
        array = array.astype(np.uint8)
    elif kind == "uint16":
        array = array.astype(np.int32)
    elif kind in ("uint32", "uint64"):
        array = array.astype(np.int64)
    elif array.dtype.kind not in "fiubc":
        raise EvaluationError(
            f"an array of type {array.dtype} has no counterpart in torch; give an ndarray or a TensorProto of numbers"
        )
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    # torch cannot mark numpy's memory as read-only. The copy keeps the caller's array from being changed.
    return torch.from_numpy(np.array(array, order="C", copy=True))
