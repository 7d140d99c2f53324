"""The list of rewrites: after any number of them, a plan gives the values of ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.model.engine.conversion import MISSING, Conversion
from onnxviz.model.engine.passes import FOLD, PASSES, WRITTEN, rewritten
from onnxviz.model.engine.plan import Plan
from onnxviz.model.model import Model
from onnxviz.model.operators.numbers.element_types import from_numpy

# Something for each rewrite: a weight that is computed, a batch normalization, x W + b, equal classes after a pool, a convolution with
# its rectifier, and a branch that reads what is computed from constants.
TEXT = """<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 8, 8] x, bool flag) => (float[N, 4, 8, 8] y, float[N, 5, 1, 1] p)
<float two = {2}, int64[1] all = {-1}, float[4] scale = {1, -2, 0.5, 3}, float[4] shift = {0, 1, 2, 3}, float[4] mean = {0.5, -1, 2, 0},
 float[4] variance = {1, 4, 0.25, 2}, float[8] bias = {1, 2, 3, 4, 5, 6, 7, 8}>
{
    v = Mul(w, two)
    c = Conv <pads = [1, 1, 1, 1]> (x, v)
    n = BatchNormalization(c, scale, shift, mean, variance)
    r = Relu(n)
    t = Transpose <perm = [1, 0]> (m)
    u = Mul(t, two)
    s = If (flag) <
        then_branch = yes () => (float[N, 4, 8, 8] o) { k = MatMul(r, u) o = Add(k, bias) },
        else_branch = no () => (float[N, 4, 8, 8] q) { h = Neg(two) j = Mul(u, h) q = MatMul(r, j) }
    >
    l = MatMul(s, t)
    y = Add(l, bias)
    e = Conv(y, same)
    a = GlobalAveragePool(e)
    p = Softmax <axis = 1> (a)
}"""


@pytest.fixture
def model() -> Model:
    proto = onnx.parser.parse_model(TEXT)
    generator = np.random.default_rng(0)
    same = np.repeat(generator.normal(size=(1, 4, 1, 1)), 5, 0)
    for name, values in (
        ("w", generator.normal(size=(4, 3, 3, 3))),
        ("m", generator.normal(size=(8, 8))),
        ("same", same),
    ):
        proto.graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float32), name))
    return onnxviz.load(proto)


def plan_of(model: Model) -> Plan:
    """Return the plan as the conversion gives it, before any rewrite."""

    def constant(name: str) -> object:
        return from_numpy(model.weight(name)) if name in model.constants else MISSING

    conversion = Conversion(model.opsets)
    plan = conversion.plan(model.nodes, tuple(model.inputs), list(model.outputs), constant, dict(model.types))
    assert not conversion.unsupported
    return plan


@pytest.mark.parametrize("count", range(len(PASSES) + 1))
@pytest.mark.parametrize("flag", [True, False])
def test_after_each_rewrite_the_answer_is_that_of_onnx_runtime(model: Model, count: int, flag: bool) -> None:
    x = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    wanted = model.session()({"x": x, "flag": np.array(flag)})
    plan = rewritten(plan_of(model), PASSES[:count])
    for name, found in zip(plan.outputs, plan.run([torch.as_tensor(x), torch.tensor(flag)]), strict=True):
        np.testing.assert_allclose(found.numpy(), wanted[name], rtol=1e-4, atol=1e-4, err_msg=name)


def test_each_rewrite_finds_something_here(model: Model) -> None:
    plan = rewritten(plan_of(model), ())
    seen = []
    for one in PASSES[:5]:
        before = described(plan)
        plan = rewritten(plan, (one,))
        seen.append(described(plan) != before)
    assert seen == [True] * 5
    assert rewritten(plan, (PASSES[5],)) is not plan
    assert rewritten(plan, (PASSES[6],)).runner is not None


def described(plan: Plan) -> list[object]:
    """Return what tells one plan from another: its operators, their functions, and how their constants lie."""
    return [
        (step.node.operator, step.declaration.function, [getattr(one, "stride", tuple)() for one in step.arguments])
        for step in plan.every_step()
    ]


def test_what_is_computed_from_constants_reaches_into_bodies(model: Model) -> None:
    plan = rewritten(plan_of(model), (FOLD,))
    operators = [step.node.operator for step in plan.every_step()]
    assert operators.count("Transpose") == 0
    assert "Neg" not in operators
    assert operators.count("Mul") == 0


def test_every_rewrite_says_in_a_line_what_it_assumes() -> None:
    assert [one.name for one in PASSES] == [
        "fold",
        "absorb batch norm",
        "fuse",
        "equal classes",
        "channels last",
        "pack",
        "checkpoint",
    ]
    assert PASSES[: len(WRITTEN)] == WRITTEN
    for one in PASSES:
        assert one.assumes
        assert "\n" not in one.assumes


def test_a_constant_that_is_no_number_fails_where_it_is_reached() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[2] x, bool flag) => (float y) <float[2] c = {1, 2}>
    { y = If (flag) < then_branch = yes () => (float o) { k = Cast <to = 7> (c) o = CumSum(x, k) },
                      else_branch = no () => (float q) { q = Neg(x) } > }"""
    proto = onnx.parser.parse_model(text)
    network = onnxviz.load(proto).network()
    x = torch.ones(2)
    assert network({"x": x, "flag": np.array(False)})["y"].tolist() == [-1, -1]
    with pytest.raises(Exception, match=r".+"):
        network({"x": x, "flag": np.array(True)})
