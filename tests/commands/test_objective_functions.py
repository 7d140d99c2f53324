"""Functions in the targets of `maximize`: measured by ONNX Runtime, sets of restarts, files and the real input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from onnxviz.methods.ascent import search

CONV = """agraph (float[N, 1, 8, 8] x) => (float[N, 4] y) {
    c = Conv <kernel_shape = [3, 3]> (x, k)
    r = Relu (c)
    p = GlobalAveragePool (r)
    y = Flatten (p)
    z = Softmax (y)
}"""
KERNELS = np.random.default_rng(0).standard_normal((4, 1, 3, 3)).astype(np.float32)


@pytest.fixture
def path(written):
    return written(CONV, k=KERNELS)


def climb(cli, path, *words: object, steps: int = 8):
    outcome = cli("maximize", path, *words, "--range", "0,1", "--steps", steps, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.document["runs"]


def kept(folder, name: str) -> np.ndarray:
    (file,) = folder.glob("*/arrays.npz")
    with np.load(file) as arrays:
        return arrays[name]


def grams(c: np.ndarray) -> np.ndarray:
    flat = c.reshape(len(c), c.shape[1], -1).astype(np.float64)
    made = flat @ flat.transpose(0, 2, 1)
    return made / np.linalg.norm(made, axis=(1, 2), keepdims=True)


def test_a_set_is_measured_as_a_whole_and_kept_as_a_whole(cli, path, tmp_path, onnx_runtime) -> None:
    folder = tmp_path / "out"
    (row,) = climb(cli, path, "-t", "y[1] - 3*diversity(c)", "-o", folder)
    members = kept(folder, "input")
    assert members.shape == (4, 1, 8, 8)
    np.testing.assert_array_equal(kept(folder, "restarts"), members)
    c, y = (np.concatenate([onnx_runtime_of(path, name, one) for one in members]) for name in ("c", "y"))
    made = grams(c)
    diversity = sum((made[i] * made[j]).sum() for i in range(4) for j in range(4) if i != j) / 4
    assert row["ort_score"] == pytest.approx(y[:, 1].mean() - 3 * diversity, rel=1e-4)
    assert row["set"]["own_ort_scores"] == pytest.approx(y[:, 1].tolist(), rel=1e-4)
    assert (row["restarts"], row["set"]["members"], row["status"]) == (4, 4, "ok")
    assert row["ort_score"] > row["initial_ort_score"]
    with Image.open(next(folder.glob("*/picture.png"))) as picture:
        assert min(picture.size) > 256


def onnx_runtime_of(path, output: str, sample: np.ndarray) -> np.ndarray:
    """Run an untouched file up to a tensor inside it, by the reference alone."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    if output not in {value.name for value in model.graph.output}:
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run([output], {"x": sample[None]})[0])


def test_restarts_say_how_many_members_there_are(cli, path) -> None:
    rows = climb(cli, path, "-t", "interpolate(y[0], y[1])", "-t", "y[2]", "-t", "y[2] + alignment(input)", steps=2)
    assert [row["restarts"] for row in rows] == [6, 1, 4]
    assert [row["set"] is None for row in rows] == [False, True, False]
    assert rows[2]["target"] == "y[2] + alignment(x)"
    rows = climb(cli, path, "-t", "interpolate(y[0], y[1])", "-t", "y[2]", "--restarts", 3, steps=2)
    assert [row["restarts"] for row in rows] == [3, 3]


def test_a_model_of_one_sample_shows_a_set_too(cli, written, tmp_path) -> None:
    path = written(CONV.replace("[N,", "[1,"), k=KERNELS)
    (row,) = climb(cli, path, "-t", "y[1] - 3*diversity(c)", "-o", tmp_path / "out")
    assert row["set"]["members"] == 4
    assert row["ort_score"] == pytest.approx(row["score"], rel=1e-4)
    assert kept(tmp_path / "out", "restarts").shape == (4, 1, 8, 8)


def test_a_caricature_and_an_inversion_follow_the_real_input(cli, path, tmp_path) -> None:
    real = np.random.default_rng(5).random((8, 8)).astype(np.float32)
    np.save(tmp_path / "real.npy", real)
    (row,) = climb(cli, path, "-t", "inversion(c)", "--like", tmp_path / "real.npy", "-o", tmp_path / "a", steps=60)
    wanted, got = (onnx_runtime_of(path, "c", one.reshape(1, 8, 8)) for one in (real, kept(tmp_path / "a", "input")))
    assert row["ort_score"] == pytest.approx(-((wanted - got) ** 2).sum() / (wanted**2).sum(), rel=1e-3)
    assert row["ort_score"] > 0.3 * row["initial_ort_score"] > -1
    (row,) = climb(cli, path, "-t", "like(c, power=0)", "--like", tmp_path / "real.npy", "-o", tmp_path / "b")
    got = onnx_runtime_of(path, "c", kept(tmp_path / "b", "input")[0])
    assert row["ort_score"] == pytest.approx((wanted * got).sum(1).mean(), rel=1e-4)


def test_a_picture_is_fitted_to_the_input(cli, path, tmp_path) -> None:
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (40, 30, 3), np.uint8)).save(tmp_path / "real.png")
    (row,) = climb(cli, path, "-t", "like(r)", "--like", tmp_path / "real.png")
    assert row["ort_score"] > row["initial_ort_score"]


def test_a_direction_is_read_from_a_file(cli, path, tmp_path) -> None:
    np.save(tmp_path / "a, b.npy", np.array([1, 0, -2, 0], np.float32))
    target = f"direction(c, '{tmp_path / 'a, b.npy'}')"
    (row,) = climb(cli, path, "-t", target, "--no-transforms", "-o", tmp_path / "out")
    c = onnx_runtime_of(path, "c", kept(tmp_path / "out", "input").reshape(1, 8, 8))
    assert row["ort_score"] == pytest.approx(float((c[:, 0] - 2 * c[:, 2]).mean()), rel=1e-4)
    assert row["ort_score"] > row["initial_ort_score"]


def test_a_regularizer_is_paid_in_units_of_the_range(cli, path, tmp_path) -> None:
    (row,) = climb(cli, path, "-t", "-l1(input)", "-o", tmp_path / "out")
    array = kept(tmp_path / "out", "input").astype(np.float64)
    assert row["ort_score"] == pytest.approx(-np.abs(array - 0.5).sum(), rel=1e-5)
    rough, smooth = climb(cli, path, "-t", "y[1]", "-t", "y[1] - 0.1*total_variation(input)", "-o", tmp_path / "two")
    pictures = [json.loads(json.dumps(row))["files"] for row in (rough, smooth)]
    arrays = [np.load(next(file for file in files if file.endswith(".npz")))["input"] for files in pictures]
    variation = [sum(np.abs(np.diff(one, axis=axis)).sum() for axis in (2, 3)) for one in arrays]
    assert variation[1] < variation[0]


def test_inside_a_sum_a_logit_stands_for_its_probability(cli, path) -> None:
    (row,) = climb(cli, path, "-t", "z[1] - 2*diversity(c)", steps=2)
    assert row["climbed"] == "y[1] - 2*diversity(c)"
    (row,) = climb(cli, path, "-t", "interpolate(z[0], z[1])", "--literal", steps=2)
    assert row["climbed"] == row["target"] == "interpolate(z[0], z[1])"
    assert 0 <= row["ort_score"] <= 1


def test_a_dead_unit_that_pays_for_its_input_is_woken(cli, written) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 1] y) { a = MatMul(x, w)\nb = Sub(a, c)\ny = Relu(b) }"
    path = written(graph, w=np.ones((3, 1), np.float32), c=np.array([2], np.float32))
    words = ["--bounds", "-1,1", "--steps", 60, "--restarts", 1, "--json"]
    (row,) = cli("maximize", path, "-t", "y[0] - 0.01*l1(input)", *words).document["runs"]
    assert row["status"] == "ok"
    assert row["ort_score"] == pytest.approx(1 - 0.01 * 6, abs=0.02)


def test_a_finished_set_is_not_climbed_again_and_another_real_input_is_refused(
    cli, path, tmp_path, monkeypatch
) -> None:
    for name in ("real", "other"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(len(name)).random((8, 8)))
    words = ["-t", "like(c) - diversity(c)", "--like", tmp_path / "real.npy", "-o", tmp_path / "out"]
    before = climb(cli, path, *words, steps=2)

    def never(*_, **__):
        raise AssertionError("climbed again")

    monkeypatch.setattr(search, "maximize", never)
    assert climb(cli, path, *words, "--resume", steps=2) == before
    refused = cli("maximize", path, *words[:3], tmp_path / "other.npy", *words[4:], "--steps", 2, "--resume")
    assert refused.code == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["-t", "like(c)"], 2, "give one with --like"),
        (["-t", "c[1]", "--like", "real.npy"], 2, "no target follows it"),
        (["-t", "like(c)", "--like", "absent.npy"], 2, "no such file"),
        (["-t", "like(c)", "--like", "wrong.npy"], 1, "does not fit"),
        (["-t", "direction(c, wrong.npy)"], 1, "one number per channel, 4 of them"),
        (["-t", "direction(c, absent.npy)"], 2, "no such file"),
        (["-t", "blurred(c)"], 2, "the functions are energy(TENSOR)"),
        (["-t", "l2(c)"], 2, "l2(x)"),
        (["-t", "energy(d)"], 2, "no tensor of that name"),
        (["-t", "energy(c[9])"], 2, "outside"),
        (["-t", "diversity(c)", "--restarts", "1"], 2, "2 or more"),
    ],
)
def test_what_does_not_fit_is_said(cli, path, tmp_path, monkeypatch, words: list[str], code: int, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("real.npy", np.ones((8, 8)))
    np.save("wrong.npy", np.ones((3, 3)))
    outcome = cli("maximize", path, *words, "--range", "0,1", "--steps", 1)
    assert outcome.code == code
    assert said in outcome.err.replace("\n", " ")
