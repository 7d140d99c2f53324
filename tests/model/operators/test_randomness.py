"""Random operators: the numbers repeat, have the distribution asked for, and differ from node to node."""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnx.reference
import pytest
import torch
from single_node import gradients_agree, outputs_of, written

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError

LARGE = np.zeros((100, 100), np.float32)
X = np.arange(1, 25, dtype=np.float32).reshape(2, 3, 4)


@pytest.mark.parametrize("seed", ["", ", seed=3.0"])
@pytest.mark.parametrize(
    ("call", "mean", "deviation"),
    [
        ("y = RandomNormal<shape=[100, 100], mean=2.0, scale=3.0{}>()", 2, 3),
        ("y = RandomNormalLike<mean=2.0, scale=3.0{}>(x)", 2, 3),
        ("y = RandomUniform<shape=[100, 100], low=-1.0, high=3.0{}>()", 1, 4 / 12**0.5),
        ("y = RandomUniformLike<low=-1.0, high=3.0{}>(x)", 1, 4 / 12**0.5),
    ],
)
def test_distributions(call, mean, deviation, seed):
    inputs = {"x": LARGE} if "(x)" in call else {}
    (first,) = outputs_of(call.format(seed), inputs)
    (again,) = outputs_of(call.format(seed), inputs)
    assert torch.equal(first, again)
    # The mean of 10000 draws has a standard error of a hundredth of the deviation; an error within five times that is almost certain.
    assert abs(first.mean().item() - mean) < 0.05 * deviation
    assert abs(first.std().item() - deviation) < 0.05 * deviation


def test_seeds_and_names_tell_nodes_apart():
    model = onnx.parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 21]>
        draws (float[2, 3, 4] x) => (p, q, r, s) {
            p = RandomNormalLike(x)
            q = RandomNormalLike(x)
            r = RandomNormalLike<seed = 1.0>(x)
            s = RandomNormalLike<seed = 2.0>(x)
        }""")
    drawn = list(onnxviz.load(model).network()({"x": X}).values())
    assert all(not torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


@pytest.mark.parametrize("seed", ["inf", "nan", "-1.5"])
def test_any_float_is_a_seed(seed):
    model = written("y = RandomNormalLike<seed=0.0>(x)", {"x": X})
    model.graph.node[0].attribute[0].f = float(seed)
    (ours,) = onnxviz.load(model).network()({"x": X}).values()
    assert ours.isfinite().all()


def test_types_asked_for():
    assert outputs_of("y = RandomUniform<shape=[2], dtype=11>()", {})[0].dtype == torch.float64
    assert outputs_of("y = RandomNormalLike<dtype=11>(x)", {"x": X})[0].dtype == torch.float64
    assert outputs_of("y = Bernoulli<dtype=9>(x)", {"x": X / 24})[0].dtype == torch.bool
    assert outputs_of("y = Multinomial<dtype=7>(x)", {"x": X[0]})[0].dtype == torch.int64


def test_bernoulli_draws_as_often_as_the_input_says():
    (ours,) = outputs_of("y = Bernoulli<seed=0.0>(x)", {"x": LARGE + 0.25})
    assert set(ours.unique().tolist()) == {0.0, 1.0}
    assert abs(ours.mean().item() - 0.25) < 0.025
    (sure,) = outputs_of("y = Bernoulli(x)", {"x": LARGE + np.eye(100, dtype=np.float32)})
    assert np.array_equal(sure, np.eye(100))


def test_multinomial_draws_by_the_logarithms_of_weights():
    weights = np.float32([[0.1, 0.2, 0.7], [1, 0, 0]])
    with np.errstate(divide="ignore"):
        inputs = {"x": np.log(weights)}
    (ours,) = outputs_of("y = Multinomial<sample_size=5000, seed=0.0>(x)", inputs)
    assert ours.dtype == torch.int32
    shares = torch.stack([(ours == number).double().mean(1) for number in range(3)], 1)
    np.testing.assert_allclose(shares, weights, atol=0.05)


@pytest.mark.parametrize(
    ("call", "inputs"),
    [
        ("y = RandomNormal<shape=[1048576, 1048576]>()", {}),
        ("y = RandomUniform<shape=[1048576, 1048576]>()", {}),
        ("y = Multinomial<sample_size=1099511627776>(x)", {"x": X[0]}),
    ],
)
def test_absurd_sizes_are_refused(call, inputs):
    with pytest.raises(AllocationError, match="elements; at most"):
        outputs_of(call, inputs)


@pytest.mark.parametrize(
    ("call", "extra", "opset"),
    [
        ("y, m = Dropout(x)", {}, 7),
        ("y, m = Dropout<ratio=0.9>(x)", {}, 10),
        ("y = Dropout<ratio=0.9>(x)", {}, 10),
        ("y, m = Dropout(x)", {}, 13),
        ("y, m = Dropout(x, r)", {"r": np.float32(0.9)[...]}, 13),
        ("y, m = Dropout(x, r, t)", {"r": np.float32(0.9)[...], "t": np.array(False)}, 13),
        ("y, m = Dropout(x, r, t)", {"r": np.float32(0)[...], "t": np.array(True)}, 13),
        ("y = Dropout(x, r, t)", {"r": np.float32(0)[...], "t": np.array(True)}, 12),
    ],
)
def test_dropout_drops_nothing_in_inference(compare, call, extra, opset):
    compare(written(call, {"x": X, **extra}, opset), {"x": X, **extra})


@pytest.mark.parametrize("call", ["y = Dropout<is_test=1, consumed_inputs=[1]>(x)", "y = Dropout<is_test=0>(x)"])
def test_dropout_in_its_first_revision(call):
    (ours,) = outputs_of(call, {"x": X}, 1)
    assert np.array_equal(ours, X)


@pytest.mark.parametrize("ratio", [0.25, 0.75])
def test_dropout_in_training_is_the_reference_implementations(ratio):
    inputs = {"x": X, "r": np.float32(ratio)[...], "t": np.array(True)}
    call = "y, m = Dropout<seed=5>(x, r, t)"
    wanted = onnx.reference.ReferenceEvaluator(written(call, inputs, 13)).run(None, inputs)
    for ours, theirs in zip(outputs_of(call, inputs, 13), wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_dropout_in_training_without_a_seed_repeats():
    inputs = {"x": X, "t": np.array(True)}
    first, again = (outputs_of("y = Dropout(x, , t)", inputs, 13)[0] for _ in range(2))
    assert torch.equal(first, again)
    assert 0 < (first == 0).sum() < X.size


def test_the_gradient_of_dropout_passes_where_nothing_is_dropped():
    assert gradients_agree("y, m = Dropout<seed=1>(x, , t)", {"x": X, "t": np.array(True)}, 13)


def test_dropping_everything_is_refused():
    inputs = {"x": X, "r": np.float32(1)[...], "t": np.array(True)}
    with pytest.raises(EvaluationError, match=r"it must lie in \[0, 1\)"):
        outputs_of("y = Dropout(x, r, t)", inputs, 13)
