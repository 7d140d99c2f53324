"""Models whose outputs are as long as the data say: speech from text, and detections, which may be none."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

SPEECH = """g (int64[N, T] text, float[1] speed) => (float[N, 1, L] audio)
    <int64[1] one = {1}, int64[1] two = {2}, int64[1] zero = {0}, int64 first = {0}, int64 by = {1}, float least = {1}, float most = {5}>
    {
        e = Gather(table, text)
        d = MatMul(e, slopes)
        a = Abs(d)
        f = Mul(a, speed)
        c = Ceil(f)
        k = Clip(c, least, most)
        spans = Squeeze(k, two)
        ends = CumSum(spans, by)
        starts = Sub(ends, spans)
        counts = ReduceSum<keepdims = 0>(spans, one)
        longest = ReduceMax<keepdims = 0>(counts)
        length = Cast<to = 7>(longest)
        steps = Range(first, length, by)
        at = Cast<to = 1>(steps)
        at1 = Unsqueeze(at, zero)
        at2 = Unsqueeze(at1, zero)
        ends2 = Unsqueeze(ends, two)
        starts2 = Unsqueeze(starts, two)
        before = Less(at2, ends2)
        after = GreaterOrEqual(at2, starts2)
        inside = And(before, after)
        path = Cast<to = 1>(inside)
        turned = Transpose<perm = [0, 2, 1]>(e)
        mel = MatMul(turned, path)
        NOISE
        wave = ConvTranspose<strides = [2]>(voice, kernel)
        audio = Tanh(wave)
    }"""

DETECTOR = """g (float[1, 6, 4] boxes, float[1, 1, 6] scores) => (float[K, 4] found)
    <int64[1] m = {3}, float[1] i = {0.5}, float[1] t = {0.4}, int64[1] zero = {0}, int64[1] one = {1}, int64[1] two = {2},
    int64[1] three = {3}>
    {
        kept = NonMaxSuppression(boxes, scores, m, i, t)
        own = Squeeze(boxes, zero)
        column = Slice(kept, two, three, one)
        places = Squeeze(column, one)
        found = Gather(own, places)
    }"""


@pytest.fixture
def speech(written):
    def write(noise: bool):
        rng = np.random.default_rng(0)
        body = "drawn = RandomNormalLike(mel) voice = Add(mel, drawn)" if noise else "voice = Identity(mel)"
        return written(
            SPEECH.replace("NOISE", body),
            table=rng.normal(size=(12, 4)).astype(np.float32),
            slopes=rng.normal(size=(4, 1)).astype(np.float32),
            kernel=rng.normal(size=(4, 1, 3)).astype(np.float32),
        )

    return write


def test_speech_of_any_length_is_maximized_from_several_starts(cli, speech, onnx_runtime) -> None:
    path = speech(noise=False)
    outcome = cli("maximize", path, "-t", "audio", "--set", "speed=2", "--steps", 3, "--restarts", 3, "--json")
    assert outcome.code == 0
    (run,) = outcome.document["runs"]
    assert run["status"] == "ok"
    ids = np.array([[one["id"] for one in run["tokens"]["tokens"]]] if "tokens" in run["tokens"] else [[]])
    if ids.size:
        audio = onnx_runtime(path, "audio", {"text": ids, "speed": np.float32([2])})
        assert run["ort_score"] == pytest.approx(float(audio.mean()), abs=1e-5)
    assert cli("verify", path, "--set", "speed=2").code == 0


def test_a_random_voice_is_said_once_and_is_no_mismatch(cli, speech) -> None:
    path = speech(noise=True)
    outcome = cli("maximize", path, "-t", "audio", "--set", "speed=2", "--steps", 2, "--restarts", 2, "--json")
    assert outcome.code == 0
    assert outcome.err.count("audio is random: it depends on RandomNormalLike at drawn") == 1
    (run,) = outcome.document["runs"]
    assert run["verdict"]["word"] != "unconfirmed"
    assert "with new random numbers this input scores" in run["verdict"]["message"]
    assert cli("verify", path, "--set", "speed=2").code == 0


def test_samples_of_different_lengths_are_shown_and_ranked(cli, speech, tmp_path, onnx_runtime) -> None:
    path, file = speech(noise=False), tmp_path / "ids.npy"
    ids = np.array([[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]])
    np.save(file, ids)
    audios = [onnx_runtime(path, "audio", {"text": one[None], "speed": np.float32([3])}) for one in ids]
    assert len({audio.shape for audio in audios}) > 1
    shown = cli("activations", path, file, "-t", "audio", "--set", "speed=3", "--json").document["samples"]
    assert [one["targets"][0]["shape"] for one in shown] == [list(audio.shape[1:]) for audio in audios]
    ranked = cli("examples", path, file, "-t", "audio", "--set", "speed=3", "-k", 1, "--json").document
    best = int(np.argmax([audio.mean() for audio in audios]))
    assert f"#{best}" in ranked["runs"][0]["highest"][0]["id"]


def test_nothing_detected_is_a_sentence_with_the_input_to_set(cli, written) -> None:
    path = written(DETECTOR)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outcome = cli("maximize", path, "-t", "found", "--steps", 2, "--restarts", 2, "--json")
        shown = cli("maximize", path, "-t", "found", "--steps", 2, "--restarts", 2)
    assert outcome.code == shown.code == 0
    verdict = outcome.document["runs"][0]["verdict"]
    assert verdict["word"] == "empty"
    assert "found is empty (0x4)" in verdict["message"]
    assert "held beside it other values (scores)" in verdict["message"]
    assert "empty: found is empty (0x4)" in " ".join(shown.out.split())


def test_a_sample_without_detections_is_told_in_every_verb(cli, written, tmp_path) -> None:
    path, file = written(DETECTOR), tmp_path / "boxes.npy"
    np.save(file, np.random.default_rng(0).random((1, 6, 4), np.float32))
    assert "found: 0x4, empty at this input" in cli("activations", path, file, "-t", "found").out
    explained = cli("attribute", path, file, "-t", "found")
    assert explained.code == 1
    assert "found is empty at this input (0x4)" in explained.err
    assert "(scores)" in explained.err
    for verb in ("examples", "embed"):
        outcome = cli(verb, path, file, "-t", "found")
        assert outcome.code == 1
        assert "found is empty at this sample (0x4)" in outcome.err


def test_detections_are_maximized_once_there_are_some(cli, written, tmp_path) -> None:
    path, file = written(DETECTOR), tmp_path / "scores.npy"
    np.save(file, np.float32([[[0.9, 0.8, 0, 0, 0, 0]]]))
    outcome = cli("maximize", path, "-t", "found", "--set", f"scores={file}", "--steps", 3, "--restarts", 2, "--json")
    (run,) = outcome.document["runs"]
    assert run["ort_score"] > run["initial_ort_score"]
