"""Inputs near real ones: `near_data` keeps a result where the best samples are, `keep_near` accents one of them."""

from __future__ import annotations

import numpy as np
import pytest

import onnxviz
from onnxviz.errors import UsageError

RNG = np.random.default_rng(0)
COLORS = RNG.standard_normal((8, 3)).astype(np.float32)
UNIT = 2

GRAPH = """
net (float[N, 3, 16, 16] x) => (float[N, 8] y) {
    mixed = Conv(x, w)
    y = GlobalAveragePool(mixed)
}
"""


@pytest.fixture
def planted(written):
    """A network whose channels are mixtures of colors: the mean of each is a mixture of the picture's mean color."""
    graph = GRAPH.replace("float[N, 8] y", "float[N, 8, 1, 1] y")
    return written(graph, w=COLORS[:, :, None, None])


@pytest.fixture
def pictures() -> np.ndarray:
    """Random smooth pictures of many mean colors."""
    content = RNG.standard_normal((40, 3, 16, 16))
    for axis in (2, 3, 2, 3):
        content = sum(np.roll(content, shift, axis) for shift in range(5))
    colors = RNG.uniform(0.2, 0.8, (40, 3, 1, 1))
    return np.clip(colors + 0.1 * content / content.std(), 0, 1).astype(np.float32)


def _asked(planted, pictures, **keywords):
    return onnxviz.maximize(planted, f"mean(mixed[{UNIT}])", data=pictures, value_range=(0, 1), **keywords)


def test_the_path_is_the_correlation_of_the_channels_means(planted, pictures) -> None:
    found = _asked(planted, pictures)
    means = pictures.mean((2, 3)) @ COLORS.T
    scores = means[:, UNIT]
    order = np.argsort(-scores)[:8]
    order = order[scores[order] >= (scores.mean() + scores.max()) / 2]
    # The target's own channel does not count: the search raises it.
    own = np.delete((found.input[0].mean((1, 2)) @ COLORS.T - means.mean(0)) / means.std(0), UNIT)
    best = np.delete((means[order] - means.mean(0)) / means.std(0), UNIT, axis=1)
    table = np.corrcoef(np.vstack([own, best]))
    assert found.path is not None
    assert found.path["samples"] == len(order)
    assert found.path["similarity"] == pytest.approx(table[0, 1:].mean(), abs=1e-3)
    among = table[1:, 1:][np.triu_indices(len(order), 1)]
    assert found.path["between_samples"] == pytest.approx(among.mean(), abs=1e-3)
    assert [layer["tensor"] for layer in found.path["layers"]] == ["mixed"]


def test_a_result_near_data_is_where_the_best_samples_are(planted, pictures, onnx_runtime) -> None:
    near, free = _asked(planted, pictures, near_data=True), _asked(planted, pictures)
    score = onnx_runtime(planted, "y", {"x": near.input})[0, UNIT, 0, 0]
    best = free.data["max"]
    assert near.ort_score == pytest.approx(score, rel=1e-5)
    assert best <= near.ort_score <= 2 * best
    assert near.path["similarity"] >= 0.8 * near.path["between_samples"]
    # The planted statistics: the mean color and the contrast are those of the best samples, within their own spread.
    order = np.argsort(-(pictures.mean((2, 3)) @ COLORS[UNIT]))[:8]
    away = [np.abs(one.input[0].std((1, 2)) - pictures[order].std((2, 3)).mean(0)).max() for one in (near, free)]
    assert away[0] < 0.05
    assert away[1] > 2 * away[0]
    assert near.row()["near_data"] is True


def test_an_accented_picture_changes_by_steps_and_where_it_matters(samples, onnx_runtime, tmp_path) -> None:
    model, photo = samples / "photo_patches.onnx", samples / "photo_patches_cat.png"
    found = onnxviz.maximize(model, "logits[1]", start=photo, keep_near=True, steps=12)
    told = found.row()["accentuation"]
    arrays, allowed = found.arrays["accents"], found.arrays["importance"]
    scores = onnx_runtime(model, "logits", {"image": arrays})[:, 1]
    assert [one["ort_score"] for one in told["strengths"]] == pytest.approx(scores.tolist(), rel=1e-5)
    assert told["original_ort_score"] < scores[0] < scores[1] < scores[2]
    assert found.ort_score == pytest.approx(scores[-1], rel=1e-5)
    changes = [one["change"] for one in told["strengths"]]
    assert all(change <= 1.0001 * one["strength"] for change, one in zip(changes, told["strengths"], strict=True))
    assert told["left_alone"] == pytest.approx(0.5, abs=0.02)
    # What is left alone has the same bits at every strength.
    assert np.ptp(arrays[:, allowed == 0], axis=0).max() == 0
    saved = found.save(tmp_path / "cat")
    assert any(name.endswith("strip.png") for name in saved.files)


def test_a_row_of_a_table_is_accented_too(samples) -> None:
    found = onnxviz.maximize(
        samples / "wine.onnx",
        "logits[1]",
        data=samples / "wine.csv",
        start=samples / "wine_class_1.csv",
        keep_near=True,
        steps=12,
    )
    told = found.row()["accentuation"]
    assert told["original_ort_score"] <= told["strengths"][0]["ort_score"] <= told["strengths"][-1]["ort_score"]


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"near_data": True}, "`near_data`: it needs real samples"),
        ({"keep_near": True}, "`keep_near`: it needs a real input"),
    ],
)
def test_what_is_missing_is_said(samples, keywords, said) -> None:
    with pytest.raises(UsageError, match=said):
        onnxviz.maximize(samples / "digits.onnx", "logits[7]", steps=2, **keywords)


def test_too_few_samples_are_refused(samples) -> None:
    few = np.load(samples / "digits_held_out.npy")[:3]
    with pytest.raises(UsageError, match="at least 4 samples"):
        onnxviz.maximize(samples / "digits.onnx", "logits[7]", data=few, near_data=True, steps=2)
    assert onnxviz.maximize(samples / "digits.onnx", "logits[7]", data=few, steps=2, restarts=1).path is None
