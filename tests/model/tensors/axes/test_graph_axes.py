"""The roles of axes: what operators give, how roles spread, and what names and habit add."""

from __future__ import annotations

import time

import numpy as np
import onnx.parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

import onnxviz
from onnxviz.model.tensors.axes.graph_axes import GraphAxes, graph_axes
from onnxviz.model.tensors.axes.layers import RULES as LAYERS
from onnxviz.model.tensors.axes.layout import RULES as LAYOUTS
from onnxviz.model.tensors.axes.layout import aligned

LSTM = "float[1, 8, 4] w, float[1, 8, 2] r"
PICTURE = ("batch", "unit", "height", "width")


def axes_of(declared: str, nodes: str, **weights: np.ndarray) -> GraphAxes:
    text = f'<ir_version: 8, opset_import: ["" : 17]> g ({declared}) => (float[] last) {{ {nodes} }}'
    model = onnx.parser.parse_model(text)
    del model.graph.output[:]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in weights.items())
    model = onnx.shape_inference.infer_shapes(model)
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(model.graph.node[-1].output[0]))
    return graph_axes(onnxviz.load(model))


UNBATCHED = {
    "float[5, 2, 4] x": ("y, h, c = LSTM<hidden_size = 2>(x, w, r)", "LSTM steps along its first axis"),
    "float[T, 1, 4] x": ("i = Identity(x) y, h, c = LSTM<hidden_size = 2>(i, w, r)", "LSTM steps along its first axis"),
    "float[2, 5, 4] x": ("y, h, c = LSTM<hidden_size = 2, layout = 1>(x, w, r)", ""),
    "float[N, 5, 4] x": ("t = Transpose<perm = [1, 0, 2]>(x) y, h, c = LSTM<hidden_size = 2>(t, w, r)", ""),
    "float[5, 4] x": ("y = Neg(x)", ""),
    "float[4] x": ("y = Neg(x)", "one axis of a fixed size"),
    "float[N] x": ("y = Neg(x)", ""),
    "float[seq, batch, 4] x": ("y = Neg(x)", "its first axis is named seq"),
    "float[7, 4] x": (
        "one = Constant<value_ints = [1]>() u = Unsqueeze(x, one) y, h, c = LSTM<hidden_size = 2>(u, w, r)",
        "LSTM steps along its first axis",
    ),
}


@pytest.mark.parametrize("declared", UNBATCHED)
def test_what_takes_the_place_of_the_batch_is_told(declared: str) -> None:
    nodes, told = UNBATCHED[declared]
    zeros = {"w": np.zeros((1, 8, 4), np.float32), "r": np.zeros((1, 8, 2), np.float32)}
    assert axes_of(declared, nodes, **zeros).unbatched.get("x", "") == told


def test_a_scan_tells_by_its_axes() -> None:
    for axes, told in (("", True), (", scan_input_axes = [1]", False)):
        text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[3] s, float[4, 3] x) => (float[3] last)
        {{ last = Scan<num_scan_inputs = 1, body = step (float[3] a, float[3] b) => (float[3] c) {{ c = Add(a, b) }}{axes}>(s, x) }}"""
        found = graph_axes(onnxviz.load(onnx.parser.parse_model(text)))
        assert ("x" in found.unbatched) == told


def test_a_recurrent_layer_tells_all_of_its_axes() -> None:
    weights = {"w": np.zeros((1, 8, 4), np.float32), "r": np.zeros((1, 8, 2), np.float32)}
    found = axes_of("float[5, N, 4] x", "y, h, c = LSTM<hidden_size = 2>(x, w, r)", **weights)
    assert found.roles("x") == ("time", "batch", "unit")
    assert found.roles("y") == ("time", "", "batch", "unit")
    assert found.roles("h") == ("", "batch", "unit")
    swapped = axes_of("float[N, 5, 4] x", "y, h, c = LSTM<hidden_size = 2, layout = 1>(x, w, r)", **weights)
    assert swapped.roles("x") == ("batch", "time", "unit")
    assert swapped.roles("y") == ("batch", "time", "", "unit")


def test_an_old_recurrent_layer_tells_its_axes_through_a_squeeze() -> None:
    """Inference knows no LSTM of revision 1, so the shape of its output is unknown."""
    text = """<ir_version: 3, opset_import: ["" : 6]> old (float[6, 1, 3] x) => (float[6, 1, 4] y)
        <float[1, 16, 3] w = {WS}, float[1, 16, 4] r = {RS}>
        { every = LSTM<hidden_size = 4>(x, w, r) y = Squeeze<axes = [1]>(every) }"""
    numbers = {"WS": 48, "RS": 64}
    for word, count in numbers.items():
        text = text.replace(word, ", ".join(["0"] * count))
    model = onnxviz.load(onnx.parser.parse_model(text))
    assert model.tensors["every"].shape is None
    assert graph_axes(model).roles("y") == ("time", "batch", "unit")


def test_roles_are_followed_through_a_recurrent_layers_surroundings() -> None:
    nodes = """e = Gather(table, ids) t = Transpose<perm = [1, 0, 2]>(e) y, h, c = LSTM<hidden_size = 2>(t, w, r)
    one = Constant<value_ints = [1]>() s = Squeeze(y, one) b = Transpose<perm = [1, 0, 2]>(s) last = Relu(b)"""
    found = axes_of(
        "int64[1, 6] ids",
        nodes,
        table=np.zeros((9, 4), np.float32),
        w=np.zeros((1, 8, 4), np.float32),
        r=np.zeros((1, 8, 2), np.float32),
    )
    assert found.roles("last") == ("batch", "time", "unit")
    assert found.roles("ids") == ("batch", "time")  # from behind
    assert found.sentence("ids", 1) == "axis 1 of ids holds the steps: LSTM has the steps along axis 0 of t"


@pytest.mark.parametrize(
    ("declared", "kernel", "roles"),
    [
        ("float[N, 80, 300] x", (4, 80, 3), ("batch", "unit", "time")),
        ("float[N, 3, 9, 9] x", (4, 3, 3, 3), PICTURE),
        ("float[N, 2, 9, 9, 9] x", (4, 2, 3, 3, 3), ("batch", "unit", "depth", "height", "width")),
    ],
)
def test_a_convolution_tells_channels_and_space(declared, kernel, roles) -> None:
    found = axes_of(declared, "a = Neg(x) y = Conv(a, w) last = Relu(y)", w=np.zeros(kernel, np.float32))
    assert found.roles("x") == found.roles("last") == roles


def test_the_operator_before_a_tensor_tells_more_than_those_after_it() -> None:
    nodes = "m = MatMul(x, w) t = Transpose<perm = [0, 2, 1]>(m) k = MatMul(t, v) last = Relu(k)"
    found = axes_of("float[N, 6, 4] x", nodes, w=np.zeros((4, 5), np.float32), v=np.zeros((6, 7), np.float32))
    assert found.roles("m") == ("batch", "", "unit")
    assert found.roles("t") == ("batch", "unit", "")
    assert found.roles("last") == ("batch", "", "unit")


def test_names_of_sizes_are_weaker_than_operators_and_stronger_than_habit() -> None:
    found = axes_of("float[batch, 3, 9, time] x", "last = Conv(x, w)", w=np.zeros((4, 3, 3, 3), np.float32))
    assert found.roles("x") == PICTURE
    found = axes_of("float[frames, batch, 4] x, float[batch, 4] z", "last = Add(x, z)")
    assert found.roles("x") == ("time", "batch", "")
    assert "named frames" in found.sentence("x", 0)
    found = axes_of("float[4, 3] x, float[4, 3] z", "last = Add(x, z)")
    assert found.roles("last") == ("batch", "")
    assert "as is usual" in found.sentence("x", 0)
    assert found.role("x", 0).sure is False
    found = axes_of(
        "float[5, 7, Q] x, float[Q, 3, 9, 9] z", "c = Conv(z, w) last = Neg(x)", w=np.zeros((4, 3, 3, 3), np.float32)
    )
    assert found.place("x", "batch") == 2
    assert "shares its size Q with the batch of z" in found.sentence("x", 2)


def test_without_a_batch_samples_run_one_by_one() -> None:
    found = axes_of("float[7] x", "last = MatMul(x, w)", w=np.zeros((7, 3), np.float32))
    assert found.one_by_one
    assert found.roles("last") == ("unit",)
    # A state without a batch in front does not change the samples of another input.
    assert not axes_of("float[N, 7] x, float[7] z", "last = Add(x, z)").one_by_one


@given(st.permutations(range(4)), st.permutations(range(4)))
@settings(max_examples=20)
def test_transposes_move_roles(first: list[int], second: list[int]) -> None:
    nodes = f"c = Conv(x, w) a = Transpose<perm = {[*first]}>(c) last = Transpose<perm = {[*second]}>(a)"
    found = axes_of("float[N, 3, 9, 8] x", nodes, w=np.zeros((4, 3, 3, 3), np.float32))
    assert found.roles("last") == tuple(PICTURE[first[axis]] for axis in second)


@given(st.lists(st.integers(1, 4), min_size=1, max_size=5), st.integers(0, 2**31))
def test_kept_axes_of_a_reshape_have_equal_sizes(sizes: list[int], seed: int) -> None:
    made = [int(one) for one in np.random.default_rng(seed).permutation([*sizes, 1])]
    for one, two in aligned(tuple(sizes), tuple(made)):
        assert sizes[one] == made[two]
    assert aligned(tuple(sizes), tuple(sizes)) == [(axis, axis) for axis in range(len(sizes))] or 1 in sizes


@given(st.sampled_from(sorted({**LAYERS, **LAYOUTS})), st.integers(0, 3), st.integers(0, 2))
@settings(max_examples=60)
def test_damaged_nodes_raise_nothing(operator: str, reads: int, writes: int) -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[2, 0, 3] x) => (float[2, 0, 3] z) { z = Neg(x) }'
    opened = onnxviz.load(onnx.parser.parse_model(text))
    damaged = helper.make_node(operator, ["x", "", "gone"][:reads], ["y", ""][:writes], axis=-9, axes=[99], perm=[7])
    opened.__dict__["nodes"] = (damaged, *opened.nodes)
    assert len(GraphAxes(opened).roles("x")) == 3


def test_thousands_of_nodes_take_little_time() -> None:
    nodes = "".join(f"a{place + 1} = Relu(a{place}) " for place in range(1, 3000))
    text = f'<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3, 8, 8] a0) => (float[N, 3, 8, 8] a3000) {{ a1 = Conv(a0, w) {nodes} }}'
    model = onnx.parser.parse_model(text)
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((3, 3, 1, 1), np.float32), "w"))
    opened = onnxviz.load(model)
    assert len(opened.tensors) > 3000
    began = time.perf_counter()
    assert graph_axes(opened).roles("a3000") == PICTURE
    assert time.perf_counter() - began < 3
