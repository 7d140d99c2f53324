"""Pad and CenterCropPad: every mode against ONNX Runtime, on every path torch has for it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError

LINE = np.arange(1, 5, dtype=np.float32)
PICTURE = np.arange(2 * 3 * 4 * 5, dtype=np.float32).reshape(2, 3, 4, 5)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize(
    ("data", "pads"),
    [
        (LINE, (2, 3)),
        (LINE, (-1, 2)),
        (LINE, (1, -2)),
        (LINE, (-1, -2)),
        (LINE.astype(np.int64), (1, 1)),
        (PICTURE, (0, 0, 1, 2, 0, 0, 3, 4)),
        (PICTURE, (0, 0, -1, 2, 0, 0, 2, -1)),
        (PICTURE, (0, 0, 0, 2, 0, 0, 0, 1)),
        (PICTURE, (1, 2, 0, 0, 0, 1, 3, 0)),
        (PICTURE[0], (0, 1, 2, 0, 2, 3)),
        (PICTURE, (0, 0, 0, 0, 0, 0, 0, 0)),
    ],
)
def test_onnx_runtime_agrees_in_every_mode(compare, mode, data, pads):
    inputs = {"x": data, "p": ints(*pads)}
    call = f'y = Pad<mode="{mode}">(x, p)'
    compare(written(call, inputs, 21), inputs)
    compare(written(call, inputs, 21, ["p"]), {"x": data})


@pytest.mark.parametrize(
    ("call", "inputs", "opset"),
    [
        ("y = Pad(x, p, v)", {"x": LINE, "p": ints(1, 2), "v": np.float32(-3.5)[...]}, 11),
        ("y = Pad(x, p, v)", {"x": LINE.astype(np.int64), "p": ints(1, 2), "v": np.array(2**53 + 1)}, 13),
        ("y = Pad(x, p, v)", {"x": LINE > 2, "p": ints(1, 2), "v": np.array(True)}, 13),
        ("y = Pad(x, p, v, a)", {"x": PICTURE, "p": ints(1, 0, 2, 3), "v": np.float32(1)[...], "a": ints(-1, 1)}, 18),
        ('y = Pad<mode="edge">(x, p, , a)', {"x": PICTURE, "p": ints(1, 2), "a": np.array([-1], np.int32)}, 18),
        ('y = Pad<mode="edge">(x, p)', {"x": LINE, "p": ints(9, 8)}, 18),
        ('y = Pad<mode="wrap">(x, p)', {"x": LINE, "p": ints(9, 6)}, 19),
        ("y = Pad<pads=[1, -1], value=3.5>(x)", {"x": LINE}, 2),
        ('y = Pad<pads=[1, -1], mode="reflect">(x)', {"x": LINE}, 2),
        ("y = Pad(x, p)", {"x": LINE[:0], "p": ints(1, 2)}, 13),
        ("y = com.microsoft.Pad(x, p, v)", {"x": LINE, "p": ints(1, 2), "v": np.array([7], np.float32)}, 13),
        ("y = com.microsoft.Pad(x, p)", {"x": LINE, "p": ints(1, 2)[None]}, 13),
        ("y = CenterCropPad(x, s)", {"x": PICTURE, "s": ints(1, 6, 7, 2)}, 18),
        ("y = CenterCropPad<axes=[-1, 0]>(x, s)", {"x": PICTURE, "s": ints(8, 1)}, 18),
    ],
)
def test_onnx_runtime_agrees(compare, call, inputs, opset):
    compare(written(call, inputs, opset), inputs)


def test_the_first_revision_says_the_same_under_another_name():
    (before,) = outputs_of('y = Pad<paddings=[2, 1], mode="reflect">(x)', {"x": LINE}, 1)
    (after,) = outputs_of('y = Pad<mode="reflect">(x, p)', {"x": LINE, "p": ints(2, 1)}, 21)
    assert torch.equal(before, after)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("pads", [(0, 0, 1, 2, 0, 0, 2, -1), (1, 0, 0, 2, 0, 0, 2, 1)])
def test_gradients(mode, pads):
    assert gradients_agree(f'y = Pad<mode="{mode}">(x, p)', {"x": PICTURE, "p": ints(*pads)})


def test_the_gradient_of_the_constant_counts_the_border():
    network = onnxviz.load(
        written("y = Pad(x, p, v)", {"x": LINE, "p": ints(-1, 2), "v": np.float32(3)[...]})
    ).network()
    border = torch.tensor(3.0, requires_grad=True)
    (padded,) = network({"x": LINE, "p": ints(1, 2), "v": border}).values()
    padded.sum().backward()
    assert padded.tolist() == [3.0, 1.0, 2.0, 3.0, 4.0, 3.0, 3.0]
    assert border.grad == 3


@pytest.mark.parametrize(
    ("call", "inputs", "message"),
    [
        (
            'y = Pad<mode="reflect">(x, p)',
            {"x": LINE, "p": ints(4, 0)},
            "by 4 along axis 0 of size 4; give a padding below the size",
        ),
        (
            'y = Pad<mode="reflect">(x, p)',
            {"x": LINE, "p": ints(-2, 2)},
            "by 2 along axis 0 of size 2; give a padding below the size",
        ),
        (
            'y = Pad<mode="edge">(x, p)',
            {"x": LINE[:0], "p": ints(1, 0)},
            "by 1 along axis 0 of size 0; give an axis that is not empty",
        ),
        ('y = Pad<mode="mirror">(x, p)', {"x": LINE, "p": ints(1, 0)}, "constant, reflect, edge and wrap are known"),
        ("y = Pad(x, p)", {"x": LINE, "p": ints(1, 0, 1)}, "give two numbers for each axis"),
        ("y = Pad(x, p)", {"x": LINE, "p": ints(-5, 0)}, "sizes must not be negative"),
        ("y = CenterCropPad<axes=[0]>(x, s)", {"x": LINE, "s": ints(1, 2)}, "give each axis a size"),
    ],
)
def test_refusals(call, inputs, message):
    network = onnxviz.load(written(call, inputs)).network()
    with pytest.raises(EvaluationError, match=message):
        network(inputs)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_absurd_sizes_are_refused(mode):
    inputs = {"x": LINE, "p": ints(1 << 40, 0)}
    network = onnxviz.load(written(f'y = Pad<mode="{mode}">(x, p)', inputs)).network()
    with pytest.raises(AllocationError, match="elements; at most"):
        network(inputs)
