"""The trust in the results of `maximize`: verdicts, restarts, data, and dead units."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx.utils
import pytest
from maximizing import WEIGHTS, aim
from PIL import Image


def test_a_dead_unit_is_reported(cli, written) -> None:
    bias = np.array([0, -100], np.float32)
    graph = "agraph (float[N, 3] x) => (float[N, 2] y) { a = MatMul(x, w)\nb = Add(a, c)\ny = Relu(b) }"
    alive, dead = aim(cli, written(graph, w=WEIGHTS, c=bias), "-t", "y[*]", "--bounds", "0,1", steps=40)
    assert alive["status"] == "ok"
    assert dead["status"] == "no_progress"
    assert dead["message"]
    assert dead["ort_score"] == 0


@pytest.mark.parametrize("clip", ["Relu (b)", "Clip (b, zero, six)", "HardSwish (b)"])
def test_a_unit_that_is_dead_at_the_start_is_woken(cli, written, clip: str) -> None:
    # At the middle of the box the rectifier gets -5 and blocks all of the gradient; in one corner it gets more than 0.
    graph = f"agraph (float[N, 3] x) => (float[N, 1] y) {{ a = MatMul(x, w)\nb = Add(a, c)\ny = {clip} }}"
    weights = {"w": np.array([[4], [-4], [4]], np.float32), "c": np.array([-7], np.float32)}
    if "zero" in clip:
        weights |= {"zero": np.array(0, np.float32), "six": np.array(6, np.float32)}
    (row,) = aim(cli, written(graph, **weights), "-t", "y[0]", "--bounds", "0,1", steps=60)
    assert row["initial_ort_score"] == 0
    assert row["status"] == "ok"
    assert row["ort_score"] == pytest.approx(1 * (4 / 6 if "Swish" in clip else 1), rel=0.02)


def test_each_row_says_how_far_it_is_to_be_trusted(cli, samples, onnx_runtime) -> None:
    path, table = samples / "wine.onnx", samples / "wine.csv"
    (row,) = cli("maximize", path, "-t", "logits[0]", "--data", table, "--steps", 60, "--rate", 0.2, "--json").document[
        "runs"
    ]
    scores = onnx_runtime(
        path, "logits", {"features": np.genfromtxt(table, delimiter=",", skip_header=1, dtype=np.float32)}
    )[:, 0].astype(np.float64)
    data = row["data"]
    assert data["samples"] == len(scores)
    assert data["max"] == pytest.approx(scores.max(), rel=1e-5)
    assert data["percentile"] == pytest.approx(100 * (scores < row["ort_score"]).mean())
    assert data["margin"] == pytest.approx((row["ort_score"] - scores.max()) / scores.std(), rel=1e-4)
    assert row["verdict"]["word"] == "ok"
    assert row["robustness"]["min"] <= row["robustness"]["mean"]
    assert row["robustness"]["kept"] <= 1.01
    assert row["consistency"]["agreeing"] <= row["consistency"]["restarts"] == 5
    assert "starts" in row["consistency"]["statement"]


def test_restarts_of_a_picture_agree_by_what_its_layer_answers(cli, samples) -> None:
    words = ("maximize", samples / "photo_patches.onnx", "-t", "relu2[33]", "--restarts", 3, "--steps", 60)
    (row,) = cli(*words, "--json").document["runs"]
    agreed = row["consistency"]
    assert 0 < agreed["score_spread"] < 0.2
    seen = agreed["resemblance"]
    assert seen["tensors"] == ["relu2"]
    assert seen["channels"] == 47
    # No two pixels agree, and all three show the same texture.
    assert (agreed["agreeing"], seen["agreeing"]) == (1, 3)
    assert agreed["cosine_mean"] < 0.5 < 0.9 < seen["cosine_min"]
    assert agreed["statement"].startswith("starts: 3 of 3 alike to the 47 channels of relu2, cosine ")
    assert "; place by place 1 agree; scores ±" in agreed["statement"]
    assert "3 of 3 alike, scores ±" in cli(*words).out


def test_a_unit_that_is_dead_at_every_start_is_climbed_from_where_it_lives(cli, tmp_path) -> None:
    # In 0 to 1 the unit is dead for every smooth picture. It needs a picture that varies much from pixel to pixel.
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 40, 40] x) => (float[N, 1, 40, 38] y)
    <float[1, 1, 1, 3] w = {-1, 1.2, -1}, float[1] b = {-0.5}> { c = Conv(x, w, b) y = Relu(c) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "asleep.onnx")
    outcome = cli("maximize", tmp_path / "asleep.onnx", "-t", "y[0]", "--range", "0,1", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    assert "climbed from" in row["message"]
    assert "random input" in row["message"]
    # What it answers to are columns one pixel wide, which few starts hold.
    assert row["verdict"]["word"] in ("weak", "fragile"), row["verdict"]
    # Every other column at 1 gives .7 at half of the places; no input gives more on average.
    assert 0 < row["ort_score"] <= 0.35 + 1e-6


def test_what_cannot_tell_restarts_apart_hands_them_to_the_layer_before(cli, tmp_path) -> None:
    weights = np.random.default_rng(0).standard_normal(20 * 9).astype(np.float32)
    text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 24, 24] x) => (float[N, 484, 1] y)
    <float[20, 1, 3, 3] w = {{{", ".join(map(str, weights.tolist()))}}}, float[1, 20, 1, 1] v = {{{", ".join(["1.0"] * 20)}}},
    int64[3] s = {{0, 484, 1}}>
    {{ c = Conv(x, w) r = Relu(c) d = Conv(r, v) y = Reshape(d, s) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "places.onnx")
    (row,) = cli("maximize", tmp_path / "places.onnx", "-t", "y", "--restarts", 3, "--json").document["runs"]
    seen = row["consistency"]["resemblance"]
    # Its 484 rows are positions, not channels; d has only one channel.
    assert (seen["tensors"], seen["channels"]) == (["r"], 20)


def test_restarts_of_a_vector_agree_by_themselves(cli, samples) -> None:
    words = ("maximize", samples / "wine.onnx", "-t", "logits[0]", "--steps", 100)
    (row,) = cli(*words, "--json").document["runs"]
    assert row["consistency"]["resemblance"] is None
    assert "agree" in cli(*words).out


VERDICTS = {
    # One unit of each dead kind, beside an active unit.
    "dead": ("b = Add (a, c)\ny = Relu (b)", [0, -100]),
    "saturated": ("b = Add (a, c)\ny = Sigmoid (b)", [-3, 100]),
    "constant": ("b = Mul (a, c)\ny = Add (b, d)", [1, 0]),
}


@pytest.mark.parametrize("word", VERDICTS)
def test_a_unit_that_shows_nothing_is_called_what_it_is(cli, written, word: str) -> None:
    body, constant = VERDICTS[word]
    path = written(
        f"agraph (float[N, 3] x) => (float[N, 2] y) {{ a = MatMul(x, w)\n{body} }}",
        w=WEIGHTS,
        c=np.array(constant, np.float32),
        **({"d": np.array([1, 7], np.float32)} if word == "constant" else {}),
    )
    alive, other = aim(cli, path, "-t", "y[*]", "--bounds", "0,1", "--literal", steps=60)
    assert alive["verdict"]["word"] == "ok"
    assert other["verdict"]["word"] == word
    assert other["verdict"]["message"]
    printed = cli("maximize", path, "-t", "y[1]", "--bounds", "0,1", "--steps", 2).out
    assert word in printed


def test_a_picture_is_placed_among_those_of_a_folder(cli, samples, tmp_path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    with Image.open(samples / "digits_seven.png") as seven:
        seven.save(folder / "a.png")
        Image.new("L", seven.size, 0).save(folder / "b.png")
    words = [
        "maximize",
        samples / "digits.onnx",
        "-t",
        "logits[7]",
        "--steps",
        30,
        "--json",
        "--parameterization",
        "pixel",
    ]
    (row,) = cli(*words, "--data", folder).document["runs"]
    assert (row["data"]["samples"], row["data"]["percentile"]) == (2, 100)
    (same,) = cli(*words, "--data", samples / "digits_held_out.npy").document["runs"]
    assert same["data"]["samples"] > 2
    # Other data change the standing of a picture. They change the picture only if they give its spectrum.
    assert same["ort_score"] == row["ort_score"]
    assert cli(*words).document["runs"][0]["data"] is None
    assert cli(*words, "--data", tmp_path / "absent").code == 2


def test_a_class_that_no_input_makes_likely_is_weak_with_its_probability(cli, written) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 3] p) { y = MatMul(x, w)\np = Softmax(y) }"
    weights = np.array([[0.3, -0.2, 0.1], [0.1, 0.2, -0.3], [-0.2, 0.3, 3.0]], np.float32)
    path = written(graph, w=weights)
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3), -1).reshape(-1, 3)
    likely = np.exp(corners @ weights)
    likely /= likely.sum(1, keepdims=True)
    # The logit is judged by the probability that it leads to, at the input that was found for it.
    for target in ("p[0]", "y[0]"):
        (row,) = aim(cli, path, "-t", target, "--bounds", "0,1", steps=200)
        assert row["verdict"]["word"] == "weak"
        assert "the class has a probability of 0." in row["verdict"]["message"]
    (row,) = aim(cli, path, "-t", "p[0]", "--bounds", "0,1", steps=200)
    assert row["ort_score"] == pytest.approx(likely[:, 0].max(), rel=0.02)
    assert f"{row['ort_score']:.2g}" in row["verdict"]["message"]
    (sure,) = aim(cli, path, "-t", "p[2]", "--bounds", "0,1", steps=200)
    assert "weak" not in (sure["verdict"]["word"], sure["verdict"]["message"])
    printed = cli("maximize", path, "-t", "p[0]", "--bounds", "0,1", "--steps", 200).out
    assert "weak: the class has a probability of" in printed


def test_a_softmax_inside_a_network_gives_no_classes(cli, written) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 2] y) { a = Softmax(x)\ny = MatMul(a, w) }"
    (row,) = aim(cli, written(graph, w=WEIGHTS), "-t", "a[0]", "--bounds", "0,0.1", steps=60)
    assert row["ort_score"] < 0.5
    assert row["verdict"]["word"] == "ok", row["verdict"]


def test_a_constant_unit_is_named_and_not_maximized(cli, written, tmp_path) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 2] y) { a = MatMul(x, w)\nb = Add(a, c)\ny = Relu(b) }"
    zero = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
    path = written(graph, w=zero, c=np.array([0.1, 0.37], np.float32))
    words = ("-t", "y[*]", "--bounds", "0,1", "-o", tmp_path / "out")
    alive, still = aim(cli, path, *words)
    assert alive["steps"] > 0
    assert alive["verdict"]["word"] == "ok"
    assert (still["steps"], still["status"]) == (0, "no_progress")
    assert still["verdict"] == {"word": "constant", "message": "answers 0.37 to every input tried; not maximized"}
    assert still["ort_score"] == still["initial_ort_score"] == pytest.approx(0.37)
    with np.load(tmp_path / "out" / "y[1]" / "arrays.npz") as arrays:
        assert arrays["input"].shape == (1, 3)
        assert np.isnan(arrays["history"]).all()
    printed = cli("maximize", path, "-t", "y[1]", "--bounds", "0,1").out
    assert "constant: answers 0.37 to every input tried; not maximized" in printed


def test_classes_that_are_all_equal_are_constant_though_their_logits_are_not(cli, written) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 4] p) { y = MatMul(x, w)\np = Softmax(y) }"
    (row,) = aim(cli, written(graph, w=np.ones((3, 4), np.float32)), "-t", "p[1]", "--bounds", "0,1")
    assert (row["steps"], row["verdict"]["word"]) == (0, "constant")
    assert row["ort_score"] == pytest.approx(0.25)


def test_starts_that_end_in_different_maxima_are_unreliable(cli, written) -> None:
    graph = """agraph (float[N, 3] x) => (float[N, 1] y) { a = Mul(x, k)
    b = Sin(a)
    c = MatMul(b, v)
    d = MatMul(x, u)
    y = Add(c, d) }"""
    path = written(
        graph,
        k=np.array(25, np.float32),
        v=np.ones((3, 1), np.float32),
        u=np.full((3, 1), 3, np.float32),
    )
    (row,) = aim(cli, path, "-t", "y[0]", "--bounds", "0,1", steps=60)
    assert row["consistency"]["agreeing"] < 5
    assert row["verdict"]["word"] in ("unreliable", "weak")
    assert "five starts gave " in row["verdict"]["message"]
    assert row["consistency"]["score_spread"] > 0.1
