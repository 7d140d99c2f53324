"""`maximize`: the files that it writes, its scores by ONNX Runtime, and every kind of target."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx.utils
import pytest
from maximizing import WEIGHTS, aim, saved
from PIL import Image

RUN_KEYS = {
    *("target", "wrt", "shape", "units", "steps", "restarts", "score", "ort_score", "initial_ort_score", "status"),
    *("message", "consistency", "optimizer", "differentiable", "files"),
}
LINEAR = "agraph (float[N, 3] x) => (float[N, 2] y) { y = MatMul(x, w) }"


def is_blank(path) -> bool:
    with Image.open(path) as picture:
        return len(picture.convert("RGB").getcolors(1 << 24)) < 3


CASES = {
    "digits": ("image", "logits[7]", "logits", 7),
    "digits_int8": ("image", "probabilities[3]", "probabilities", 3),
    "wine": ("features", "logits[1]", "logits", 1),
    "tones": ("waveform", "logits[2]", "logits", 2),
    "photo_patches": ("image", "logits[0]", "logits", 0),
}


@pytest.mark.parametrize("name", CASES)
def test_the_score_is_what_onnx_runtime_gives_for_the_saved_input(cli, samples, tmp_path, onnx_runtime, name) -> None:
    moving, target, output, place = CASES[name]
    path, folder = samples / f"{name}.onnx", tmp_path / "out"
    outcome = cli("maximize", path, "-t", target, "--steps", 4, "--restarts", 2, "-o", folder, "--json")
    assert outcome.code == 0
    document = outcome.document
    assert set(document) >= {"model", "device", "seed", "seconds", "runs"}
    (row,) = document["runs"]
    assert set(row) >= RUN_KEYS
    assert set(row["consistency"]) >= {"restarts", "score_mean", "score_std", "cosine_mean", "cosine_min"}
    assert (row["target"], row["wrt"], row["restarts"]) == (target, moving, 2)
    array = saved(folder, target)
    answer = onnx_runtime(path, output, {moving: array})
    assert row["ort_score"] == pytest.approx(float(answer[0, place]), rel=1e-5, abs=1e-6)
    result = json.loads((folder / target / "result.json").read_text("utf-8"))
    assert result["summary"]["ort_score"] == row["ort_score"]
    assert json.loads((folder / "result.json").read_text("utf-8"))["runs"] == document["runs"]
    written = {"picture.png", "arrays.npz", "result.json"} | ({"sound.wav"} if name == "tones" else set())
    assert {file.rpartition("/")[2] for file in row["files"]} == written
    assert all((folder / target / file.rpartition("/")[2]).exists() for file in row["files"])
    assert not is_blank(folder / target / "picture.png")
    assert not (tmp_path / "out.partial").exists()


def test_the_score_rises_and_the_input_stays_in_its_range(cli, samples, tmp_path) -> None:
    words = ["-t", "logits[7]", "--steps", 24, "-o", tmp_path / "out", "--json"]
    (row,) = cli("maximize", samples / "digits.onnx", *words).document["runs"]
    assert row["status"] == "ok"
    assert row["ort_score"] > row["initial_ort_score"]
    array = saved(tmp_path / "out", "logits[7]")
    assert array.min() >= 0
    assert array.max() <= 16


@pytest.mark.parametrize(("name", "target"), [("digits", "logits[7]"), ("wine", "logits[0]")])
def test_the_same_seed_writes_the_same_bytes(cli, samples, tmp_path, name: str, target: str) -> None:
    written = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        words = ["-t", target, "--steps", 3, "--seed", seed, "-o", tmp_path / folder]
        assert cli("maximize", samples / f"{name}.onnx", *words).code == 0
        written.append((tmp_path / folder / target / "arrays.npz").read_bytes())
    assert written[0] == written[1] != written[2]


def test_an_existing_folder_is_refused_before_any_work_and_replaced_when_asked(cli, samples, tmp_path) -> None:
    folder = tmp_path / "out"
    words = ["maximize", samples / "wine.onnx", "-t", "logits[0]", "--steps", 2, "--restarts", 1, "-o", folder]
    assert cli(*words).code == 0
    before = (folder / "logits[0]" / "arrays.npz").read_bytes()
    refused = cli(*words)
    assert refused.code == 2
    assert refused.out == ""
    assert "--overwrite" in refused.err
    assert cli(*words, "--overwrite", "--seed", 1).code == 0
    assert (folder / "logits[0]" / "arrays.npz").read_bytes() != before
    strange = tmp_path / "strange"
    strange.mkdir()
    (strange / "letter.txt").write_text("mine", encoding="utf-8")
    assert cli(*words[:-1], strange, "--overwrite").code == 2
    assert (strange / "letter.txt").read_text(encoding="utf-8") == "mine"


def test_a_star_is_a_run_for_each_place_and_several_targets_are_several_runs(cli, written) -> None:
    path = written(LINEAR, w=WEIGHTS)
    rows = aim(cli, path, "-t", "y[*]", "-t", "y[0] - 2*y[1]", "-t", "-y[0]", "--bounds", "0,1", steps=60)
    assert [row["target"] for row in rows] == ["y[0]", "y[1]", "y[0] - 2*y[1]", "-y[0]"]
    # Closed form: the sum of the positive weights.
    assert [row["ort_score"] for row in rows] == pytest.approx([4, 1, 6, 2], abs=0.05)


@pytest.mark.parametrize("targets", [["y[0]", "y[0]"], ["y[*]", "y[1]"], ["y[0]", " y[0]"]])
def test_a_target_given_twice_is_no_error(cli, written, tmp_path, targets: list[str]) -> None:
    words = [word for target in targets for word in ("-t", target)]
    outcome = cli(
        "maximize", written(LINEAR, w=WEIGHTS), *words, "--bounds", "0,1", "--steps", 2, "-o", tmp_path / "o", "--json"
    )
    assert outcome.code == 0, outcome.err
    assert {row["target"] for row in outcome.document["runs"]} == ({"y[0]", "y[1]"} if "y[*]" in targets else {"y[0]"})


def test_a_leading_minus_drives_the_unit_down(cli, samples, tmp_path, onnx_runtime) -> None:
    path = samples / "wine.onnx"
    (row,) = aim(cli, path, "-t", "-logits[0]", "--data", samples / "wine.csv", "-o", tmp_path / "out", steps=10)
    with np.load(next(file for file in row["files"] if file.endswith("arrays.npz"))) as arrays:
        array = arrays["input"]
    value = float(onnx_runtime(path, "logits", {"features": array})[0, 0])
    assert value == pytest.approx(-row["ort_score"], rel=1e-5)
    assert value < -row["initial_ort_score"]


def test_data_bounds_the_search(cli, samples, tmp_path) -> None:
    table = np.genfromtxt(samples / "wine.csv", delimiter=",", skip_header=1)
    aim(cli, samples / "wine.onnx", "-t", "logits[2]", "--data", samples / "wine.csv", "-o", tmp_path / "o", steps=8)
    array = saved(tmp_path / "o", "logits[2]")[0]
    margin = 1e-5 * np.abs(table).max(0)
    assert (array >= table.min(0) - margin).all()
    assert (array <= table.max(0) + margin).all()


def test_bounds_may_be_a_table(cli, written, tmp_path) -> None:
    bounds = tmp_path / "bounds.csv"
    bounds.write_text("low,high\n0,1\n-2,0\n5,6\n", encoding="utf-8")
    (row,) = aim(cli, written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--bounds", bounds, steps=80)
    assert row["ort_score"] == pytest.approx(1 + 4 + 18, abs=0.1)
    bounds.write_text("low,high\n0,1\n-2,0\n", encoding="utf-8")
    assert cli("maximize", written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--bounds", bounds).code == 1
    assert cli("maximize", written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--bounds", "1,0").code == 2


def test_a_norm_is_the_radius_of_the_ball(cli, written, tmp_path) -> None:
    path, folder = written(LINEAR, w=WEIGHTS), tmp_path / "out"
    (row,) = aim(cli, path, "-t", "y[0]", "--norm", 2, "-o", folder, steps=120)
    assert np.linalg.norm(saved(folder, "y[0]")) == pytest.approx(2, rel=1e-3)
    assert row["ort_score"] == pytest.approx(2 * np.linalg.norm(WEIGHTS[:, 0]), rel=1e-2)
    assert cli("maximize", path, "-t", "y[0]", "--norm", 2, "--bounds", "0,1").code == 2


def test_names_are_read_and_counted(cli, written, tmp_path) -> None:
    path, names = written(LINEAR, w=WEIGHTS), tmp_path / "names.txt"
    names.write_text("sun\nrain\nwind\n", encoding="utf-8")
    aim(cli, path, "-t", "y[0]", "--names", names, "-o", tmp_path / "out", steps=2)
    aim(cli, path, "-t", "y[0]", "-o", tmp_path / "plain", steps=2)
    pictures = [(tmp_path / folder / "y[0]" / "picture.png").read_bytes() for folder in ("out", "plain")]
    assert pictures[0] != pictures[1]
    names.write_text("sun\nrain\n", encoding="utf-8")
    assert cli("maximize", path, "-t", "y[0]", "--names", names).code == 1
    assert cli("maximize", path, "-t", "y[0]", "--names", tmp_path / "absent.txt").code == 2


def test_another_input_is_held_where_set_says(cli, written) -> None:
    path = written("agraph (float[N, 3] x, float[1] gain) => (float[N, 3] y) { y = Mul(x, gain) }")
    for gain, best in ((3, 3), (-2, 0)):
        (row,) = aim(cli, path, "--wrt", "x", "--set", f"gain={gain}", "-t", "y[1]", "--bounds", "0,1", steps=80)
        assert row["ort_score"] == pytest.approx(best, abs=0.05)


def test_a_tensor_inside_the_graph_can_be_moved(cli, samples, tmp_path, onnx_runtime) -> None:
    path, folder = samples / "wine.onnx", tmp_path / "out"
    (row,) = aim(cli, path, "--wrt", "relu1", "-t", "logits[1]", "-o", folder, steps=6)
    assert (row["wrt"], row["shape"]) == ("relu1", [16])
    onnx.utils.extract_model(path, tmp_path / "tail.onnx", ["relu1"], ["logits"])
    answer = onnx_runtime(tmp_path / "tail.onnx", "logits", {"relu1": saved(folder, "logits[1]")})
    assert row["ort_score"] == pytest.approx(float(answer[0, 1]), rel=1e-5)
    assert row["ort_score"] > row["initial_ort_score"]


def test_sizes_that_the_file_leaves_open_are_settled(cli, written) -> None:
    path = written("agraph (float[N, T] x) => (float[N, 1] y) { y = ReduceSum <keepdims = 1> (x, a) }", a=np.array([1]))
    for words in (["--dim", "T=5"], ["--shape", "x=1x5"]):
        (row,) = aim(cli, path, "-t", "y[0]", "--range", "0,1", *words)
        assert row["shape"] == [5]
        assert 4 < row["ort_score"] <= 5 + 1e-5


def test_a_probability_is_climbed_by_its_logit(cli, samples) -> None:
    path = samples / "digits.onnx"
    (row,) = aim(cli, path, "-t", "probabilities[3]", steps=3)
    assert (row["target"], row["climbed"]) == ("probabilities[3]", "logits[3]")
    assert 0 <= row["ort_score"] <= 1
    (row,) = aim(cli, path, "-t", "probabilities[3]", "--literal", steps=3)
    assert row["climbed"] == "probabilities[3]"


def test_a_probability_that_falls_while_its_logit_rises_is_climbed_itself(cli, written) -> None:
    path = written(
        "agraph (float[N, 2] x) => (float[N, 3] p) { z = MatMul(x, w)\np = Softmax(z) }",
        w=np.array([[1, 3, 2], [1, 2, 0]], np.float32),
    )
    outcome = cli("maximize", path, "-t", "p[0]", "--bounds", "-1,1", "--json")
    (row,) = outcome.document["runs"]
    # The logit is highest where all of x is 1, and there the second one is far above it.
    assert row["climbed"] == "p[0]"
    assert "raising z[0] left p[0] below" in row["message"]
    assert row["message"] in outcome.err
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 201), np.linspace(-1, 1, 201)), -1).reshape(-1, 2)
    powers = np.exp(grid @ np.array([[1, 3, 2], [1, 2, 0]]))
    assert row["ort_score"] == pytest.approx((powers[:, 0] / powers.sum(1)).max(), rel=1e-3)
    assert row["verdict"]["word"] == "ok"


def test_a_target_that_does_not_depend_on_the_input_is_refused(cli, written) -> None:
    path = written("agraph (float[N, 3] x, float[N, 3] z) => (float[N, 3] y, float[N, 3] u) { y = Neg(x)\nu = Neg(z) }")
    outcome = cli("maximize", path, "--wrt", "z", "-t", "y[0]")
    assert outcome.code == 1
    assert "y[0]" in outcome.err
    assert "z" in outcome.err
    assert "unexpected" not in outcome.err


def test_of_several_inputs_the_first_moves_and_the_others_are_named(cli, written) -> None:
    path = written("agraph (float[N, 3] x, float[N, 3] z) => (float[N, 3] y) { y = Add(x, z) }")
    outcome = cli("maximize", path, "-t", "y[0]", "--steps", 3, "--json")
    assert outcome.code == 0
    assert outcome.document["runs"][0]["wrt"] == "x"
    assert "x: this input moves; choose another with --wrt: z" in outcome.err
    assert "z: held at 0 (1x3)" in outcome.err
    assert cli("maximize", path, "-t", "y[0]", "--steps", 3, "--wrt", "z", "--json").document["runs"][0]["wrt"] == "z"


def test_the_tensor_that_moves_cannot_be_held(cli, written) -> None:
    outcome = cli("maximize", written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--set", "x=3")
    assert outcome.code == 2
    assert "--set x" in outcome.err


def test_only_floats_can_be_maximized(cli, samples) -> None:
    outcome = cli("maximize", samples / "forest.onnx", "-t", "label")
    assert outcome.code == 2
    assert "int64" in outcome.err


def test_a_score_that_is_not_finite_is_said_and_is_strict_json(cli, written) -> None:
    path = written("agraph (float[N, 3] x) => (float[N, 3] y) { a = Sub(x, x)\nb = Log(a)\ny = Mul(b, x) }")
    outcome = cli("maximize", path, "-t", "y[0]", "--bounds", "1,2", "--steps", 3, "--json")
    assert outcome.code == 0
    (row,) = outcome.document["runs"]
    assert row["status"] == "not_finite"
    assert row["message"]


def test_lbfgs_climbs_a_vector(cli, written) -> None:
    (row,) = aim(cli, written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--bounds", "0,1", "--optimizer", "lbfgs", steps=20)
    assert row["optimizer"] == "lbfgs"
    assert row["ort_score"] == pytest.approx(4, abs=0.05)


def test_rounding_stops_the_gradient_unless_it_is_asked_to_pass(cli, written, tmp_path) -> None:
    path = written("agraph (float[N, 3] x) => (float[N, 2] y) { h = Floor(x)\ny = MatMul(h, w) }", w=WEIGHTS)
    options = ["-t", "y[0]", "--steps", 16, "--restarts", 1, "--norm", 30]
    outcome = cli("maximize", path, *options, "--optimizer", "adam")
    assert outcome.code == 1
    assert "Floor at h passes no gradient; --straight-through" in outcome.err
    folder = tmp_path / "out"
    outcome = cli("maximize", path, *options, "--straight-through", "-o", folder, "--json")
    assert outcome.code == 0
    (row,) = outcome.document["runs"]
    assert row["ort_score"] > row["initial_ort_score"]
    # The score is the model's own, with rounded values.
    assert row["ort_score"] == pytest.approx(float(np.floor(saved(folder, "y[0]", "input")[0]) @ WEIGHTS[:, 0]))


def test_an_input_that_the_target_does_not_depend_on_is_fed_all_the_same(cli, written) -> None:
    graph = (
        "agraph (float[N, 3] x, float[N] state) => (float[N, 3] y, float[N] after) { y = Neg (x)\nafter = Neg (state) }"
    )
    for words in ([], ["--optimizer", "cma", "--restarts", 1]):
        (row,) = aim(cli, written(graph), "--wrt", "x", "-t", "y[0]", "--bounds", "0,1", *words)
        assert row["ort_score"] == pytest.approx(0, abs=1e-3)


def test_a_map_of_probabilities_is_aimed_at_by_the_tensor_before_it(cli, tmp_path) -> None:
    helper = onnx.helper
    key = onnx.TypeProto()
    key.map_type.key_type = onnx.TensorProto.STRING
    key.map_type.value_type.CopyFrom(helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, []))
    nodes = [
        helper.make_node("Softmax", ["x"], ["p"]),
        helper.make_node("ZipMap", ["p"], ["y"], domain="ai.onnx.ml", classlabels_strings=["rain", "sun"]),
    ]
    inputs = [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 2])]
    outputs = [helper.make_value_info("y", helper.make_sequence_type_proto(key))]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    graph = helper.make_graph(nodes, "g", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    words = ["-t", "y[1]", "--bounds", "0,3", "--literal", "--steps", 60, "--rate", 0.2, "--json"]
    outcome = cli("maximize", tmp_path / "m.onnx", *words)
    (row,) = outcome.document["runs"]
    assert (row["target"], row["label"]) == ("p[1]", "sun")
    assert "ZipMap" in outcome.err
    assert row["ort_score"] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-3)


def test_lbfgs_climbs_a_picture_without_random_moves(cli, samples) -> None:
    words = ["-t", "logits[7]", "--optimizer", "lbfgs", "--steps", 8]
    outcome = cli("maximize", samples / "digits.onnx", *words, "--json")
    assert outcome.code == 0
    assert "without random moves" in outcome.err
    (row,) = outcome.document["runs"]
    (same,) = cli("maximize", samples / "digits.onnx", *words, "--no-transforms", "--json").document["runs"]
    assert row["ort_score"] == same["ort_score"] > row["initial_ort_score"]


def test_an_empty_target_and_one_with_a_line_break_are_told_apart(cli, tmp_path) -> None:
    strange = "\x1b[31mred<b>\n"
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> agraph (float[N, 3] x) => (float[N, 3] y) { y = Neg(x) }'
    )
    proto.graph.node[0].output[0] = proto.graph.output[0].name = strange
    onnx.save(proto, tmp_path / "strange.onnx")
    words = ["--steps", 2, "--restarts", 1, "-o", tmp_path / "out"]
    outcome = cli("maximize", tmp_path / "strange.onnx", "-t", strange, *words)
    assert outcome.code == 0
    assert "\x1b" not in outcome.out + outcome.err
    assert all("\n" not in path.name and "<" not in path.name for path in (tmp_path / "out").iterdir())
    empty = cli("maximize", tmp_path / "strange.onnx", "-t", " ")
    assert empty.code == 2
    assert "the target is empty" in empty.err


def test_a_layout_that_contradicts_the_range_is_wrong_usage(cli, written) -> None:
    path = written("agraph (float[1, 3, 8, 9] x) => (float[1, 3, 8, 9] y) { y = Neg(x) }")
    words = ["maximize", path, "-t", "y", "--mean", "0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--layout", "nhwc"]
    outcome = cli(*words)
    assert outcome.code == 2
    assert "--layout nhwc" in outcome.err
    assert "9 channels" in outcome.err
