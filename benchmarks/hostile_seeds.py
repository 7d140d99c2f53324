"""The small valid models that `hostile_files.py` begins with: samples, ONNX's operator tests, and some for what those lack."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
from onnx import ModelProto, NodeProto, TensorProto, TypeProto, helper, numpy_helper

REPOSITORY = Path(__file__).parents[1]
LARGEST_SEED = 100_000
"""Bytes of the largest model to begin with."""


TEXTS = {
    "if": """<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x, bool c) => (float[2, 3] y) {
        h = Relu(x)
        y = If (c) <then_branch = t () => (float[2, 3] a) { a = Neg(h) }, else_branch = e () => (float[2,
        3] b) { k = Constant <value = float[3] {1, 2, 3}> ()  b = Add(h, k) }> }""",
    "loop": """<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x) => (float[2, 3] y, float[k, 2, 3] all)
        <int64 n = {3}, bool c = {1}> {
        y, all = Loop (n, c, x) <body = b (int64 i, bool p, float[2, 3] s) => (bool q, float[2, 3] t, float[2,
        3] u) { q = Identity(p)  t = Tanh(s)  u = Add(t, x) }> }""",
    "scan": """<ir_version: 8, opset_import: ["" : 17]> g (float[4, 3] x, float[3] s) => (float[3] y, float[4,
        3] all) {
        y, all = Scan <num_scan_inputs = 1, body = b (float[3] s0, float[3] e) => (float[3] s1,
        float[3] o) { s1 = Add(s0, e)  o = Sigmoid(s1) }> (s, x) }""",
    "nested": """<ir_version: 8, opset_import: ["" : 17]> g (float[2, 3] x, bool c) => (float[2,
        3] y) <int64 n = {2}, bool k = {1}> {
        y = Loop (n, k, x) <body = b (int64 i, bool p, float[2, 3] s) => (bool q, float[2, 3] t) { q = Identity(p)
        t = If (c) <then_branch = t () => (float[2, 3] a) { a = Tanh(s) }, else_branch = e () => (float[2,
        3] a2) { a2 = Neg(s) }> }> }""",
    "functions": """<ir_version: 8, opset_import: ["" : 17, "local" : 1]> g (float[2, 3] x) => (float[2,
        3] y) { h = local.outer <slope = 0.5> (x)  y = Neg(h) }
        <domain: "local", opset_import: ["" : 17,
        "local" : 1]> inner <slope> (a) => (b) { b = LeakyRelu <alpha: float = @slope> (a) }
        <domain: "local", opset_import: ["" : 17,
        "local" : 1]> outer <slope> (a) => (c) { d = local.inner <slope: float = @slope> (a)
        k = Constant <value = float[1] {3.0}> ()  c = Mul(d, k) }""",
    "sequence": """<ir_version: 8, opset_import: ["" : 17]> g (float[2, 6] x) => (float[2, 6] y) <int64[2] s = {2,
        4}, int64 p = {1}> {
        q = SplitToSequence <axis = 1> (x, s)  e = SequenceAt(q, p)  r = SequenceInsert(q, e)
        l = SequenceLength(r)  z = ConcatFromSequence <axis = 1> (q)  y = Relu(z) }""",
    "optional": """<ir_version: 8, opset_import: ["" : 18]> g (float[2, 3] x) => (float[2, 3] y) {
        o = Optional(x)  h = OptionalHasElement(o)  e = OptionalGetElement(o)  y = Where(h, e, x) }""",
    "quantized": """<ir_version: 8, opset_import: ["" : 17]> g (float[1, 3, 8, 8] x) => (float[1, 4] y)
        <float s = {0.1}, uint8 z = {128}, int8[4, 3, 1, 1] w = {1,-2,3,4,5,6,-7,8,9,10,11,12},
        float[4] ws = {0.1,0.2,0.3,0.4}, int8[4] wz = {0,0,0,0}, int32[4] b = {1,2,3,4}> {
        q = QuantizeLinear(x, s, z)  d = DequantizeLinear(q, s, z)  v = DequantizeLinear <axis = 0> (w, ws, wz)
        c = Conv(d, v)
        i = QLinearConv(q, s, z, w, ws, wz, s, z, b)  j = DequantizeLinear(i, s, z)  a = Add(c, j)
        m = GlobalAveragePool(a)  y = Flatten(m) }""",
    "shapes": """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3, 8, 8] x) => (float[N,
        K] y) <int64[1] m = {-1}, int64 zero = {0}, int64[1] one = {1}, int64[1] two = {2}> {
        s = Shape(x)  b = Gather(s, zero)  u = Unsqueeze(b, one)  t = Concat <axis = 0> (u, m)  r = Reshape(x, t)
        k = ConstantOfShape <value = float[1] {2.0}> (t)
        e = Expand(r, t)  n = Range(zero, b, b)  f = Cast <to = 1> (n)  p = Slice(r, one, two)  h = Tile(p, t)
        y = Add(r, e) }""",
    "network": """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 3, 16, 16] x) => (float[N, 10] p)
        <float[10] b = {0,1,2,3,4,5,6,7,8,9}, float roi = {0}, float[4] sc = {1, 1, 2, 2},
        int64[8] pad = {0,0,1,1,0,0,1,1}> {
        n = BatchNormalization(x, g3, b3, m3, v3)  c = Conv <pads = [1,1,1,1], strides = [2,2]> (n, w)
        r = Relu(c)  m = MaxPool <kernel_shape = [2,2]> (r)
        e = Resize <mode = "linear"> (m, , sc)  q = Pad(e, pad)  a = GlobalAveragePool(q)  f = Flatten(a)
        l = Gemm <transB = 1> (f, w2, b)  p = Softmax <axis = 1> (l) }""",
    "recurrent": """<ir_version: 8, opset_import: ["" : 17]> g (float[5, 2, 3] x) => (float[5, 1, 2, 4] y, float[1,
        2, 4] h, float[1, 2, 4] c2) {
        y, h, c2 = LSTM <hidden_size = 4> (x, lw, lr)  g2 = GRU <hidden_size = 4> (x, gw, gr) }""",
    "fused": """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> g (float[2, 8] x, float[1, 3, 8,
        8] i) => (float[2, 8] y, float[1, 4, 8, 8] f)
        <float s = {0.1}, uint8 z = {128}, float[8] one = {1,1,1,1,1,1,1,1}, float[4, 3, 1,
        1] w = {1,2,3,4,5,6,7,8,9,10,11,12}> {
        a = com.microsoft.Gelu(x)  b = com.microsoft.BiasGelu(a, one)  c = com.microsoft.FastGelu(b, one)
        d = com.microsoft.SkipLayerNormalization(a, b, one, one)
        q = QuantizeLinear(d, s, z)  r = com.microsoft.QLinearAdd(q, s, z, q, s, z, s, z)
        u = com.microsoft.QLinearSigmoid(r, s, z, s, z)  v = DequantizeLinear(u, s, z)
        m = com.microsoft.FusedMatMul <transB = 1> (v, x)  n = com.microsoft.QuickGelu(v)  y = Add(n, c)
        f = com.microsoft.FusedConv <activation = "Relu"> (i, w) }""",
    "attention": """<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]> g (float[1, 4, 8] x, int64[1,
        4] t) => (float[1, 4, 8] y, float[1, 4, 8] z) {
        e = Gather(table, t)  s = Add(x, e)  a = com.microsoft.Attention <num_heads = 2> (s, qkv, qb)
        m = com.microsoft.MultiHeadAttention <num_heads = 2> (s, s, s)
        y = LayerNormalization(a, ln)  z = Add(m, y) }""",
}  # fmt: skip

WEIGHTS = {
    "network": {"g3": [3], "b3": [3], "m3": [3], "v3": [3], "w": [4, 3, 3, 3], "w2": [10, 4]},
    "recurrent": {"lw": [1, 16, 3], "lr": [1, 16, 4], "gw": [1, 12, 3], "gr": [1, 12, 4]},
    "attention": {"table": [11, 8], "qkv": [8, 24], "qb": [24], "ln": [8]},
}


def with_weights(name: str) -> ModelProto:
    """Return one of the models that are written as text."""
    proto = onnx.parser.parse_model(TEXTS[name])
    values = np.random.default_rng(0)
    for weight, shape in WEIGHTS.get(name, {}).items():
        proto.graph.initializer.append(numpy_helper.from_array(values.random(shape, np.float32), weight))
    return proto


def classic(*nodes: NodeProto, labels: bool = False) -> ModelProto:
    """Return a model of operators of classical machine learning, from four features."""
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
    if labels:
        outputs.append(helper.make_tensor_value_info("label", TensorProto.INT64, None))
    graph = helper.make_graph(
        list(nodes), "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])], outputs
    )
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)], ir_version=8
    )


def machine_learning() -> Iterator[ModelProto]:
    """Yield models of classical machine learning."""
    ml: dict[str, Any] = {"domain": "ai.onnx.ml"}
    tree = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [1, 0, 0], "nodes_values": [0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
        "nodes_missing_value_tracks_true": [0, 0, 0], "nodes_hitrates": [1.0, 1.0, 1.0],
    }  # fmt: skip
    leaves = {"treeids": [0, 0], "nodeids": [1, 2], "ids": [0, 1], "weights": [1.0, 2.0]}
    yield classic(
        helper.make_node("Scaler", ["x"], ["s"], offset=[0.0] * 4, scale=[1.0] * 4, **ml),
        helper.make_node(
            "TreeEnsembleClassifier", ["s"], ["label", "y"], classlabels_int64s=[0, 1], post_transform="SOFTMAX",
            **{f"class_{key}": value for key, value in leaves.items()}, **tree, **ml,
        ),
        labels=True,
    )  # fmt: skip
    yield classic(
        helper.make_node(
            "TreeEnsembleRegressor", ["x"], ["y"], n_targets=2, **{f"target_{key}": value for key, value in leaves.items()}, **tree, **ml
        )
    )  # fmt: skip
    yield classic(
        helper.make_node(
            "SVMClassifier", ["x"], ["label", "y"], classlabels_ints=[0, 1], coefficients=[1.0, -1.0], kernel_params=[0.5, 0.0, 3.0],
            kernel_type="RBF", rho=[0.1], support_vectors=[0.1] * 8, vectors_per_class=[1, 1], **ml,
        ),
        labels=True,
    )  # fmt: skip
    yield classic(
        helper.make_node("SVMRegressor", ["x"], ["y"], coefficients=[1.0, -1.0], kernel_params=[0.5, 0.0, 3.0], kernel_type="RBF",
                         n_supports=2, rho=[0.1], support_vectors=[0.1] * 8, **ml)
    )  # fmt: skip
    yield classic(
        helper.make_node("LinearClassifier", ["x"], ["label", "p"], classlabels_ints=[0, 1, 2], coefficients=[0.1] * 12,
                         intercepts=[0.0] * 3, multi_class=1, post_transform="LOGISTIC", **ml),
        helper.make_node("Normalizer", ["p"], ["y"], norm="L1", **ml),
        labels=True,
    )  # fmt: skip
    yield classic(
        helper.make_node("Imputer", ["x"], ["i"], imputed_value_floats=[0.5], replaced_value_float=float("nan"), **ml),
        helper.make_node("Binarizer", ["i"], ["b"], threshold=0.5, **ml),
        helper.make_node("ArrayFeatureExtractor", ["b", "k"], ["a"], **ml),
        helper.make_node("FeatureVectorizer", ["i", "a"], ["f"], inputdimensions=[4, 2], **ml),
        helper.make_node("LinearRegressor", ["f"], ["y"], coefficients=[0.1] * 6, intercepts=[0.0], targets=1, **ml),
    )
    proto = classic(
        helper.make_node("LinearClassifier", ["x"], ["label", "p"], classlabels_strings=["a", "b"], coefficients=[0.1] * 8,
                         intercepts=[0.0] * 2, **ml),
        helper.make_node("LabelEncoder", ["label"], ["e"], keys_strings=["a", "b"], values_floats=[0.0, 1.0], **ml),
        helper.make_node("OneHotEncoder", ["label"], ["o"], cats_strings=["a", "b"], **ml),
        helper.make_node("ZipMap", ["p"], ["y"], classlabels_strings=["a", "b"], **ml),
    )  # fmt: skip
    kind = TypeProto()
    kind.sequence_type.elem_type.map_type.key_type = TensorProto.STRING
    kind.sequence_type.elem_type.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    proto.graph.output[0].type.CopyFrom(kind)
    yield proto


def external() -> ModelProto:
    """Return a model whose weight lies beside it, in the file weights.bin."""
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4] x) => (float[N, 4] y) { y = MatMul(x, w) }'
    )
    weight = proto.graph.initializer.add(
        name="w", data_type=TensorProto.FLOAT, dims=[4, 4], data_location=TensorProto.EXTERNAL
    )
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "64")):
        weight.external_data.add(key=key, value=value)
    return proto


def sparse() -> ModelProto:
    """Return a model with a sparse initializer and a sparse constant."""
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[N, 4] x) => (float[N, 4] y) { h = MatMul(x, w)  y = Add(h, k) }'
    )
    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [2], [1, 7])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4, 4]))
    proto.graph.node.insert(
        0,
        helper.make_node(
            "Constant",
            [],
            ["k"],
            sparse_value=helper.make_sparse_tensor(values, helper.make_tensor("j", 7, [2], [0, 3]), [4]),
        ),
    )
    return proto


def seeds() -> list[ModelProto]:
    """Return the models to begin with, in an order that does not change."""
    found = [
        onnx.load(path)
        for path in sorted((REPOSITORY / "sample_models").glob("*.onnx"))
        if path.stat().st_size < LARGEST_SEED
    ]
    written = [with_weights(name) for name in TEXTS] + [*machine_learning(), external(), sparse()]
    found += 4 * written  # as often as the operator tests of a family
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tests compute expected values at infinities
        from onnx.backend.test.case.node import collect_testcases

        cases = sorted(collect_testcases(None), key=lambda case: str(case.name))
    seen = set()
    for case in cases:
        graph = case.model.graph
        key = tuple(
            (node.domain, node.op_type, len(node.input), len(node.output), *sorted(a.name for a in node.attribute))
            for node in graph.node
        )
        if key not in seen and case.model.ByteSize() < LARGEST_SEED:
            seen.add(key)
            found.append(case.model)
    return found
