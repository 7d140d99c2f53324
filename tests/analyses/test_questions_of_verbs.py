"""One question for every verb: the scores of a detector's head and of a first layer, against numpy and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

import onnxviz

SIZE = 12
HEAD = """
agraph (float[N, 3, 12, 12] x) => (float[N, R, 2] scores) {
    edges = Conv<pads = [1, 1, 1, 1]>(x, kernels)
    seen = Relu(edges)
    small = MaxPool<kernel_shape = [2, 2], strides = [2, 2]>(seen)
    a = Conv(seen, head)
    b = Conv(small, head)
    at = Transpose<perm = [0, 2, 3, 1]>(a)
    bt = Transpose<perm = [0, 2, 3, 1]>(b)
    rows = Constant<value_ints = [0, -1, 2]>()
    ar = Reshape(at, rows)
    br = Reshape(bt, rows)
    c = Concat<axis = 1>(ar, br)
    scores = Sigmoid(c)
}
"""
COMMON = {"value_range": (0.0, 1.0), "channels": "rgb"}


@pytest.fixture
def detector(written):
    generator = np.random.default_rng(5)
    return written(
        HEAD,
        kernels=generator.standard_normal((4, 3, 3, 3)).astype(np.float32),
        head=generator.standard_normal((2, 4, 1, 1)).astype(np.float32),
    )


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(6).random((7, 3, SIZE, SIZE), np.float32)


def loud(values: np.ndarray) -> np.ndarray:
    return (np.maximum(values, 0).astype(np.float64) ** 2).mean(axis=tuple(range(1, values.ndim))) ** 0.5


REDUCED = {
    "scores[..., 1]": ("highest place", lambda found: found["scores"][..., 1].max(1)),
    "max(scores[:, 1])": ("highest place", lambda found: found["scores"][..., 1].max(1)),
    "mean(scores[:, 1])": ("mean over places", lambda found: found["scores"][..., 1].mean(1)),
    "edges[2]": ("mean over loud places", lambda found: loud(found["edges"][:, 2])),
    "mean(edges[2])": ("mean over places", lambda found: found["edges"][:, 2].mean((1, 2))),
    "center(edges[2])": ("center", lambda found: found["edges"][:, 2, 6, 6]),
    "max(scores[:, 1]) - 0.5*mean(edges[2])": (
        "max(scores[:, 1]): highest place; mean(edges[2]): mean over places",
        lambda found: found["scores"][..., 1].max(1) - 0.5 * found["edges"][:, 2].mean((1, 2)),
    ),
}


@pytest.mark.parametrize("target", REDUCED)
def test_every_verb_asks_the_same(detector, pictures, target) -> None:
    question, reduced = REDUCED[target]
    session = onnxviz.load(detector).session(["scores", "edges"])
    wanted = reduced(session({"x": pictures}))

    ranked = onnxviz.examples(detector, pictures, target, k=7, **COMMON)
    assert ranked.question == ranked.row()["question"] == question
    scores = {one["id"].rpartition("#")[2]: one["score"] for one in ranked.highest}
    assert [scores[str(place)] for place in range(7)] == pytest.approx(wanted.tolist(), rel=1e-4)

    found = onnxviz.maximize(detector, target, steps=24, restarts=1, **COMMON)
    answers = session({"x": found.input})
    assert found.question == question
    assert found.ort_score == pytest.approx(float(reduced(answers)[0]), rel=1e-4)
    assert found.score == pytest.approx(found.ort_score, rel=1e-3)
    assert found.ort_score > found.initial_ort_score
    if "max" in target or question == "highest place":
        (place,) = found.places.values()
        assert place == [int(answers["scores"][0, :, 1].argmax()), 1]

    why = onnxviz.attribute(detector, pictures[0], target, methods=["occlusion"], **COMMON)
    assert why.row()["question"] == question
    assert why.ort_score == pytest.approx(float(wanted[0]), rel=1e-4)

    if " - " not in target:
        seen = onnxviz.activations(detector, pictures[0], target, **COMMON).row()["targets"][0]
        assert (seen["question"], seen["value"]) == (question, pytest.approx(float(wanted[0]), rel=1e-4))


@pytest.mark.parametrize("at", ["mean", "max", "center"])
def test_at_is_an_alias_of_the_notation(detector, pictures, at) -> None:
    plain = onnxviz.examples(detector, pictures, "edges[2]", at=at, **COMMON)
    written = onnxviz.examples(detector, pictures, f"{at}(edges[2])", **COMMON)
    assert (plain.target, written.target) == ("edges[2]", f"{at}(edges[2])")
    assert plain.highest == written.highest
    assert plain.question == written.question
    kept = onnxviz.examples(detector, pictures, "max(edges[2])", at=at, **COMMON)
    assert kept.question == "highest place"


def test_units_of_a_head_are_its_columns(detector, pictures) -> None:
    seen = onnxviz.activations(detector, pictures[0], "scores", **COMMON).row()["targets"][0]
    found = onnxviz.load(detector).session(["scores"])({"x": pictures[:1]})["scores"][0]
    assert seen["axes"] == ["row", "feature"]
    assert {one["index"]: one["score"] for one in seen["strongest"]} == pytest.approx(dict(enumerate(found.max(0))))


def test_the_code_of_a_map_asks_the_question_too(detector, pictures) -> None:
    found = onnxviz.load(detector).session(["edges"])({"x": pictures})["edges"]
    codes = onnxviz.embed(detector, pictures, "max(edges)", method="pca", **COMMON)
    assert codes.row()["question"] == "highest place"
    np.testing.assert_allclose(codes.codes, found.max((2, 3)), rtol=1e-5)


def test_the_center_moves_what_it_sees_alone(detector) -> None:
    found = onnxviz.maximize(detector, "center(edges[2])", steps=16, restarts=1, **COMMON)
    assert found.row()["window"] == [[0, 3], [5, 8], [5, 8]]


def test_lowering_a_linear_layer_alone_lowers_its_mean(detector) -> None:
    found = onnxviz.maximize(detector, "-edges[2]", steps=64, restarts=1, **COMMON)
    assert found.question == "mean over places"
    assert found.ort_score > 0


def test_a_linear_unit_that_is_silent_for_random_inputs_is_raised(samples) -> None:
    # Its rectified answers are 0 for every input that was tried, and its own values are not.
    found = onnxviz.maximize(samples / "photo_patches.onnx", "conv2[36]", steps=64, device="cpu")
    assert found.question == "mean after the rectifier"
    assert found.verdict.word != "constant"
    assert found.ort_score > 0
