"""If, Loop and Scan: against ONNX Runtime, zero turns included; gradients pass through every turn."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators import control_flow

BRANCHES = """
    <ir_version: 8, opset_import: ["" : 16]>
    branches (bool c, float[2] x) => (float[2] y, float[2] z) {
        y, z = If (c) <
            then_branch = yes () => (float[2] a, float[2] b) { a = Exp(x) b = Add(x, x) },
            else_branch = no () => (float[2] a, float[2] b) { a = Neg(x) b = Identity(x) }
        >
    }"""
POWERS = """
    <ir_version: 8, opset_import: ["" : 16]>
    powers (int64 m, bool c, float[3] x) => (float[3] y, float[n, 3] z) {
        y, z = Loop (M, C, x) <body = body (int64 i, bool go, float[3] v) => (bool on, float[3] w, float[3] s) {
            f = Cast<to = 1>(i)
            t = Mul(v, x)
            w = Add(t, f)
            s = Sin(v)
            sum = ReduceSum<keepdims = 0>(w)
            limit = Constant<value_float = 500.0>()
            on = Less(sum, limit)
        }>
    }"""
RUNNING = """
    <ir_version: 8, opset_import: ["" : 16]>
    running (float[2] h, float[2, t] x, float[t, 2] u) => (float[2] y, float[2, t] z, float[t] n) {
        y, z, n = Scan (h, x, u) <
            num_scan_inputs = 2, scan_input_axes = [-1, 0], scan_input_directions = [1, 0],
            scan_output_axes = [-1, 0], scan_output_directions = [0, 1],
            body = body (float[2] v, float[2] e, float[2] f) => (float[2] w, float[2] s, float r) {
                p = Mul(v, e)
                w = Add(p, f)
                s = Tanh(w)
                r = ReduceSum<keepdims = 0>(s)
            }
        >
    }"""
BATCHED = """
    <ir_version: 4, opset_import: ["" : 8]>
    batched (int64[b] n, float[b, 2] h, float[b, t, 2] x, float[b, t] u) => (float[b, 2] y, float[b, t, 2] z) {
        y, z = Scan (n, h, x, u) <
            num_scan_inputs = 2, directions = [1, 0],
            body = body (float[2] v, float[2] e, float f) => (float[2] w, float[2] s) {
                p = Mul(v, e)
                w = Add(p, f)
                s = Identity(w)
            }
        >
    }"""
H = np.float32([1, -1])
STEPS = np.float32([[0.5, -0.2, 0.3], [1.1, 0.7, -0.4]])
BATCH = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 3, 2)


def model(text: str) -> onnx.ModelProto:
    return onnx.parser.parse_model(text)


@pytest.mark.parametrize("which", [True, False])
def test_if(compare, which):
    compare(model(BRANCHES), {"c": np.array(which), "x": H})


def test_only_the_branch_taken_runs():
    network = onnxviz.load(model(BRANCHES)).network(["y"])
    x = torch.tensor([1.0, 1000.0], requires_grad=True)
    network({"c": np.array(False), "x": x})["y"].sum().backward()
    assert x.grad.tolist() == [-1.0, -1.0]  # exp(1000) would have made it infinite


@pytest.mark.parametrize("trips", [0, 1, 3, 20, -1])
@pytest.mark.parametrize(("limit", "start"), [("m", "c"), ("m", ""), ("", "c")])
@pytest.mark.parametrize("go", [True, False])
def test_loop(compare, trips, limit, start, go):
    text = POWERS.replace("(M, C, x)", f"({limit}, {start}, x)")
    compare(model(text), {"m": np.array(trips), "c": np.array(go), "x": np.float32([1.5, 2, 3])})


def test_a_loop_without_limits_stops_by_its_own_condition():
    # ONNX Runtime uses the condition that a turn returns, even without a condition at the start.
    text = POWERS.replace("(M, C, x)", "(, , x)")
    once = POWERS.replace("(M, C, x)", "(, c, x)")
    inputs = {"m": np.array(1), "c": np.array(True), "x": np.float32([1.5, 2, 3])}
    ours, wanted = (onnxviz.load(model(one)).network()(inputs) for one in (text, once))
    assert all(torch.equal(ours[name], wanted[name]) for name in wanted)


def test_sequences_can_be_carried(compare):
    text = """
        <ir_version: 8, opset_import: ["" : 16]>
        grown (int64 m, float[2] x) => (float[n, 2] y) {
            empty = SequenceEmpty()
            c = Constant<value = bool {1}>()
            all = Loop (m, c, empty) <body = body (int64 i, bool go, seq(float) s) => (bool on, seq(float) t) {
                f = Cast<to = 1>(i)
                e = Add(x, f)
                t = SequenceInsert(s, e)
                on = Identity(go)
            }>
            y = ConcatFromSequence<axis = 0, new_axis = 1>(all)
        }"""
    compare(model(text), {"m": np.array(4), "x": H})


def test_loops_nest(compare):
    text = """
        <ir_version: 8, opset_import: ["" : 16]>
        nested (int64 m, float[2] x) => (float[2] y) {
            c = Constant<value = bool {1}>()
            y = Loop (m, c, x) <body = outer (int64 i, bool go, float[2] v) => (bool on, float[2] w) {
                w = Loop (i, go, v) <body = inner (int64 j, bool go2, float[2] p) => (bool on2, float[2] q) {
                    half = Constant<value_float = 0.5>()
                    r = Mul(p, half)
                    q = Add(r, x)
                    on2 = Identity(go)
                }>
                on = Identity(go)
            }>
        }"""
    compare(model(text), {"m": np.array(4), "x": H})


@pytest.mark.parametrize("count", [1, 3])
def test_scan(compare, count):
    compare(model(RUNNING), {"h": H, "x": STEPS[:, :count], "u": STEPS.T[:count]})


def test_a_scan_over_nothing_collects_nothing():
    network = onnxviz.load(model(RUNNING)).network()
    answer = network({"h": H, "x": STEPS[:, :0], "u": STEPS.T[:0]})
    assert np.array_equal(answer["y"], H)
    assert answer["z"].shape == (2, 0)
    assert answer["n"].shape == (0,)


@pytest.mark.parametrize("lengths", [(3, 3), (2, 3), (1, 1)])
def test_scan_over_a_batch(compare, lengths):
    inputs = {"n": np.array(lengths), "h": np.stack([H, 2 * H]), "x": BATCH, "u": BATCH[..., 0]}
    compare(model(BATCHED), inputs)


def test_an_entry_of_no_length_keeps_its_state():
    inputs = {"n": np.array([0, 1]), "h": np.stack([H, 2 * H]), "x": BATCH, "u": BATCH[..., 0]}
    answer = onnxviz.load(model(BATCHED)).network()(inputs)
    assert np.array_equal(answer["y"][0], H)
    assert not answer["z"][0].any()


def test_scan_over_a_batch_of_whole_sequences(compare):
    text = BATCHED.replace("Scan (n, ", "Scan (, ").replace("int64[b] n, ", "")
    compare(model(text), {"h": np.stack([H, 2 * H]), "x": BATCH, "u": BATCH[..., 0]})


@pytest.mark.parametrize(
    ("text", "inputs"),
    [
        (BRANCHES, {"c": np.array(True), "x": H}),
        (POWERS.replace("(M, C, x)", "(m, c, x)"), {"m": np.array(3), "c": np.array(True), "x": np.float32([1, 2, 3])}),
        (RUNNING, {"h": H, "x": STEPS, "u": STEPS.T}),
        (BATCHED, {"n": np.array([2, 3]), "h": np.stack([H, 2 * H]), "x": BATCH, "u": BATCH[..., 0]}),
    ],
)
def test_gradients(text, inputs):
    doubled = text.replace("float[", "double[").replace("float f", "double f").replace("float r", "double r")
    doubled = doubled.replace("to = 1", "to = 11").replace("<value_float = 500.0>", "<value = double {500.0}>")
    network = onnxviz.load(model(doubled)).network()
    names = [name for name, array in inputs.items() if array.dtype == np.float32]
    leaves = [torch.tensor(inputs[name], dtype=torch.float64, requires_grad=True) for name in names]

    def function(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(network({**inputs, **dict(zip(names, values, strict=True))}).values())

    assert torch.autograd.gradcheck(function, leaves)


def test_a_loop_that_never_ends_is_refused(monkeypatch):
    monkeypatch.setattr(control_flow, "MOST_ITERATIONS", 20)
    text = POWERS.replace("(M, C, x)", "(, , x)").replace("on = Less(sum, limit)", "on = Identity(go)")
    network = onnxviz.load(model(text)).network()
    with pytest.raises(AllocationError, match="more than 20 turns"):
        network({"m": np.array(1), "c": np.array(True), "x": np.float32([0, 0, 0])})


@pytest.mark.parametrize(
    ("text", "inputs", "message"),
    [
        (
            RUNNING,
            {"h": H, "x": STEPS, "u": STEPS.T[:2]},
            "tensors with 3, 2 steps; all must have the same number of steps",
        ),
        (
            BATCHED,
            {"n": np.array([4, 1]), "h": np.stack([H, H]), "x": BATCH, "u": BATCH[..., 0]},
            "give each batch entry a length from 0 to the number of steps",
        ),
        (
            POWERS.replace("(M, C, x)", "(m, c, x)")
            .replace("Sin(v)", "Gather(v, far)")
            .replace("f = Cast", "far = Constant<value_ints = [9]>() f = Cast"),
            {"m": np.array(0), "c": np.array(True), "x": np.float32([1, 2, 3])},
            "takes no turn, so the shapes of its collected tensors are unknown: a trial run of the body fails",
        ),
    ],
)
def test_refusals(text, inputs, message):
    with pytest.raises(EvaluationError, match=message):
        onnxviz.load(model(text)).network()(inputs)
