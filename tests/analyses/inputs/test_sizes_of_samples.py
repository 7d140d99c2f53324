"""A sample settles what the file leaves open, in every verb, and other inputs follow it."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from PIL import Image

import onnxviz
from onnxviz.errors import UsageError
from onnxviz.model.model import Model

EDGES = """g (float[N, 1, H, W] gray) => (float[N, 1, h, w] edges) <float[1, 1, 3, 3] k = {0, 1, 0, 1, -4, 1, 0, 1, 0}> {
    edges = Conv(gray, k) }"""
MASKED = """g (float[N, 3, H, W] picture, int64[N, H, W] pixel_mask) => (float[N, 3] y) <int64[1] one = {1}> {
    m = Unsqueeze(pixel_mask, one) f = Cast<to = 1>(m) kept = Mul(picture, f)
    y = ReduceMean<axes = [2, 3], keepdims = 0>(kept) }"""
POLICY = """g (float[n, 5] obs, float[n, 4] action_masks) => (float[n, 4] policy) <float one = {1}, float big = {1e8}> {
    s = Slice(obs, first, last, axis) a = Mul(s, action_masks) o = Sub(one, action_masks) b = Mul(o, big) c = Sub(a, b)
    policy = Softmax(c) }""".replace(
    "float big = {1e8}", "float big = {1e8}, int64[1] first = {0}, int64[1] last = {4}, int64[1] axis = {1}"
)


def model(text: str) -> Model:
    return onnxviz.load(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]>\n{text}'))


@pytest.fixture
def edges() -> Model:
    return model(EDGES)


@pytest.fixture
def sample() -> np.ndarray:
    return np.random.default_rng(0).random((1, 1, 16, 20), np.float32)


def oracle(edges: Model, sample: np.ndarray) -> np.ndarray:
    return np.asarray(edges.session(["edges"])({"gray": sample})["edges"])


def test_a_sample_settles_open_sizes_of_activations_filters_and_attribution(edges: Model, sample: np.ndarray) -> None:
    wanted = oracle(edges, sample)[0]
    seen = onnxviz.activations(edges, sample)
    np.testing.assert_allclose(seen.values["edges"], wanted, atol=1e-6)
    found = onnxviz.filters(edges, apply=sample)
    np.testing.assert_allclose(found.answers, wanted, atol=1e-6)
    explained = onnxviz.attribute(edges, sample, "edges[0, 3, 4]", methods=["gradient"])
    assert explained.score == pytest.approx(float(wanted[0, 3, 4]), abs=1e-6)


@pytest.mark.parametrize("keyword", ["start", "data"])
def test_a_real_sample_settles_open_sizes_of_a_search(edges: Model, sample: np.ndarray, keyword: str, tmp_path) -> None:
    np.save(tmp_path / "real.npy", sample)
    found = onnxviz.maximize(edges, "edges[0, 3, 4]", steps=1, restarts=1, **{keyword: tmp_path / "real.npy"})
    assert found.input.shape[-2:] == (16, 20)


def test_pictures_of_several_sizes_are_looked_at_in_their_own(tmp_path) -> None:
    masked = model(MASKED)
    for number, size in enumerate([(12, 9), (9, 12), (12, 9)]):
        noise = np.random.default_rng(number).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    for held in ({}, {"pixel_mask": 1}):
        every = onnxviz.activations(masked, tmp_path, held=held)
        assert [one.inputs["picture"].shape for one in every] == [(3, 12, 9), (3, 9, 12), (3, 12, 9)]
        for one in every:
            np.testing.assert_allclose(one.values["y"], one.inputs["picture"].mean((1, 2)), rtol=1e-4, atol=1e-5)


def test_a_symbol_has_one_size_in_verify_and_in_a_search() -> None:
    masked = model(MASKED)
    assert onnxviz.verify(masked).ok
    found = onnxviz.maximize(masked, "y[0]", steps=1, restarts=1, dims={"H": 8, "W": 8})
    assert found.input.shape[-2:] == (8, 8)


@pytest.mark.parametrize(
    "value", [0, np.float32(0), np.array(0.0), np.float16(0), [0, 0, 0, 0], [[0, 0, 0, 0]], np.zeros((1, 4), np.int64)]
)
def test_held_values_of_any_form_are_the_same_value(value: object) -> None:
    policy = model(POLICY)
    seen = onnxviz.activations(policy, np.ones((1, 5), np.float32), held={"action_masks": value})
    np.testing.assert_allclose(seen.values["policy"], np.full(4, 0.25))


def test_held_values_that_an_input_cannot_hold_are_refused() -> None:
    with pytest.raises(UsageError, match=r"`held` pixel_mask: it holds int64, but was given 0\.5"):
        onnxviz.activations(model(MASKED), np.ones((1, 3, 4, 4), np.float32), held={"pixel_mask": 0.5})


def test_a_float_mask_rests_at_1_and_a_verdict_names_one_that_is_held_at_0() -> None:
    policy = model(POLICY)
    assert onnxviz.maximize(policy, "policy[1]", steps=8, restarts=1).score > 0.3
    flat = onnxviz.maximize(policy, "policy[1]", steps=1, restarts=1, held={"action_masks": 0})
    assert flat.verdict.word == "constant"
    assert "action_masks is held at 0" in flat.verdict.message
