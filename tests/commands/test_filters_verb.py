"""`filters` shows the weights of the file, and with --apply their outputs by ONNX Runtime."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest
from PIL import Image

KEYS = {"index", "norm", "mean", "std", "kind", "orientation", "frequency", "duplicate_of", "dead"}


def weights(path, name: str) -> np.ndarray:
    return next(onnx.numpy_helper.to_array(one) for one in onnx.load(path).graph.initializer if one.name == name)


def is_blank(path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24)) < 3


@pytest.mark.parametrize("name", ["digits", "digits_int8", "wine", "tones", "photo_patches", "edge_filter"])
def test_the_document_describes_every_kernel(cli, samples, name: str) -> None:
    outcome = cli("filters", samples / f"{name}.onnx", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert set(document) >= {"layer", "operator", "weight", "shape", "path", "filters", "files"}
    assert len(document["filters"]) == document["shape"][0]
    assert [row["index"] for row in document["filters"]] == list(range(document["shape"][0]))
    for row in document["filters"]:
        assert set(row) >= KEYS
    assert document["files"] == []


def test_the_numbers_are_those_of_the_file(cli, samples) -> None:
    path = samples / "digits.onnx"
    document = cli("filters", path, "--json").document
    kernels = weights(path, document["weight"]).astype(np.float64)
    assert document["shape"] == list(kernels.shape)
    for row in document["filters"]:
        kernel = kernels[row["index"]]
        assert row["norm"] == pytest.approx(np.linalg.norm(kernel), rel=1e-5)
        assert row["mean"] == pytest.approx(kernel.mean(), rel=1e-5, abs=1e-7)
        assert row["std"] == pytest.approx(kernel.std(), rel=1e-5)


@pytest.mark.parametrize("name", ["wine", "tones", "photo_patches"])
def test_pictures_and_arrays_are_written(cli, samples, tmp_path, name: str) -> None:
    outcome = cli("filters", samples / f"{name}.onnx", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0
    document = outcome.document
    assert {"filters.png", "arrays.npz", "result.json"} <= {file.rpartition("/")[2] for file in document["files"]}
    assert not is_blank(tmp_path / "out" / "filters.png")
    with np.load(tmp_path / "out" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["kernels"], weights(samples / f"{name}.onnx", document["weight"]))
    json.loads((tmp_path / "out" / "result.json").read_text("utf-8"))
    assert not (tmp_path / "out.partial").exists()


def test_an_existing_folder_is_refused_and_replaced_when_asked(cli, samples, tmp_path) -> None:
    words = ["filters", samples / "edge_filter.onnx", "-o", tmp_path / "out"]
    assert cli(*words).code == 0
    before = (tmp_path / "out" / "arrays.npz").read_bytes()
    refused = cli(*words)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    (tmp_path / "out" / "arrays.npz").write_bytes(b"")
    assert cli(*words, "--overwrite").code == 0
    assert (tmp_path / "out" / "arrays.npz").read_bytes() == before


def test_what_filters_answer_is_what_onnx_runtime_computes(cli, samples, tmp_path, onnx_runtime) -> None:
    path = samples / "edge_filter.onnx"
    photograph = samples / "edge_filter_camera.png"
    outcome = cli("filters", path, "--apply", photograph, "-o", tmp_path / "out", "--json")
    with Image.open(photograph) as picture:
        pixels = np.asarray(picture.convert("L"), np.float32)[None, None] / 255
    answer = onnx_runtime(path, "edges", {"image": pixels})
    with np.load(tmp_path / "out" / "arrays.npz") as arrays:
        np.testing.assert_allclose(arrays["answers"], answer[0], atol=1e-5)
    (row,) = outcome.document["filters"]
    assert row["answer"]["max"] == pytest.approx(answer.max(), abs=1e-5)
    assert row["answer"]["min"] == pytest.approx(answer.min(), abs=1e-5)
    assert not is_blank(tmp_path / "out" / "answers.png")


def test_a_sound_is_heard_by_the_filters_of_a_signal(cli, samples, tmp_path) -> None:
    words = ["--apply", samples / "tones_rising_chirp.wav", "-o", tmp_path / "out"]
    assert cli("filters", samples / "tones.onnx", *words).code == 0
    assert not is_blank(tmp_path / "out" / "answers.png")


def test_another_layer_can_be_asked_for(cli, samples) -> None:
    document = cli("filters", samples / "digits.onnx", "-t", "conv2", "--json").document
    assert document["layer"] == "conv2"
    assert document["shape"][0] == len(weights(samples / "digits.onnx", document["weight"]))


def test_a_model_without_weights_to_draw_is_refused_in_a_sentence(cli, samples) -> None:
    outcome = cli("filters", samples / "forest.onnx")
    assert outcome.code in (1, 2)
    assert outcome.err.startswith("onnxviz: ")
    assert "unexpected" not in outcome.err
