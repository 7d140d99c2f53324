"""Slices and gathers: against ONNX Runtime and numpy, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from single_node import gradients_agree, integer_names, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.shapes.indexing import gather, slice_

X = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
LARGE, SMALL = 2**63 - 1, -(2**63)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def ranges(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> dict[str, np.ndarray]:
    return {"x": X, "s": ints(*starts), "e": ints(*ends), "a": ints(*axes), "t": ints(*steps)}


SLICES = [
    ranges([1], [3], [1], [1]),
    ranges([1, 0], [LARGE, -1], [0, -1], [1, 2]),
    ranges([-1, 3], [SMALL, 0], [1, 2], [-1, -2]),
    ranges([99], [LARGE], [2], [-1]),
    ranges([99], [2**31 - 1], [2], [-3]),
    ranges([-99], [-99], [2], [-1]),
    ranges([SMALL], [2], [2], [1]),
    ranges([2], [1], [2], [1]),
    ranges([0], [4], [2], [LARGE]),
]
CASES = [
    *(("y = Slice(x, s, e, a, t)", inputs, 13) for inputs in SLICES),
    ("y = Slice(x, s, e)", {"x": X, "s": ints(1, -2), "e": ints(9, -1)}, 10),
    ("y = Slice(x, s, e, , t)", {"x": X, "s": ints(1, -2), "e": ints(9, -1), "t": ints(1, 1)}, 10),
    ("y = Slice(x, s, e, a, t)", {**ranges([0], [-9], [0], [-1]), "x": X[:0]}, 13),
    ("y = Slice<starts=[1, 0], ends=[3, -1], axes=[1, 2]>(x)", {"x": X}, 1),
    ("y = Slice<starts=[1], ends=[3]>(x)", {"x": X}, 9),
    ("y = Gather<axis=1>(x, i)", {"x": X, "i": np.array(-1)}, 13),
    ("y = Gather<axis=-1>(x, i)", {"x": X, "i": np.array([0, -1, 2, 2], np.int32)}, 13),
    ("y = Gather<axis=1>(x, i)", {"x": X, "i": ints(0, -1, 2, 2).reshape(2, 2, 1)}, 11),
    ("y = Gather(x, i)", {"x": ints(5, 6, 7), "i": np.array(1)}, 13),
    ("y = Gather(x, i)", {"x": ints(5, 6, 7), "i": np.array([[1, -1]], np.int32)}, 13),
    ("y = GatherElements<axis=-1>(x, i)", {"x": X, "i": (np.arange(12).reshape(2, 3, 2) % 8 - 4).astype(np.int32)}, 13),
    ("y = GatherElements(x, i)", {"x": X, "i": ints(-1, 0).reshape(1, 2, 1)}, 13),
    ("y = GatherND(x, i)", {"x": X, "i": ints(0, -1, 1, 2).reshape(2, 1, 2)}, 12),
    ("y = GatherND<batch_dims=1>(x, i)", {"x": X, "i": ints(0, -1, 1, 2, 0, 0).reshape(2, 3, 1)}, 12),
    ("y = GatherND<batch_dims=2>(x, i)", {"x": X, "i": ints(0, -1, 1, 2, 0, 0).reshape(2, 3, 1)}, 12),
    ("y = com.microsoft.GatherND(x, i)", {"x": X, "i": ints(0, -1, 1, 2).reshape(2, 2)}, 12),
    ("y = Compress<axis=-1>(x, c)", {"x": X, "c": np.array([True, False, True])}, 11),
    ("y = Compress<axis=0>(x, c)", {"x": X, "c": np.array([False, True, True, True])}, 11),
    ("y = Compress(x, c)", {"x": X, "c": np.array([False, True, True, True])}, 11),
    ("y = NonZero(x)", {"x": X % 3}, 13),
    ("y = NonZero(x)", {"x": np.float32(2)[...]}, 13),
    ("y = NonZero(x)", {"x": np.float32(0)[...]}, 13),
    ("y = OneHot(i, d, v)", {"i": ints(0, 2, -1, 5, -9), "d": np.array(3), "v": np.float32([2, 5])}, 11),
    ("y = OneHot<axis=0>(i, d, v)", {"i": ints(0, 2, 1, 1).reshape(2, 2), "d": ints(3), "v": ints(2, 5)}, 11),
    ("y = OneHot<axis=-2>(i, d, v)", {"i": np.float32([0, 2]), "d": np.float32([3]), "v": np.float32([0, 1])}, 11),
    ("y = ReverseSequence(x, n)", {"x": X, "n": ints(2, 0, 1)}, 10),
    ("y = ReverseSequence<batch_axis=0, time_axis=1>(x, n)", {"x": X, "n": ints(3, 1)}, 10),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_onnx_runtime_agrees_for_fed_indices(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


@pytest.mark.parametrize(("call", "inputs", "opset"), [case for case in CASES if integer_names(case[1])])
def test_onnx_runtime_agrees_for_constant_indices(compare, call, inputs, opset):
    constants = [name for name in integer_names(inputs) if name != "x"]
    compare(written(call, inputs, opset, constants), {k: v for k, v in inputs.items() if k not in constants})


@settings(deadline=None)
@given(
    st.integers(0, 6),
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.integers(-4, 4).filter(bool),
)
def test_slices_are_numpys(size, start, end, step):
    line = np.arange(size)
    ours = slice_(torch.from_numpy(line), (start,), (end,), (0,), (step,))
    # A start before the first element means the first element. Going backward, numpy would take no element.
    assert ours.tolist() == line[max(start, -size) : end : step].tolist()


def test_one_index_is_a_view():
    data = torch.from_numpy(X)
    assert gather(data, 1).data_ptr() == data[1].data_ptr()


@pytest.mark.parametrize(
    ("call", "inputs"),
    [
        ("y = Slice(x, s, e, a, t)", SLICES[1]),
        ("y = Slice(x, s, e, a, t)", SLICES[2]),
        ("y = Gather<axis=1>(x, i)", {"x": X, "i": ints(0, -1, 0)}),
        ("y = Gather<axis=1>(x, i)", {"x": X, "i": np.array(-1)}),
        ("y = GatherElements(x, i)", {"x": X, "i": ints(-1, 0).reshape(1, 2, 1)}),
        ("y = GatherND<batch_dims=1>(x, i)", {"x": X, "i": ints(0, -1, 1, 2, 0, 0).reshape(2, 3, 1)}),
        ("y = Compress<axis=-1>(x, c)", {"x": X, "c": np.array([True, False, True])}),
        ("y = OneHot(i, d, v)", {"i": ints(0, 2), "d": np.array(3), "v": np.float32([2, 5])}),
        ("y = ReverseSequence(x, n)", {"x": X, "n": ints(2, 0, 1)}),
    ],
)
def test_gradients(call, inputs):
    assert gradients_agree(call, inputs)


@pytest.mark.parametrize(
    ("call", "inputs", "message"),
    [
        ("y = Slice(x, s, e, a, t)", ranges([0], [1], [0], [0]), "has the step 0; a step must not be 0"),
        ("y = Slice(x, s, e, a, t)", ranges([0, 0], [1, 1], [1, -2], [1, 1]), "name each axis only once"),
        ("y = Slice(x, s, e, a, t)", ranges([0, 0], [1, 1], [1], [1, 1]), "give the same number of each"),
        ("y = Gather(x, i)", {"x": X, "i": np.array(2)}, "refuses its inputs"),
        ("y = Gather(x, i)", {"x": X, "i": ints(-3)}, "refuses its inputs"),
        (
            "y = GatherND<batch_dims=1>(x, i)",
            {"x": X, "i": ints(0).reshape(1, 1)},
            "differ in their sizes; these sizes must be equal",
        ),
        (
            "y = ReverseSequence<batch_axis=0, time_axis=2>(x, n)",
            {"x": X, "n": ints(1, 1)},
            "one axis must be 0, the other 1",
        ),
    ],
)
def test_refusals(call, inputs, message):
    network = onnxviz.load(written(call, inputs, 13)).network()
    with pytest.raises(EvaluationError, match=message):
        network(inputs)


def test_absurd_depths_are_refused():
    inputs = {"i": ints(0, 1), "d": np.array(1 << 40), "v": np.float32([0, 1])}
    with pytest.raises(AllocationError, match="OneHot asks for a tensor"):
        outputs_of("y = OneHot(i, d, v)", inputs, 11)
