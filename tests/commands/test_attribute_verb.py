"""`attribute`: its numbers against ONNX Runtime's, closed forms through the command line, and every kind of input."""

from __future__ import annotations

import itertools
import json
import wave

import numpy as np
import onnx
import onnx.parser
import pytest
from PIL import Image

from onnxviz.formats.audio_files import read_wav

ROW_KEYS = {"target", "explained", "label", "wrt", "score", "ort_score", "ort_baseline_score", "methods", "files"}
METHOD_KEYS = {"method", "signed", "unit", "evaluations", "completeness", "faithfulness", "strongest", "message"}
LINEAR = "agraph (float[N, 3] x) => (float[N, 2] y) { y = MatMul(x, w) }"
WEIGHTS = np.array([[1, 0], [-2, 1], [3, -1]], np.float32)
POINT = np.array([[1, 2, -4]], np.float32)


@pytest.fixture
def saved_array(tmp_path):
    def save(array, name: str = "input.npy"):
        np.save(tmp_path / name, array)
        return tmp_path / name

    return save


def arrays(folder, target: str) -> dict[str, np.ndarray]:
    with np.load(folder / target / "arrays.npz") as file:
        return dict(file)


def is_blank(path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24)) < 3


CASES = {
    "digits": ("image", "digits_seven.png", "logits[7]", "logits", 7),
    "digits_int8": ("image", "digits_seven.npy", "logits[7]", "logits_QuantizeLinear_Input", 7),
    "wine": ("features", "wine_class_1.csv", "logits[1]", "logits", 1),
    "tones": ("waveform", "tones_rising_chirp.wav", "logits[2]", "logits", 2),
    "photo_patches": ("image", "photo_patches_cat.png", "logits[0]", "logits", 0),
}


@pytest.mark.parametrize("name", ["digits", "wine", "tones", "photo_patches"])
def test_integrated_gradients_add_up_by_onnx_runtime(cli, samples, tmp_path, onnx_runtime, name: str) -> None:
    moving, file, target, output, place = CASES[name]
    path, folder = samples / f"{name}.onnx", tmp_path / "out"
    outcome = cli("attribute", path, samples / file, "-t", target, "-o", folder, "--json")
    assert outcome.code == 0, outcome.err
    assert "integrated-gradients" in outcome.err
    (row,) = outcome.document["runs"]
    assert set(row) >= ROW_KEYS
    (method,) = row["methods"]
    assert set(method) >= METHOD_KEYS
    found = arrays(folder, target)
    score, start = (float(onnx_runtime(path, output, {moving: found[key]})[0, place]) for key in ("input", "baseline"))
    assert row["ort_score"] == pytest.approx(score, rel=1e-4, abs=1e-4)
    assert row["ort_baseline_score"] == pytest.approx(start, rel=1e-4, abs=1e-4)
    assert row["score"] == pytest.approx(score, rel=1e-3, abs=1e-3)
    total = found["integrated-gradients"].astype(np.float64).sum()
    assert abs(total - (score - start)) <= 0.01 * abs(score - start)
    assert method["faithfulness"]["curves"]["deletion"][0] == pytest.approx(score, rel=1e-4, abs=1e-4)
    assert not is_blank(folder / target / "picture.png")
    assert json.loads((folder / "result.json").read_text("utf-8"))["runs"] == outcome.document["runs"]


def test_a_linear_model_is_explained_exactly(cli, written, saved_array, tmp_path) -> None:
    path, file = written(LINEAR, w=WEIGHTS), saved_array(POINT)
    words = ["attribute", path, file, "-t", "y[0] - 2*y[1]", "--baseline", "zero", "--json"]
    outcome = cli(*words, "-m", "all", "--samples", 20, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    slopes = WEIGHTS[:, 0] - 2 * WEIGHTS[:, 1]
    (folder,) = (entry for entry in (tmp_path / "out").iterdir() if entry.is_dir())
    found = arrays(tmp_path / "out", folder.name)
    for name in ("gradient", "smoothgrad"):
        np.testing.assert_allclose(found[name], slopes, rtol=1e-4)
    for name in ("input-x-gradient", "integrated-gradients", "occlusion", "shapley"):
        np.testing.assert_allclose(found[name], slopes * POINT[0], rtol=1e-4)
    # With many masks, the map of rise approaches this.
    assert cli(*words, "-m", "rise", "--samples", 5000, "-o", tmp_path / "masks").code == 0
    rise = arrays(tmp_path / "masks", folder.name)["rise"]
    np.testing.assert_allclose(rise, slopes * POINT[0], atol=1.5)
    assert {row["method"] for row in outcome.document["runs"][0]["methods"]} == {*found} - {"input", "baseline"}
    assert "guided-backprop" not in found


def test_occlusion_is_a_loop_over_onnx_runtime(cli, samples, tmp_path, onnx_runtime) -> None:
    path, folder = samples / "digits.onnx", tmp_path / "out"
    words = ["-t", "logits[7]", "-m", "occlusion", "--window", 3, "-o", folder, "--json"]
    assert cli("attribute", path, samples / "digits_seven.png", *words).code == 0
    found = arrays(folder, "logits[7]")
    score = onnx_runtime(path, "logits", {"image": found["input"]})[0, 7]
    totals, counts = np.zeros((8, 8)), np.zeros((8, 8))
    for top, left in itertools.product(range(6), range(6)):
        hidden, window = found["input"].copy(), (slice(top, top + 3), slice(left, left + 3))
        hidden[(..., *window)] = found["baseline"][(..., *window)]
        totals[window] += score - onnx_runtime(path, "logits", {"image": hidden})[0, 7]
        counts[window] += 1
    np.testing.assert_allclose(found["occlusion"][0], totals / counts, atol=1e-4)


def test_a_forest_is_explained_by_onnx_runtime_alone(cli, samples, tmp_path) -> None:
    words = ["attribute", samples / "forest.onnx", samples / "forest_malignant.csv"]
    outcome = cli(*words, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    (method,) = row["methods"]
    assert method["method"] == "shapley"
    assert method["completeness"]["total"] == pytest.approx(row["ort_score"] - row["ort_baseline_score"], abs=1e-5)
    assert method["faithfulness"]["beats_chance"]
    assert all(one["name"] for one in method["strongest"])
    refused = cli(*words, "-m", "gradient")
    assert refused.code == 1
    assert all(name in refused.err for name in ("occlusion", "rise", "shapley"))
    every = cli(*words, "-m", "all", "--samples", 20, "--json").document["runs"][0]["methods"]
    assert [one["method"] for one in every] == ["occlusion", "rise", "shapley"]


def test_the_highest_class_is_explained_at_its_logit(cli, samples) -> None:
    words = [samples / "digits.onnx", samples / "digits_seven.npy", "-m", "input-x-gradient", "--json"]
    whole = cli("attribute", *words)
    assert whole.document["runs"][0]["target"] == "logits[7]"
    row = cli("attribute", *words, "-t", "probabilities[7]").document["runs"][0]
    assert (row["target"], row["explained"]) == ("probabilities[7]", "logits[7]")
    assert row["methods"][0]["strongest"] == whole.document["runs"][0]["methods"][0]["strongest"]
    row = cli("attribute", *words, "-t", "probabilities[7]", "--literal").document["runs"][0]
    assert row["explained"] == "probabilities[7]"


def test_of_two_classes_the_difference_is_explained(cli, written, saved_array) -> None:
    graph = "agraph (float[N, 3] x) => (float[N, 2] p) { y = MatMul(x, w)\n p = Softmax(y) }"
    outcome = cli("attribute", written(graph, w=WEIGHTS), saved_array(POINT), "-t", "p[1]", "--json")
    assert outcome.document["runs"][0]["explained"] == "y[1] - y[0]"


def test_tokens_are_explained_at_their_embedding(cli, written, saved_array, tmp_path) -> None:
    graph = (
        "agraph (int64[N, T] ids) => (float[N, 2] y) {"
        " e = Gather(table, ids)\n s = ReduceSum<keepdims = 0>(e, axis)\n y = MatMul(s, w) }"
    )
    table = np.arange(12, dtype=np.float32).reshape(4, 3) - 5
    path = written(graph, table=table, axis=np.array([1]), w=WEIGHTS)
    words = tmp_path / "words.txt"
    words.write_text("the\ncat\nsat\ndown\n", encoding="utf-8")
    tokens = np.array([[3, 0, 1, 3, 2]])
    arguments = ["-t", "y[0]", "--vocab", words, "-m", "integrated-gradients", "-m", "occlusion"]
    outcome = cli("attribute", path, saved_array(tokens), *arguments, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    assert row["wrt"] == ["e"]
    exact = (table @ WEIGHTS[:, 0])[tokens[0]]
    found = arrays(tmp_path / "out", "y[0]")
    np.testing.assert_allclose(found["integrated-gradients"].sum(-1), exact, rtol=1e-4)
    np.testing.assert_allclose(found["occlusion"][:, 0], exact, rtol=1e-4)
    assert row["methods"][0]["strongest"][0]["name"] == "down"


def test_several_inputs_are_explained_together(cli, written, saved_array, tmp_path) -> None:
    graph = "agraph (float[N, 3] x, float[N, 3] z) => (float[N, 3] y) { y = Sub(x, z) }"
    first, second = saved_array(POINT, "one.npy"), saved_array(2 * POINT, "two.npy")
    words = ["-t", "y", "--baseline", "zero", "-o", tmp_path / "out", "--json"]
    outcome = cli("attribute", written(graph), f"z={second}", first, *words)
    assert outcome.code == 0, outcome.err
    row = outcome.document["runs"][0]
    assert sorted(row["wrt"]) == ["x", "z"]
    found = {key: value for key, value in arrays(tmp_path / "out", "y").items() if "integrated" in key}
    np.testing.assert_allclose(sorted(value.sum() for value in found.values()), [-1 / 3, 2 / 3], atol=1e-5)
    assert sum(file.endswith(".png") for file in row["files"]) == 2
    assert cli("attribute", written(graph), first, first, first, "-t", "y").code == 2
    held = cli("attribute", written(graph), first, "--set", "z=1", "-t", "y", "--json")
    assert held.document["runs"][0]["wrt"] == ["x"]


def test_a_tensor_inside_the_graph_is_explained(cli, samples) -> None:
    words = [samples / "digits.onnx", samples / "digits_seven.png", "-t", "logits[7]", "--wrt", "conv2", "--json"]
    (row,) = cli("attribute", *words).document["runs"]
    assert row["wrt"] == ["conv2"]
    assert row["methods"][0]["completeness"]["gap"] < 0.01


@pytest.mark.parametrize("batch", [1, 2])
def test_a_fixed_batch_is_no_obstacle(cli, written, saved_array, batch: int) -> None:
    graph = f"agraph (float[{batch}, 3] x) => (float[{batch}, 2] y) {{ a = Reshape(x, s)\n y = MatMul(a, w) }}"
    path = written(graph, w=WEIGHTS, s=np.array([batch, 3]))
    words = ["-t", "y[0]", "-m", "integrated-gradients", "-m", "occlusion", "-m", "shapley", "--json"]
    (row,) = cli("attribute", path, saved_array(POINT), *words).document["runs"]
    for method in row["methods"]:
        values = {one["place"][0]: one["value"] for one in method["strongest"]}
        assert [values[place] for place in range(3)] == pytest.approx([1, -4, -12], rel=1e-4)


def test_half_precision_is_explained(cli, tmp_path, saved_array) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]>\nagraph (float16[N, 3] x) => (float16[N, 2] y) { y = MatMul(x, w) }'
    )
    model.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHTS.astype(np.float16), "w"))
    onnx.save(model, tmp_path / "half.onnx")
    (row,) = cli("attribute", tmp_path / "half.onnx", saved_array(POINT), "-t", "y[0]", "--json").document["runs"]
    assert row["methods"][0]["completeness"]["gap"] < 0.01


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_pictures_of_either_layout_are_drawn(cli, written, tmp_path, layout: str) -> None:
    shape = "1, 3, 10, 12" if layout == "nchw" else "1, 10, 12, 3"
    graph = f"agraph (float[{shape}] x) => (float[1, 1, 1, 1] y) {{ y = ReduceMean(x) }}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)).save(tmp_path / "noise.png")
    words = ["-t", "y", "-m", "gradient", "-m", "rise", "--samples", 20, "--baseline", "blur"]
    outcome = cli("attribute", written(graph), tmp_path / "noise.png", *words, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    found = arrays(tmp_path / "out", "y")
    np.testing.assert_allclose(found["gradient"], np.full(found["gradient"].shape, 1 / 360), rtol=1e-4)
    assert found["rise"].size == 120
    assert not is_blank(tmp_path / "out" / "y" / "picture.png")


def test_a_two_axis_input_is_drawn_as_a_plane(cli, written, saved_array, tmp_path) -> None:
    graph = "agraph (float[N, 40, 20] x) => (float[N, 1, 1] y) { y = ReduceMean<axes = [1, 2]>(x) }"
    file = saved_array(np.random.default_rng(0).standard_normal((1, 40, 20)).astype(np.float32))
    outcome = cli("attribute", written(graph), file, "-t", "y", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert not is_blank(tmp_path / "out" / "y" / "picture.png")


def test_grad_cam_takes_the_layer_that_the_gradient_reaches(cli, samples) -> None:
    words = ["attribute", samples / "digits.onnx", samples / "digits_seven.png", "-m", "grad-cam", "--json"]
    assert cli(*words).document["runs"][0]["layer"] == "relu3"
    assert cli(*words, "--layer", "conv1").document["runs"][0]["layer"] == "conv1"
    assert cli(*words, "--layer", "features").code == 2
    assert cli(*words[:-3], "-m", "gradient", "--layer", "conv1").code == 2


def test_the_same_seed_writes_the_same_bytes_and_resume_keeps_what_is_done(cli, samples, tmp_path) -> None:
    written = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        words = ["-t", "logits[0]", "-m", "rise", "-m", "smoothgrad", "--samples", 12, "--seed", seed]
        words += ["-o", tmp_path / folder]
        assert cli("attribute", samples / "digits.onnx", samples / "digits_seven.png", *words).code == 0
        written.append((tmp_path / folder / "logits[0]" / "arrays.npz").read_bytes())
    assert written[0] == written[1] != written[2]
    refused = cli("attribute", samples / "digits.onnx", samples / "digits_seven.png", *words)
    assert (refused.code, refused.out) == (2, "")
    again = cli("attribute", samples / "digits.onnx", samples / "digits_seven.png", *words, "--resume", "--json")
    assert again.document["runs"][0]["target"] == "logits[0]"
    assert (tmp_path / "c" / "logits[0]" / "arrays.npz").read_bytes() == written[2]


def test_a_star_explains_each_class(cli, samples) -> None:
    words = ["-t", "logits[*]", "-m", "input-x-gradient", "--json"]
    outcome = cli("attribute", samples / "wine.onnx", samples / "wine_class_1.csv", *words)
    assert [row["target"] for row in outcome.document["runs"]] == [f"logits[{place}]" for place in range(3)]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--baseline", "nothing.npy"], "nothing.npy"),
        (["--baseline", "blur"], "blur"),
        (["-t", "logits[9]"], "logits[9]"),
        (["-t", "nope[1]"], "nope"),
        (["--wrt", "nope"], "nope"),
        (["--vocab", "words.txt"], "--vocab"),
        (["-m", "grad-cam"], "--layer"),
        (["--overwrite"], "-o DIR"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(cli, samples, words, said: str) -> None:
    outcome = cli("attribute", samples / "wine.onnx", samples / "wine_class_1.csv", *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert outcome.out == ""


def test_grad_cam_passes_over_a_mask_that_only_training_draws(cli, tmp_path, saved_array) -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 3, opset_import: ["" : 7]>\n'
        "agraph (float[1, 2, 4, 4] x) => (float[1, 2, 1, 1] y)"
        " { r = Relu(x)\n d, mask = Dropout(r)\n y = GlobalAveragePool(d) }"
    )
    onnx.save(model, tmp_path / "dropout.onnx")
    file = saved_array(np.ones((1, 2, 4, 4), np.float32))
    words = ["-t", "y[1]", "-m", "grad-cam", "--baseline", "zero", "--json"]
    outcome = cli("attribute", tmp_path / "dropout.onnx", file, *words)
    assert outcome.code == 0, outcome.err
    assert outcome.document["runs"][0]["layer"] in ("d", "r")


def table(path, species: str = "species"):
    rows = ["length,width,height," + species, "1,2,-4,a", "0.5,-1,2,b", "3,0,1,a"]
    path.write_text("\n".join(rows) + "\n", "utf-8")
    return path


@pytest.mark.parametrize(("pick", "row"), [("", [1, 2, -4]), ("#1", [0.5, -1, 2]), ("#2", [3, 0, 1])])
def test_a_row_is_picked_by_number_and_its_columns_name_the_bars(cli, written, tmp_path, pick: str, row) -> None:
    words = ["-t", "y[1]", "-m", "input-x-gradient", "--baseline", "zero", "--label", "species", "-o", tmp_path / "out"]
    outcome = cli("attribute", written(LINEAR, w=WEIGHTS), f"{table(tmp_path / 'rows.csv')}{pick}", *words, "--json")
    assert outcome.code == 0, outcome.err
    found = arrays(tmp_path / "out", "y[1]")
    np.testing.assert_allclose(found["input-x-gradient"], np.array(row) * WEIGHTS[:, 1], rtol=1e-5)
    strongest = outcome.document["runs"][0]["methods"][0]["strongest"]
    products = dict(zip(("length", "width", "height"), np.array(row) * WEIGHTS[:, 1], strict=True))
    assert strongest[0]["name"] == max(products, key=lambda name: abs(products[name]))
    assert ("#7 picks another" in outcome.err) == (not pick)


@pytest.mark.parametrize(
    ("pick", "more", "code", "said"),
    [
        ("#9", [], 2, "no such row"),
        ("#0:2", [], 1, "#0"),
        ("", ["--label", "nope"], 2, "no column of that name"),
        ("", ["--label", "width"], 1, "2 columns of numbers"),
    ],
)
def test_a_row_or_column_that_is_missing_is_told(cli, written, tmp_path, pick, more, code: int, said: str) -> None:
    outcome = cli("attribute", written(LINEAR, w=WEIGHTS), f"{table(tmp_path / 'rows.csv')}{pick}", *more)
    assert (outcome.code, outcome.out) == (code, "")
    assert said in outcome.err


def test_sound_is_brought_to_the_model_s_rate_and_each_step_is_told(cli, samples, tmp_path) -> None:
    rate, sound = read_wav(samples / "tones_rising_chirp.wav")[1], read_wav(samples / "tones_rising_chirp.wav")[0]
    doubled = np.repeat(sound[0], 2)
    with wave.open(str(tmp_path / "doubled.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(2 * rate)
        file.writeframes((doubled * 32767).astype("<i2").tobytes())
    words = ["-t", "logits[2]", "-m", "gradient", "--json"]
    plain = cli("attribute", samples / "tones.onnx", samples / "tones_rising_chirp.wav", *words)
    other = cli("attribute", samples / "tones.onnx", tmp_path / "doubled.wav", *words)
    assert other.code == 0, other.err
    assert f"resampled to {rate} Hz" in other.err
    assert "resampled" not in plain.err
    # Without resampling, the sound would be cut in half.
    scores = [outcome.document["runs"][0]["ort_score"] for outcome in (plain, other)]
    assert scores[1] == pytest.approx(scores[0], rel=0.25)


def test_the_maps_of_a_classic_classifier_are_explained_at_the_tensor_before_them(cli, zipped, tmp_path) -> None:
    words = ["-t", "y[1]", "-m", "gradient", "--literal", "--json"]
    (row,) = cli("attribute", zipped, f"{table(tmp_path / 'rows.csv')}#1", *words).document["runs"]
    assert (row["target"], row["label"]) == ("p[1]", "large")


@pytest.mark.parametrize(
    ("words", "size"),
    [([], (30, 40)), (["--shape", "x=1x3x12x20"], (12, 20)), (["--dim", "height=12", "--dim", "width=20"], (12, 20))],
)
def test_a_picture_keeps_its_size_unless_one_is_settled(cli, written, tmp_path, words, size) -> None:
    graph = "agraph (float[N, 3, height, width] x) => (float[N, 3, 1, 1] y) { y = GlobalAveragePool(x) }"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (30, 40, 3), np.uint8)).save(tmp_path / "noise.png")
    more = ["-t", "y[0]", "-m", "gradient", "-o", tmp_path / "out", *words]
    outcome = cli("attribute", written(graph), tmp_path / "noise.png", *more)
    assert outcome.code == 0, outcome.err
    assert arrays(tmp_path / "out", "y[0]")["input"].shape == (1, 3, *size)
    assert ("resized to fill 20x12" in outcome.err) == bool(words)


def test_a_baseline_may_be_a_row_of_the_same_table(cli, written, tmp_path) -> None:
    rows = table(tmp_path / "rows.csv")
    words = ["-t", "y[1]", "-m", "input-x-gradient", "--label", "species", "--baseline", f"{rows}#1"]
    outcome = cli("attribute", written(LINEAR, w=WEIGHTS), f"{rows}#2", *words, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    found = arrays(tmp_path / "out", "y[1]")
    np.testing.assert_allclose(
        found["input-x-gradient"], (np.array([3, 0, 1]) - [0.5, -1, 2]) * WEIGHTS[:, 1], rtol=1e-5
    )
