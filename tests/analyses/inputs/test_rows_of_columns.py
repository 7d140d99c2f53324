"""Tables: one input per column, texts, and missing values, in every verb that reads rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx.parser
import pytest

import onnxviz
from onnxviz.analyses.inputs.features import read_features
from onnxviz.errors import DataError, UsageError
from onnxviz.model.expectations.joined_inputs import JoinedInputs
from onnxviz.model.expectations.known_texts import known_texts

COLUMNS = """g (float[n,1] age, float[n,1] fare) => (float[n,2] y)
    <float[2,2] w = {1, -2, 3, 0.5}>
    { x = Concat<axis = 1>(age, fare)
      y = MatMul(x, w) }"""
TEXT = """g (float[n,1] size, string[n,1] kind) => (float[n,2] y)
    <int64[2] sh = {-1, 3}, float[4,2] w = {-0.5, 0.25, 1, 2, 3, -1, 0, 4}>
    { oh = ai.onnx.ml.OneHotEncoder<cats_strings = ["a", "b", "c"]>(kind)
      o2 = Reshape(oh, sh)
      x = Concat<axis = 1>(size, o2)
      y = MatMul(x, w) }"""
TREE = """g (float[n,2] x) => (float[n,1] y)
    { y = ai.onnx.ml.TreeEnsembleRegressor<n_targets = 1,
        nodes_treeids = [0, 0, 0, 0, 0], nodes_nodeids = [0, 1, 2, 3, 4], nodes_featureids = [0, 0, 1, 0, 0],
        nodes_modes = ["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"], nodes_values = [0.0, 0.0, 0.5, 0.0, 0.0],
        nodes_truenodeids = [1, 0, 3, 0, 0], nodes_falsenodeids = [2, 0, 4, 0, 0],
        nodes_missing_value_tracks_true = [1, 0, 1, 0, 0], nodes_hitrates = [1.0, 1.0, 1.0, 1.0, 1.0],
        target_treeids = [0, 0, 0], target_nodeids = [1, 3, 4], target_ids = [0, 0, 0],
        target_weights = [-1.0, 2.0, 5.0]>(x) }"""
GAPS = np.array([[1, 2], [np.nan, 0.3], [0.7, np.nan], [-1, 4]], np.float32)


def _load(graph: str) -> onnxviz.Model:
    return onnxviz.load(onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17, "ai.onnx.ml" : 3]>\n{graph}'))


@pytest.fixture
def columns() -> onnxviz.Model:
    return _load(COLUMNS)


@pytest.fixture
def text() -> onnxviz.Model:
    return _load(TEXT)


@pytest.fixture
def tree() -> onnxviz.Model:
    return _load(TREE)


def _rows(place: Path, text: str) -> str:
    place.write_text(text, encoding="utf-8")
    return str(place)


def _gaps(folder: Path, kind: str) -> str:
    if kind == "csv":
        return _rows(folder / "rows.csv", "a,b\n1,2\n,0.3\n0.7,\n-1,4\n")
    if kind == "npy":
        np.save(folder / "rows.npy", GAPS)
        return str(folder / "rows.npy")
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    cells = {"a": [1, None, 0.7, -1], "b": [2, 0.3, None, 4]}
    parquet.write_table(pyarrow.table(cells), folder / "rows.parquet")
    return str(folder / "rows.parquet")


def test_all_columns_of_a_row_are_explained_at_its_true_answer(columns, tmp_path) -> None:
    table = _rows(tmp_path / "rows.csv", "fare,age\n2,1\n5,-1\n")
    found = onnxviz.attribute(columns, table, "y[0]", methods=["integrated-gradients", "shapley"], data=table)
    assert found.ort_score == pytest.approx(1 * 1 + 3 * 2)
    assert found.task.features.names == ("age", "fare")
    for values in found.maps.values():  # of a linear model: weight times distance from the mean of the data
        np.testing.assert_allclose(values[0], [1 * (1 - 0), 3 * (2 - 3.5)], rtol=1e-5)
    assert found.row()["row"] == {"age": 1.0, "fare": 2.0}
    other = onnxviz.attribute(columns, f"{table}#1", "y[0]", methods=["shapley"])
    assert other.ort_score == pytest.approx(-1 + 15)


@pytest.mark.parametrize(
    "sample", [np.array([1.0, 2.0]), np.array([[1.0, 2.0], [8.0, 8.0]]), {"age": np.float32(1), "fare": 2}]
)
def test_a_row_from_python_feeds_all_columns(columns, sample) -> None:
    found = onnxviz.attribute(columns, sample, "y[1]", methods=["occlusion"], baseline="zero")
    assert found.ort_score == pytest.approx(-2 * 1 + 0.5 * 2)
    np.testing.assert_allclose(found.maps["occlusion"][0], [-2, 1], rtol=1e-5)


def test_one_column_is_explained_while_the_row_feeds_the_others(columns, tmp_path) -> None:
    table = _rows(tmp_path / "rows.csv", "age,fare\n1,2\n")
    found = onnxviz.attribute(columns, table, "y[0]", methods=["occlusion"], wrt="fare", baseline="zero")
    assert found.ort_score == pytest.approx(7)
    np.testing.assert_allclose(found.maps["occlusion"][0], [6], rtol=1e-5)
    both = onnxviz.attribute(columns, table, "y[0]", methods=["occlusion"], wrt=["fare", "age"], baseline="zero")
    np.testing.assert_allclose(both.maps["occlusion"][0], [6, 1], rtol=1e-5)


def test_arrays_feed_columns_in_their_order(columns, tmp_path) -> None:
    rows = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    np.save(tmp_path / "rows.npy", rows)
    for data in (rows, str(tmp_path / "rows.npy")):
        found = onnxviz.examples(columns, data, "y[0]", k=1)
        assert found.row()["highest"][0]["score"] == pytest.approx(5 + 18)
    with pytest.raises(DataError, match="3 columns"):
        onnxviz.examples(columns, np.zeros((4, 3), np.float32), "y[0]")


def test_inputs_named_twice_move_together_or_are_refused(columns) -> None:
    found = onnxviz.maximize(columns, "y[0]", wrt=["fare", "age"], steps=64, restarts=1, bounds=(-1, 1))
    np.testing.assert_allclose(found.input, [[1, 1]], atol=1e-4)
    assert found.ort_score == pytest.approx(4, abs=1e-3)
    mixed = """g (float[b,3,8,8] image, float[b,2] vector) => (float[b,5] y)
        { p = GlobalAveragePool(image)
          f = Flatten(p)
          y = Concat<axis = 1>(f, vector) }"""
    with pytest.raises(UsageError, match=r"image, vector.*move together if each has the shape"):
        onnxviz.maximize(_load(mixed), "y[1]", wrt=["image", "vector"])


@pytest.mark.parametrize("kind", ["csv", "npy", "parquet"])
def test_a_missing_value_is_nan_where_trees_take_it(tree, tmp_path, kind) -> None:
    source = _gaps(tmp_path, kind)
    seen = onnxviz.activations(tree, source, ["y"], limit=4)
    assert [float(one["y"][0]) for one in seen] == [5, -1, 2, -1]
    assert onnxviz.examples(tree, source, "y[0]", k=4).row()["statistics"]["count"] == 4
    one = onnxviz.attribute(tree, f"{source}#1", "y[0]", data=source)
    assert one.ort_score == -1
    assert [each.attribution.method for each in one.found] == ["shapley"]
    assert np.isfinite(one.maps["shapley"][0]).all()
    assert one.maps["shapley"][0].sum() == pytest.approx(one.ort_score - one.ort_baseline_score)


def test_statistics_are_those_of_the_known_values(tree, tmp_path) -> None:
    for kind in ("csv", "npy"):
        found = read_features(2, (), None, None, _gaps(tmp_path, kind), missing=True)
        np.testing.assert_allclose(found.mean, np.nanmean(GAPS, 0), rtol=1e-6)
        np.testing.assert_allclose(found.scale, np.nanstd(GAPS, 0), rtol=1e-6)
        np.testing.assert_allclose([found.low, found.high], [np.nanmin(GAPS, 0), np.nanmax(GAPS, 0)], rtol=1e-6)
        assert any("2 of 8 values are missing" in note for note in found.notes)
    best = onnxviz.maximize(tree, "y[0]", data=_gaps(tmp_path, "csv"), steps=4, restarts=1)
    assert best.ort_score == 5


def test_a_model_of_other_operators_takes_no_missing_value(tmp_path) -> None:
    linear = _load("g (float[n,2] x) => (float[n,2] y) <float[2,2] w = {1, 2, 3, 4}> { y = MatMul(x, w) }")
    with pytest.raises(DataError, match="is empty"):
        onnxviz.attribute(linear, f"{_gaps(tmp_path, 'csv')}#1", "y[0]")
    with pytest.raises(DataError, match="not finite"):
        onnxviz.attribute(linear, _gaps(tmp_path, "npy"), "y[0]")


def test_every_verb_that_needs_no_gradient_takes_texts(text, tmp_path) -> None:
    table = _rows(tmp_path / "rows.csv", "kind,size\na,2\nb,-4\nc,6\nb,0\n")
    assert onnxviz.verify(text).ok
    seen = onnxviz.activations(text, f"{table}#1", ["y"])
    np.testing.assert_allclose(seen["y"], [2 + 3, -1 - 1], rtol=1e-6)
    ranked = onnxviz.examples(text, table, "y[0]", k=1).row()
    assert ranked["highest"][0]["id"] == "rows.csv#1"
    found = onnxviz.attribute(text, f"{table}#2", "y[0]", data=table)
    # The mean of size is 1, the most frequent kind is b: of c beside b -3, of the size -0.5 * 5.
    np.testing.assert_allclose(found.maps["shapley"][0], [-2.5, -3], rtol=1e-5)
    assert found.row()["row"] == {"size": 6.0, "kind": "c"}
    assert found.row()["baseline_row"]["kind"] == "b"
    best = onnxviz.maximize(text, "y[1]", steps=8, restarts=1, data=table)
    assert best.row()["features"]["texts"] == {"kind": "c"}
    assert best.ort_score == pytest.approx(6 * 0.25 + 4, rel=1e-3)


def test_held_texts_are_texts_files_or_arrays(text, tmp_path) -> None:
    np.save(tmp_path / "kind.npy", np.array([["b"]]))
    for value in ("b", str(tmp_path / "kind.npy"), np.array(["b"]), ["b"]):
        seen = onnxviz.activations(text, np.array([[2.0]], np.float32), ["y"], held={"kind": value})
        np.testing.assert_allclose(seen["y"], [-1 + 3, 0.5 - 1], rtol=1e-6)
    found = onnxviz.maximize(text, "y[1]", held={"kind": "c"}, steps=64, restarts=1, bounds=(0, 1))
    assert found.row()["optimizer"] == "adam"
    assert found.ort_score == pytest.approx(0.25 + 4, abs=1e-3)
    assert found.score == pytest.approx(found.ort_score, abs=1e-5)


def test_the_default_text_is_one_that_an_encoder_knows(text) -> None:
    assert known_texts(text, "kind")[0].texts == ("a", "b", "c")
    evidence = next(row for row in onnxviz.inspect(text).document()["inputs"] if row["name"] == "kind")["evidence"]
    assert "OneHotEncoder knows 3: 'a', 'b', 'c'; 'a' by default" in evidence[0]
    two = """g (string[n,1] p, string[n,1] q) => (int64[n,1] u, int64[n,1] v)
        <int64[1] first = {0}, int64[1] last = {1}>
        { both = Concat<axis = 1>(p, q)
          one = ai.onnx.ml.ArrayFeatureExtractor(both, first)
          other = ai.onnx.ml.ArrayFeatureExtractor(both, last)
          u = ai.onnx.ml.LabelEncoder<keys_strings = ["x", "y"], values_int64s = [0, 1]>(one)
          v = ai.onnx.ml.LabelEncoder<keys_strings = ["z"], values_int64s = [3]>(other) }"""
    model = _load(two)
    assert [known_texts(model, name)[0].texts for name in ("p", "q")] == [("x", "y"), ("z",)]


def test_codes_and_texts_are_one_another(text) -> None:
    joined = JoinedInputs.columns(text)
    assert joined is not None
    assert joined.names == ("size", "kind")
    parts = {"size": np.array([[1.0], [2.0]]), "kind": np.array([["c"], ["new"]], object)}
    vectors = joined.join(parts)
    np.testing.assert_array_equal(vectors, [[1, 2], [2, np.nan]])
    knowing = joined.knowing(parts)
    assert knowing.split(knowing.join(parts))["kind"].tolist() == [["c"], ["new"]]


def test_a_row_of_a_table_is_a_start_and_a_baseline(text, tmp_path) -> None:
    table = _rows(tmp_path / "rows.csv", "kind,size\na,2\nb,-1\nd,1\n")
    found = onnxviz.maximize(text, "y[1]", start=f"{table}#1", steps=2, restarts=1, bounds=(-1, 1))
    assert found.ort_score >= -0.25 - 1  # that of the row itself
    with pytest.raises(UsageError, match="no encoder of the graph knows 'd'"):
        onnxviz.maximize(text, "y[1]", start=f"{table}#2")
    explained = onnxviz.attribute(text, table, "y[0]", baseline=f"{table}#1", methods=["shapley"])
    assert explained.ort_baseline_score == pytest.approx(0.5 + 3)


MIXED = """g (float[n,1] age, float[n,1] fare, bool[n,1] child) => (float[n,2] y)
    <float[3,2] w = {1, -2, 3, 0.5, 4, 1}>
    { a = ai.onnx.ml.Imputer<imputed_value_floats = [40.0], replaced_value_float = nan>(age)
      c = Cast<to = 1>(child)
      x = Concat<axis = 1>(a, fare, c)
      y = MatMul(x, w) }"""


@pytest.fixture
def mixed() -> onnxviz.Model:
    model = _load(MIXED.replace("nan", "7.0")).original
    imputer = next(node for node in model.graph.node if node.op_type == "Imputer")
    next(one for one in imputer.attribute if one.name == "replaced_value_float").f = float("nan")
    return onnxviz.load(model)


def test_truth_values_feed_an_input_of_their_name(mixed, tmp_path) -> None:
    path = _rows(tmp_path / "t.csv", "child,age,fare,sold\nTrue,30,1,no\nfalse,50,2,yes\nTRUE,10,3,no\n")
    found = onnxviz.examples(mixed, path, "y[0]", k=3)
    scores = {one["id"]: one["score"] for one in found.highest}
    assert scores == pytest.approx({"t.csv#0": 37.0, "t.csv#1": 56.0, "t.csv#2": 23.0})
    assert onnxviz.attribute(mixed, f"{path}#2", "y[0]").row()["ort_score"] == pytest.approx(23.0)


def test_a_column_of_other_words_is_no_truth_value(mixed, tmp_path) -> None:
    path = _rows(tmp_path / "t.csv", "child,age,fare\nTrue,30,1\nmaybe,50,2\n")
    with pytest.raises(DataError, match="columns of numbers"):
        onnxviz.examples(mixed, path, "y[0]")


def test_only_the_inputs_that_take_missing_values_may_lack_them(mixed, tmp_path) -> None:
    """Elsewhere an empty cell would reach the model as NaN and make every score NaN."""
    path = _rows(tmp_path / "t.csv", "age,fare,child\n,1,True\n50,,False\n10,3,True\n")
    found = onnxviz.examples(mixed, path, "y[0]", k=3)
    assert {one["id"]: one["score"] for one in found.highest} == pytest.approx({"t.csv#0": 47.0, "t.csv#2": 23.0})
    assert onnxviz.examples(mixed, path, ["y[0]"]).document()["skipped"] == [
        {"id": "t.csv#1", "message": f"{path}, line 3, column 2 ('fare'): is empty; every cell must hold a number"}
    ]
    full = _rows(tmp_path / "f.csv", "age,fare,child\n,1,True\n50,2,False\n10,3,True\n")
    for wrt in (None, ("age", "fare")):
        told = onnxviz.maximize(mixed, "y[0]", data=full, wrt=wrt, steps=4, restarts=1)
        assert np.isfinite(told.ort_score)
    arrays = {
        "age": np.array([[np.nan], [5]], np.float32),
        "fare": np.array([[1], [np.nan]], np.float32),
        "child": np.array([[True], [True]]),
    }
    assert [one["id"] for one in onnxviz.examples(mixed, arrays, "y[0]", k=3).highest] == ["array#0"]


def test_a_boolean_is_held_at_a_truth_value(mixed) -> None:
    for value in ("True", True, 1):
        assert onnxviz.verify(mixed, held={"child": value}).ok
    with pytest.raises(UsageError, match="child: it holds bool, but was given 2; give 0 or 1"):
        onnxviz.verify(mixed, held={"child": 2})
