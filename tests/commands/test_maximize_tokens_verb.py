"""`maximize` on token ids and on sounds."""

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
    assert "attention_mask: held at rest" in said
    # What a position contributes: its value less the mean of a few others'.
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
    # Without the option the rate is what the metadata says.
    outcome = cli("maximize", samples / "tones.onnx", *words)
    assert outcome.document["runs"][0]["sound"]["rate"] == 8000
