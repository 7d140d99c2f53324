"""Seeded inputs, inputs in the middle of their range, devices, and the tensor before a Softmax or Sigmoid."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest
import torch

import onnxviz
from onnxviz.errors import AllocationError, UsageError
from onnxviz.methods.devices import choose_device
from onnxviz.model.expectations.resting import rest, resting_input
from onnxviz.model.expectations.sample_inputs import feed, random_input, settled_shape
from onnxviz.model.model import Model
from onnxviz.model.tensors.twin import unsquashed
from onnxviz.target import EACH, Target

TEXT = """
<ir_version: 8, opset_import: ["" : 17]>
g (float[N, 3, 8, 8] image, int64[N, 5] tokens, bool[2] mask, uint8[4] bytes, float16[2] half, string[1] words)
=> (float[N, 3] p, float e)
<float m = {128}, float s = {64}>
{
    a = Sub(image, m)
    b = Div(a, s)
    f = GlobalAveragePool(b)
    l = Flatten(f)
    d = Identity(l)
    q = Softmax(d)
    p = Identity(q)
    r = Relu(l)
    e = Gather(table, tokens)
}
"""


def opened() -> Model:
    proto = onnx.parser.parse_model(TEXT)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros((7, 2), np.float32), "table"))
    return onnxviz.load(proto)


def test_values_lie_in_the_input_s_range() -> None:
    model = opened()
    image = random_input(model, "image", (2, 3, 8, 8))
    assert image.dtype == np.float32
    assert 0 <= image.min() < 30
    assert 225 < image.max() <= 255
    tokens = random_input(model, "tokens", (50, 5))
    assert set(np.unique(tokens)) == set(range(7))  # the table has seven rows
    assert random_input(model, "mask", (2,)).all()
    assert random_input(model, "bytes", (99,)).dtype == np.uint8
    assert random_input(model, "half", (2,)).dtype == np.float16
    assert random_input(model, "words", (2,)).tolist() == ["", ""]  # the graph knows no text


def test_a_seed_gives_the_same_values_and_another_seed_others() -> None:
    model = opened()
    one, same, other = (random_input(model, "image", (1, 3, 8, 8), seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_what_is_given_is_kept_and_the_rest_is_drawn() -> None:
    model = opened()
    held = {"image": np.zeros((3, 3, 8, 8), np.float32), "words": np.array(["a"])}
    values = feed(model, held, {"N": 3}, {"mask": (2,)})
    assert values["image"] is held["image"]
    assert values["tokens"].shape == (3, 5)
    with pytest.raises(UsageError, match="`held` none"):
        feed(model, {"none": np.zeros(1)}, {}, {})
    with pytest.raises(UsageError, match="does not fit"):
        settled_shape(model, "mask", {}, {"mask": (3,)})


def test_at_rest_an_input_is_at_the_middle_of_its_range() -> None:
    model = opened()
    np.testing.assert_array_equal(resting_input(model, "image", (1, 3, 2, 2)), np.full((1, 3, 2, 2), 127.5))
    assert resting_input(model, "mask", (2,)).all()
    assert not resting_input(model, "tokens", (2, 5)).any()
    values = rest(model, ["mask", "tokens"], {"mask": np.array([False, True])}, {"N": 4}, {})
    assert values["mask"].tolist() == [False, True]
    assert values["tokens"].shape == (4, 5)


def test_the_logit_stands_before_the_softmax() -> None:
    model = opened()
    assert unsquashed(model, Target("p", (1,))) == Target("d", (1,))
    assert unsquashed(model, Target("q", (EACH,))) == Target("d", (EACH,))
    for target in (Target("p"), Target("p", (slice(None),)), Target("r", (1,)), Target("image", (1,))):
        assert unsquashed(model, target) is None


def test_a_target_and_its_twin_rise_together() -> None:
    model = opened()
    x = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 99
    values = model.network(["p", "d"])({"image": x})
    others = values["d"] - values["d"][:, 1:2]
    torch.testing.assert_close(values["p"][:, 1], 1 / others.exp().sum(1))


def test_devices_are_chosen_by_name() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("gpu", "", "cuda:x", "meta", "cpu0"):
        with pytest.raises(UsageError, match="no device of that name"):
            choose_device(name)
    with pytest.raises(UsageError, match="CUDA devices; take `device` cpu"):
        choose_device("cuda:99")


def test_an_input_of_a_size_that_no_memory_holds_is_refused() -> None:
    text = '<ir_version: 8, opset_import: ["" : 17]> g (float[2, 65536, 65536] x) => (float[2, 65536, 65536] y) { y = Relu(x) }'
    model = onnxviz.load(onnx.parser.parse_model(text))
    with pytest.raises(AllocationError, match=r"^the input 'x' has the shape 2x65536x65536, 8,589,934,592 elements"):
        settled_shape(model, "x", {}, {})
