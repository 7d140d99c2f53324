"""`embed` draws a map of the codes that ONNX Runtime computes, names their classes, and limits the number of samples."""

from __future__ import annotations

import csv

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image


def computed(path, tensor, inputs) -> np.ndarray:
    model = onnx.load(path)
    model.graph.output.append(onnx.ValueInfoProto(name=tensor))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([tensor], inputs)[0])


def codes(folder) -> np.ndarray:
    with np.load(folder / "arrays.npz") as arrays:
        return arrays["codes"]


@pytest.mark.parametrize(
    ("target", "words", "reduce"),
    [
        ("relu2", [], lambda values: values.mean(axis=(2, 3))),
        ("relu2", ["--flat"], lambda values: values.reshape(len(values), -1)),
        ("relu2[3:9]", [], lambda values: values[:, 3:9].mean(axis=(2, 3))),
        ("relu2[*, 1, 2]", [], lambda values: values[:, :, 1, 2]),
    ],
)
def test_the_codes_are_what_onnx_runtime_computes(cli, samples, tmp_path, target, words, reduce) -> None:
    path, data = samples / "digits.onnx", samples / "digits_held_out.npy"
    outcome = cli(
        "embed", path, f"{data}#0:50", "-t", target, "--method", "pca", *words, "-o", tmp_path / "out", "--json"
    )
    assert outcome.code == 0, outcome.err
    wanted = reduce(computed(path, "relu2", {"image": np.load(data)[:50]}))
    np.testing.assert_allclose(codes(tmp_path / "out"), wanted, rtol=1e-4, atol=1e-5)
    points = np.array([[one["x"], one["y"]] for one in outcome.document["points"]])
    left, sizes, _ = np.linalg.svd(wanted - wanted.mean(0), full_matrices=False)
    np.testing.assert_allclose(np.abs(points), np.abs(left[:, :2] * sizes[:2]), rtol=1e-2, atol=1e-3)
    assert outcome.document["explained"] == pytest.approx((sizes**2 / (sizes**2).sum())[:2], rel=1e-3)


def labeled(samples, path):
    """The bottles with their cultivars, which stand one after another in the file."""
    lines = (samples / "wine.csv").read_text("utf-8").splitlines()
    kinds = ["first"] * 59 + ["second"] * 71 + ["third"] * 48
    path.write_text(
        "\n".join([lines[0] + ",cultivar", *(f"{line},{kind}" for line, kind in zip(lines[1:], kinds, strict=True))])
    )
    return kinds


def test_classes_come_from_a_column_and_are_told_apart(cli, samples, tmp_path) -> None:
    kinds = labeled(samples, tmp_path / "wine.csv")
    words = [
        "embed",
        samples / "wine.onnx",
        tmp_path / "wine.csv",
        "-t",
        "relu2",
        "--method",
        "pca",
        "--color",
        "cultivar",
    ]
    outcome = cli(*words, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert document["classes"] == ["first", "second", "third"]
    assert [one["label"] for one in document["points"]] == kinds
    found = codes(tmp_path / "out")
    distances = np.linalg.norm(found[:, None] - found[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    same = np.array(kinds)[distances.argmin(1)] == np.array(kinds)
    assert document["neighbor_agreement"] == pytest.approx(same.mean(), abs=0.02)
    with (tmp_path / "out" / "map.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], float(row["x"]), float(row["y"]), row["label"]) for row in rows] == [
        (one["id"], one["x"], one["y"], one["label"]) for one in document["points"]
    ]


def test_classes_come_from_subfolders(cli, samples, tmp_path) -> None:
    for name in ("cat_0", "cat_1", "rocket_0", "rocket_1"):
        place = tmp_path / "data" / name.partition("_")[0]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{name}.png").write_bytes((samples / "photo_patches_held_out" / f"{name}.png").read_bytes())
    words = ["embed", samples / "photo_patches.onnx", tmp_path / "data", "-t", "features", "--method", "pca"]
    outcome = cli(*words, "-o", tmp_path / "out", "--json")
    assert [one["label"] for one in outcome.document["points"]] == ["cat", "cat", "rocket", "rocket"]
    with Image.open(tmp_path / "out" / "map.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 1000  # thumbnails of photographs


def test_a_large_data_set_is_drawn_from_by_the_seed(cli, samples) -> None:
    words = [
        "embed",
        samples / "digits.onnx",
        samples / "digits_held_out.npy",
        "-t",
        "logits",
        "--method",
        "pca",
        "--json",
    ]
    outcomes = [cli(*words, "--samples", 40, "--seed", seed) for seed in (0, 0, 1)]
    first, again, other = ([one["id"] for one in outcome.document["points"]] for outcome in outcomes)
    assert first == again != other
    assert len(first) == 40
    assert outcomes[0].document["of"] == 360
    assert "40 of 360 samples" in outcomes[0].err


def test_tsne_is_the_same_for_the_same_seed(cli, samples, tmp_path) -> None:
    pytest.importorskip("sklearn", reason="t-SNE is of the embed extra")
    words = ["embed", samples / "wine.onnx", samples / "wine.csv", "-t", "relu1", "--method", "tsne", "--samples", 60]
    for name in ("a", "b"):
        assert cli(*words, "-o", tmp_path / name).code == 0
    for file in ("map.csv", "map.png", "arrays.npz"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_without_scikit_learn_the_default_is_pca_and_tsne_a_sentence(cli, samples, monkeypatch) -> None:
    monkeypatch.setattr("onnxviz.methods.samples.plane.find_spec", lambda name: None)
    words = ["embed", samples / "wine.onnx", samples / "wine.csv", "-t", "relu1", "--json"]
    assert cli(*words).document["method"] == "pca"
    refused = cli(*words, "--method", "tsne")
    assert refused.code == 2
    assert "pip install scikit-learn" in refused.err


@pytest.mark.parametrize(
    "words", [["-t", "nothing"], ["-t", "logits", "-t", "relu1"], ["-t", "logits", "--color", "none"], []]
)
def test_wrong_words_are_refused(cli, samples, words) -> None:
    assert cli("embed", samples / "wine.onnx", samples / "wine.csv", *words).code == 2
