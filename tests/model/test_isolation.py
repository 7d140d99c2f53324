"""One operator at a time, on the inputs that ONNX Runtime computed for it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx.parser
import pytest

import onnxviz
from onnxviz.model.isolation import Isolation
from onnxviz.model.model import Model
from onnxviz.model.session import Session

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[2, 4] x, bool flag) => (float y) <float[4] w = {1, 2, 3, 4}>
{
    a = Mul(x, w)
    k = ArgMax(a)
    s = SplitToSequence <axis = 1> (a)
    j = ConcatFromSequence <axis = 1> (s)
    y = If (flag) <
        then_branch = t () => (float o) { p = Neg(a)  o = Mul(p, w) },
        else_branch = e () => (float o) { o = Identity(a) }
    >
}
"""
X = np.array([[1, -2, 3, 0.5], [0, 1, -1, 2]], np.float32)
FED = {"x": X, "flag": np.array(True)}


def opened() -> Model:
    return onnxviz.load(onnx.parser.parse_model(TEXT))


def test_every_operator_agrees_alone_with_sequences_and_captured_values_before_it() -> None:
    model = opened()
    names = ["a", "k", "j", "y"]
    alone = Isolation(model, names, FED)
    assert alone.sources("y") == ("flag", "a")
    assert alone.sources("a") == ("x",)
    assert alone.sources("x") == ()
    for name in names:
        ours, theirs = alone(name)
        np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-6)


def test_what_goes_in_is_onnx_runtime_s_not_torch_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Session.__call__

    def shifted(self: Session, inputs: Any) -> dict[str, Any]:
        return {name: value + 1 if name == "a" else value for name, value in run(self, inputs).items()}

    monkeypatch.setattr(Session, "__call__", shifted)
    ours, _ = Isolation(opened(), ["y"], FED)("y")
    w = np.array([1, 2, 3, 4], np.float32)
    np.testing.assert_allclose(ours.numpy(), -(X * w + 1) * w, rtol=1e-6)
