"""`maximize` with tables: ranges from real rows, whole numbers, one-hot groups, kept features, an input for each column."""

from __future__ import annotations

import json

import numpy as np
import pytest

GRAPH = "agraph (float[N, 6] x) => (float[N, 1] y) { y = MatMul(x, w) }"
WEIGHTS = np.array([[2.0], [-1], [0.5], [1], [3], [2]], np.float32)
NAMES = ("size", "age", "weight", "red", "green", "blue")


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    return np.column_stack(
        [random.normal(size=40), random.integers(2, 9, 40), random.normal(5, 2, 40), np.eye(3)[np.arange(40) % 3]]
    )


@pytest.fixture
def table(tmp_path, rows):
    path = tmp_path / "rows.csv"
    lines = [",".join(map(repr, row.tolist())) for row in rows]
    path.write_text("\n".join([",".join(NAMES), *lines]) + "\n", encoding="utf-8")
    return path


def aim(cli, path, *words):
    outcome = cli("maximize", path, "-t", "y[0]", "--json", *words)
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    return row, outcome.err


def best(rows) -> np.ndarray:
    """The maximum in closed form: each feature at the end its weight points to, and the best code."""
    weights = WEIGHTS[:, 0]
    found = np.where(weights > 0, rows.max(0), rows.min(0))
    found[3:] = np.eye(3)[weights[3:].argmax()]
    return found


def test_codes_are_exactly_one_and_whole_numbers_whole(cli, written, tmp_path, table, rows) -> None:
    row, said = aim(cli, written(GRAPH, w=WEIGHTS), "--data", table, "-o", tmp_path / "out")
    with np.load(tmp_path / "out" / "y[0]" / "arrays.npz") as arrays:
        found, reference, drops = arrays["input"][0], arrays["reference"], arrays["contributions"]
        nearest = arrays["nearest_rows"]
    np.testing.assert_allclose(found, best(rows), rtol=1e-5)
    assert sorted(found[3:]) == [0, 0, 1]
    assert found[1] == round(float(found[1]))
    assert row["ort_score"] == pytest.approx(float(best(rows) @ WEIGHTS[:, 0]), rel=1e-5)
    assert "one-hot" in said
    assert "age" in said
    # Contributions to a linear model are exact. The contribution of a one-hot group is at the member that is set.
    assert drops[:3] == pytest.approx((found - reference)[:3] * WEIGHTS[:3, 0], rel=1e-4, abs=1e-5)
    told = row["features"]["contributions"]
    assert [entry["drop"] for entry in told] == sorted((entry["drop"] for entry in told), reverse=True)
    # The nearest rows, by brute force.
    distances = np.linalg.norm((rows - found) / rows.std(0), axis=1)
    order = np.argsort(distances)[:3]
    assert [entry["row"] for entry in row["features"]["nearest"]] == order.tolist()
    assert [entry["ort_score"] for entry in row["features"]["nearest"]] == pytest.approx(
        (rows[order] @ WEIGHTS)[:, 0], rel=1e-4, abs=1e-5
    )
    np.testing.assert_allclose(nearest, rows[order], rtol=1e-6)
    assert json.loads((tmp_path / "out" / "y[0]" / "result.json").read_text("utf-8"))["summary"]["features"]


@pytest.mark.parametrize(
    ("words", "features", "values"),
    [
        (["--keep", "age=5"], [1], [5]),
        (["--keep", "0=-0.25"], [0], [-0.25]),
        (["--keep", "green=0"], [4], [0]),
        (["--keep", "red=1"], [3, 4, 5], [1, 0, 0]),
        (["--keep", "green=0", "--keep", "blue=0"], [3, 4, 5], [1, 0, 0]),
    ],
)
def test_what_is_kept_stays(cli, written, tmp_path, table, rows, words, features, values) -> None:
    aim(cli, written(GRAPH, w=WEIGHTS), "--data", table, *words, "--steps", 60, "-o", tmp_path / "out")
    with np.load(tmp_path / "out" / "y[0]" / "arrays.npz") as arrays:
        found = arrays["input"][0]
    assert found[features].tolist() == values
    assert found[3:].sum() == 1
    if 4 in features and values == [0]:
        assert found[5] == 1  # the second best


def test_a_feature_of_an_unbounded_input_is_kept_as_well(cli, written, tmp_path) -> None:
    row, _ = aim(cli, written(GRAPH, w=WEIGHTS), "--keep", "4=0.5", "-o", tmp_path / "out")
    with np.load(tmp_path / "out" / "y[0]" / "arrays.npz") as arrays:
        found = arrays["input"][0]
    assert found[4] == 0.5
    # The other features lie on the ball around 0, in the direction of their weights.
    others = np.delete(WEIGHTS[:, 0], 4)
    assert np.linalg.norm(np.delete(found, 4)) == pytest.approx(np.sqrt(5), rel=1e-4)
    assert row["ort_score"] == pytest.approx(0.5 * WEIGHTS[4, 0] + np.sqrt(5) * np.linalg.norm(others), rel=1e-2)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--keep", "length=3"], 2),
        (["--keep", "age=old"], 2),
        (["--keep", "9=1"], 2),
        (["--keep", "red=1", "--keep", "green=1"], 2),
        (["--keep", "red=0.5"], 2),
        (["--vocab", "x.txt"], 2),
        (["--sample-rate", "8000"], 2),
    ],
)
def test_what_cannot_be_kept_is_said(cli, written, table, words, code) -> None:
    outcome = cli("maximize", written(GRAPH, w=WEIGHTS), "-t", "y[0]", "--data", table, *words)
    assert outcome.code == code
    assert words[0] in outcome.err


def test_columns_are_matched_by_name_and_labels_left_out(cli, written, tmp_path, table, rows) -> None:
    order = [5, 0, 3, 2, 4, 1]
    shuffled = tmp_path / "shuffled.csv"
    head = ",".join(["kind", *(NAMES[place] for place in order), "answer"])
    lines = [",".join(["cat", *(repr(float(row[place])) for place in order), "1"]) for row in rows]
    shuffled.write_text("\n".join([head, *lines]) + "\n", encoding="utf-8")
    names = tmp_path / "names.txt"
    names.write_text("\n".join(NAMES), encoding="utf-8")
    path = written(GRAPH, w=WEIGHTS)
    straight, _ = aim(cli, path, "--data", table, "--steps", 20)
    mixed, said = aim(cli, path, "--data", shuffled, "--names", names, "--steps", 20)
    assert mixed["ort_score"] == pytest.approx(straight["ort_score"], rel=1e-6)
    assert "kind" in said
    assert "answer" in said
    # A part of the names is a mistake, and sets no order.
    names.write_text("\n".join((*NAMES[:5], "violet")), encoding="utf-8")
    outcome = cli("maximize", path, "-t", "y[0]", "--data", shuffled, "--names", names)
    assert outcome.code == 1
    assert "violet" in outcome.err


def test_an_input_for_each_column_moves_as_one_vector(cli, written, tmp_path, table, rows, onnx_runtime) -> None:
    inputs = ", ".join(f"float[N, 1] {name}" for name in NAMES)
    graph = f"agraph ({inputs}) => (float[N, 1] y) {{ x = Concat<axis = 1>({', '.join(NAMES)})\ny = MatMul(x, w) }}"
    path = written(graph, w=WEIGHTS)
    row, said = aim(cli, path, "--data", table, "-o", tmp_path / "out")
    assert "6 inputs move together" in said
    with np.load(tmp_path / "out" / "y[0]" / "arrays.npz") as arrays:
        found = arrays["input"]
    np.testing.assert_allclose(found[0], best(rows), rtol=1e-5)
    answer = onnx_runtime(path, "y", {name: found[:, place : place + 1] for place, name in enumerate(NAMES)})
    assert row["ort_score"] == pytest.approx(float(answer[0, 0]), rel=1e-5)
    assert row["features"]["names"] == list(NAMES)


def test_several_names_after_wrt_move_together(cli, written) -> None:
    path = written("agraph (float[N, 2] a, float[N, 3] b, float[N, 2] c) => (float[N, 2] y) { y = Add(a, c) }")
    row, _ = aim(cli, path, "--wrt", "a, c", "--bounds", "0,1")
    assert row["shape"] == [4]
    assert row["ort_score"] == pytest.approx(2, abs=0.05)
    assert cli("maximize", path, "-t", "y[0]", "--wrt", "a,y").code == 2


STEPS = """agraph (float[N, 6] x) => (float[N, 1] y) {
    r = Ceil(x)
    y = MatMul(r, w)
}"""


def test_without_gradients_codes_and_whole_numbers_are_set_right_as_well(cli, written, tmp_path, table, rows) -> None:
    row, said = aim(cli, written(STEPS, w=WEIGHTS), "--data", table, "--keep", "age=5", "-o", tmp_path / "out")
    assert row["optimizer"] == "cma", said
    with np.load(tmp_path / "out" / "y[0]" / "arrays.npz") as arrays:
        found, every = arrays["input"][0], arrays["restarts"]
    wanted = np.ceil(best(rows)) @ WEIGHTS[:, 0] - WEIGHTS[1, 0] * (best(rows)[1] - 5)
    assert row["ort_score"] == pytest.approx(float(wanted), rel=1e-5)
    assert found[1] == 5
    assert (np.sort(every[:, 3:], 1) == [0, 0, 1]).all()


def test_moved_copies_and_probes_are_inputs_that_can_be(cli, written, table, monkeypatch) -> None:
    from onnxviz.methods.ascent import scorer

    measure, seen = scorer.Scorer.__call__, []

    def noting(self, objectives, inputs):
        seen.append(np.array(inputs))
        return measure(self, objectives, inputs)

    monkeypatch.setattr(scorer.Scorer, "__call__", noting)
    row, _ = aim(cli, written(GRAPH, w=WEIGHTS), "--data", table, "--steps", 20)
    assert row["robustness"]["kept"] is not None
    assert row["data"]["samples"] == 40
    every = np.concatenate(seen)
    assert len(every) > 100
    np.testing.assert_array_equal(every[:, 1], np.rint(every[:, 1]))
    np.testing.assert_array_equal(np.sort(every[:, 3:], 1), np.tile([0, 0, 1], (len(every), 1)))


def test_functions_of_the_input_read_several_inputs_as_one(cli, written, tmp_path) -> None:
    path = written("agraph (float[N, 2] a, float[N, 2] b) => (float[N, 2] y) { y = Add(a, b) }")
    words = ["--wrt", "a,b", "--bounds", "0,1", "--steps", 60, "-o", tmp_path / "out", "--json"]
    outcome = cli("maximize", path, "-t", "y[0] - 0.1*l1(input)", *words)
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["runs"]
    with np.load(next((tmp_path / "out").glob("*/arrays.npz"))) as arrays:
        found = arrays["input"][0]
    # Features without influence return to the middle of their range; the others go to the end.
    np.testing.assert_allclose(found, [1, 0.5, 1, 0.5], atol=0.02)
    assert row["score"] == pytest.approx(row["ort_score"], rel=1e-5)
