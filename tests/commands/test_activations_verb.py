"""`activations` shows the values that ONNX Runtime computes for real inputs of every kind."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image


def is_blank(path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24)) < 3


def pixels(path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.moveaxis(np.asarray(picture.convert("RGB"), np.float32), 2, 0)[None]


CASES = {
    "photo_patches": ("photo_patches_cat.png", "image", ["relu1", "logits"]),
    "digits": ("digits_seven.npy", "image", ["conv1", "features"]),
    "tones": ("tones_rising_chirp.wav", "waveform", ["relu2", "logits"]),
    "wine": ("wine_class_1.csv", "features", ["relu1", "probabilities"]),
    "forest": ("forest_benign.csv", "features", ["probabilities"]),
    "edge_filter": ("edge_filter_camera.png", "image", ["edges"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_arrays_are_what_onnx_runtime_computes(cli, samples, tmp_path, onnx_runtime, name) -> None:
    file, fed, tensors = CASES[name]
    words = [word for tensor in tensors for word in ("-t", tensor)]
    folder = tmp_path / "out"
    outcome = cli("activations", samples / f"{name}.onnx", samples / file, *words, "-o", folder, "--json")
    assert outcome.code == 0, outcome.err
    with np.load(folder / "arrays.npz") as arrays:
        document = json.loads((folder / "result.json").read_text("utf-8"))
        for tensor in tensors:
            wanted = onnx_runtime(samples / f"{name}.onnx", tensor, {fed: arrays[fed].astype(np.float32)})
            np.testing.assert_allclose(arrays[tensor], wanted, rtol=1e-4, atol=1e-5)
            assert len(document["arrays"][tensor]["axes"].split()) == wanted.ndim
    (row,) = outcome.document["samples"]
    assert [one["target"] for one in row["targets"]] == tensors
    drawn = list(folder.rglob("*.png"))
    assert len(drawn) == len(tensors)
    assert not any(is_blank(path) for path in drawn)
    assert {str(path) for path in drawn} < set(outcome.document["files"])


@pytest.fixture
def onnx_runtime(tmp_path):
    """Run any tensor of a file by ONNX Runtime, cut out by onnx's own tool."""
    import onnx
    import onnxruntime

    def evaluate(path, output, inputs):
        model = onnx.load(path)
        if output not in [one.name for one in model.graph.output]:
            del model.graph.output[:]
            model.graph.output.append(onnx.ValueInfoProto(name=output))
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run([output], inputs)[0])

    return evaluate


def test_a_picture_is_fed_as_the_model_wants_it(cli, samples, tmp_path) -> None:
    photograph = samples / "photo_patches_cat.png"
    cli("activations", samples / "photo_patches.onnx", photograph, "-t", "logits", "-o", tmp_path / "out")
    with np.load(tmp_path / "out" / "arrays.npz") as arrays:
        np.testing.assert_allclose(arrays["image"], pixels(photograph), atol=1e-4)


def test_the_strongest_units_are_the_strongest(cli, samples, tmp_path, onnx_runtime) -> None:
    path, photograph = samples / "photo_patches.onnx", samples / "photo_patches_cat.png"
    document = cli("activations", path, photograph, "-t", "relu1", "-t", "logits", "--top", 5, "--json").document
    maps, logits = document["samples"][0]["targets"]
    values = onnx_runtime(path, "relu1", {"image": pixels(photograph)})[0].astype(np.float64)
    spread = values.std(axis=(1, 2))
    assert [one["index"] for one in maps["strongest"]] == np.argsort(-spread)[:5].tolist()
    for one in maps["strongest"]:
        own = values[one["index"]]
        assert one["mean"] == pytest.approx(own.mean(), rel=1e-4)
        assert one["max"] == pytest.approx(own.max(), rel=1e-4)
        assert own[tuple(one["position"])] == pytest.approx(own.max(), rel=1e-5)
    assert maps["zeros"] == pytest.approx((values == 0).mean())
    wanted = onnx_runtime(path, "logits", {"image": pixels(photograph)})[0]
    assert logits["strongest"][0]["index"] == wanted.argmax()
    assert logits["strongest"][0]["label"] == "cat"


def test_a_part_of_a_tensor_is_that_part(cli, samples, onnx_runtime) -> None:
    path, digit = samples / "digits.onnx", samples / "digits_seven.npy"
    words = [word for text in ("conv1[3]", "conv1[3, 2, 1]", "conv1[2:4]", "conv1[..., 0]") for word in ("-t", text)]
    rows = cli("activations", path, digit, *words, "--json").document["samples"][0]["targets"]
    values = onnx_runtime(path, "conv1", {"image": np.load(digit)})[0]
    picked = [values[3], values[3, 2, 1], values[2:4], values[..., 0]]
    for row, wanted in zip(rows, picked, strict=True):
        # The convolution reads the picture, and a rectifier reads the convolution.
        assert row["question"] == ("mean over loud places" if wanted.ndim else "single value")
        loud = (np.maximum(wanted, 0).astype(np.float64) ** 2).mean() ** 0.5
        assert row["value"] == pytest.approx(float(loud if wanted.ndim else wanted), rel=1e-4, abs=1e-6)
        assert row["shape"] == list(wanted.shape)
    assert rows[0]["axes"] == ["height", "width"]


def test_several_samples_and_a_limit(cli, samples, onnx_runtime) -> None:
    path, digits = samples / "digits.onnx", samples / "digits_held_out.npy"
    outcome = cli("activations", path, f"{digits}#5:9", f"{digits}#100", "-t", "logits", "--json")
    rows = outcome.document["samples"]
    assert [row["id"] for row in rows] == [f"digits_held_out.npy#{place}" for place in (5, 6, 7, 8, 100)]
    wanted = onnx_runtime(path, "logits", {"image": np.load(digits)[[5, 6, 7, 8, 100]]})
    assert [row["targets"][0]["strongest"][0]["index"] for row in rows] == wanted.argmax(1).tolist()
    limited = cli("activations", path, digits, "-t", "logits", "--limit", 3, "--json")
    assert len(limited.document["samples"]) == 3
    assert "--limit" in limited.err


def test_every_step_is_said_once(cli, samples, tmp_path) -> None:
    for number in range(3):
        Image.new("RGBA", (90 + number, 70), (200, 30, 40, 128)).save(tmp_path / f"{number}.png")
    outcome = cli("activations", samples / "digits.onnx", tmp_path, "-t", "logits")
    assert outcome.code == 0, outcome.err
    for said in ("resized to fill 8x8", "laid on white", "converted to gray", "0 to 255 scaled to 0 to 16"):
        assert outcome.err.count(said) == 1


def test_what_cannot_be_read_is_counted_and_strict_stops(cli, samples, tmp_path) -> None:
    Image.new("RGB", (64, 64), "red").save(tmp_path / "good.png")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\nnothing")
    words = ["activations", samples / "photo_patches.onnx", tmp_path, "-t", "logits", "--json"]
    outcome = cli(*words)
    assert outcome.code == 0
    assert [row["id"] for row in outcome.document["skipped"]] == ["bad.png"]
    assert "1 sample was skipped, 1 were read" in outcome.err
    assert cli(*words, "--strict").code == 1
    (tmp_path / "good.png").unlink()
    alone = cli(*words)
    assert alone.code == 1
    assert "no sample could be read" in alone.err


def test_several_inputs_come_from_an_archive_a_table_or_set(cli, written, tmp_path) -> None:
    path = written("agraph (float[N, 2] a, float[N, 3] b) => (float[N, 5] y) { y = Concat<axis = 1>(a, b) }")
    a, b = np.arange(4.0, dtype=np.float32).reshape(2, 2), np.arange(6.0, dtype=np.float32).reshape(2, 3) * 10
    np.savez(tmp_path / "both.npz", b=b, a=a)
    rows = np.concatenate([a, b], 1)
    (tmp_path / "both.csv").write_text("\n".join(["p,q,r,s,t", *(",".join(map(str, row)) for row in rows.tolist())]))
    np.save(tmp_path / "b.npy", b[:1])
    np.save(tmp_path / "a.npy", a)
    for data in ("both.npz", "both.csv"):
        folder = tmp_path / data.replace(".", "_")
        assert cli("activations", path, tmp_path / data, "-t", "y", "-o", folder).code == 0
        with np.load(folder / "arrays.npz") as arrays:
            np.testing.assert_array_equal(arrays["y"], rows)
    np.save(tmp_path / "neither.npy", np.ones((2, 7)))
    refused = cli("activations", path, tmp_path / "neither.npy", "-t", "y")
    assert refused.code == 2
    assert "--input" in refused.err
    # Only one input has rows of this size; the other input takes its default value.
    assert cli("activations", path, tmp_path / "a.npy", "-t", "y", "-o", tmp_path / "rest").code == 0
    with np.load(tmp_path / "rest" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["y"], np.concatenate([a, np.zeros((2, 3))], 1))
    words = ["--input", "a", "--set", f"b={tmp_path / 'b.npy'}", "-o", tmp_path / "one"]
    assert cli("activations", path, tmp_path / "a.npy", "-t", "y", *words).code == 0
    with np.load(tmp_path / "one" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["y"], np.concatenate([a, b[[0, 0]]], 1))


def test_a_model_that_mixes_its_batch_is_run_one_by_one(cli, written, tmp_path) -> None:
    path = written(
        "agraph (float[N, 3] x) => (float[N, 3] y) { m = ReduceMean<axes = [0], keepdims = 1>(x)  y = Add(x, m) }"
    )
    rows = np.arange(12.0, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "rows.npy", rows)
    assert cli("activations", path, tmp_path / "rows.npy", "-t", "y", "-o", tmp_path / "out").code == 0
    with np.load(tmp_path / "out" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["y"], 2 * rows)


def test_a_batch_that_the_file_fixes_is_filled_up(cli, written, tmp_path) -> None:
    path = written("agraph (float[4, 3] x) => (float[4, 3] y) { y = Neg(x) }")
    rows = np.arange(18.0, dtype=np.float32).reshape(6, 3)
    np.save(tmp_path / "rows.npy", rows)
    assert cli("activations", path, tmp_path / "rows.npy", "-t", "y", "-o", tmp_path / "out").code == 0
    with np.load(tmp_path / "out" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(arrays["y"], -rows)


@pytest.mark.parametrize("words", [["-t", "nothing"], ["-t", "conv1[99]"], ["--input", "nothing"], ["--limit", "0"]])
def test_wrong_words_are_refused(cli, samples, words) -> None:
    assert cli("activations", samples / "digits.onnx", samples / "digits_seven.npy", *words).code == 2


def test_of_a_classic_classifier_the_scores_are_shown_by_default(cli, zipped, tmp_path) -> None:
    np.save(tmp_path / "x.npy", np.array([[1, 2, -4]], np.float32))
    outcome = cli("activations", zipped, tmp_path / "x.npy", "--json")
    assert outcome.code == 0, outcome.err
    ((target,),) = (row["targets"] for row in outcome.document["samples"])
    assert target["tensor"] == "p"
    logits = np.array([1.0, 2.0, -4.0]) @ [[1, 0], [-2, 1], [3, -1]]
    best = target["strongest"][0]
    assert (best["label"], best["mean"]) == ("large", pytest.approx(1 / (1 + np.exp(logits[0] - logits[1])), rel=1e-5))
