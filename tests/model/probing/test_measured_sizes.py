"""Sizes of activations equal those of ONNX Runtime, from folding or from a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import onnx.parser
import pytest

import onnxviz
from onnxviz.model.model import Model
from onnxviz.model.probing import measured_sizes
from onnxviz.model.probing.measured_sizes import (
    activation_elements,
    elements_of_each,
    operator_count,
    samples_at_once,
    tensor_elements,
)
from onnxviz.model.session import Session
from onnxviz.model.staged_session import session_of


def opened(text: str, opset: int = 17) -> Model:
    header = f'<ir_version: 8, opset_import: ["" : {opset}, "com.microsoft" : 1]>'
    return onnxviz.load(onnx.parser.parse_model(header + text))


def truth(model: Model, tensors: Sequence[str], inputs: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Return how many numbers tensors are, by a run that hands them all out."""
    return {name: value.size for name, value in Session(model, list(tensors))(inputs).items()}


@pytest.fixture
def runs(monkeypatch) -> list[int]:
    """Count the runs of ONNX Runtime."""
    made: list[int] = []

    def counted(model: Model, tensors: list[str]):
        def run(inputs):
            made.append(len(tensors))
            return session(inputs)

        session = session_of(model, tensors)
        return run

    monkeypatch.setattr(measured_sizes, "session_of", counted)
    return made


def convolution(sizes: str) -> Model:
    return opened(
        f"""g (float[{sizes}] image) => (float y) <float[8, 3, 3, 3] w = {{{", ".join(["0.5"] * 216)}}}>
        {{ a = Conv(image, w) b = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(a) y = ReduceMean(b) }}"""
    )


@pytest.mark.parametrize("sizes", ["1, 3, 40, 24", "N, 3, H, W", "N, C, H, W"])
@pytest.mark.parametrize("wrt", [["image"], []])
def test_sizes_that_a_file_leaves_open_follow_from_the_input(runs, sizes: str, wrt: list[str]) -> None:
    model = convolution(sizes)
    wanted = 3 * 40 * 24 + 8 * 38 * 22 + 8 * 19 * 11
    assert activation_elements(model, ["b"], wrt, (1, 3, 40, 24)) == wanted
    assert activation_elements(model, ["b"], wrt, (2, 3, 40, 24)) == wanted
    assert not runs
    assert operator_count(model, ["b"], wrt, (1, 3, 40, 24)) == 2


def test_more_samples_fit_the_smaller_they_are() -> None:
    model = convolution("N, 3, H, W")
    small, large = (samples_at_once(model, ["b"], ["image"], (1, 3, side, side)) for side in (8, 4096))
    assert 1 <= large < small <= 512


# The padding of a picture, computed from its shape, as exporters write "same" padding.
PADDED = """g (float[N, 3, H, W] x) => (float[N, 3, A, B] y)
<int64[1] from = {2}, int64[1] to = {4}, int64[1] step = {8}, int64[2] none = {0, 0}, int64[6] before = {0, 0, 0, 0, 0, 0}>
{ s = Shape(x) p = Slice(s, from, to) r = Mod(p, step) m = Sub(step, r) pads = Concat <axis = 0> (before, m)
  q = Pad(x, pads) h = Tanh(q) y = Relu(h) }"""


def test_a_padding_that_the_graph_computes_is_counted_as_it_is(runs) -> None:
    model = opened(PADDED)
    x = np.zeros((1, 3, 30, 41), np.float32)
    wanted = x.size + sum(truth(model, ["q", "h", "y"], {"x": x}).values())
    assert activation_elements(model, ["y"], [], x.shape) == wanted
    assert not runs


def test_what_folding_leaves_open_is_run_once(runs) -> None:
    model = opened(
        """g (float[N, 4] x) => (float[A, B] y, float[C] z)
        { i = NonZero(x) w = Cast <to = 1> (i) y = Neg(w) k = com.microsoft.Gelu(x) z = Flatten <axis = 0> (k) }"""
    )
    names = ["i", "w", "y", "k", "z"]
    (fed,) = (measured_sizes.random_input(model, "x", (3, 4)) for _ in range(1))
    wanted = truth(model, names, {"x": fed})
    assert activation_elements(model, names, [], (3, 4)) == math.ceil((12 + sum(wanted.values())) / 3)
    assert len(runs) == 1
    for name in names:
        assert activation_elements(model, [name], [], (3, 4)) > 0
    assert len(runs) == 1
    assert activation_elements(model, ["k"], [], (3, 4)) == math.ceil((12 + wanted["k"]) / 3)
    assert activation_elements(model, names, [], (5, 4)) > 0
    assert len(runs) == 2


def test_each_of_several_tensors_counts_what_lies_before_it(runs) -> None:
    model = convolution("N, 3, H, W")
    shape = (1, 3, 40, 24)
    each = elements_of_each(model, ["a", "b", "y", "image"], shape)
    assert each == {name: activation_elements(model, [name], [], shape) for name in each}
    assert each["image"] == 3 * 40 * 24
    assert each["a"] < each["b"] < each["y"]


RATED = """g (float[N, T] x, int64 rate) => (float y) <int64 high = {16000}, int64[1] one = {1}>
{ c = Equal(rate, high)
  y = If (c) < then_branch = yes () => (float[A, B] o) { u = Unsqueeze(x, one) s = Concat <axis = 1> (u, u, u, u) t = Tanh(s)
                                                         f = Flatten(t) o = Neg(f) },
               else_branch = no () => (float[C, D] p) { p = Neg(x) } > }"""


@pytest.mark.parametrize(("rate", "wanted"), [(16000, 6 * (1 + 1 + 4 * 4)), (8000, 6 * 2)])
def test_the_branch_that_a_held_input_settles_is_counted(runs, rate: int, wanted: int) -> None:
    model = opened(RATED)
    assert activation_elements(model, ["y"], [], (1, 6), {"rate": np.array(rate)}) == wanted
    assert not runs


def test_inputs_that_share_a_name_for_a_size_are_measured_alike(runs) -> None:
    model = opened(
        """g (float[N, T] x, int64[N, T] mask) => (float y)
        { m = Cast <to = 1> (mask) p = Mul(x, m) i = NonZero(p) w = Cast <to = 1> (i) y = ReduceSum <keepdims = 0> (w) }"""
    )
    assert activation_elements(model, ["p"], ["x"], (1, 9)) == 9 * 2
    assert activation_elements(model, ["y"], ["x"], (1, 9)) > 9 * 2
    assert runs == [4]


def test_a_batch_that_the_file_fixes_is_run_whole_and_counted_by_the_sample(runs) -> None:
    model = opened(
        """g (float[4, 6] x) => (float y) <int64[2] s = {4, -1}> { r = Reshape(x, s) k = com.microsoft.Gelu(r) y = Neg(k) }"""
    )
    assert activation_elements(model, ["y"], [], (1, 6)) == 6 * 4
    assert len(runs) == 1


def test_a_sample_without_a_batch_counts_whole() -> None:
    text = """g (float[5, 1, 2] x) => (float[5, 1, 1, 1] y)
    <float[1, 4, 2] w = {1, 1, 1, 1, 1, 1, 1, 1}, float[1, 4, 1] r = {1, 1, 1, 1}> { y, h, c = LSTM<hidden_size = 1>(x, w, r) }"""
    assert activation_elements(opened(text), ["y"], [], (1, 5, 1, 2)) == 5 * 2 + 5


def test_several_inputs_that_move_count_each_with_its_own_size() -> None:
    model = opened(
        "g (float[N, 1] a, float[N, 1] b, float[N] c) => (float y) { d = Add(a, b) e = Flatten(c) y = Add(d, e) }"
    )
    assert activation_elements(model, ["y"], [], (1, 3)) == 3 + 3


def test_a_tensor_inside_the_graph_moves() -> None:
    model = opened(PADDED)
    assert activation_elements(model, ["y"], ["q"], (1, 3, 8, 16)) == 3 * 3 * 8 * 16
    assert activation_elements(model, ["y"], ["h"], (1, 3, 8, 16)) == 2 * 3 * 8 * 16
    assert activation_elements(model, ["y"], ["y"], (1, 3, 8, 16)) == 3 * 8 * 16


def test_where_nothing_runs_an_open_size_counts_as_the_largest(runs) -> None:
    model = opened(
        "g (float[N, 4] x) => (float y) { k = elsewhere.Unknown(x) u = com.microsoft.Gelu(k) y = Add(u, x) }"
    )
    assert activation_elements(model, ["y"], [], (1, 4)) == 4  # the output of an unknown operator is not known
    open_sized = opened(
        "g (float[N, T] x) => (float y) { k = Relu(x) i = NonZero(k) w = elsewhere.Unknown(i) y = Neg(x) }"
    )
    assert activation_elements(open_sized, ["w", "i", "y"], [], (1, 9)) == 3 * 9 + 9


def test_sizes_of_tensors_are_those_of_the_values_that_are_fed() -> None:
    model = opened(PADDED)
    x = np.zeros((3, 3, 30, 41), np.float32)
    names = ["q", "h", "y", "s", "pads"]
    assert tensor_elements(model, names, {"x": x}) == truth(model, names, {"x": x})


def test_numbers_that_only_stand_for_sizes_and_weights_do_not_count() -> None:
    model = opened(
        """g (float[N, 3] x) => (float y) <float[3] w = {1, 2, 3}, int64 one = {1}>
        { v = Exp(w) s = Shape(x) t = Gather(s, one) f = Cast <to = 1> (t) a = Mul(x, v) y = Div(a, f) }"""
    )
    assert activation_elements(model, ["y"], [], (1, 3)) == 3 * 3
    assert operator_count(model, ["y"], [], (1, 3)) == 3


def test_strings_are_left_to_the_guess() -> None:
    model = opened(
        """g (string[N, 1] word, float[N, 2] x) => (float y)
        { u = Neg(x) e = elsewhere.Length(word) y = Add(u, x) }"""
    )
    assert activation_elements(model, ["y", "e"], ["x"], (1, 2)) == 6
