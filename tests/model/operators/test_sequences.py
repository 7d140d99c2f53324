"""Sequences and optionals: against ONNX Runtime, and refusals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.sequences import concat_from_sequence, sequence_erase, sequence_insert

X = np.arange(20, dtype=np.float32).reshape(5, 4)
ADD = "body = add (float[4] p, float[4] q) => (float[4] r) { r = Add(p, q) }"


def number(value: int) -> np.ndarray:
    return np.array(value, np.int64)


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("y = SequenceAt(s, n) s = SequenceConstruct(x, x)", {"n": number(-1)}),
        ("y = SequenceLength(s) s = SequenceConstruct(x, x, x)", {}),
        ("y = SequenceLength(s) s = SequenceEmpty()", {}),
        ("y = SequenceLength(s) s = SplitToSequence(x, n)", {"n": number(2)}),
        ("y = ConcatFromSequence<axis=0>(s) s = SplitToSequence(x)", {}),
        ("y = ConcatFromSequence<axis=-1, new_axis=1>(s) s = SplitToSequence<keepdims=0>(x)", {}),
        ("y = ConcatFromSequence<axis=1>(s) s = SplitToSequence<axis=1>(x, n)", {"n": np.array([1, 3])}),
        ("y = SequenceAt(s, n) s = SplitToSequence<axis=-1, keepdims=0>(x)", {"n": number(2)}),
        ("y = ConcatFromSequence<axis=0>(t) t = SequenceInsert(s, x) s = SplitToSequence(x)", {}),
        ("y = ConcatFromSequence<axis=0>(t) t = SequenceInsert(s, x, n) s = SplitToSequence(x)", {"n": number(-2)}),
        ("y = ConcatFromSequence<axis=0>(t) t = SequenceInsert(s, x, n) s = SplitToSequence(x)", {"n": number(5)}),
        ("y = ConcatFromSequence<axis=0>(t) t = SequenceErase(s, n) s = SplitToSequence(x)", {"n": number(1)}),
        ("y = ConcatFromSequence<axis=0>(t) t = SequenceErase(s) s = SplitToSequence(x)", {}),
        (
            "y = ConcatFromSequence<axis=0, new_axis=1>(t) s = SplitToSequence<keepdims=0>(x) "
            f"t = SequenceMap<{ADD}>(s, s)",
            {},
        ),
        (
            "y = ConcatFromSequence<axis=0, new_axis=1>(t) s = SplitToSequence<keepdims=0>(x) "
            f"t = SequenceMap<{ADD}>(s, q)",
            {"q": X[0]},
        ),
        ("y = OptionalHasElement(o) o = Optional(x)", {}),
        ("y = OptionalGetElement(o) o = Optional(x)", {}),
        ("y = Identity(o) o = OptionalGetElement(x)", {}),
        ("y = OptionalHasElement(x)", {}),
    ],
)
def test_onnx_runtime_agrees(compare, call, extra):
    inputs = {"x": X, **extra}
    compare(written(call, inputs, 18), inputs)


def test_parts_of_a_length_keep_their_axis():
    # The schema says so; ONNX Runtime fails here.
    call = "y = SequenceAt(s, n) s = SplitToSequence<axis=-1, keepdims=0>(x, n)"
    (ours,) = outputs_of(call, {"x": X[:, :3], "n": number(1)}, 18)
    assert np.array_equal(ours, X[:, 1:2])


def test_an_optional_may_hold_nothing():
    call = "y = OptionalHasElement(o) o = Optional<type=float[2]>()"
    for opset in (15, 18):
        (ours,) = outputs_of(call, {}, opset)
        assert ours.dtype == torch.bool
        assert not ours
    (left_out,) = outputs_of("y = OptionalHasElement()", {}, 18)
    assert not left_out


@pytest.mark.parametrize(
    "call",
    [
        "y = ConcatFromSequence<axis=1>(s) s = SplitToSequence<axis=1>(x)",
        "y = ConcatFromSequence<axis=0, new_axis=1>(t) s = SplitToSequence<keepdims=0>(x) "
        f"t = SequenceMap<{ADD.replace('float', 'double')}>(s, s)",
    ],
)
def test_gradients(call):
    assert gradients_agree(call, {"x": X}, 18)


def test_sequences_are_never_changed_in_place():
    sequence = [torch.zeros(1), torch.ones(1)]
    before = list(sequence)
    sequence_insert(sequence, torch.ones(2), 0)
    sequence_erase(sequence, 0)
    assert sequence == before


@pytest.mark.parametrize(
    ("call", "extra", "message"),
    [
        (
            "y = SequenceAt(s, n) s = SequenceConstruct(x, x)",
            {"n": number(2)},
            "SequenceAt at position 2 of a sequence of 2",
        ),
        (
            "y = SequenceLength(t) s = SequenceConstruct(x) t = SequenceErase(s, n)",
            {"n": number(-2)},
            "of 1 tensors; give -1 to 0",
        ),
        (
            "y = SequenceLength(t) s = SequenceConstruct(x) t = SequenceInsert(s, x, n)",
            {"n": number(3)},
            "SequenceInsert at position 3",
        ),
        (
            "y = SequenceLength(s) s = SplitToSequence(x, n)",
            {"n": number(0)},
            "parts of length 0; the length must be positive",
        ),
        (
            "y = SequenceLength(s) s = SplitToSequence(x, n)",
            {"n": np.array([2, 2])},
            "their sum must be the size of the axis, 5",
        ),
        (
            f"y = SequenceLength(t) s = SplitToSequence(x) u = SequenceConstruct(x) t = SequenceMap<{ADD}>(s, u)",
            {},
            "sequences of 5 and 1 tensors; all must have the same number of tensors",
        ),
        (
            "y = OptionalGetElement(o) o = Optional<type=float[2]>()",
            {},
            "an optional without an element; OptionalHasElement tells",
        ),
    ],
)
def test_refusals(call, extra, message):
    with pytest.raises(EvaluationError, match=message):
        outputs_of(call, {"x": X, **extra} if "x" in call else extra, 18)


def test_nothing_cannot_be_joined():
    with pytest.raises(
        EvaluationError, match="an empty sequence, whose shape is unknown; it needs at least one tensor"
    ):
        concat_from_sequence([], axis=0)
