"""Models of one node, written as ONNX text: `y = Reshape(x, shape)`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
import onnx.parser
import torch

import onnxviz

TYPES = {
    "float32": "float",
    "float64": "double",
    "int32": "int32",
    "int64": "int64",
    "uint8": "uint8",
    "int8": "int8",
    "bool": "bool",
}

Arrays = Mapping[str, np.ndarray]


def written(call: str, inputs: Arrays, opset: int = 21, constants: Iterable[str] = ()) -> onnx.ModelProto:
    """Return a model around one node, or several.

    Parameters
    ----------
    call : str
        The nodes in ONNX's text form; the model's outputs are what stands left of the last "=" outside of brackets.
    inputs : mapping of str to ndarray
        What the nodes read.
    opset : int
        The version of the ONNX domain.
    constants : iterable of str
        Those of the inputs that become initializers.
    """
    known = set(constants)
    declared = ", ".join(
        f"{TYPES[a.dtype.name]}{list(a.shape) if a.ndim else ''} {name}"
        for name, a in inputs.items()
        if name not in known
    )
    outputs = call.partition("=")[0]
    opsets = f'["" : {opset}, "com.microsoft" : 1]'
    model = onnx.parser.parse_model(
        f"<ir_version: 8, opset_import: {opsets}> single ({declared}) => ({outputs}) {{ {call} }}"
    )
    model.graph.initializer.extend(onnx.numpy_helper.from_array(inputs[name], name) for name in sorted(known))
    return model


def integer_names(inputs: Arrays) -> list[str]:
    """Return the inputs that a real model would hold as constants: whole numbers with at most one axis."""
    return [name for name, array in inputs.items() if array.dtype.kind in "ib" and array.ndim <= 1]


def outputs_of(call: str, inputs: Arrays, opset: int = 21) -> list[torch.Tensor]:
    """Return what torch makes of the node, in order."""
    return list(onnxviz.load(written(call, inputs, opset)).network()(dict(inputs)).values())


def gradients_agree(call: str, inputs: Arrays, opset: int = 21) -> bool:
    """Return whether autograd agrees with finite differences for every float input, in float64."""
    model = written(call, {k: a.astype(np.float64) if a.dtype.kind == "f" else a for k, a in inputs.items()}, opset)
    network = onnxviz.load(model).network()
    names = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    leaves = [torch.tensor(inputs[name], dtype=torch.float64, requires_grad=True) for name in names]

    def function(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        answer = network({**inputs, **dict(zip(names, values, strict=True))})
        return tuple(value for value in answer.values() if value.dtype == torch.float64)

    return torch.autograd.gradcheck(function, leaves, fast_mode=True)
