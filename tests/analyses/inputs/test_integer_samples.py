"""Inputs of integers in every verb: sound in its file's units, whole numbers by ONNX Runtime, the input's own type."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

import onnxviz
from onnxviz.analyses.listener import Recorder
from onnxviz.errors import TargetError, UsageError

PCM = {
    "integers": ("int16[1, 400] x", "c = Cast <to = 1> (x)  s = Div(c, q)", 32768.0),
    "floats": ("float[1, 400] x", "s = Mul(x, q)", 1 / 32768),
}
PICTURE = """g (uint8[1, 12, 12, 3] x) => (float[1, 4] y)
    { c = Cast <to = 1> (x)  t = Transpose <perm = [0, 3, 1, 2]> (c)  d = Div(t, q)  m = Sub(d, one)
      h = Conv <strides = [2, 2]> (m, w)  r = Relu(h)  p = GlobalAveragePool(r)  y = Flatten(p) }"""


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def picture(written, random) -> Path:
    kernels = random.normal(size=(4, 3, 3, 3)).astype(np.float32)
    return written(PICTURE, q=np.float32(127.5), one=np.float32(1), w=kernels)


@pytest.fixture
def photo(tmp_path, random) -> Path:
    Image.fromarray(random.integers(0, 256, (12, 12, 3)).astype(np.uint8)).save(tmp_path / "p.png")
    return tmp_path / "p.png"


def runtime(path: Path, x: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], {"x": x})[0])


@pytest.mark.parametrize("kind", PCM)
def test_a_wav_file_is_fed_as_its_own_samples(kind: str, written, tmp_path, random) -> None:
    declared, body, number = PCM[kind]
    kernels = random.normal(size=(3, 1, 16)).astype(np.float32)
    path = written(
        f"g ({declared}) => (float[1, 3] y) {{ {body}  u = Unsqueeze(s, z)  h = Conv(u, w)  y = ReduceMax<axes = [2], keepdims = 0>(h) }}",
        q=np.float32(number),
        z=np.array([1]),
        w=kernels,
    )
    sound = random.integers(-32768, 32768, 400).astype(np.int16)
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(sound.astype("<i2").tobytes())
    wanted = runtime(path, sound[None] if kind == "integers" else sound[None].astype(np.float32))[0]
    heard = Recorder()
    found = onnxviz.activations(path, tmp_path / "a.wav", ["y"], listener=heard)
    np.testing.assert_allclose(np.ravel(found["y"]), wanted, rtol=1e-6)
    assert any("sound scaled to -32768 to 32767" in note for note in heard.heard)
    explained = onnxviz.attribute(path, tmp_path / "a.wav", "y[1]", methods=["gradient"])
    assert explained.ort_score == pytest.approx(float(wanted[1]), rel=1e-6)
    best = onnxviz.maximize(path, "y[1]", steps=3, restarts=1)
    assert best.input.dtype == (np.int16 if kind == "integers" else np.float32)
    assert best.ort_score == pytest.approx(float(runtime(path, best.input)[0, 1]), rel=1e-6)
    assert np.abs(best.input).max() > 300


def test_bytes_are_climbed_as_floats_and_scored_as_bytes(picture: Path) -> None:
    heard = Recorder()
    best = onnxviz.maximize(picture, "y[1]", steps=12, restarts=1, listener=heard)
    assert best.wrt == "x"
    assert best.input.dtype == best.starts.dtype == np.uint8
    assert best.ort_score == pytest.approx(float(runtime(picture, best.input)[0, 1]), rel=1e-6)
    assert best.score == pytest.approx(best.ort_score, rel=1e-4)
    assert best.ort_score > best.initial_ort_score
    assert any("rounded to uint8" in note for note in heard.heard)


@pytest.mark.parametrize("method", ["gradient", "integrated-gradients", "occlusion", "rise", "shapley"])
def test_bytes_are_explained(picture: Path, photo: Path, method: str) -> None:
    found = onnxviz.attribute(picture, photo, "y[2]", methods=[method], samples=4)
    pixels = np.asarray(Image.open(photo))[None]
    assert found.ort_score == pytest.approx(float(runtime(picture, pixels)[0, 2]), rel=1e-6)
    # The baseline is a picture of bytes as well.
    baseline = found.task.baselines[0]
    np.testing.assert_array_equal(baseline, np.rint(baseline))
    assert found.ort_baseline_score == pytest.approx(float(runtime(picture, baseline.astype(np.uint8))[0, 2]), rel=1e-6)


def test_an_array_of_one_sample_is_read_with_and_without_its_batch(picture: Path, random) -> None:
    pixels = random.integers(0, 256, (1, 12, 12, 3)).astype(np.uint8)
    wanted = pytest.approx(float(runtime(picture, pixels)[0, 2]), rel=1e-6)
    for sample in (pixels, pixels[0]):
        assert onnxviz.attribute(picture, sample, "y[2]", methods=["gradient"]).ort_score == wanted


def test_a_quantized_network_is_climbed_to_its_integers(written, random) -> None:
    path = written(
        """g (uint8[1, 3, 6, 6] x) => (uint8[1, 2, 4, 4] y)
        { y = QLinearConv(x, xs, xz, w, ws, wz, ys, yz) }""",
        xs=np.float32(1 / 255),
        xz=np.uint8(0),
        w=random.integers(-90, 91, (2, 3, 3, 3)).astype(np.int8),
        ws=np.float32(0.01),
        wz=np.int8(0),
        ys=np.float32(0.02),
        yz=np.uint8(128),
    )
    best = onnxviz.maximize(path, "y[1]", steps=8, restarts=1)
    assert best.ort_score == pytest.approx(float(runtime(path, best.input)[0, 1].mean()), rel=1e-6)
    assert best.ort_score > best.initial_ort_score


def test_the_gradient_is_that_of_the_cast(written, random) -> None:
    path = written(
        "g (int32[1, 5] x) => (float[1, 3] y) { c = Cast <to = 1> (x)  y = MatMul(c, w) }",
        w=random.normal(size=(5, 3)).astype(np.float32),
    )
    row = random.integers(-5, 9, (1, 5))
    found = onnxviz.attribute(path, row, "y[1]", methods=["gradient"], baseline="zero")
    weights = onnxviz.load(path).weight("w")
    np.testing.assert_allclose(found.found[0].attribution.values[0], weights[:, 1], rtol=1e-6)


def test_the_other_verbs_read_bytes(picture: Path, photo: Path, tmp_path: Path, random) -> None:
    pixels = random.integers(0, 256, (6, 12, 12, 3)).astype(np.uint8)
    np.save(tmp_path / "data.npy", pixels)
    wanted = np.concatenate([runtime(picture, one[None]) for one in pixels])[:, 1]
    (ranked,) = onnxviz.examples(picture, tmp_path / "data.npy", ["y[1]"], k=2)
    assert [one["score"] for one in ranked.highest] == pytest.approx(sorted(wanted, reverse=True)[:2], rel=1e-5)
    filters = onnxviz.filters(picture, apply=photo)
    assert filters.answers is not None
    assert filters.answers.shape[0] == 4


def test_rounded_targets_are_climbed_before_their_rounding(written, random) -> None:
    path = written(
        """g (float[1, 4] x) => (uint8[1, 6] y, int64[1, 1] best)
        { z = MatMul(x, w)  s = Sigmoid(z)  m = Mul(s, k)  y = Cast <to = 2> (m)  best = ArgMax <axis = 1> (m) }""",
        w=random.normal(size=(4, 6)).astype(np.float32),
        k=np.float32(255),
    )
    heard = Recorder()
    found = onnxviz.maximize(path, "y[3]", steps=2, restarts=1, listener=heard)
    assert found.target == "m[3]"
    assert any("using m[3]" in note for note in heard.heard)
    assert onnxviz.attribute(path, random.normal(size=(1, 4)).astype(np.float32), "y[3]").target == "m[3]"
    with pytest.raises(UsageError, match=r"ArgMax makes it from m: aim there, as in m\[0\]"):
        onnxviz.maximize(path, "best", steps=2)
    with pytest.raises(TargetError, match="no tensor of that name"):
        onnxviz.maximize(path, "none[1]", steps=2)
