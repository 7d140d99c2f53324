"""How many of ONNX's operator tests each converter gets right: onnxviz beside onnx2torch.

Every test of the installed onnx whose inputs and outputs are tensors, floating point among them on both sides, counts.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto
from onnx.backend.test.case.node import collect_testcases

import onnxviz

FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16}
RANDOM = {"Bernoulli", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"}


def cases() -> Iterator[Any]:
    """Yield the tests that count."""
    for case in collect_testcases(None):
        graph = case.model.graph
        values = [*graph.input, *graph.output]
        kinds = [value.type.tensor_type.elem_type for value in values if value.type.HasField("tensor_type")]
        if len(kinds) < len(values) or TensorProto.STRING in kinds:
            continue
        if not FLOATS & set(kinds[: len(graph.input)]) or not FLOATS & set(kinds[len(graph.input) :]):
            continue
        if not any(node.op_type in RANDOM or node.domain.endswith("training") for node in graph.node):
            yield case


def array(value: Any) -> np.ndarray:
    """Return a test's value as an ndarray."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.asarray(value)


def wide(value: Any) -> np.ndarray:
    """Return a value in double precision."""
    if isinstance(value, torch.Tensor):
        value = value.detach().float().numpy() if value.is_floating_point() else value.detach().numpy()
    value = np.asarray(value)
    return value.astype(np.complex128 if np.iscomplexobj(value) else np.float64)


def with_onnxviz(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[Any]:
    """Convert and run by onnxviz."""
    names = [output.name for output in model.graph.output]
    answer = onnxviz.load(model).network(names)(inputs)
    return [answer[name] for name in names]


def with_onnx2torch(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[Any]:
    """Convert and run by onnx2torch."""
    import onnx2torch

    answer = onnx2torch.convert(model)(*(torch.as_tensor(value) for value in inputs.values()))
    return list(answer) if isinstance(answer, (list, tuple)) else [answer]


def right(convert: Callable[[onnx.ModelProto, dict[str, np.ndarray]], list[Any]], case: Any) -> bool:
    """Tell whether a converter gives what the test expects, within the test's own tolerance."""
    names = [value.name for value in case.model.graph.input]
    try:
        for inputs, expected in case.data_sets:
            fed = {name: array(value) for name, value in zip(names, inputs, strict=False)}
            for mine, wanted in zip(convert(copy.deepcopy(case.model), fed), map(array, expected), strict=True):
                np.testing.assert_allclose(
                    wide(mine), wide(wanted), rtol=max(case.rtol, 1e-3), atol=max(case.atol, 1e-5)
                )
    except Exception:  # whatever goes wrong, the test is not passed
        return False
    return True


def main() -> None:
    """Print how many tests each passes."""
    warnings.filterwarnings("ignore")
    every = list(cases())
    for name, convert in (("onnxviz", with_onnxviz), ("onnx2torch", with_onnx2torch)):
        count = sum(right(convert, case) for case in every)
        print(f"{name}: {count} of {len(every)} ({100 * count / len(every):.1f} %)", flush=True)


if __name__ == "__main__":
    main()
