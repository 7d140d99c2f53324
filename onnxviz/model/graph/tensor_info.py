"""Facts about a tensor that are known without a run."""

from __future__ import annotations

from dataclasses import dataclass

from onnx import TensorProto, TypeProto

_FLOATS: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.DOUBLE: "float64"}
_INTEGERS = frozenset(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"))
_NAMES: dict[int, str] = {number: name.lower() for name, number in TensorProto.DataType.items()}


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of the graph.

    Attributes
    ----------
    name : str
        Name in the file.
    element_type : int
        ONNX's element type; 0 if unknown, or if the value is not a tensor.
    shape : tuple of (int, str or None), or None
        Known sizes as int, named ones as str, unknown ones as None; None if not even the number of axes is known.
    operator : str
        Origin of the tensor: the type of the operator that makes it, "Input" or "Initializer".
    domain : str
        The operator's domain; "" for ONNX itself.
    container : str
        "tensor", or "sequence", "optional", "map", "sparse".
    """

    name: str
    element_type: int
    shape: tuple[int | str | None, ...] | None
    operator: str
    domain: str = ""
    container: str = "tensor"

    @property
    def dtype(self) -> str:
        """The element type as numpy names it; "unknown" if the graph does not say."""
        if self.container != "tensor":
            return self.container
        if not self.element_type:
            return "unknown"
        return _FLOATS.get(self.element_type) or _NAMES.get(self.element_type, "unknown")

    @property
    def is_float(self) -> bool:
        """Whether the tensor holds floating-point numbers; true if that is unknown, since only a run would tell."""
        return self.container == "tensor" and (self.dtype.startswith(("float", "bfloat")) or not self.element_type)

    @property
    def is_integer(self) -> bool:
        """Whether the tensor holds integers that numpy has a type for."""
        return self.container == "tensor" and self.dtype in _INTEGERS

    @property
    def units(self) -> int | None:
        """Number of channels or classes: the size of the axis after the batch; None if unknown."""
        if self.shape is None or len(self.shape) < 2 or not isinstance(self.shape[1], int):
            return None
        return self.shape[1]


def from_type(name: str, proto: TypeProto | None, operator: str, domain: str = "") -> TensorInfo:
    """Return the facts that a TypeProto gives about a tensor."""
    if proto is None:
        return TensorInfo(name, 0, None, operator, domain)
    kind = proto.WhichOneof("value")
    if kind != "tensor_type":
        container = "tensor" if kind is None else kind.replace("_type", "").replace("_tensor", "")
        return TensorInfo(name, 0, None, operator, domain, container)
    tensor = proto.tensor_type
    shape: tuple[int | str | None, ...] | None = None
    if tensor.HasField("shape"):
        shape = tuple(
            # Exporters write 0 or -1 for an open size.
            (dim.dim_value if dim.dim_value > 0 else None) if dim.HasField("dim_value") else (dim.dim_param or None)
            for dim in tensor.shape.dim
        )
    return TensorInfo(name, tensor.elem_type, shape, operator, domain)
