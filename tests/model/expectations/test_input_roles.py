"""Caches, masks and lengths are told from the operators that read them, and from names where no operator tells."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest

import onnxviz
from onnxviz.model.expectations.input_roles import data_inputs, input_roles
from onnxviz.model.expectations.resting import rest, resting_input
from onnxviz.model.expectations.sample_inputs import feed, settled_shape
from onnxviz.model.model import Model


def model(text: str) -> Model:
    return onnxviz.load(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}'))


DECODER = """g (float[N, S, 4] x, float[N, P, 4] {name}, int64[N, total] seen) => (float[N, S, 4] y, float[N, Q, 4] kept)
    <float one = {{1}}, float big = {{-10000}}, int64[1] middle = {{1}}> {{
    h = Neg(x)
    kept = Concat<axis = 1>({name}, h)
    turned = Transpose<perm = [0, 2, 1]>(kept)
    scores = MatMul(x, turned)
    f = Cast<to = 1>(seen)
    wide = Unsqueeze(f, middle)
    hidden = Sub(one, wide)
    large = Mul(hidden, big)
    masked = Add(scores, large)
    p = Softmax(masked)
    y = MatMul(p, kept) }}"""


@pytest.mark.parametrize("name", ["earlier", "past_key_values_0_key"])
def test_what_is_joined_with_computed_values_before_attention_is_a_cache(name: str) -> None:
    decoder = model(DECODER.format(name=name))
    role = input_roles(decoder)[name]
    assert (role.name, role.axis, role.grows) == ("cache", 1, True)
    assert input_roles(decoder)["seen"].value == 1  # whatever its name
    assert data_inputs(decoder) == ["x"]


def test_an_input_that_is_joined_to_itself_or_handed_back_alone_is_data() -> None:
    dense = model("g (float[N, 3, H, W] x) => (float[N, C, H, W] y) { h = Relu(x) y = Concat<axis = 1>(x, h) }")
    assert input_roles(dense) == {}


def test_a_cache_is_empty_and_a_mask_counts_past_and_sequence() -> None:
    decoder = model(DECODER.format(name="past_key"))
    assert settled_shape(decoder, "past_key", {}, {}) == (1, 0, 4)
    assert settled_shape(decoder, "seen", {"P": 3, "S": 4}, {}) == (1, 7)
    for dims in ({}, {"P": 3, "S": 4}):
        decoder.session(list(decoder.outputs))(feed(decoder, {}, dims, {}))  # runs


MASKS = {
    "multiplied": ("a = Mul(x, m) y = Softmax(a)", 1),
    "subtracted": ("o = Sub(one, m) b = Mul(o, big) a = Add(x, b) y = Softmax(a)", 1),
    "added": ("a = Add(x, m) y = Softmax(a)", 0),
    "hiding": ("c = Cast<to = 9>(m) a = Where(c, big, x) y = Softmax(a)", 0),
    "keeping": ("c = Cast<to = 9>(m) a = Where(c, x, big) y = Softmax(a)", 1),
    "zeros hidden": ("c = Equal(m, zero) a = Where(c, big, x) y = Softmax(a)", 1),
    "a hole": ("o = Sub(one, m) y = Mul(x, o)", 0),
}


@pytest.mark.parametrize(("graph", "on"), MASKS.values(), ids=MASKS)
def test_a_mask_rests_where_nothing_is_hidden(graph: str, on: int) -> None:
    written = graph.replace("m)", "mask)").replace("(m,", "(mask,")
    opened = model(
        f"g (float[N, 4] x, float[N, 4] mask) => (float[N, 4] y) <float one = {{1}}, float zero = {{0}}, float big = {{-1e9}}> "
        f"{{ {written} }}"
    )
    values = resting_input(opened, "mask", (1, 4))
    np.testing.assert_array_equal(values, np.full((1, 4), on, np.float32))
    x = np.arange(4, dtype=np.float32)[None]
    (found,) = opened.session(["y"])({"x": x, "mask": values}).values()
    free = np.exp(x) / np.exp(x).sum() if "Softmax" in graph else x
    np.testing.assert_allclose(found, free, rtol=1e-5)


@pytest.mark.parametrize("kind", ["float", "double", "float16", "int64", "int32", "bool"])
def test_a_mask_rests_at_1_whatever_its_type(kind: str) -> None:
    cast = {"float": 1, "double": 11, "float16": 10, "int64": 7, "int32": 6, "bool": 9}[kind]
    opened = model(
        f"g ({kind}[N, 4] attention_mask, float[N, 4] x) => (float[N, 4] y) {{ f = Cast<to = 1>(attention_mask) y = Mul(x, f) }}"
    )
    values = resting_input(opened, "attention_mask", (1, 4))
    assert values.dtype == onnx.helper.tensor_dtype_to_np_dtype(cast)
    assert values.astype(int).all()
    assert feed(opened, {}, {}, {})["attention_mask"].astype(int).all()


def test_ids_of_which_the_graph_makes_its_own_mask_are_data() -> None:
    opened = model(
        """g (int64[N, 4] ids) => (float[N, 4] y) <float[9] table = {1, 2, 3, 4, 5, 6, 7, 8, 9}, int64 zero = {0}, float big = {-1e9}> {
        e = Gather(table, ids) c = Equal(ids, zero) a = Where(c, big, e) y = Softmax(a) }"""
    )
    assert input_roles(opened) == {}


SPEECH = """g (int64[N, L] text, int64[N] {name}) => (float[N, L] y) <int64 zero = {{0}}, int64 one = {{1}}, int64[1] first = {{1}}> {{
    shape = Shape(text) count = Gather(shape, one) steps = Range(zero, count, one)
    ends = Unsqueeze({name}, first) told = Less(steps, ends) y = Cast<to = 1>(told) }}"""


@pytest.mark.parametrize("name", ["text_lengths", "ends_at"])
def test_lengths_rest_at_the_length_of_the_sequence_that_they_count(name: str) -> None:
    opened = model(SPEECH.format(name=name))
    assert rest(opened, [name], {}, {}, {})[name].tolist() == [16]
    assert rest(opened, [name], {}, {}, {"text": (1, 5)})[name].tolist() == [5]
    assert feed(opened, {}, {"L": 7}, {})[name].tolist() == [7]


def test_a_table_s_column_of_such_a_name_is_data() -> None:
    table = model("g (float[N, 1] sepal_length, float[N, 1] width) => (float[N, 1] y) { y = Add(sepal_length, width) }")
    assert input_roles(table) == {}
