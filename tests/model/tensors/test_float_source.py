"""The float tensor before integers, truth values and labels."""

from __future__ import annotations

import onnx.parser
import pytest

import onnxviz
from onnxviz.model.tensors.float_source import float_source, unrounded
from onnxviz.target import Target

HEAD = '<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]> g (float[N, 4] x) => (float[N, 4] y)'


@pytest.mark.parametrize(
    ("body", "name", "found"),
    [
        ("s = Neg(x)  a = ArgMax <axis = 1> (s)  y = Cast <to = 1> (a)", "a", ("s", "ArgMax", False)),
        ("s = Neg(x)  y = Neg(s)  c = Cast <to = 2> (s)  i = Identity(c)", "i", ("s", "Cast", True)),
        ("s = Neg(x)  y = Neg(s)  c = Cast <to = 2> (s)  t = Transpose(c)", "t", ("s", "Cast", False)),
        ("s = Neg(x)  y = Neg(s)  b = Greater(s, x)  n = Not(b)", "n", ("s", "Greater", False)),
        ("y = Neg(x)  c = Cast <to = 2> (x)", "c", None),
        (
            "l, p = ai.onnx.ml.LinearClassifier <coefficients = [1.0, 2.0], classlabels_ints = [3, 4]> (x)  y = Neg(x)",
            "l",
            ("p", "LinearClassifier", False),
        ),
    ],
)
def test_the_nearest_float_tensor_is_named(body: str, name: str, found: tuple[str, str, bool] | None) -> None:
    model = onnxviz.load(onnx.parser.parse_model(f"{HEAD} {{ {body} }}"))
    source = float_source(model, name)
    assert (None if source is None else (source.tensor, source.operator, source.alike)) == found
    other = unrounded(model, Target(name, (3,)))
    assert other == (Target(source.tensor, (3,)) if source is not None and source.alike else None)
