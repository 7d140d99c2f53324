"""Real samples of --data and --start, through the whole command."""

from __future__ import annotations

import numpy as np
import pytest


def test_pictures_tell_their_slope_and_colors(cli, samples) -> None:
    words = ("maximize", samples / "photo_patches.onnx", "-t", "conv1[3]", "--steps", 3, "--json")
    outcome = cli(*words, "--data", samples / "photo_patches_held_out")
    assert outcome.code == 0, outcome.err
    assert "of the spectrum and how its 3 channels vary together" in outcome.err
    assert "given colors" in outcome.document["runs"][0]["units"]


def test_signals_tell_their_slope(cli, samples) -> None:
    words = ("maximize", samples / "tones.onnx", "-t", "conv1[3]", "--steps", 3, "--json", "--restarts", 1)
    outcome = cli(*words, "--data", samples / "tones_held_out.npy")
    assert outcome.code == 0, outcome.err
    assert "slope" in outcome.err


def test_a_tensor_inside_takes_its_scale_from_real_samples(cli, samples) -> None:
    words = ("maximize", samples / "digits.onnx", "-t", "logits[7]", "--wrt", "relu1", "--steps", 3, "--json")
    outcome = cli(*words, "--data", samples / "digits_held_out.npy")
    assert outcome.code == 0, outcome.err
    assert "mean and deviation of each channel on 128 samples" in outcome.err
    assert "of norm 32" in outcome.document["runs"][0]["units"]


def test_a_tensor_inside_is_placed_among_what_it_is_on_real_rows(cli, samples, onnx_runtime) -> None:
    words = ("maximize", samples / "wine.onnx", "-t", "logits[0]", "--wrt", "relu1", "--steps", 3, "--json")
    outcome = cli(*words, "--data", samples / "wine.csv")
    assert outcome.code == 0, outcome.err
    rows = np.loadtxt(samples / "wine.csv", delimiter=",", skiprows=1, dtype=np.float32)
    places = np.unique(np.linspace(0, len(rows) - 1, 128).round().astype(int))
    scores = onnx_runtime(samples / "wine.onnx", "logits", {"features": rows[places, :13]})[:, 0]
    placed = outcome.document["runs"][0]["data"]
    assert placed["samples"] == 128
    assert placed["max"] == pytest.approx(scores.max(), rel=1e-5)
    assert placed["mean"] == pytest.approx(scores.mean(), rel=1e-4)


@pytest.mark.parametrize("parameterization", ["fourier", "pixel"])
def test_an_ascent_starts_where_it_is_told_to(cli, samples, onnx_runtime, parameterization) -> None:
    seven = np.load(samples / "digits_seven.npy").reshape(1, 1, 8, 8).astype(np.float32)
    wanted = onnx_runtime(samples / "digits.onnx", "logits", {"image": seven})[0, 7]
    words = ("maximize", samples / "digits.onnx", "-t", "logits[7]", "--steps", 2, "--json", "--restarts", 2)
    outcome = cli(*words, "--start", samples / "digits_seven.npy", "--parameterization", parameterization)
    (run,) = outcome.document["runs"]
    assert run["start"].endswith("digits_seven.npy")
    # Black and white pixels start a little inside the range.
    assert run["initial_ort_score"] == pytest.approx(wanted, rel=0.15)


def test_a_vector_starts_at_a_row(cli, samples) -> None:
    words = ("maximize", samples / "wine.onnx", "-t", "logits[1]", "--steps", 2, "--restarts", 1, "--json")
    outcome = cli(*words, "--data", samples / "wine.csv", "--start", samples / "wine_class_1.csv")
    assert outcome.code == 0, outcome.err
    assert "starting from" in outcome.err


def test_what_does_not_fit_is_refused(cli, samples, tmp_path) -> None:
    words = ("maximize", samples / "digits.onnx", "-t", "logits[7]", "--steps", 2)
    (tmp_path / "empty").mkdir()
    assert "the folder holds no" in cli(*words, "--data", tmp_path / "empty").err
    np.save(tmp_path / "flat.npy", np.ones((3, 8, 8)))
    assert "are constant" in cli(*words, "--data", tmp_path / "flat.npy").err
    np.save(tmp_path / "long.npy", np.ones(65))
    assert "does not fit the input" in cli(*words, "--start", tmp_path / "long.npy").err
    vector = ("maximize", samples / "wine.onnx", "-t", "logits[1]", "--steps", 2)
    assert "whose elements have no neighbors" in cli(*vector, "--parameterization", "maco").err
