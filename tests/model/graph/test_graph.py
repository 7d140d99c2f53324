"""Queries of a model, and parts cut out of it: ONNX Runtime on the whole file is the oracle."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper

import onnxviz
from onnxviz.errors import TargetError, UnsupportedOperators
from onnxviz.model.model import Model
from onnxviz.target import Target

BRANCHES = """
<ir_version: 8, opset_import: ["" : 17]>
branches (float[2, 6] x, float[2, 2] z) => (float y, float u)
<float[2, 2] w = {1, -1, 2, 0.5}, int64[3] parts = {2, 2, 2}>
{
    a, b, c = Split <axis = 1> (x, parts)
    h = MatMul(a, w)
    i = Add(h, b)
    y = Tanh(i)
    k = Mul(c, z)
    u = Exp(k)
}
"""

X = np.linspace(-1, 1, 12, dtype=np.float32).reshape(2, 6)
Z = np.array([[0.5, -1], [2, 1]], np.float32)


def opened(text: str) -> Model:
    return onnxviz.load(onnx.parser.parse_model(text))


def both(
    model: Model, tensors: list[str], inputs: dict[str, np.ndarray], wrt: tuple[str, ...] = ()
) -> list[np.ndarray]:
    """Return the tensors by torch, having checked them against ONNX Runtime."""
    theirs = model.session(tensors, wrt)(inputs)
    ours = model.network(tensors, wrt)(inputs)
    for name in tensors:
        np.testing.assert_allclose(ours[name].detach().numpy(), theirs[name], rtol=1e-4, atol=1e-5, err_msg=name)
    return [theirs[name] for name in tensors]


def test_the_smallest_graph_is_cut_out() -> None:
    part = opened(BRANCHES).cut(["h"])
    assert [node.op_type for node in part.nodes] == ["Split", "MatMul"]
    assert list(part.inputs) == ["x"]
    assert list(part.outputs) == ["h"]
    assert set(part.constants) == {"w", "parts"}
    onnx.checker.check_model(part.to_proto())


def test_a_part_says_the_same_as_the_whole() -> None:
    model = opened(BRANCHES)
    names = ["a", "b", "c", "h", "i", "y", "k", "u"]
    whole = model.original
    whole = onnx.ModelProto.FromString(whole.SerializeToString())
    del whole.graph.output[:]
    whole.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    wanted = onnxviz.load(whole).session()({"x": X, "z": Z})
    for name in names:
        np.testing.assert_allclose(both(model, [name], {"x": X, "z": Z})[0], wanted[name], rtol=1e-6)
    both(model, names, {"x": X, "z": Z})


def test_a_cut_of_a_cut_is_the_cut() -> None:
    part = opened(BRANCHES).cut(["y", "h"], wrt=["b"])
    again = part.cut(["h"])
    assert [node.op_type for node in again.nodes] == ["Split", "MatMul"]
    np.testing.assert_allclose(part.session(["h"])({"x": X, "b": Z})["h"], again.session()({"x": X})["h"])


def test_the_session_of_a_cut_runs_the_cut_and_not_the_file() -> None:
    part = opened(BRANCHES).cut(["y"], wrt=["i"])
    np.testing.assert_allclose(part.session()({"i": Z})["y"], np.tanh(Z), rtol=1e-6)
    assert set(part.session().inputs) == {"i"}


def test_an_inner_tensor_can_be_fed() -> None:
    model = opened(BRANCHES)
    (y,) = both(model, ["y"], {"h": Z, "b": Z}, wrt=("h", "b"))
    np.testing.assert_allclose(y, np.tanh(2 * Z), rtol=1e-5)
    assert list(model.cut(["y"], ["h", "b"]).inputs) == ["h", "b"]


def test_one_output_of_several_can_be_fed_while_the_others_are_computed() -> None:
    model = opened(BRANCHES)
    y, b = both(model, ["y", "b"], {"x": X, "a": Z}, wrt=("a",))
    np.testing.assert_array_equal(b, X[:, 2:4])
    np.testing.assert_allclose(y, np.tanh(Z @ model.weight("w") + b), rtol=1e-5)


def test_targets_may_be_inputs_weights_or_what_is_fed() -> None:
    model = opened(BRANCHES)
    x, w, h, y = both(model, ["x", "w", "h", "y"], {"x": X, "h": Z}, wrt=("h",))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(w, model.weight("w"))
    np.testing.assert_array_equal(h, Z)
    np.testing.assert_allclose(y, np.tanh(Z + X[:, 2:4]), rtol=1e-5)
    assert list(both(model, ["w"], {})[0].shape) == [2, 2]


def test_a_weight_can_be_fed() -> None:
    (h,) = both(opened(BRANCHES), ["h"], {"x": X, "w": Z}, wrt=("w",))
    np.testing.assert_allclose(h, X[:, :2] @ Z, rtol=1e-5)


def test_an_output_twice_is_given_once() -> None:
    assert list(opened(BRANCHES).network(["h", "h"])({"x": X})) == ["h"]
    assert list(opened(BRANCHES).session(["h", "h"])({"x": X})) == ["h"]


def test_what_lies_behind_a_target_is_not_converted() -> None:
    text = BRANCHES.replace("u = Exp(k)", "u = elsewhere.Mystery(k)").replace('"" : 17', '"" : 17, "elsewhere" : 1')
    model = opened(text)
    both(model, ["y", "k"], {"x": X, "z": Z})
    with pytest.raises(UnsupportedOperators, match=r"elsewhere\.Mystery .*first at u"):
        model.network()


def test_an_unknown_tensor_is_named_with_the_closest_ones() -> None:
    model = opened(BRANCHES.replace("h", "hidden"))
    with pytest.raises(TargetError, match=r"hiden\[3\]: no tensor of that name in the model\. Close: hidden"):
        model.require("hiden", "hiden[3]")
    for ask in (model.cut, model.session, model.network):
        with pytest.raises(TargetError, match="nowhere"):
            ask(["nowhere"])


NAMES = [
    "a/b:0",
    "a.b[0]",
    "with space",
    "naïve/Größe",
    "层",
    "'quoted\"",
    "tab\there",
    "-x",
    "*",
    "a/before",
    "x" * 300,
]


def test_names_of_every_kind_pass_through() -> None:
    chain = ["in[put] :0", *NAMES]
    parts = [helper.make_node("Neg", [one], [two], name=one) for one, two in pairwise(chain)]
    graph = helper.make_graph(
        parts,
        "names",
        [helper.make_tensor_value_info(chain[0], TensorProto.FLOAT, [1, 3])],
        [helper.make_tensor_value_info(chain[-1], TensorProto.FLOAT, None)],
    )
    model = onnxviz.load(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8))
    x = np.array([[1, 2, 3]], np.float32)
    both(model, chain, {chain[0]: x})
    for before, name in pairwise(chain):
        np.testing.assert_array_equal(both(model, [name], {before: x}, wrt=(before,))[0], -x)
        target = Target.parse(f"{name}[1]", model.tensors)
        assert target == Target(name, (1,))
        assert model.require(target.tensor).name == name


def test_a_name_that_a_cut_would_make_is_not_taken_twice() -> None:
    text = """
    <ir_version: 8, opset_import: ["" : 17]>
    g (float[2, 6] x) => (float y) <int64[2] parts = {3, 3}> { a, b = Split <axis = 1> (x, parts)  y = Add(a, b) }
    """
    proto = onnx.parser.parse_model(text)
    proto.graph.node[0].output[1] = proto.graph.node[1].input[1] = "a/before"
    (y,) = both(onnxviz.load(proto), ["y"], {"x": X, "a": X[:, :3]}, wrt=("a",))
    np.testing.assert_allclose(y, X[:, :3] + X[:, 3:])


WEIGHTS = """
<ir_version: 8, opset_import: ["" : 17]>
weights (float[2, 3] x) => (float[2, 2] y)
<float[2, 3] w = {1, 2, 3, 4, 5, 6}, int8[2, 2] q = {-8, 4, 2, 1}, float s = {0.5}, int8 z = {2}, int64[2] size = {2, 3}>
{
    c = Constant <value = float[2] {1.5, 2.5}> ()
    f = Constant <value_floats = [1.0, 2.0, 3.0]> ()
    full = ConstantOfShape <value = float[1] {7}> (size)
    t = Transpose(w)
    half = Cast <to = 10> (w)
    d = DequantizeLinear(q, s, z)
    i = Identity(w)
    ii = Identity(i)
    it = Transpose(ii)
    y = MatMul(x, it)
}
"""


def test_weights_are_read_through_what_stands_before_them() -> None:
    model = opened(WEIGHTS)
    w = np.arange(1, 7, dtype=np.float32).reshape(2, 3)
    wanted = {
        "w": w,
        "c": np.array([1.5, 2.5], np.float32),
        "f": np.array([1, 2, 3], np.float32),
        "full": np.full((2, 3), 7, np.float32),
        "t": w.T,
        "half": w.astype(np.float16),
        "d": np.array([[-5, 1], [0, -0.5]], np.float32),
        "ii": w,
        "it": w.T,
    }
    for name, values in wanted.items():
        found = model.weight(name)
        assert found.dtype == values.dtype
        np.testing.assert_array_equal(found, values)
        folded = model.network([name])({})[name]
        np.testing.assert_array_equal(folded.numpy(), values.astype(folded.numpy().dtype))
    with pytest.raises(TargetError, match="y is no weight: it depends on the input x"):
        model.weight("y")


def test_constants_are_folded_so_that_a_run_computes_only_what_depends_on_inputs() -> None:
    network = opened(WEIGHTS).network(["y"])
    assert [step.node.operator for step in network.plan.steps] == ["MatMul"]


def test_a_sparse_initializer_is_made_dense() -> None:
    values = numpy_helper.from_array(np.array([3, 5], np.float32), "w")
    for indices in (np.array([1, 5]), np.array([[0, 1], [1, 2]])):
        proto = onnx.parser.parse_model(WEIGHTS)
        del proto.graph.initializer[0]
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(indices, "where"), [2, 3])
        proto.graph.sparse_initializer.append(sparse)
        np.testing.assert_array_equal(onnxviz.load(proto).weight("w"), [[0, 3, 0], [0, 0, 5]])


def test_every_tensor_says_what_makes_it() -> None:
    model = opened(WEIGHTS)
    kinds = {name: model.tensors[name].operator for name in ("x", "w", "c", "t", "y")}
    assert kinds == {"x": "Input", "w": "Initializer", "c": "Constant", "t": "Transpose", "y": "MatMul"}
    info = model.tensors["y"]
    assert (info.dtype, info.shape, info.units, info.is_float) == ("float32", (2, 2), 2, True)
    assert (model.tensors["q"].dtype, model.tensors["q"].is_float) == ("int8", False)
    assert model.tensors["half"].dtype == "float16"


def transformer(blocks: int, width: int = 32) -> onnx.ModelProto:
    """Return a network of blocks of 20 nodes each, shape arithmetic and weights behind Identity nodes among them."""
    generator = np.random.default_rng(0)
    weights: dict[str, np.ndarray] = {
        "heads": np.array([4], np.int64),
        "rest": np.array([-1], np.int64),
        "half": np.array(0.5, np.float32),
    }
    text, h = [], "x"
    for block in range(blocks):
        p = f"b{block}_"
        for name in ("q", "k", "v", "o", "m"):
            weights[p + name] = (generator.standard_normal((width, width)) / width**0.5).astype(np.float32)
        weights[p + "g"], weights[p + "s"] = np.ones(width, np.float32), np.zeros(width, np.float32)
        text.append(f"""
            {p}n = LayerNormalization({h}, {p}g, {p}s)
            {p}qi = Identity({p}q)
            {p}qq = MatMul({p}n, {p}qi)
            {p}kk = MatMul({p}n, {p}k)
            {p}vv = MatMul({p}n, {p}v)
            {p}shape = Shape({p}qq)
            {p}first = Slice({p}shape, zero, two)
            {p}sizes = Concat <axis = 0> ({p}first, heads, rest)
            {p}q4 = Reshape({p}qq, {p}sizes)
            {p}k4 = Reshape({p}kk, {p}sizes)
            {p}v4 = Reshape({p}vv, {p}sizes)
            {p}qt = Transpose <perm = [0, 2, 1, 3]> ({p}q4)
            {p}kt = Transpose <perm = [0, 2, 3, 1]> ({p}k4)
            {p}vt = Transpose <perm = [0, 2, 1, 3]> ({p}v4)
            {p}a = MatMul({p}qt, {p}kt)
            {p}p = Softmax <axis = -1> ({p}a)
            {p}c = MatMul({p}p, {p}vt)
            {p}ct = Transpose <perm = [0, 2, 1, 3]> ({p}c)
            {p}back = Reshape({p}ct, {p}shape)
            {p}y = Add({h}, {p}back)""")
        h = f"{p}y"
    weights |= {"zero": np.array([0], np.int64), "two": np.array([2], np.int64)}
    proto = onnx.parser.parse_model(
        f'<ir_version: 8, opset_import: ["" : 17]> t (float[N, T, {width}] x) => (float[N, T, {width}] {h}) {{ {"".join(text)} }}'
    )
    proto.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in weights.items())
    return proto


def test_a_network_of_2000_nodes_is_cut_folded_and_run() -> None:
    model = onnxviz.load(transformer(100))
    assert len(model.nodes) == 2000
    x = np.random.default_rng(1).standard_normal((2, 5, 32)).astype(np.float32)
    both(model, ["b2_y", "b1_p"], {"x": x})
    network = model.network()
    assert all(step.node.operator != "Identity" for step in network.plan.steps)
    assert network({"x": x})["b99_y"].shape == (2, 5, 32)
