"""The sample models: valid, small, right on the inputs beside them, and rebuilt to the last bit."""

from __future__ import annotations

import csv
import importlib.metadata
import json
import re
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

FOLDER = Path(__file__).parents[2] / "sample_models"
MODELS = ("edge_filter", "digits", "digits_int8", "photo_patches", "wine", "tones", "forest")
CLASSIFIERS = MODELS[1:]

# The packages that the bytes of a rebuild depend on, besides this project's own code.
REBUILT = {
    "edge_filter": ("scikit-image", "pillow"),
    "wine": ("numpy", "scikit-learn", "torch"),
    "forest": ("numpy", "scikit-learn"),
}


def model_file(name: str) -> Path:
    return FOLDER / f"{name}.onnx"


def metadata(name: str) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(model_file(name)).metadata_props}


def run(name: str, values: np.ndarray, output: str, *, optimized: bool = True) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model_file(name), options, providers=["CPUExecutionProvider"])
    return session.run([output], {session.get_inputs()[0].name: values.astype(np.float32)})[0]


def sample(file: str) -> np.ndarray:
    """Read a sample input as a batch in its model's units."""
    path = FOLDER / file
    if path.suffix == ".npy":
        return np.load(path)
    if path.suffix == ".csv":
        return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)
    if path.suffix == ".wav":
        with wave.open(str(path)) as sound:
            return np.frombuffer(sound.readframes(-1), "<i2")[None, None] / 32768
    picture = np.asarray(Image.open(path), dtype=np.float32)
    return (picture[..., None] if picture.ndim == 2 else picture).transpose(2, 0, 1)[None]


@pytest.mark.parametrize("name", MODELS)
def test_is_a_small_valid_model_of_the_promised_kind(name):
    onnx.checker.check_model(model_file(name), full_check=True)
    model = onnx.load(model_file(name))
    opsets = {opset.domain: opset.version for opset in model.opset_import}
    assert (opsets[""], model.ir_version, model.producer_name) == (17, 8, "onnxviz")
    assert model_file(name).stat().st_size < 1_000_000
    assert all(len(node.output) >= 1 and node.name for node in model.graph.node)


def test_every_file_beside_the_models_is_small():
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert max(path.stat().st_size for path in files) < 1_000_000
    assert sum(path.stat().st_size for path in files) < 3_000_000


@pytest.mark.parametrize(
    ("name", "file", "expected"),
    [
        ("digits", "digits_seven.npy", "7"),
        ("digits_int8", "digits_seven.npy", "7"),
        ("photo_patches", "photo_patches_cat.png", "cat"),
        ("wine", "wine_class_1.csv", "class_1"),
        ("tones", "tones_rising_chirp.npy", "rising_chirp"),
        ("tones", "tones_rising_chirp.wav", "rising_chirp"),
        ("forest", "forest_malignant.csv", "malignant"),
        ("forest", "forest_benign.csv", "benign"),
    ],
)
def test_recognizes_the_sample_beside_it(name, file, expected):
    names = json.loads(metadata(name)["class_names"])
    probabilities = run(name, sample(file), "probabilities")
    assert probabilities.shape == (1, len(names))
    assert names[probabilities[0].argmax()] == expected


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_sum_to_one_and_follow_the_logits(name):
    shape = [dimension.dim_value for dimension in onnx.load(model_file(name)).graph.input[0].type.tensor_type.shape.dim]
    values = np.random.default_rng(0).uniform(0, 1, (5, *shape[1:]))
    probabilities = run(name, values, "probabilities")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    if name == "forest":
        np.testing.assert_array_equal(run(name, values, "label"), probabilities.argmax(axis=1))
    else:
        exponentials = np.exp(run(name, values, "logits").astype(np.float64))
        np.testing.assert_allclose(
            probabilities, exponentials / exponentials.sum(axis=1, keepdims=True), rtol=1e-4, atol=1e-7
        )


def test_the_held_out_patches_are_mostly_recognized():
    files = sorted((FOLDER / "photo_patches_held_out").iterdir())
    names = json.loads(metadata("photo_patches")["class_names"])
    assert {path.stem.rpartition("_")[0] for path in files} == set(names)
    patches = np.concatenate([sample(str(path.relative_to(FOLDER))) for path in files])
    found = [names[index] for index in run("photo_patches", patches, "probabilities").argmax(axis=1)]
    right = sum(path.stem.startswith(name) for path, name in zip(files, found, strict=True))
    assert right > len(files) / 2


def test_the_edge_filter_is_silent_on_a_constant_picture():
    edges = run("edge_filter", np.full((2, 1, 9, 13), 0.75), "edges")
    np.testing.assert_array_equal(edges, np.zeros((2, 1, 7, 11)))


def test_the_edge_filter_is_the_laplacian_of_a_paraboloid():
    y, x = np.mgrid[0:6, 0:8]
    np.testing.assert_array_equal(run("edge_filter", (x**2 + y**2)[None, None], "edges"), np.full((1, 1, 4, 6), 4))


def test_the_edge_filter_runs_on_the_photograph_beside_it():
    picture = sample("edge_filter_camera.png") / 255
    edges = run("edge_filter", picture, "edges")
    assert edges.shape == (1, 1, picture.shape[2] - 2, picture.shape[3] - 2)
    assert edges.std() > 0


def test_the_quantized_digits_do_not_depend_on_the_kernels_of_the_processor():
    digits = sample("digits_held_out.npy")
    fused = run("digits_int8", digits, "logits")
    literal = run("digits_int8", digits, "logits", optimized=False)
    step = next(
        onnx.numpy_helper.to_array(weight)
        for weight in onnx.load(model_file("digits_int8")).graph.initializer
        if weight.name == "logits_scale"
    )
    # A sum on the edge between two steps may fall on either side of it, in any layer; a kernel that saturates is off by
    # more than ten steps.
    assert np.abs(fused - literal).max() < 3.5 * step


def test_the_picture_of_the_seven_is_its_array_stretched_to_the_range_of_png():
    picture, array = sample("digits_seven.png"), sample("digits_seven.npy")
    np.testing.assert_allclose(picture * 16 / 255, array, atol=8 / 255)


def test_the_sound_file_of_the_chirp_is_its_array():
    np.testing.assert_allclose(sample("tones_rising_chirp.wav"), sample("tones_rising_chirp.npy"), atol=1.5 / 32767)


@pytest.mark.parametrize("file", ["wine.csv", "wine_class_1.csv", "forest_benign.csv", "forest_malignant.csv"])
def test_tables_have_the_features_of_their_model_for_a_header(file):
    with (FOLDER / file).open(encoding="utf-8", newline="") as table:
        header = next(csv.reader(table))
    assert header == json.loads(metadata(file.split("_")[0].removesuffix(".csv"))["feature_names"])


def test_the_readme_tells_the_measured_accuracies_and_every_file():
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in CLASSIFIERS:
        section = text.partition(f"## {name}.onnx\n")[2].partition("\n## ")[0]
        assert metadata(name)["test_accuracy"] in section
    for path in FOLDER.iterdir():
        if path.suffix in (".onnx", ".npy", ".png", ".csv", ".wav"):
            assert path.name in text


@pytest.mark.parametrize("name", REBUILT)
def test_a_rebuild_gives_the_same_bytes(name, tmp_path):
    pytest.importorskip("sklearn", reason="the sample models are built with the samples extra")
    pytest.importorskip("skimage", reason="the sample models are built with the samples extra")
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for library in REBUILT[name]:
        made_with = re.search(rf"^\| {library} \| (\S+) \|$", text, re.MULTILINE)
        assert made_with is not None
        here = importlib.metadata.version(library)
        if here.partition("+")[0] != made_with[1].partition("+")[0]:
            pytest.skip(f"the files were made with {library} {made_with[1]}, here is {here}")
    subprocess.run(
        [sys.executable, FOLDER / "build.py", "--output", tmp_path, name], check=True, capture_output=True, timeout=120
    )
    written = sorted(path.name for path in tmp_path.iterdir())
    assert f"{name}.onnx" in written
    assert len(written) > 1
    assert [file for file in written if (tmp_path / file).read_bytes() != (FOLDER / file).read_bytes()] == []


def test_the_build_names_the_models_when_it_is_asked_for_another(tmp_path):
    done = subprocess.run(
        [sys.executable, FOLDER / "build.py", "--output", tmp_path, "wien"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2
    assert "wien: no sample model of that name" in done.stderr
    assert "wine" in done.stderr
