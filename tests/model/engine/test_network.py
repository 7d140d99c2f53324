"""Torch against ONNX Runtime, on small graphs of many kinds, and the refusals of a network."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import onnxviz
from onnxviz.errors import EvaluationError, ModelError, UnsupportedOperators, UsageError
from onnxviz.model.model import Model

HEADER = '<ir_version: 8, opset_import: ["" : 17, "elsewhere" : 1]>'


def opened(text: str, header: str = HEADER) -> Model:
    return onnxviz.load(onnx.parser.parse_model(header + text))


def agree(model: Model, inputs: dict[str, np.ndarray], tensors: list[str] | None = None) -> dict[str, torch.Tensor]:
    theirs, ours = model.session(tensors)(inputs), model.network(tensors)(inputs)
    assert list(theirs) == list(ours)
    for name, wanted in theirs.items():
        assert tuple(ours[name].shape) == wanted.shape, name
        np.testing.assert_allclose(ours[name].detach().numpy(), wanted, rtol=1e-4, atol=1e-5, err_msg=name)
    return ours


UNARY = ["Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Softplus", "Identity", "Floor", "Exp"]
BINARY = ["Add", "Mul", "Sub", "Max", "Min"]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 99), st.integers(0, 99)), min_size=1, max_size=8)
)
def test_random_graphs_agree_in_every_tensor(steps: list[tuple[str, int, int]]) -> None:
    names, lines = ["x", "w", "c"], []
    for number, (operator, first, second) in enumerate(steps):
        one, two = names[first % len(names)], names[second % len(names)]
        name = f"t{number}"
        # Sums and products are kept small, so that no tensor overflows.
        call = f"{operator}({one})" if operator in UNARY else f"{operator}({one}, {two})"
        lines.append(f"r{number} = {call} {name} = Clip(r{number}, low, high)")
        names.append(name)
    model = opened(
        f"g (float[2, 3] x) => (float {names[-1]}) "
        "<float[3] w = {1, -2, 0.5}, float[2, 1] c = {0.25, -1}, float low = {-3}, float high = {3}> {"
        + " ".join(lines)
        + "}"
    )
    x = np.array([[-1.5, 0, 2], [0.5, -0.25, 1]], np.float32)
    agree(model, {"x": x}, names)


NORMALIZED = """
g (float[2, 3, 6, 6] x) => (float y)
<float[4] b = {1, 2, 3, 4}, float[4] scale = {1, -2, 0.5, 3}, float[4] shift = {0, 1, 2, 3},
 float[4] mean = {0.5, -1, 2, 0}, float[4] var = {1, 4, 0.25, 2}>
{ h = Conv(x, w, b)  n = BatchNormalization <epsilon = 0.01> (h, scale, shift, mean, var)  y = Relu(n) }
"""


def normalized(text: str = NORMALIZED) -> Model:
    proto = onnx.parser.parse_model(HEADER + text)
    kernels = np.random.default_rng(0).standard_normal((4, 3, 3, 3)).astype(np.float32)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(kernels, "w"))
    return onnxviz.load(proto)


IMAGES = np.random.default_rng(1).standard_normal((2, 3, 6, 6)).astype(np.float32)


@pytest.mark.parametrize("text", [NORMALIZED, NORMALIZED.replace("Conv(x, w, b)", "Conv(x, w)")])
def test_a_batch_norm_goes_into_the_convolution_before_it(text: str) -> None:
    model = normalized(text)
    assert [step.node.operator for step in model.network().plan.steps] == ["Conv", "Relu"]
    agree(model, {"x": IMAGES})


@pytest.mark.parametrize(
    ("text", "tensors"),
    [
        (NORMALIZED, ["h", "y"]),
        (NORMALIZED.replace("y = Relu(n)", "y = Add(n, h)"), ["y"]),
        (NORMALIZED.replace("y = Relu(n)", "y = Add(n, h)"), ["n", "h"]),
    ],
)
def test_a_convolution_that_something_else_reads_keeps_its_own_output(text: str, tensors: list[str]) -> None:
    model = normalized(text)
    assert "BatchNormalization" in [step.node.operator for step in model.network(tensors).plan.steps]
    agree(model, {"x": IMAGES}, tensors)


def test_the_first_weights_are_not_changed_by_folding() -> None:
    model = normalized()
    before = model.weight("w").copy()
    agree(model, {"x": IMAGES})
    agree(model, {"x": IMAGES}, ["h"])
    np.testing.assert_array_equal(model.weight("w"), before)


CHOICE = """
g (float[2, 3] x, bool flag) => (float y) <float[3] w = {1, -2, 0.5}>
{
    h = Tanh(x)
    y = If (flag) <
        then_branch = then_graph () => (float o) <float[3] v = {2, 3, 4}> { k = Neg(v)  p = Mul(h, w)  o = Add(p, k) },
        else_branch = else_graph () => (float o) { p = Cast <to = 7> (x)  q = Cast <to = 1> (p)  o = Mul(q, x) }
    >
}
"""


@pytest.mark.parametrize("flag", [True, False])
def test_branches_see_what_lies_around_them(flag: bool) -> None:
    x = np.array([[-1.5, 0, 2], [0.5, -0.25, 1]], np.float32)
    agree(opened(CHOICE), {"x": x, "flag": np.array(flag)})


def test_constants_inside_a_body_are_folded() -> None:
    (step,) = [step for step in opened(CHOICE).network().plan.steps if step.bodies]
    body = step.bodies["then_branch"]
    assert not isinstance(body, tuple)
    assert [inner.node.operator for inner in body.plan.steps] == ["Mul", "Add"]


def test_a_gradient_passes_through_a_branch() -> None:
    network = opened(CHOICE).network()
    x = torch.tensor([[-1.5, 0.0, 2.0]], requires_grad=True)
    network({"x": x, "flag": torch.tensor(True)})["y"].sum().backward()
    wanted = (1 - torch.tanh(x.detach()) ** 2) * torch.tensor([1, -2, 0.5])
    torch.testing.assert_close(x.grad, wanted)


def test_a_loop_carries_collects_and_captures() -> None:
    text = """
    g (float[3] x, int64 n) => (float last, float every) <bool go = {1}, float[3] w = {1, 2, 3}>
    {
        h = Neg(x)
        last, every = Loop (n, go, h) <
            body = turn (int64 i, bool c, float[3] s) => (bool more, float[3] t, float[3] out)
            { more = Identity(c)  f = Cast <to = 1> (i)  a = Add(s, f)  t = Mul(a, w)  out = Sub(t, h) }
        >
    }
    """
    x = np.array([1, -1, 0.5], np.float32)
    for turns in (1, 4):
        agree(opened(text), {"x": x, "n": np.array(turns)})


def test_a_scan_goes_along_an_axis() -> None:
    text = """
    g (float[4, 3] x) => (float state, float sums) <float[3] start = {0, 0, 1}, float k = {2}>
    {
        state, sums = Scan <num_scan_inputs = 1, body = turn (float[3] s, float[3] e) => (float[3] t, float[3] o)
            { a = Add(s, e)  t = Div(a, k)  o = Mul(t, e) }> (start, x)
    }
    """
    agree(opened(text), {"x": np.arange(12, dtype=np.float32).reshape(4, 3)})


def test_bodies_may_use_one_name_for_tensors_of_different_types() -> None:
    text = """
    g (float[3] x, bool flag) => (float y)
    {
        y = If (flag) <
            then_branch = a () => (float o) { t = Cast <to = 7> (x)  u = Div(t, t)  o = Cast <to = 1> (u) },
            else_branch = b () => (float o) { t = Mul(x, x)  u = Div(x, t)  o = Identity(u) }
        >
    }
    """
    for flag in (True, False):
        agree(opened(text), {"x": np.array([1, 2, 4], np.float32), "flag": np.array(flag)})


def test_all_operators_that_are_missing_are_listed() -> None:
    text = """
    g (float[2, 3] x) => (float y)
    { a = elsewhere.One(x)  b = elsewhere.Two(a)  c = elsewhere.One(b)  y = Relu(c) }
    """
    with pytest.raises(UnsupportedOperators) as caught:
        opened(text).network()
    listed = [(entry.domain, entry.operator, entry.count, entry.first_tensor) for entry in caught.value.operators]
    assert listed == [("elsewhere", "One", 2, "a"), ("elsewhere", "Two", 1, "b")]
    assert "elsewhere.One (opset 1, 2 times, first at a)" in str(caught.value)


def test_a_missing_operator_s_tensor_is_named_in_full() -> None:
    text = "g (float[2, 3] x) => (float y) { y = elsewhere.One(x) }"
    proto = onnx.parser.parse_model(HEADER + text)
    proto.graph.node[0].output[0] = proto.graph.output[0].name = "block/conv/out:0"
    with pytest.raises(UnsupportedOperators, match="first at block/conv/out:0"):
        onnxviz.load(proto).network()


def test_an_error_names_tensor_and_operator() -> None:
    model = opened(
        "g (float[N, M] x) => (float[A, B] product) <float[3, 2] w = {1,2,3,4,5,6}> { product = MatMul(x, w) }"
    )
    with pytest.raises(EvaluationError, match=r"MatMul at product refuses its inputs \(float32 1x4, float32 3x2\)"):
        model.network()({"x": np.ones((1, 4), np.float32)})
    with pytest.raises(EvaluationError, match="ONNX Runtime does not run the model on this input"):
        model.session()({"x": np.ones((1, 4), np.float32)})


def test_an_error_inside_a_body_names_the_inner_node_once() -> None:
    with pytest.raises(EvaluationError, match=r"^Mul at p refuses"):
        opened(CHOICE.replace("[2, 3] x", "[N, M] x")).network()(
            {"x": np.ones((1, 4), np.float32), "flag": np.array(True)}
        )


@pytest.mark.parametrize("run", ["session", "network"])
def test_a_missing_input_is_wrong_usage(run: str) -> None:
    model = opened("g (float[1] x, float[1] z) => (float y) { y = Add(x, z) }")
    with pytest.raises(UsageError, match="needs the input 'z'"):
        getattr(model, run)()({"x": np.ones(1, np.float32)})
    with pytest.raises(UsageError, match="needs the input 'z'"):
        getattr(model, run)(["z", "y"], ["y"])({"y": np.ones(1, np.float32)})


def test_a_wrong_number_of_axes_is_named() -> None:
    model = opened("g (float[N, 3] x) => (float y) { y = Relu(x) }")
    with pytest.raises(EvaluationError, match=r"x takes 2 axes \(Nx3\), but was given 1 \(3\)"):
        model.network()({"x": np.ones(3, np.float32)})


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (onnx.helper.make_node("Conv", ["x"], ["y"]), "has no input 2, 'W', which Conv of opset 11 needs"),
        (onnx.helper.make_node("Cast", ["x"], ["y"]), "lacks its attribute 'to'"),
    ],
)
def test_a_node_that_contradicts_its_schema_is_damaged(node: onnx.NodeProto, words: str) -> None:
    proto = onnx.parser.parse_model(HEADER + "g (float[1, 3, 4] x) => (float y) { y = Relu(x) }")
    proto.graph.node[0].CopyFrom(node)
    with pytest.raises(ModelError, match=words):
        onnxviz.load(proto).network()


def test_weights_are_frozen_and_inputs_move() -> None:
    network = normalized().network()
    x = torch.from_numpy(IMAGES).requires_grad_()
    network({"x": x})["y"].mean().backward()
    assert x.grad is not None
    for step in network.plan.every_step():
        assert not any(isinstance(value, torch.Tensor) and value.requires_grad for value in step.arguments)


def test_another_function_stands_in_for_an_operator_while_it_is_asked_for() -> None:
    network = opened("g (float[3] x) => (float y) { h = Relu(x)  y = Neg(h) }").network()
    x = torch.tensor([-1.0, 0.0, 2.0])
    replaced = network.replacing({"Relu": lambda x: x * 10})
    torch.testing.assert_close(replaced({"x": x})["y"], -10 * x)
    torch.testing.assert_close(network({"x": x})["y"], -torch.relu(x))


def test_values_are_dropped_when_nothing_reads_them_any_more() -> None:
    lines = " ".join(f"t{n + 1} = Relu(t{n})" for n in range(9))
    network = opened(f"g (float[3] t0) => (float t9) {{ {lines} }}").network()
    released = [position for step in network.plan.steps for position in step.release]
    assert sorted(released) == list(range(9))  # all but the result


def test_expanded_function_bodies_name_the_model_s_own_tensor() -> None:
    class_of = "g (float[N, M] x) => (float y) { y = MeanVarianceNormalization <axes = [0, 7]> (x) }"
    with pytest.raises(EvaluationError, match=r" at y") as caught:
        opened(class_of).network()({"x": np.ones((2, 3), np.float32)})
    assert "\0" not in str(caught.value)


FROM_SHAPE = """
g (float[{0}] x) => (float[A, B] y) <int64 zero = {{0}}, int64 two = {{2}}, int64[1] first = {{0}}, int64[1] m = {{-1}},
 int64[7] none = {{0, 0, 0, 0, 0, 0, 0}}>
{{
    s = Shape(x) h = Gather(s, two) u = Unsqueeze(h, first) pads = Concat <axis = 0> (none, u) p = Pad(x, pads)
    r = Tanh(p) b = Shape(r) n = Gather(b, zero) k = Unsqueeze(n, first) t = Concat <axis = 0> (k, m) y = Reshape(r, t)
}}"""


@pytest.mark.parametrize("sizes", ["N, 2, 3, 4", "1, 2, 3, 4", "N, 2, H, W"])
@pytest.mark.parametrize("shape", [(1, 2, 3, 4), (5, 2, 3, 4), (2, 2, 5, 4), (2, 2, 3, 7)])
def test_sizes_that_the_file_settles_are_folded_and_others_still_run(sizes: str, shape: tuple[int, ...]) -> None:
    network = opened(FROM_SHAPE.format(sizes)).network()
    assert len(network.plan.steps) == (3 if "3" in sizes else 7)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    wanted = opened(FROM_SHAPE.format("N, 2, H, W")).session()({"x": x})["y"]
    np.testing.assert_allclose(network({"x": x})["y"].numpy(), wanted, rtol=1e-6, atol=1e-6)
    other = network.replacing({"Tanh": torch.relu})({"x": x})["y"]
    assert (other >= 0).all()
    assert other.shape == wanted.shape


def test_what_sizes_settle_can_be_asked_for_and_be_moved() -> None:
    model = opened(
        """g (float[N, 3] x) => (float[A, B] y) <int64 one = {1}>
        { s = Shape(x) w = Gather(s, one) f = Cast <to = 1> (w) d = Sqrt(f) y = Div(x, d) }"""
    )
    x = np.array([[1, 2, 3]], np.float32)
    found = agree(model, {"x": x}, ["f", "d", "y"])
    assert found["f"] == 3
    moved = model.network(["y"], ["d"])
    d = torch.tensor(2.0, requires_grad=True)
    answer = moved({"x": x, "d": d})["y"]
    assert answer.tolist() == [[0.5, 1, 1.5]]
    (gradient,) = torch.autograd.grad(answer.sum(), d)
    assert gradient.item() == pytest.approx(-1.5)
