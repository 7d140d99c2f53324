"""Fused patterns against the same graph with every tensor requested, which cannot be fused; and patterns that must not be fused."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.model.model import Model

HEADER = '<ir_version: 8, opset_import: ["" : 17]>'
RANDOM = np.random.default_rng(0)

ERF = "d = Div(x, root) e = Erf(d) s = Add(e, one) p = Mul(x, s) y = Mul(p, half)"
ERF_HALF_FIRST = "d = Mul(inverse, x) e = Erf(d) s = Add(one, e) p = Mul(half, x) y = Mul(s, p)"
ERF_HALVED_SUM = "d = Div(x, root) e = Erf(d) s = Add(e, one) p = Mul(s, half) y = Mul(p, x)"
TANH = "c = Pow(x, three) k = Mul(cubic, c) i = Add(x, k) d = Mul(i, slope) e = Tanh(d) s = Add(e, one) p = Mul(x, s) y = Mul(half, p)"
TANH_PRODUCTS = (
    "q = Mul(x, x) c = Mul(x, q) k = Mul(c, cubic) i = Add(k, x) d = Mul(slope, i) e = Tanh(d) s = Add(one, e) "
    "p = Mul(half, x) y = Mul(p, s)"
)
NORM = (
    "m = ReduceMean <axes = [-1]> (x) d = Sub(x, m) q = Pow(d, two) v = ReduceMean <axes = [-1]> (q) a = Add(v, epsilon) "
    "r = Sqrt(a) n = Div(d, r) g = Mul(n, scale) y = Add(g, shift)"
)
NORM_TWO_DIFFERENCES = NORM.replace("q = Pow(d, two)", "b = Sub(x, m) q = Mul(b, b)")
NORM_WITHOUT_SHIFT = NORM.replace("g = Mul(n, scale) y = Add(g, shift)", "y = Mul(scale, n)")
LINEAR = "h = MatMul(x, w) y = Add(bias, h)"
NUMBERS = (
    "float root = {1.4142135}, float inverse = {0.70710677}, float one = {1}, float half = {0.5}, float two = {2}, "
    "float three = {3}, float cubic = {0.044715}, float slope = {0.7978846}, float epsilon = {0.00001}, float[4] scale = "
    "{1, -2, 0.5, 3}, float[4] shift = {0, 1, 2, 3}, float[4, 3] w = {1, 2, 3, 4, 5, -6, -7, 8, 9, 1, 0, 2}, float[3] bias = {1, 2, 3}"
)

HEADS = "float[2, 3, 5, 4] q, float[2, 3, 6, 4] k, float[2, 3, 6, 2] v, float[5, 6] mask"
KEYS = "t = Transpose <perm = [0, 1, 3, 2]> (k) "
ATTENTION = KEYS + "h = MatMul(q, t) s = Div(h, two) p = Softmax <axis = -1> (s) y = MatMul(p, v)"
SCALED_QUERY = KEYS + "a = Mul(q, half) h = MatMul(a, t) p = Softmax <axis = -1> (h) y = MatMul(p, v)"
SCALED_BOTH = KEYS + "a = Mul(q, half) b = Mul(half, t) h = MatMul(a, b) p = Softmax <axis = -1> (h) y = MatMul(p, v)"
MASKED = KEYS + "h = MatMul(q, t) s = Mul(h, half) m = Add(mask, s) p = Softmax <axis = -1> (m) y = MatMul(p, v)"
SCALE_OF_SHAPE = (
    KEYS
    + """z = Shape(q) l = Slice(z, last, end) c = Cast <to = 1> (l) r = Sqrt(c) h = MatMul(q, t) s = Div(h, r)
    p = Softmax <axis = -1> (s) y = MatMul(p, v)"""
)
INTEGERS = "int64[1] last = {-1}, int64[1] end = {9223372036854775807}"


def written(body: str, inputs: str = "float[2, 3, 4] x") -> Model:
    text = f"{HEADER} g ({inputs}) => (float y) <{NUMBERS}, {INTEGERS}> {{ {body} }}"
    return onnxviz.load(onnx.parser.parse_model(text))


def operators(model: Model, tensors: list[str] | None = None) -> list[str]:
    return [step.node.operator for step in model.network(tensors).plan.steps]


def fed(model: Model, **given: np.ndarray) -> dict[str, np.ndarray]:
    shapes = {name: info.shape for name, info in model.inputs.items()}
    return {
        name: given[name] if name in given else RANDOM.standard_normal([int(n) for n in shape or ()]).astype(np.float32)
        for name, shape in shapes.items()
    }


def gradients(model: Model, tensors: list[str], inputs: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Return y, and the gradients of a weighted sum of it."""
    leaves = {name: torch.from_numpy(value).requires_grad_() for name, value in inputs.items()}
    y = model.network(tensors)(leaves)["y"]
    weights = torch.linspace(-1, 1, y.numel()).reshape(y.shape)
    reached = torch.autograd.grad((y * weights).sum(), list(leaves.values()), allow_unused=True)
    return (y.detach(), *(torch.zeros(()) if slope is None else slope for slope in reached))


def agree(model: Model, **given: np.ndarray) -> None:
    """Check y and its gradients against the parts, and y against ONNX Runtime."""
    inputs = fed(model, **given)
    every = [name for name, info in model.tensors.items() if info.element_type == onnx.TensorProto.FLOAT]
    every = [name for name in every if name not in model.inputs]
    assert set(operators(model, every)) <= {node.op_type for node in model.nodes}
    fused, parts = gradients(model, ["y"], inputs), gradients(model, every, inputs)
    for one, other in zip(fused, parts, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5 * max(1.0, float(other.abs().max())))
    wanted = model.session(["y"])(inputs)["y"]
    np.testing.assert_allclose(fused[0].numpy(), wanted, rtol=0, atol=1e-5 * max(1.0, float(np.abs(wanted).max())))


@pytest.mark.parametrize(
    ("body", "operator"),
    [
        (ERF, "Gelu"),
        (ERF_HALF_FIRST, "Gelu"),
        (ERF_HALVED_SUM, "Gelu"),
        (TANH, "Gelu"),
        (TANH_PRODUCTS, "Gelu"),
        (NORM, "LayerNormalization"),
        (NORM_TWO_DIFFERENCES, "LayerNormalization"),
        (NORM_WITHOUT_SHIFT, "LayerNormalization"),
        (LINEAR, "Linear"),
    ],
)
def test_a_pattern_becomes_one_step(body: str, operator: str) -> None:
    model = written(body)
    assert operators(model) == [operator]
    agree(model)


@pytest.mark.parametrize("body", [ATTENTION, SCALED_QUERY, SCALED_BOTH, MASKED, SCALE_OF_SHAPE])
def test_attention_becomes_one_step(body: str) -> None:
    model = written(body, HEADS)
    steps = operators(model)
    assert steps[-1] == "Attention"
    assert not {"MatMul", "Softmax", "Add"} & set(steps)
    agree(model)


@pytest.mark.parametrize("body", [ATTENTION, SCALED_BOTH, SCALE_OF_SHAPE])
def test_attention_on_a_device_reads_no_number_back(body: str) -> None:
    """The meta device has no numbers to read; on a GPU each would make the host wait, and forbid a recording."""
    network = written(body, HEADS).network(device="meta")
    inputs = {name: torch.empty(shape, device="meta") for name, shape in (("q", (2, 3, 5, 4)), ("k", (2, 3, 6, 4)))}
    answer = network({**inputs, "v": torch.empty(2, 3, 6, 2, device="meta"), "mask": torch.empty(5, 6, device="meta")})
    assert (answer["y"].device.type, tuple(answer["y"].shape)) == ("meta", (2, 3, 5, 2))


@pytest.mark.parametrize("hidden", [-np.inf, -1e9])
def test_a_row_that_is_hidden_whole_is_what_the_parts_make_of_it(hidden: float) -> None:
    model = written(MASKED, HEADS)
    inputs = fed(model, mask=np.where(np.arange(30).reshape(5, 6) < 8, hidden, 0).astype(np.float32))
    fused, parts = model.network()(inputs)["y"], model.network(["y", "p"])(inputs)["y"]
    assert bool(fused.isnan().any()) == bool(np.isinf(hidden))
    torch.testing.assert_close(fused, parts, equal_nan=True, rtol=0, atol=1e-5)


def test_shapes_that_the_kernel_does_not_take_are_computed_in_parts() -> None:
    """Three axes, keys without the batch, and a mask with one axis more than the scores."""
    agree(
        written(ATTENTION.replace("[0, 1, 3, 2]", "[0, 2, 1]"), "float[2, 5, 4] q, float[2, 6, 4] k, float[2, 6, 2] v")
    )
    agree(written(ATTENTION, HEADS.replace("[2, 3, 6, 4] k", "[1, 3, 6, 4] k")))
    agree(written(MASKED, HEADS.replace("[5, 6] mask", "[2, 1, 3, 5, 6] mask")))
    agree(written(MASKED, HEADS.replace("[5, 6] mask", "[2, 1, 1, 6] mask")))


@pytest.mark.parametrize(
    ("body", "inside"),
    [
        (ERF, "e"),
        (TANH, "k"),
        (NORM, "d"),
        (NORM, "v"),
        (LINEAR, "h"),
        (ATTENTION, "h"),
        (ATTENTION, "p"),
        (MASKED, "m"),
    ],
)
def test_a_tensor_inside_a_pattern_is_still_given(body: str, inside: str) -> None:
    model = written(body, HEADS if "Softmax" in body else "float[2, 3, 4] x")
    assert not {"Gelu", "LayerNormalization", "Linear", "Attention"} & set(operators(model, ["y", inside]))
    inputs = fed(model)
    theirs, ours = model.session([inside])(inputs)[inside], model.network(["y", inside])(inputs)[inside]
    np.testing.assert_allclose(ours.numpy(), theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("body", "inputs"),
    [
        (ERF.replace("Div(x, root)", "Div(x, two)"), "float[2, 3, 4] x"),
        (ERF.replace("Add(e, one)", "Add(e, half)"), "float[2, 3, 4] x"),
        (ERF.replace("Mul(x, s)", "Mul(z, s)"), "float[2, 3, 4] x, float[2, 3, 4] z"),
        (ERF + " w1 = Neg(s) y1 = Add(y, w1)", "float[2, 3, 4] x"),
        (TANH.replace("Pow(x, three)", "Pow(x, two)"), "float[2, 3, 4] x"),
        (NORM.replace("v = ReduceMean <axes = [-1]>", "v = ReduceMean <axes = [-2]>"), "float[2, 4, 4] x"),
        (NORM.replace("Pow(d, two)", "Pow(d, three)"), "float[2, 3, 4] x"),
        (NORM.replace("n = Div(d, r)", "n = Div(x, r)"), "float[2, 3, 4] x"),
        (LINEAR.replace("Add(bias, h)", "Add(z, h)"), "float[2, 3, 4] x, float[2, 3, 3] z"),
        (LINEAR.replace("Add(bias, h)", "Add(one, h)"), "float[2, 3, 4] x"),
    ],
)
def test_what_only_looks_like_a_pattern_is_left_alone(body: str, inputs: str) -> None:
    model = written(body, inputs)
    tensors = ["y1"] if "y1" in body else ["y"]
    assert not {"Gelu", "LayerNormalization", "Linear"} & set(operators(model, tensors))


@pytest.mark.parametrize(
    "body",
    [
        ATTENTION.replace("Softmax <axis = -1>", "Softmax <axis = 1>"),
        ATTENTION.replace("MatMul(p, v)", "MatMul(v, p)"),
        ATTENTION.replace("Div(h, two)", "Relu(h)"),
    ],
)
def test_what_only_looks_like_attention_is_left_alone(body: str) -> None:
    assert "Attention" not in operators(written(body, HEADS))


def test_a_learned_temperature_keeps_its_gradient() -> None:
    """The scale comes from outside, so it is a tensor among others."""
    body = SCALE_OF_SHAPE.replace("Div(h, r)", "Div(h, heat)")
    model = written(body, HEADS.replace("float[5, 6] mask", "float[1] heat"))
    assert "Attention" not in operators(model)
    agree(model, heat=np.array([2.0], np.float32))


def test_a_scalar_takes_the_axes_of_the_constants() -> None:
    text = f"{HEADER} g (float x) => (float[1] y) <{NUMBERS.replace('float root', 'float[1] root')}> {{ {ERF} }}"
    model = onnxviz.load(onnx.parser.parse_model(text))
    assert operators(model) == ["Gelu"]
    assert model.network()({"x": np.array(0.5, np.float32)})["y"].shape == (1,)


def test_patterns_in_a_body_are_fused_too() -> None:
    text = f"""
    {HEADER} g (float[2, 4] x, bool flag) => (float y) <{NUMBERS}> {{
        y = If (flag) <then_branch = a () => (float o) {{ {ERF.replace("y = ", "o = ")} }},
                       else_branch = b () => (float z) {{ z = Neg(x) }}>
    }}"""
    model = onnxviz.load(onnx.parser.parse_model(text))
    (step,) = model.network().plan.steps
    body = step.bodies["then_branch"]
    assert not isinstance(body, tuple)
    assert [inner.node.operator for inner in body.plan.steps] == ["Gelu"]
    inputs = {"x": RANDOM.standard_normal((2, 4)).astype(np.float32), "flag": np.array(True)}
    np.testing.assert_allclose(model.network()(inputs)["y"], model.session()(inputs)["y"], rtol=0, atol=1e-6)
