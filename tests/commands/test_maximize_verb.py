"""`maximize`: what is written, what it scores by ONNX Runtime, and what it does with every way of aiming."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import onnx.utils
import pytest
from PIL import Image

from onnxviz.methods import search

RUN_KEYS = {
    *("target", "wrt", "shape", "units", "steps", "restarts", "score", "ort_score", "initial_ort_score", "status"),
    *("message", "consistency", "optimizer", "differentiable", "files"),
}
LINEAR = "agraph (float[N, 3] x) => (float[N, 2] y) { y = MatMul(x, w) }"
WEIGHTS = np.array([[1, 0], [-2, 1], [3, -1]], np.float32)


def saved(folder, target: str, name: str = "input") -> np.ndarray:
    with np.load(folder / target / "arrays.npz") as arrays:
        return arrays[name]


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


@pytest.fixture
def one_by_one(written):
    """A model that takes one sample at a time, whose targets are so climbed one after the other."""
    graph = "agraph (float[1, 3] x) => (float[1, 3] y) { a = Reshape(x, s)\ny = MatMul(a, w) }"
    return written(graph, w=np.diag([1, 2, 3]).astype(np.float32), s=np.array([1, 3]))


@pytest.mark.parametrize("where", ["between", "inside"])
def test_an_interruption_keeps_what_is_done_and_resume_completes_it(
    cli, one_by_one, tmp_path, monkeypatch, where: str
) -> None:
    climb, calls = search.maximize, 0

    def interrupted(*arguments, progress=None, **options):
        nonlocal calls
        calls += 1
        if calls < 2:
            return climb(*arguments, progress=progress, **options)
        if where == "between":
            raise KeyboardInterrupt

        def told(step, scores):
            raise KeyboardInterrupt

        return climb(*arguments, progress=told, **options)

    folder = tmp_path / "out"
    words = ["maximize", one_by_one, "-t", "y[*]", "--bounds", "0,1", "--steps", 3, "--restarts", 2, "-o", folder]
    monkeypatch.setattr(search, "maximize", interrupted)
    outcome = cli(*words)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not folder.exists()
    assert "out.partial" in outcome.err
    partial = tmp_path / "out.partial"
    first = (partial / "y[0]" / "arrays.npz").read_bytes()
    assert json.loads((partial / "y[0]" / "result.json").read_text("utf-8"))["status"] != "interrupted"
    assert not (partial / "y[2]").exists()

    monkeypatch.undo()
    resumed = cli(*words, "--resume", "--json")
    assert resumed.code == 0
    assert [row["target"] for row in resumed.document["runs"]] == ["y[0]", "y[1]", "y[2]"]
    assert "interrupted" not in {row["status"] for row in resumed.document["runs"]}
    assert (folder / "y[0]" / "arrays.npz").read_bytes() == first
    assert not partial.exists()
    # As if nothing had happened.
    assert cli(*words[:-1], tmp_path / "whole").code == 0
    for target in ("y[0]", "y[1]", "y[2]"):
        whole = (tmp_path / "whole" / target / "arrays.npz").read_bytes()
        assert (folder / target / "arrays.npz").read_bytes() == whole


def test_resume_does_not_climb_again_what_is_done(cli, one_by_one, tmp_path, monkeypatch) -> None:
    words = ["maximize", one_by_one, "-t", "y[*]", "--bounds", "0,1", "--steps", 2, "-o", tmp_path / "out"]
    assert cli(*words).code == 0

    def never(*_, **__):
        raise AssertionError("climbed again")

    monkeypatch.setattr(search, "maximize", never)
    assert cli(*words, "--resume").code == 0
    other = cli(*words[:-4], "--steps", 5, "-o", tmp_path / "out", "--resume")
    assert other.code == 2
    assert "steps" in other.err


@pytest.mark.parametrize(
    "words",
    [["--bounds", "0,2"], ["--norm", "3"], ["--seed", "1"], ["--set", "gain=2", "--bounds", "0,1"], []],
    ids=" ".join,
)
def test_resume_refuses_another_search(cli, written, tmp_path, words: list[str]) -> None:
    path = written("agraph (float[N, 3] x, float[1] gain) => (float[N, 3] y) { y = Mul(x, gain) }")
    shared = ["maximize", path, "--wrt", "x", "-t", "y[0]", "--steps", 2, "-o", tmp_path / "out"]
    assert cli(*shared, "--bounds", "0,1").code == 0
    assert cli(*shared, "--bounds", "0,1", "--resume").code == 0
    assert cli(*shared, *words, "--resume").code == 2


def aim(cli, path, *words, steps: int = 40):
    outcome = cli("maximize", path, *words, "--steps", steps, "--rate", 0.2, "--json")
    assert outcome.code == 0, outcome.err
    return outcome.document["runs"]


def test_a_star_is_a_run_for_each_place_and_several_targets_are_several_runs(cli, written) -> None:
    path = written(LINEAR, w=WEIGHTS)
    rows = aim(cli, path, "-t", "y[*]", "-t", "y[0] - 2*y[1]", "-t", "-y[0]", "--bounds", "0,1", steps=60)
    assert [row["target"] for row in rows] == ["y[0]", "y[1]", "y[0] - 2*y[1]", "-y[0]"]
    # Closed forms: the positive weights' sum.
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
    assert "z[0] rose" in row["message"]
    assert row["message"] in outcome.err
    grid = np.stack(np.meshgrid(np.linspace(-1, 1, 201), np.linspace(-1, 1, 201)), -1).reshape(-1, 2)
    powers = np.exp(grid @ np.array([[1, 3, 2], [1, 2, 0]]))
    assert row["ort_score"] == pytest.approx((powers[:, 0] / powers.sum(1)).max(), rel=1e-3)
    assert row["verdict"]["word"] == "ok"


def test_a_dead_unit_is_reported(cli, written) -> None:
    bias = np.array([0, -100], np.float32)
    graph = "agraph (float[N, 3] x) => (float[N, 2] y) { a = MatMul(x, w)\nb = Add(a, c)\ny = Relu(b) }"
    alive, dead = aim(cli, written(graph, w=WEIGHTS, c=bias), "-t", "y[*]", "--bounds", "0,1", steps=40)
    assert alive["status"] == "ok"
    assert dead["status"] == "no_progress"
    assert dead["message"]
    assert dead["ort_score"] == 0


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
    assert "x: it moves; so could z, by --wrt" in outcome.err
    assert "z: held at 0 (1x3)" in outcome.err
    assert cli("maximize", path, "-t", "y[0]", "--steps", 3, "--wrt", "z", "--json").document["runs"][0]["wrt"] == "z"


def test_the_tensor_that_moves_cannot_be_held(cli, written) -> None:
    outcome = cli("maximize", written(LINEAR, w=WEIGHTS), "-t", "y[0]", "--set", "x=3")
    assert outcome.code == 2
    assert "--set x" in outcome.err


def test_an_array_of_many_axes_is_written(cli, written, tmp_path) -> None:
    path = written("agraph (float[N, 2, 3, 2, 3, 2] x) => (float[N, 2, 3, 2, 3, 2] y) { y = Neg(x) }")
    (row,) = aim(cli, path, "-t", "y", "-o", tmp_path / "out", steps=2)
    assert row["shape"] == [2, 3, 2, 3, 2]
    assert saved(tmp_path / "out", "y").shape == (1, 2, 3, 2, 3, 2)


def test_an_input_of_a_single_number_is_climbed(cli, written) -> None:
    path = written("agraph (float[N, 1] x) => (float[N, 1] y) { y = Neg(x) }")
    (row,) = aim(cli, path, "-t", "y[0]", "--bounds", "-1,1")
    assert row["ort_score"] == pytest.approx(1, abs=0.05)


def test_a_forest_is_searched_without_gradients_and_says_so(cli, samples, tmp_path, onnx_runtime) -> None:
    path, folder = samples / "forest.onnx", tmp_path / "out"
    words = ["maximize", path, "-t", "probabilities[0]", "--steps", 40, "--restarts", 2, "-o", folder, "--json"]
    outcome = cli(*words)
    assert outcome.code == 0
    assert "TreeEnsembleClassifier at probabilities passes no gradient" in outcome.err
    assert "CMA-ES" in outcome.err
    (row,) = outcome.document["runs"]
    assert (row["optimizer"], row["differentiable"]) == ("cma", False)
    array = saved(folder, "probabilities[0]")
    (moving,) = [value.name for value in onnx.load(path).graph.input]
    assert row["ort_score"] == pytest.approx(float(onnx_runtime(path, "probabilities", {moving: array})[0, 0]))
    assert row["ort_score"] > 0.9
    assert "without gradients" in row["units"]
    # Who asks for a gradient is told that there is none.
    refused = cli("maximize", path, "-t", "probabilities[0]", "--optimizer", "adam")
    assert refused.code == 1
    assert "TreeEnsemble" in refused.err
    assert "--optimizer cma" in refused.err


def test_with_a_gradient_and_without_the_same_maximum_is_found(cli, samples) -> None:
    words = ["maximize", samples / "wine.onnx", "-t", "logits[*]", "--data", samples / "wine.csv", "--json"]
    climbed = cli(*words).document["runs"]
    searched = cli(*words, "--optimizer", "cma", "--restarts", 2).document["runs"]
    assert {row["optimizer"] for row in searched} == {"cma"}
    assert {row["differentiable"] for row in searched} == {True}
    for one, other in zip(climbed, searched, strict=True):
        assert other["ort_score"] == pytest.approx(one["ort_score"], rel=0.01)


def test_an_argmax_is_searched(cli, written) -> None:
    graph = """agraph (float[N, 3] x) => (float[N, 1] y) {
        a = ArgMax <axis = 1, keepdims = 1> (x)
        y = Cast <to = 1> (a)
    }"""
    (row,) = aim(cli, written(graph), "-t", "y[0]", "--bounds", "0,1", "--restarts", 1)
    assert (row["optimizer"], row["differentiable"], row["ort_score"]) == ("cma", False, 2)


def test_an_interrupted_search_without_gradients_is_resumed_as_if_nothing_had_happened(
    cli, samples, tmp_path, monkeypatch
) -> None:
    from onnxviz.methods import scorer

    measure, looks = scorer.Scorer.__call__, 0

    def interrupted(self, objectives, inputs):
        nonlocal looks
        looks += 1
        if looks == 30:
            raise KeyboardInterrupt
        return measure(self, objectives, inputs)

    shared = ["maximize", samples / "forest.onnx", "-t", "probabilities[*]", "--steps", 20, "--restarts", 1]
    monkeypatch.setattr(scorer.Scorer, "__call__", interrupted)
    assert cli(*shared, "-o", tmp_path / "out").code == 130
    monkeypatch.undo()
    resumed = cli(*shared, "-o", tmp_path / "out", "--resume", "--json")
    assert resumed.code == 0
    assert {row["status"] for row in resumed.document["runs"]} <= {"ok", "no_progress"}
    assert cli(*shared, "-o", tmp_path / "whole").code == 0
    for target in ("probabilities[0]", "probabilities[1]"):
        files = [(tmp_path / folder / target / "arrays.npz").read_bytes() for folder in ("out", "whole")]
        assert files[0] == files[1]


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
    # The score is the model's own: of the rounded values.
    assert row["ort_score"] == pytest.approx(float(np.floor(saved(folder, "y[0]", "input")[0]) @ WEIGHTS[:, 0]))


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
    words = ("maximize", samples / "photo_patches.onnx", "-t", "relu2[33]", "--restarts", 3, "--steps", 24)
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
    # In 0 to 1 a constant picture cannot wake it: what wakes it must vary from pixel to pixel.
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 40, 40] x) => (float[N, 1, 40, 38] y)
    <float[1, 1, 1, 3] w = {-1, 1.2, -1}> { c = Conv(x, w) y = Relu(c) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "asleep.onnx")
    outcome = cli("maximize", tmp_path / "asleep.onnx", "-t", "y[0]", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    # The edge of a shifted picture may wake it a little, and lead to less than noise gives.
    assert "climbed from" in row["message"]
    assert "random input" in row["message"]
    assert row["verdict"]["word"] == "ok", row["verdict"]
    # Every other column at 1 gives 1.2 at half of the places; no input gives more on average.
    assert 0.2 < row["ort_score"] <= 0.6 + 1e-6


def test_a_volume_moves_as_a_spectrum_and_is_drawn_slice_by_slice(cli, tmp_path) -> None:
    kernels = np.zeros((2, 1, 3, 3, 3), np.float32)
    kernels[0, 0, :, 1, 1] = [-1, 2, -1]
    weights = ", ".join(map(str, kernels.ravel().tolist()))
    text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 9, 9, 9] x) => (float[N, 2, 7, 7, 7] y)
    <float[2, 1, 3, 3, 3] w = {{{weights}}}> {{ c = Conv(x, w) y = Relu(c) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "volume.onnx")
    outcome = cli("maximize", tmp_path / "volume.onnx", "-t", "y[0]", "--restarts", 2, "-o", tmp_path / "o", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    assert "spectrum" in row["units"]
    assert row["verdict"]["word"] == "ok"
    with Image.open(tmp_path / "o" / "y[0]" / "picture.png") as picture:
        assert min(picture.size) > 400  # nine slices with captions


def test_an_output_without_a_batch_can_be_driven(cli, tmp_path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 17]> g (float[N, 6] x) => (float y)
    { y = ReduceMean<keepdims = 0>(x) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "scalar.onnx")
    outcome = cli("maximize", tmp_path / "scalar.onnx", "-t", "y", "--bounds", "-1,3", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["runs"][0]["ort_score"] == pytest.approx(3, rel=1e-3)


def test_what_holds_very_many_numbers_is_searched_in_half_the_steps(cli, samples, monkeypatch) -> None:
    words = ("maximize", samples / "digits.onnx", "-t", "conv1[3]", "--json")
    assert cli(*words).document["runs"][0]["steps"] > 32
    monkeypatch.setattr("onnxviz.commands.maximization_task.VAST", 1000)
    fewer = cli(*words)
    assert fewer.document["runs"][0]["steps"] <= 32
    assert "numbers up to the target: 32 steps where --steps says nothing else" in fewer.err
    asked = cli(*words, "--steps", 3)
    assert asked.document["runs"][0]["steps"] == 3
    assert "numbers up to the target" not in asked.err


def test_what_cannot_tell_restarts_apart_hands_them_to_the_layer_before(cli, tmp_path) -> None:
    weights = np.random.default_rng(0).standard_normal(20 * 9).astype(np.float32)
    text = f"""<ir_version: 8, opset_import: ["" : 17]> g (float[N, 1, 24, 24] x) => (float[N, 484, 1] y)
    <float[20, 1, 3, 3] w = {{{", ".join(map(str, weights.tolist()))}}}, float[1, 20, 1, 1] v = {{{", ".join(["1.0"] * 20)}}},
    int64[3] s = {{0, 484, 1}}>
    {{ c = Conv(x, w) r = Relu(c) d = Conv(r, v) y = Reshape(d, s) }}"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "places.onnx")
    (row,) = cli("maximize", tmp_path / "places.onnx", "-t", "y", "--restarts", 3, "--json").document["runs"]
    seen = row["consistency"]["resemblance"]
    # Its 484 rows are places and no channels; d has but one.
    assert (seen["tensors"], seen["channels"]) == (["r"], 20)


def test_restarts_of_a_vector_agree_by_themselves(cli, samples) -> None:
    words = ("maximize", samples / "wine.onnx", "-t", "logits[0]", "--steps", 100)
    (row,) = cli(*words, "--json").document["runs"]
    assert row["consistency"]["resemblance"] is None
    assert "agree" in cli(*words).out


VERDICTS = {
    # One unit of each kind beside one that lives.
    "dead": ("b = Add (a, c)\ny = Relu (b)", [0, -100]),
    "saturated": ("b = Add (a, c)\ny = Sigmoid (b)", [-3, 100]),
    "flat": ("b = Mul (a, c)\ny = Add (b, d)", [1, 0]),
}


@pytest.mark.parametrize("word", VERDICTS)
def test_a_unit_that_shows_nothing_is_called_what_it_is(cli, written, word: str) -> None:
    body, constant = VERDICTS[word]
    path = written(
        f"agraph (float[N, 3] x) => (float[N, 2] y) {{ a = MatMul(x, w)\n{body} }}",
        w=WEIGHTS,
        c=np.array(constant, np.float32),
        **({"d": np.array([1, 7], np.float32)} if word == "flat" else {}),
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
    # Which data there are changes where a picture stands, and not the picture where no spectrum is read off them.
    assert same["ort_score"] == row["ort_score"]
    assert cli(*words).document["runs"][0]["data"] is None
    assert cli(*words, "--data", tmp_path / "absent").code == 2


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


BOXES = """<ir_version: 8, opset_import: ["" : 17]>
agraph (float[N, 3] x) => (float[M, 2] boxes) <int64[2] s = {-1, 1}> { column = Reshape(x, s)
boxes = MatMul(column, w) }"""


def test_rows_of_one_sample_are_averaged_and_told(cli, tmp_path, onnx_runtime) -> None:
    proto = onnx.parser.parse_model(BOXES)
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([[1, -2]], np.float32), "w"))
    onnx.save(proto, tmp_path / "boxes.onnx")
    words = ["-t", "boxes[1]", "--range", "-1,1", "--steps", 60, "-o", tmp_path / "out", "--json"]
    outcome = cli("maximize", tmp_path / "boxes.onnx", *words)
    (row,) = outcome.document["runs"]
    assert "3 rows of boxes" in row["message"]
    answer = onnx_runtime(tmp_path / "boxes.onnx", "boxes", {"x": saved(tmp_path / "out", "boxes[1]")})
    assert row["ort_score"] == pytest.approx(float(answer[:, 1].mean()), rel=1e-5)
    assert row["ort_score"] == pytest.approx(2, abs=0.05)
    assert row["score"] == pytest.approx(row["ort_score"], rel=1e-5)


def test_a_large_input_without_neighbors_is_searched_from_one_start(cli, tmp_path) -> None:
    proto = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> agraph (float[N, 5000] x) => (float[N, 5000] y) { y = Neg(x) }'
    )
    onnx.save(proto, tmp_path / "large.onnx")
    outcome = cli("maximize", tmp_path / "large.onnx", "-t", "y[3]", "--json")
    (row,) = outcome.document["runs"]
    assert row["restarts"] == 1
    assert row["steps"] <= 64
    assert "5000 numbers" in outcome.err
    (asked,) = cli("maximize", tmp_path / "large.onnx", "-t", "y[3]", "--restarts", 2, "--json").document["runs"]
    assert asked["restarts"] == 2


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


SERIES = """agraph (float[5, 1, 2] x) => (float[5, 1, 1, 1] y)
<float[1, 4, 2] w = {0.9, -0.4, 0.3, 0.8, -0.2, 0.5, 0.7, 0.6}, float[1, 4, 1] r = {0.3, 0.1, -0.5, 0.4}>
{ y, h, c = LSTM<hidden_size = 1>(x, w, r) }"""


def test_a_series_without_a_batch_moves_whole(cli, written, tmp_path, onnx_runtime) -> None:
    path = written(SERIES)
    outcome = cli("maximize", path, "-t", "y", "--range", "-1,1", "-o", tmp_path / "out", "--json")
    (row,) = outcome.document["runs"]
    assert "LSTM steps along its first axis" in outcome.err
    found = saved(tmp_path / "out", "y")
    assert found.shape == (5, 1, 2)
    assert row["ort_score"] == pytest.approx(float(onnx_runtime(path, "y", {"x": found}).mean()), rel=1e-5)
    assert row["score"] == pytest.approx(row["ort_score"], rel=1e-4)
    # Five copies of the best single step are one of the series that could be found.
    steps = np.stack(np.meshgrid(*[np.linspace(-1, 1, 5)] * 2), -1).reshape(-1, 1, 1, 2).astype(np.float32)
    copied = [float(onnx_runtime(path, "y", {"x": step.repeat(5, 0)}).mean()) for step in steps]
    assert row["ort_score"] >= max(copied) - 1e-3


def test_a_single_number_without_a_batch_rises_inside_its_ball(cli, written, tmp_path) -> None:
    path = written("agraph (float[1] x) => (float[1] y) { y = Neg(x) }")
    (row,) = cli("maximize", path, "-t", "y", "-o", tmp_path / "out", "--json").document["runs"]
    assert row["ort_score"] == pytest.approx(1, abs=1e-3)
    assert saved(tmp_path / "out", "y").shape == (1,)
    refused = cli("maximize", path, "-t", "y - 0.1*l2(input)")
    assert refused.code == 2
    assert "has no batch" in refused.err


def test_a_layout_that_contradicts_the_range_is_wrong_usage(cli, written) -> None:
    path = written("agraph (float[1, 3, 8, 9] x) => (float[1, 3, 8, 9] y) { y = Neg(x) }")
    words = ["maximize", path, "-t", "y", "--mean", "0.5,0.4,0.3", "--std", "0.2,0.2,0.2", "--layout", "nhwc"]
    outcome = cli(*words)
    assert outcome.code == 2
    assert "--layout nhwc" in outcome.err
    assert "9 channels" in outcome.err
