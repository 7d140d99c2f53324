"""`maximize` with token ids and with sounds."""

from __future__ import annotations

import numpy as np
import pytest

from onnxviz.formats.audio_files import read_wav

RANDOM = np.random.default_rng(0)
TABLE = RANDOM.normal(size=(12, 4)).astype(np.float32)
WEIGHTS = RANDOM.normal(size=(5, 4)).astype(np.float32)
GATHER = """agraph (int64[N, T] ids, int64[N, T] attention_mask) => (float[N] y) {
    e = Gather(table, ids)
    m = Cast<to = 1>(attention_mask)
    a = Unsqueeze(m, last)
    b = Mul(e, a)
    p = Mul(b, w)
    y = ReduceSum<keepdims = 0>(p, axes) }"""
VALUES = TABLE @ WEIGHTS.T  # (token, position)


@pytest.fixture
def linear(written):
    return written(GATHER, table=TABLE, w=WEIGHTS, last=np.array([2]), axes=np.array([1, 2]))


def aim(cli, path, *words):
    outcome = cli("maximize", path, "-t", "y", "--steps", 12, "--restarts", 2, "--json", *words)
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    return row, outcome.err


def test_of_a_linear_model_the_best_tokens_are_found_and_scored_on_the_file(
    cli, linear, tmp_path, onnx_runtime
) -> None:
    row, said = aim(cli, linear, "--dim", "T=5", "-o", tmp_path / "out")
    assert row["tokens"]["ids"] == VALUES.argmax(0).tolist()
    with np.load(tmp_path / "out" / "y" / "arrays.npz") as arrays:
        ids, vectors = arrays["input"], arrays["vectors"]
    assert ids.dtype == np.int64
    assert vectors.shape == (1, 5, 4)
    answer = onnx_runtime(linear, "y", {"ids": ids, "attention_mask": np.ones((1, 5), np.int64)})
    assert row["ort_score"] == pytest.approx(float(answer[0]), rel=1e-5)
    assert row["ort_score"] == pytest.approx(row["score"], rel=1e-4)
    assert row["tokens"]["swapped_score"] >= row["tokens"]["rounded_score"]
    assert "attention_mask: held at 1" in said
    # The contribution of a position: its value less the mean of a few other values.
    others = np.unique(np.linspace(0, 11, 8).astype(int))
    expected = VALUES.max(0) - VALUES[others].mean(0)
    assert row["tokens"]["contributions"] == pytest.approx(expected, rel=1e-3)


def test_an_open_length_is_sixteen(cli, written) -> None:
    graph = "agraph (int32[N, T] ids) => (float[N] y) { e = Gather(table, ids)\ny = ReduceSum<keepdims = 0>(e, axes) }"
    row, _ = aim(cli, written(graph, table=TABLE, axes=np.array([1, 2])))
    assert row["shape"] == [16, 4]
    assert set(row["tokens"]["ids"]) == {int(TABLE.sum(1).argmax())}


def test_names_and_kept_positions(cli, linear, tmp_path) -> None:
    vocabulary = tmp_path / "vocab.txt"
    vocabulary.write_text("\n".join(f"tok{number}" for number in range(12)) + "\n", encoding="utf-8")
    words = ["--dim", "T=5", "--vocab", vocabulary, "--keep", "0=tok7", "--keep", "-1=3"]
    row, said = aim(cli, linear, *words, "-o", tmp_path / "out")
    expected = [7, *VALUES.argmax(0)[1:4].tolist(), 3]
    assert row["tokens"]["ids"] == expected
    assert row["tokens"]["names"] == [f"tok{number}" for number in expected]
    assert "tok7" in said


@pytest.mark.parametrize(
    "words", [["--keep", "9=1"], ["--keep", "0=tok"], ["--keep", "a=1"], ["--keep", "0=12"], ["--bounds", "0,1"]]
)
def test_what_tokens_cannot_do_is_said(cli, linear, words) -> None:
    outcome = cli("maximize", linear, "-t", "y", "--dim", "T=5", *words)
    assert outcome.code == 2
    assert words[0] in outcome.err


def test_ids_are_what_a_set_a_start_and_an_example_hold(cli, linear, written, tmp_path, onnx_runtime) -> None:
    np.save(tmp_path / "ids.npy", np.array([[3, 1, 4, 1, 5]]))
    words = ["--dim", "T=5", "--json", "--steps", 12]
    mask = np.ones((1, 5), np.int64)
    began = onnx_runtime(linear, "y", {"ids": np.array([[3, 1, 4, 1, 5]]), "attention_mask": mask})
    row, _ = aim(cli, linear, "--dim", "T=5", "--start", tmp_path / "ids.npy")
    assert row["initial_ort_score"] == pytest.approx(float(began[0]), rel=1e-5)
    assert row["tokens"]["ids"] == VALUES.argmax(0).tolist()
    # Inversion of an example's activations finds the example.
    outcome = cli("maximize", linear, "-t", "inversion(b)", "--like", tmp_path / "ids.npy", *words, "--steps", 60)
    assert outcome.document["runs"][0]["tokens"]["ids"] == [3, 1, 4, 1, 5], outcome.err
    # Each member of a set is a sequence of ids, and is scored as ids.
    folder = tmp_path / "out"
    outcome = cli("maximize", linear, "-t", "y - 0.1*diversity(b)", *words, "-o", folder, "--save-every", 6)
    (row,) = outcome.document["runs"]
    (file,) = folder.glob("*/arrays.npz")
    with np.load(file) as arrays:
        members = arrays["input"]
    assert members.shape == (4, 5)
    own = [float(onnx_runtime(linear, "y", {"ids": one[None], "attention_mask": mask})[0]) for one in members]
    assert row["set"]["own_ort_scores"] == pytest.approx(own, rel=1e-5)
    assert (row["verdict"], row["robustness"], row["data"]) == (None, None, None)
    assert len(list(folder.glob("*/frames/*.png"))) == 2
    np.save(tmp_path / "beyond.npy", np.array([0, 1, 2, 3, 12]))
    refused = cli("maximize", linear, "-t", "y", *words, "--start", tmp_path / "beyond.npy")
    assert (refused.code, "0 to 11" in refused.err) == (1, True)


def test_where_no_gradient_passes_vectors_are_searched_and_ids_told(cli, written) -> None:
    graph = """agraph (int64[N, T] ids) => (float[N, 1] y) {
        e = Gather(table, ids)
        p = ReduceSum<keepdims = 0>(e, axes)
        a = ArgMax<axis = 1, keepdims = 1>(p)
        y = Cast<to = 1>(a) }"""
    path = written(graph, table=TABLE, axes=np.array([1]))
    row, said = aim(cli, path, "--dim", "T=3")
    assert (row["optimizer"], row["differentiable"]) == ("cma", False)
    assert "ArgMax" in said
    ids = np.array(row["tokens"]["ids"])
    assert row["ort_score"] == TABLE[ids].sum(0).argmax()
    assert row["ort_score"] >= row["initial_ort_score"]


@pytest.mark.parametrize("dtype", ["int64", "float"])
def test_codes_of_a_one_hot_are_moved(cli, written, dtype) -> None:
    values = RANDOM.normal(size=(4, 6)).astype(np.float32)
    cast = "i = Cast<to = 7>(ids)" if dtype == "float" else "i = Identity(ids)"
    graph = f"""agraph ({dtype}[N, 4] ids) => (float[N] y) {{
        {cast}\ne = OneHot<axis = -1>(i, depth, ends)\np = Mul(e, w)\ny = ReduceSum<keepdims = 0>(p, axes) }}"""
    path = written(graph, w=values, depth=np.array(6), ends=np.array([0, 1], np.float32), axes=np.array([1, 2]))
    row, _ = aim(cli, path)
    assert row["tokens"]["ids"] == values.argmax(1).tolist()
    assert row["ort_score"] == pytest.approx(float(values.max(1).sum()), rel=1e-5)


def test_a_star_counts_places_also_where_another_target_names_one(cli, written) -> None:
    path = written("agraph (float[N, T, 2] x) => (float[N, T, 2] y) { y = Neg(x) }")
    words = ["--shape", "x=1x3x2", "--range", "0,1", "--steps", 1, "--json"]
    outcome = cli("maximize", path, "-t", "y[0, 1]", "-t", "y[*, 0]", *words)
    assert [row["target"] for row in outcome.document["runs"]] == ["y[0, 1]", "y[0, 0]", "y[1, 0]", "y[2, 0]"]


def test_a_sound_is_written_as_it_is_fed(cli, samples, tmp_path) -> None:
    words = ["-t", "logits[2]", "--steps", 4, "--restarts", 1, "--json"]
    outcome = cli("maximize", samples / "tones.onnx", *words, "--sample-rate", 16000, "-o", tmp_path / "out")
    (row,) = outcome.document["runs"]
    sound, rate = read_wav(tmp_path / "out" / "logits[2]" / "sound.wav")
    with np.load(tmp_path / "out" / "logits[2]" / "arrays.npz") as arrays:
        np.testing.assert_array_equal(sound, arrays["input"][0])
    assert rate == 16000
    assert row["sound"] == {"rate": 16000, "peak": float(np.abs(sound).max())}
    assert any(file.endswith("sound.wav") for file in row["files"])
    # Without the option, the rate is that of the metadata.
    outcome = cli("maximize", samples / "tones.onnx", *words)
    assert outcome.document["runs"][0]["sound"]["rate"] == 8000
