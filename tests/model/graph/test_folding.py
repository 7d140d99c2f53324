"""A folded graph gives the values of the untouched graph, with fewer nodes and with true sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest

import onnxviz
from onnxviz.errors import TargetError
from onnxviz.model.graph.folding import computes_sizes, folded
from onnxviz.model.graph.inferred_sizes import sizes_in, typed
from onnxviz.model.model import Model
from onnxviz.model.session import Session

GENERATOR = np.random.default_rng(0)


def opened(text: str, opset: int = 17, header: str = "") -> Model:
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}{header}]>\n{text}')
    return onnxviz.load(proto)


def fed(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    return {name: GENERATOR.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def agree(model: Model, graph: Model, inputs: Mapping[str, np.ndarray]) -> None:
    """Compare every tensor that both graphs hold, and what folding has settled, with ONNX Runtime's on the untouched graph."""
    kept = [name for name in graph.producers if name in model.tensors]
    away = [name for name in {**graph.settled, **graph.constants} if name in model.producers]
    wanted = Session(model, [*kept, *away, *model.outputs])(inputs)
    found = Session(graph, [*kept, *model.outputs])(inputs)
    for name, value in found.items():
        assert value.dtype == wanted[name].dtype
        np.testing.assert_array_equal(value, wanted[name], err_msg=name)
        shape = graph.tensors[name].shape
        if shape is None:  # of the output of a loop
            continue
        assert len(shape) == value.ndim
        assert all(size == own for size, own in zip(shape, value.shape, strict=True) if isinstance(size, int)), name
    for name in away:
        assert graph.weight(name).dtype == wanted[name].dtype
        np.testing.assert_array_equal(graph.weight(name), wanted[name], err_msg=name)


def operators(graph: Model) -> list[str]:
    return [node.op_type for node in graph.nodes]


# As PyTorch's exporter writes "same" padding: from the shape, in floats, for axes 2 and 3.
PADDED = """
g (float[{sizes}] x) => (float[N, M] y)
<float[2, 3, 3, 3] w = {{{weights}}}, int64 two = {{2}}, int64 three = {{3}}, float step = {{2}},
 int64 one = {{1}}, int64 kernel = {{3}}, int64 stride = {{2}}, int64 zero = {{0}},
 int64[4] none = {{0, 0, 0, 0}}, int64[1] first = {{0}}, int64[1] m = {{-1}}>
{{
    s = Shape(x)
    h = Gather(s, two)
    v = Gather(s, three)
    hf = Cast <to = 1> (h)
    vf = Cast <to = 1> (v)
    hd = Div(hf, step)
    vd = Div(vf, step)
    hc = Ceil(hd)
    vc = Ceil(vd)
    hi = Cast <to = 7> (hc)
    vi = Cast <to = 7> (vc)
    hm = Sub(hi, one)
    vm = Sub(vi, one)
    hs = Mul(hm, stride)
    vs = Mul(vm, stride)
    hk = Add(hs, kernel)
    vk = Add(vs, kernel)
    hp = Sub(hk, h)
    vp = Sub(vk, v)
    hn = Max(hp, zero)
    vn = Max(vp, zero)
    hu = Unsqueeze(hn, first)
    vu = Unsqueeze(vn, first)
    pads = Concat <axis = 0> (none, first, first, hu, vu)
    p = Pad(x, pads)
    c = Conv <strides = [2, 2]> (p, w)
    r = Relu(c)
    b = Shape(r)
    n = Gather(b, zero)
    nu = Unsqueeze(n, first)
    t = Concat <axis = 0> (nu, m)
    y = Reshape(r, t)
}}"""


def padded(sizes: str) -> Model:
    return opened(PADDED.format(sizes=sizes, weights=", ".join(f"{value:.3f}" for value in GENERATOR.normal(size=54))))


@pytest.mark.parametrize("sizes", ["1, 3, 9, 12", "N, 3, 9, 12", "A, 3, H, W"])
def test_a_padding_that_the_graph_computes_becomes_constant(sizes: str) -> None:
    model = padded(sizes)
    graph = folded(model, {"x": (None, 3, 9, 12)})
    assert operators(graph) == ["Pad", "Conv", "Relu", "Reshape"]
    assert graph.tensors["pads"].operator == "Constant"
    assert graph.tensors["c"].shape[1:] == (2, 5, 6)
    assert graph.tensors["y"].shape[1:] == (60,)
    for batch in (1, 3) if sizes[0] != "1" else (1,):
        agree(model, graph, fed({"x": (batch, 3, 9, 12)}))


def test_the_sizes_that_the_file_settles_are_taken_and_its_names_kept() -> None:
    model = padded("batch, 3, 9, 12")
    graph = folded(model)
    assert graph.tensors["y"].shape == ("batch", 60)
    assert graph.inputs["x"].shape == ("batch", 3, 9, 12)
    assert folded(padded("batch, 3, H, W")).tensors["c"].shape == ("batch", 2, None, None)
    assert folded(padded("batch, 3, H, W")).tensors["p"].shape == ("batch", 3, None, None)
    assert not any(
        str(size).startswith("unk__")
        for info in folded(padded("N, 3, H, W")).tensors.values()
        for size in info.shape or ()
    )
    assert computes_sizes(model)
    assert not computes_sizes(graph)


def test_what_is_folded_away_is_still_known_and_what_is_left_keeps_its_name() -> None:
    model = padded("N, 3, 9, 12")
    graph = folded(model)
    assert set(graph.producers) == {"p", "c", "r", "y"}
    assert "hk" not in graph.tensors
    assert graph.require("hk").shape == ()
    assert graph.weight("hk") == 11
    assert graph.weight("pads").tolist() == [0, 0, 0, 0, 0, 0, 2, 1]
    part = graph.cut(["hk", "c"])
    assert part.weight("hk") == 11
    assert list(part.inputs) == ["x"]
    assert part.cut(["c"], ["p"]).require("hk").shape == ()
    with pytest.raises(TargetError):
        graph.require("nothing")
    assert graph.cut(["vf"]).session()({})["vf"] == 12


def test_the_same_sizes_give_the_same_graph_and_nothing_to_fold_the_model_itself(samples) -> None:
    model = padded("N, 3, H, W")
    assert folded(model, {"x": (1, 3, 8, 8)}) is folded(model, {"x": (1, 3, 8, 8)})
    assert folded(model, {"x": (1, 3, 8, 8)}) is not folded(model, {"x": (1, 3, 8, 9)})
    for side in range(8, 30):
        assert folded(model, {"x": (1, 3, side, 8)}).tensors["c"].shape == (1, 2, -(-side // 2), 4)
    plain = onnxviz.load(samples / "digits.onnx")
    assert folded(plain) is plain
    assert folded(plain, {"other": (3,)}) is plain


@pytest.mark.parametrize("opset", [9, 11, 13, 18])
def test_a_computed_target_is_constant_in_every_revision(opset: int) -> None:
    axes = "Unsqueeze(n, first)" if opset >= 13 else "Unsqueeze <axes = [0]> (n)"
    part = "Slice(s, from, to)" if opset >= 10 else "Slice <starts = [1], ends = [2]> (s)"
    model = opened(
        f"""g (float[N, 4, 6] x) => (float[N, 24] y)
        <int64 zero = {{0}}, int64[1] first = {{0}}, int64[1] from = {{1}}, int64[1] to = {{2}}, int64[1] six = {{6}}>
        {{ s = Shape(x) n = Gather(s, zero) u = {axes} c = {part} k = Mul(c, six) t = Concat <axis = 0> (u, k)
           y = Reshape(x, t) }}""",
        opset,
    )
    graph = folded(model)
    assert operators(graph) == ["Reshape"]
    assert graph.tensors["y"].shape == ("N", 24)
    for batch in (1, 5):
        agree(model, graph, fed({"x": (batch, 4, 6)}))


def test_a_target_that_depends_on_another_open_size_stays() -> None:
    """Two inputs whose first sizes bear one name need not be fed alike."""
    model = opened(
        """g (float[N, 4] x, float[N, 3] other) => (float[A, B] y) <int64 zero = {0}, int64[1] first = {0}, int64[1] m = {-1}>
        { s = Shape(other) n = Gather(s, zero) u = Unsqueeze(n, first) t = Concat <axis = 0> (u, m) y = Reshape(x, t) }"""
    )
    graph = folded(model)
    assert "Shape" in operators(graph)
    agree(model, graph, fed({"x": (3, 4), "other": (2, 3)}))
    assert operators(folded(model, {"x": (3, 4), "other": (2, 3)})) == ["Reshape"]


CHOICE = """
g (float[2, 3] x, int64 rate) => (float[A, B] y, float[C, D] z)
<int64 high = {16}, float[3] w = {1, -2, 0.5}>
{
    h = Tanh(x)
    c = Equal(rate, high)
    y, z = If (c) <
        then_branch = yes () => (float[2, 3] o, float[2, 3] h2) <float[3] v = {2, 3, 4}> {
            k = Neg(v)
            p = Mul(h, w)
            deep = Greater(rate, high)
            q = If (deep) <
                then_branch = inner () => (float[2, 3] i) { a = Sub(p, k) i = Identity(a) },
                else_branch = outer () => (float[2, 3] j) { a = Add(p, k) j = Relu(a) }
            >
            o = Mul(q, v)
            h2 = Exp(o)
        },
        else_branch = no () => (float[2, 3] o2, float[2, 3] h3) { p = Neg(h) o2 = Abs(p) h3 = Identity(h) }
    >
}"""


@pytest.mark.parametrize(
    ("rate", "wanted"),
    [(16, ["Tanh", "Neg", "Mul", "Add", "Relu", "Mul", "Exp"]), (8, ["Tanh", "Neg", "Abs", "Identity"])],
)
def test_an_if_that_a_held_input_settles_gives_way_to_its_branch(rate: int, wanted: list[str]) -> None:
    model = opened(CHOICE)
    graph = folded(model, held={"rate": np.array(rate)})
    assert operators(graph) == wanted
    assert "p" in graph.tensors
    assert "rate" in graph.inputs
    agree(model, graph, {**fed({"x": (2, 3)}), "rate": np.array(rate)})
    assert "If" in operators(folded(model, {"x": (2, 3)}))


def test_branches_that_hand_out_a_constant_or_the_same_twice() -> None:
    """ONNX Runtime mixes up outputs of a branch that are the same tensor, so the values are written out here."""
    model = opened(
        """g (float[2] x, bool flag) => (float[2] y, float[2] z, float[2] u, float[2] p)
        { y, z, u = If (flag) <
            then_branch = yes () => (float[2] m, float[2] m, float[2] e) { m = Abs(x) e = Identity(x) },
            else_branch = no () => (float[2] v, float[2] w, float[2] w2) <float[2] v = {1, 2}>
                { w = Constant <value_floats = [3.0, 4.0]> () w2 = Neg(v) } >
          p = Add(y, u) }"""
    )
    x = np.array([-1, 5], np.float32)
    wanted = {True: [abs(x), abs(x), x, abs(x) + x], False: [[1, 2], [3, 4], [-1, -2], [0, 0]]}
    for flag, values in wanted.items():
        graph = folded(model, held={"flag": np.array(flag)})
        assert "If" not in operators(graph)
        found = graph.session()({"x": x, "flag": np.array(flag)})
        for name, value in zip("yzup", values, strict=True):
            np.testing.assert_array_equal(found[name], value)


def test_names_that_two_branches_share_stay_apart() -> None:
    branch = """If (flag) < then_branch = {0}a () => (float[2] o) {{ m = Neg({1}) o = Abs(m) }},
                            else_branch = {0}b () => (float[2] o) {{ m = Exp({1}) o = Tanh(m) }} >"""
    loop = """Loop (count, , k) <body = l (int64 i, bool c, float[2] s) => (bool d, float[2] t)
                            { d = Identity(c) e = Add(s, y) t = Mul(e, k) } >"""
    model = opened(
        f"""g (float[2] x, bool flag, int64 count) => (float[2] z) <float[2] k = {{0.5, 2}}>
        {{ y = {branch.format("p", "x")} v = {branch.format("q", "y")} l = {loop} z = Add(v, l) }}"""
    )
    graph = folded(model, held={"flag": np.array(True)})
    assert operators(graph) == ["Neg", "Abs", "Neg", "Abs", "Loop", "Add"]
    names = [name for node in graph.nodes for name in node.output]
    assert len(names) == len(set(names))
    agree(model, graph, {**fed({"x": (2,)}), "flag": np.array(True), "count": np.array(3)})


def test_a_loop_stays_and_reads_what_became_constant() -> None:
    model = opened(
        """g (float[N, 4] x) => (float[A, B] y) <int64 one = {1}, int64[1] first = {0}>
        { s = Shape(x) count = Gather(s, one) width = Unsqueeze(count, first)
          y = Loop (count, , x) <body = l (int64 i, bool c, float[N, 4] a) => (bool d, float[N, 4] b)
            { d = Identity(c) t = Shape(a) e = ConstantOfShape(width) f = Add(a, e) w = Cast <to = 1> (count) b = Add(f, w) } > }"""
    )
    graph = folded(model)
    assert operators(graph) == ["Loop"]
    assert [node.op_type for node in graph.nodes[0].attribute[0].g.node] == [
        "Identity",
        "Shape",
        "ConstantOfShape",
        "Add",
        "Cast",
        "Add",
    ]
    wanted, found = (one.session()(fed_once := {"x": np.ones((2, 4), np.float32)}) for one in (model, graph))
    del fed_once
    np.testing.assert_array_equal(wanted["y"], found["y"])


def test_functions_of_the_file_are_folded_as_well() -> None:
    text = """<ir_version: 8, opset_import: ["" : 17, "own" : 1]>
    g (float[N, 4, 6] x) => (float[N, 24] y) { y = own.flat(x) }
    <domain: "own", opset_import: ["" : 17]>
    flat (x) => (y) {
        s = Shape(x) zero = Constant <value = int64 {0}> () n = Gather(s, zero) first = Constant <value_ints = [0]> ()
        u = Unsqueeze(n, first) m = Constant <value = int64[1] {-1}> () t = Concat <axis = 0> (u, m) y = Reshape(x, t)
    }"""
    model = onnxviz.load(onnx.parser.parse_model(text))
    graph = folded(model)
    assert operators(graph) == ["Reshape"]
    for batch in (1, 4):
        agree(model, graph, fed({"x": (batch, 4, 6)}))


def test_sizes_that_depend_on_data_stay() -> None:
    model = opened(
        """g (float[N, 4] x) => (int64[A] y, float[B, 4] z)
        <int64 one = {1}, int64 zero = {0}, int64[1] first = {0}, int64[1] four = {4}>
        { i = NonZero(x) s = Shape(i) n = Gather(s, one) y = Unsqueeze(n, first)
          w = Cast <to = 1> (i) q = Transpose <perm = [1, 0]> (w) f = Shape(q) k = Gather(f, one) z = Mul(x, x) }"""
    )
    graph = folded(model, {"x": (2, 4)})
    assert "Shape" in operators(graph)
    assert "NonZero" in operators(graph)
    assert graph.tensors["i"].shape == (2, None)
    agree(model, graph, {"x": np.array([[0, 1, 0, 2], [3, 0, 0, 0]], np.float32)})


def test_weights_and_what_is_made_of_them_alone_stay() -> None:
    model = opened(
        """g (float[N, 3] x) => (float[N, 3] y, float[3] alias) <float[3] w = {1, 2, 3}, float two = {2}, float[2] unread = {5, 6}>
        { s = Shape(x) v = Mul(w, two) alias = Identity(w) k = Identity(w) a = Add(x, v) y = Sub(a, k) }"""
    )
    graph = folded(model)
    assert operators(graph) == ["Shape", "Mul", "Add", "Sub"]
    assert {"unread", "alias", "k"} <= set(graph.constants)
    agree(model, graph, fed({"x": (2, 3)}))


def test_a_tensor_that_nothing_reads_in_the_file_either_can_still_be_asked_for() -> None:
    model = opened(
        """g (float[2, 3] x) => (float[A] y) <int64 one = {1}, int64[1] first = {0}>
        { loose = Tanh(x) read = Exp(x) s = Shape(read) n = Gather(s, one) u = Unsqueeze(n, first) y = ConstantOfShape(u) }"""
    )
    graph = folded(model)
    assert operators(graph) == ["Tanh"]
    assert graph.weight("y").tolist() == [0, 0, 0]
    assert graph.outputs["y"].shape == (3,)
    agree(model, graph, fed({"x": (2, 3)}))


def test_chance_stays_chance() -> None:
    model = opened(
        """g (float[2, 3] x) => (float[2, 3] y)
        { s = Shape(x) r = RandomNormalLike(x) z = ConstantOfShape(s) n = Add(r, z) y = Add(n, x) }"""
    )
    assert operators(folded(model)) == ["RandomNormalLike", "Add", "Add"]


def test_what_would_take_much_memory_is_left_to_the_run() -> None:
    lines = [f"k{place} = Mul(s, c{place}) z{place} = ConstantOfShape(k{place})" for place in range(40)]
    constants = ", ".join(f"int64 c{place} = {{{100 + place}}}" for place in range(40))
    model = opened(
        f"""g (float[300] x) => (float y) <{constants}, int64 huge = {{1099511627776}}>
        {{ s = Shape(x) {" ".join(lines)} h = Mul(s, huge) e = Expand(x, h) y = ReduceSum <keepdims = 0> (e) }}"""
    )
    graph = folded(model)
    kept = sum(graph.require(name).shape[0] * 4 for name in graph.settled if name.startswith("z"))
    assert 0 < kept <= 1 << 20
    assert "Expand" in operators(graph)
    assert graph.weight("h") == 300 << 40


def test_a_wrong_size_that_the_file_declares_inside_is_not_believed() -> None:
    proto = onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4, 6] x) => (int64[3] y)
        { t = Tanh(x) y = Shape(t) }"""
    )
    proto.graph.value_info.append(onnx.helper.make_tensor_value_info("t", 1, [1, 4, 7]))
    graph = folded(onnxviz.load(proto), {"x": (2, 4, 6)})
    assert graph.weight("y").tolist() == [2, 4, 6]


@pytest.mark.parametrize("held", [{"m": np.array([1, 0, 1])}, {"m": np.array([1.0, 0.0, 1.0])}])
def test_a_held_value_is_of_the_type_that_the_file_declares(held: dict[str, Any]) -> None:
    model = opened(
        """g (float[2, 3] x, int32[3] m) => (float[2, 3] y) <int32 one = {1}>
        { n = Sub(one, m) b = Cast <to = 1> (n) y = Add(x, b) }"""
    )
    graph = folded(model, held=held)
    assert operators(graph) == ["Add"]
    assert graph.weight("n").dtype == np.int32
    agree(model, graph, {**fed({"x": (2, 3)}), "m": np.array([1, 0, 1], np.int32)})


def test_a_size_beyond_64_bits_stays_open() -> None:
    kind = typed(None, (2, 1 << 80, -3, "N", None))
    assert sizes_in(kind) == (2, None, None, "N", None)
