"""Models without any checks, for the tests of loading."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import ModelProto, TensorProto, helper, numpy_helper


def nodes(*parts: onnx.NodeProto, weights: dict[str, np.ndarray] | None = None, **changes: object) -> ModelProto:
    """Return a model from x to y around nodes that need not be valid."""
    graph = helper.make_graph(
        list(parts),
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **changes)
