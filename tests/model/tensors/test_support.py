"""The facts of the catalog about a tensor agree with torch."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from onnx import helper

import onnxviz
from onnxviz.errors import UnsupportedOperators
from onnxviz.model.model import Model
from onnxviz.model.tensors.support import reach, support

TEXT = """
<ir_version: 8, opset_import: ["" : 17, "elsewhere" : 1]>
g (float[2, 4] x, int64[2] i) => (float last)
<float[4, 3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float s = {0.1}, uint8 z = {128}>
{
    h = MatMul(x, w)
    best = ArgMax(h)
    up = Ceil(h)
    q = QuantizeLinear(h, s, z)
    d = DequantizeLinear(q, s, z)
    size = Shape(h)
    c = Transpose(w)
    ranks = Cast <to = 1> (i)
    m = elsewhere.Mystery(h)
    last = Relu(m)
    norm = MeanVarianceNormalization <axes = [0]> (h)
}
"""


def opened() -> Model:
    return onnxviz.load(onnx.parser.parse_model(TEXT))


def test_what_is_told_is_what_torch_does() -> None:
    model = opened()
    told = reach(model)
    for name in ("h", "best", "up", "q", "d", "size", "c", "ranks", "m", "last", "norm"):
        try:
            network = model.network([name])
        except UnsupportedOperators:
            assert not told[name].converted, name
            continue
        assert told[name].converted, name
        x = torch.randn(2, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
        value = network({"x": x, "i": np.array([1, 2])})[name]
        moves = False
        if value.requires_grad and value.is_floating_point():
            (gradient,) = torch.autograd.grad(value.sum(), x, allow_unused=True)
            moves = gradient is not None and bool(gradient.any())
        if name != "norm":  # the outputs have the mean 0 for every input
            assert told[name].differentiable == moves, name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("last", "Mystery is not implemented"),
        ("best", "ArgMax at best passes no gradient"),
        ("size", "Shape at size passes no gradient"),
        ("up", "Ceil at up passes no gradient; `straight_through`"),
        ("c", "it is constant"),
        ("ranks", "it is no input of numbers"),
    ],
)
def test_what_stands_in_the_way_is_named(name: str, words: str) -> None:
    found = reach(opened())[name]
    assert not found.differentiable
    assert words in found.reason


def test_what_moves_may_lie_inside_the_graph() -> None:
    told = reach(opened(), ["m"])
    assert told["m"].differentiable
    assert told["last"].converted
    assert told["last"].differentiable
    assert not told["h"].differentiable


def test_a_body_must_be_supported_with_its_own_domains() -> None:
    out = [helper.make_tensor_value_info("o", 1, None)]

    def branch(operator: str, domain: str) -> onnx.GraphProto:
        return helper.make_graph([helper.make_node(operator, ["x"], ["o"], domain=domain)], "b", [], out)

    good = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch("Relu", ""), else_branch=branch("Gelu", "com.microsoft")
    )
    assert support(good, 17, {"": 17, "com.microsoft": 1}).converted
    bad = helper.make_node("If", ["c"], ["y"], then_branch=branch("Relu", ""), else_branch=branch("Gone", ""))
    found = support(bad, 17)
    assert not found.converted
    assert found.reason == "its body holds Gone: Gone is not implemented"


def test_an_operator_that_onnx_defines_by_others_is_supported() -> None:
    assert support(helper.make_node("MeanVarianceNormalization", ["x"], ["y"]), 17).converted
    assert not support(helper.make_node("StringConcat", ["x"], ["y"]), 20).converted


STOPS = """
<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>
g (float[2, 4] x, float[2, 4] other) => (float picked)
<float[5] table = {1, 2, 3, 4, 5}, float s = {0.1}, uint8 z = {128}>
{
    k = Cast <to = 7> (x)
    whole = Cast <to = 1> (k)
    picked = Gather(table, k)
    size = Shape(x)
    sides = Cast <to = 1> (size)
    area = ReduceProd <keepdims = 0> (sides)
    best = ArgMax(x)
    choice = Cast <to = 1> (best)
    sum = Add(other, choice)
    floor = Floor(x)
    rest = Sub(x, floor)
    scaled = Mul(floor, s)
    q = QuantizeLinear(x, s, z)
    turned = Transpose(q)
    wide = Cast <to = 6> (turned)
    d = DequantizeLinear(turned, s, z)
    votes = ai.onnx.ml.TreeEnsembleRegressor <n_targets = 1, nodes_treeids = [0, 0, 0], nodes_nodeids = [0, 1, 2],
        nodes_featureids = [1, 0, 0], nodes_values = [0.5, 0.0, 0.0], nodes_modes = ["BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids = [1, 0, 0], nodes_falsenodeids = [2, 0, 0], target_treeids = [0, 0], target_nodeids = [1, 2],
        target_ids = [0, 0], target_weights = [1.0, 2.0]> (x)
    doubled = Add(votes, votes)
}
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("whole", "Cast at k gives int64, which carries no gradient"),
        ("picked", "Cast at k gives int64, which carries no gradient"),
        ("area", "Shape at size passes no gradient"),
        ("choice", "ArgMax at best passes no gradient"),
        # The other input is constant; the reason must be about the input that is searched.
        ("sum", "ArgMax at best passes no gradient"),
        (
            "scaled",
            "Floor at floor passes no gradient; `straight_through` lets it pass as if nothing were rounded",
        ),
        ("doubled", "TreeEnsembleRegressor at votes passes no gradient"),
        ("other", "it does not depend on x"),
    ],
)
def test_the_operator_that_stops_the_gradient_is_named_with_its_tensor(name: str, words: str) -> None:
    model = onnxviz.load(onnx.parser.parse_model(STOPS))
    assert reach(model, ["x"])[name].reason == words
    if name != "other":
        network = model.network([name])
        assert network.obstacle("x") == words
        x = torch.linspace(0.2, 1.9, 8).reshape(2, 4).requires_grad_()
        value = network({"x": x, "other": x.detach()})[name]
        assert not value.requires_grad or not torch.autograd.grad(value.sum(), x, allow_unused=True)[0].any()


@pytest.mark.parametrize("name", ["rest", "turned", "wide", "d"])
def test_nothing_stands_in_the_way_where_a_gradient_passes(name: str) -> None:
    model = onnxviz.load(onnx.parser.parse_model(STOPS))
    network = model.network([name])
    assert reach(model, ["x"])[name].differentiable
    assert network.obstacle("x") == ""
    x = torch.linspace(0.2, 1.9, 8).reshape(2, 4).requires_grad_()
    assert torch.autograd.grad(network({"x": x, "other": x.detach()})[name].sum(), x)[0].any()


def test_what_is_asked_for_straight_through_is_told_so() -> None:
    model = onnxviz.load(onnx.parser.parse_model(STOPS))
    told = reach(model, ["x"], straight_through=True)
    assert told["scaled"].differentiable
    assert not told["picked"].differentiable
    assert model.network(["scaled"], straight_through=True).obstacle("x") == ""


LOOP = (
    "y = Loop(n, , x) <body = b (int64 i, bool c, float[2, 3] v) => (bool go, float[2, 3] w) {{ go = Identity(c) {} }}>"
)
IF = "y = If(f) <then_branch = t () => (float z) {{ {} }}, else_branch = e () => (float z) {{ {} }}>"
SCAN = "last, y = Scan(x, x) <num_scan_inputs = 1, body = b (float[2, 3] s, float[3] v) => (float[2, 3] t, float[3] w) {{ {} }}>"
BODIES = {
    "Floor at w inside Loop at y passes no gradient; `straight_through`": LOOP.format("w = Floor(v)"),
    "Sign at r inside Loop at y passes no gradient": LOOP.format("r = Sign(v) w = Exp(r)"),
    "Hardmax at z inside If at y passes no gradient": IF.format("z = Hardmax(x)", "s = Shape(x) z = Cast <to = 1> (s)"),
    "Round at w inside Scan at y passes no gradient": SCAN.format("t = Identity(s) w = Round(v)"),
    "": IF.format("z = Sign(x)", "z = Relu(x)"),
    " ": LOOP.format("r = Sign(v) w = Add(r, v)"),
    "  ": LOOP.format("r = Sign(v) w = Add(r, x)"),
    "   ": SCAN.format("t = Round(s) w = Exp(v)"),
}


@pytest.mark.parametrize("sentence", BODIES)
def test_an_operator_inside_a_body_is_named_where_no_way_leads_around_it(sentence: str) -> None:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x, int64 n, bool f) => (float y) {{ {BODIES[sentence]} }}'
    model = onnxviz.load(onnx.parser.parse_model(text))
    told = reach(model, ["x"])["y"]
    assert told.reason.startswith(sentence.strip())
    x = torch.tensor([[0.2, -0.7, 1.4], [1.1, 2.3, -0.4]], requires_grad=True)
    moves = []
    for flag in (True, False):
        y = model.network(["y"])({"x": x, "n": np.array(2), "f": np.array(flag)})["y"]
        gradient = torch.autograd.grad(y.sum(), x)[0] if y.requires_grad else torch.zeros(1)
        moves.append(bool(gradient.any()))
    assert told.differentiable == any(moves) == (not sentence.strip())
    if "Floor" in sentence or "Sign" in sentence:
        assert reach(model, ["x"], straight_through=True)["y"].differentiable
