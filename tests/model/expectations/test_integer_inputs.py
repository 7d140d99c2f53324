"""Inputs of integers: which are numbers, their ranges by type and by the graph's first operators, and rounding."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx import numpy_helper

import onnxviz
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.integer_inputs import movable_inputs, reads_as_numbers, rounded
from onnxviz.model.expectations.resting import resting_input
from onnxviz.model.expectations.sample_inputs import random_input
from onnxviz.model.model import Model


def model(inputs: str, body: str, output: str = "float[N, M] y", **weights: np.ndarray) -> Model:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g ({inputs}) => ({output}) {{ {body} }}')
    proto.graph.initializer.extend(numpy_helper.from_array(np.asarray(value), key) for key, value in weights.items())
    return onnxviz.load(proto)


TABLE = np.ones((9, 4), np.float32)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Cast <to = 1> (x)", True),
        ("t = Transpose <perm = [1, 0]> (x)  y = Cast <to = 1> (t)", True),
        ("y = DequantizeLinear(x, s)", True),
        ("c = Cast <to = 6> (x)  d = Sub(c, k)  y = Cast <to = 1> (d)", True),
        ("y = Gather(w, x)", False),
        ("c = Cast <to = 7> (x)  y = Gather(w, c)", False),
        ("e = Equal(x, x)  y = Cast <to = 1> (e)", False),
        ("s2 = Shape(x)  y = Cast <to = 1> (s2)", False),
    ],
)
def test_numbers_become_floats_and_index_nothing(body: str, expected: bool) -> None:
    opened = model("uint8[2, 3] x", body, w=TABLE, s=np.float32(0.5), k=np.int32(3))
    assert reads_as_numbers(opened, "x") is expected


def test_wide_integers_beside_tokens_are_masks() -> None:
    body = "e = Gather(w, ids)  m = Cast <to = 1> (second)  u = Unsqueeze(m, a)  y = Mul(e, u)"
    opened = model("int64[1, 5] ids, int64[1, 5] second", body, w=TABLE, a=np.array([2]))
    assert movable_inputs(opened) == []
    assert contract(opened, "second").kind == "tokens"


def test_floats_go_before_wide_integers_and_bytes_beside_floats() -> None:
    body = "a = Cast <to = 1> (x)  b = Cast <to = 1> (k)  c = Add(a, b)  y = Add(c, f)"
    assert [one.name for one in movable_inputs(model("uint8[1, 3] x, int64[1, 3] k, float[1, 3] f", body))] == [
        "x",
        "f",
    ]


ORDERS = {
    "cast, divide": ("c = Cast <to = 1> (x)  s = Div(c, q)", 32768.0),
    "cast, multiply": ("c = Cast <to = 1> (x)  s = Mul(c, q)", 1 / 32768),
    "cast, multiply by 1/32767": ("c = Cast <to = 1> (x)  s = Mul(q, c)", 1 / 32767),
    "cast twice": ("c = Cast <to = 11> (x)  f = Cast <to = 1> (c)  s = Div(f, q)", 32768.0),
    "axis first": ("u = Unsqueeze(x, z)  v = Squeeze(u, z)  c = Cast <to = 1> (v)  s = Div(c, q)", 32768.0),
    "nothing": ("s = Cast <to = 1> (x)", 1.0),
    "dequantized": ("s = DequantizeLinear(x, q)", 1 / 32768),
}


@pytest.mark.parametrize(
    ("order", "kind"),
    [
        (order, kind)
        for order in ORDERS
        for kind in ("int16", "int32", "float")
        if order != "dequantized" or kind == "int32"
    ],
)
def test_sound_is_in_its_files_units(order: str, kind: str) -> None:
    body, number = ORDERS[order]
    if kind == "float":
        body = body.replace("Cast <to = 1> (x)", "Identity(x)")
    rest = "  u1 = Unsqueeze(s, z)  y = Conv(u1, w)"
    weights = {"q": np.float32(number), "z": np.array([1]), "w": np.ones((2, 1, 9), np.float32)}
    opened = model(f"{kind}[1, 400] x", body + rest, "float[1, 2, M] y", **weights)
    found = contract(opened, "x")
    assert (found.kind, found.axes) == ("signal", ("time",))
    if order == "nothing" and kind == "float":
        assert (found.low, found.high) == ((-1.0,), (1.0,))
        assert found.sound_units() == (1.0, 0.0)
    else:
        assert (found.low, found.high) == ((-32768.0,), (32767.0,))
        assert found.sound_units() == (32768.0, 0.0)


def test_sound_that_the_graph_brings_to_whole_numbers_is_in_a_unit_range() -> None:
    body = "s = Mul(x, q)  u = Unsqueeze(s, z)  y = Conv(u, w)"
    weights = {"q": np.float32(32768), "z": np.array([1]), "w": np.ones((2, 1, 9), np.float32)}
    found = contract(model("float[1, 400] x", body, "float[1, 2, M] y", **weights), "x")
    assert (found.low, found.high) == ((-1.0,), (1.0,))
    assert "which scales -1 to 1 to -32768 to 32768" in found.evidence[-1]


@pytest.mark.parametrize(
    ("kind", "body", "high"),
    [
        ("float", "s = Div(x, q)", 255.0),
        ("float", "s = Div(x, q)", 65535.0),
        ("float", "a = Sub(x, q)  s = Div(a, q)", 127.5),
        ("float", "a = Div(x, q)  s = Sub(a, one)", 127.5),
        ("float", "a = Div(x, q)  s = Sub(a, one)", 32767.5),
        ("int32", "a = Cast <to = 1> (x)  s = Div(a, q)", 255.0),
        ("int32", "a = Cast <to = 1> (x)  b = Sub(a, q)  s = Div(b, q)", 127.5),
        ("uint16", "a = Cast <to = 1> (x)  s = Div(a, q)", 65535.0),
        ("uint16", "a = Cast <to = 1> (x)  s = Div(a, q)", 255.0),
        ("uint16", "s = Cast <to = 1> (x)", 65535.0),
    ],
)
def test_pictures_are_in_their_files_units(kind: str, body: str, high: float) -> None:
    weights = {"q": np.float32(high), "one": np.float32(1), "w": np.ones((2, 3, 3, 3), np.float32)}
    opened = model(f"{kind}[1, 3, 8, 8] x", f"{body}  y = Conv(s, w)", "float[1, 2, 6, 6] y", **weights)
    found = contract(opened, "x")
    assert (found.low, found.high) == ((0.0,), (2 * high if high % 1 else high,))


def test_values_for_integers_lie_in_their_range() -> None:
    opened = model("int16[1, 400] x, float[1, 400] f", "c = Cast <to = 1> (x)  y = Add(c, f)")
    values = random_input(opened, "x", (1, 400))
    assert values.dtype == np.int16
    assert values.min() < -30000
    assert values.max() > 30000
    assert resting_input(opened, "x", (1, 400)).tolist() == [[0] * 400]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint32", "int64", "uint64"])
def test_floats_are_rounded_and_clipped(dtype: str) -> None:
    limits = np.iinfo(dtype)
    found = rounded(np.array([-1e30, 1.6, 2.4, 1e30]), dtype)
    assert found.dtype == dtype
    assert found[0] == limits.min
    assert found[1:3].tolist() == [2, 2]
    assert limits.max - int(found[3]) <= limits.max // 2**52
    assert rounded(found, dtype) is found


def test_onnx_runtime_gets_the_nearest_whole_numbers() -> None:
    opened = model("uint8[1, 4] x", "y = Cast <to = 1> (x)")
    assert opened.session(["y"])({"x": np.array([[-3, 1.6, 2.4, 300]])})["y"].tolist() == [[0, 2, 2, 255]]
