"""Saved results of a method, loaded again."""

from __future__ import annotations

import base64
import json
import zipfile

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onnxviz.drawing.pictures import picture_bytes
from onnxviz.errors import DataError
from onnxviz.formats.file_names import is_safe_name
from onnxviz.formats.json_documents import plain
from onnxviz.formats.results import Result

arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int64, np.uint8, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
summaries = st.dictionaries(st.text(), values, max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.dictionaries(st.text(), arrays, max_size=4), summaries, st.text(), st.text(), summaries)
def test_what_is_saved_is_loaded(tmp_path, content, summary, status, message, provenance):
    axes = {name: " ".join("abcd"[: array.ndim]) for name, array in content.items() if array.ndim}
    Result(content, axes, summary, status, message, provenance).save(tmp_path)
    back = Result.load(tmp_path)
    assert set(back.arrays) == set(content)
    for name, array in content.items():
        np.testing.assert_array_equal(back.arrays[name], array)
        assert back.arrays[name].dtype == array.dtype
        assert back.arrays[name].shape == array.shape
    assert back.axes == axes
    assert (back.status, back.message) == (status, message)
    assert back.summary == plain(summary)
    assert back.provenance == plain(provenance)


def example(reverse=False):
    content = {"input": np.arange(6.0).reshape(1, 2, 3), "/conv1/Conv": np.array([1.5, np.nan])}
    summary = {"score": np.float32(2.5), "shape": (1, 2, 3), "error": float("inf")}
    if reverse:
        content = {name: np.asfortranarray(content[name]) for name in reversed(content)}
        summary = {name: summary[name] for name in reversed(summary)}
    return Result(content, {"input": "batch row column"}, summary, "ok", "", {"seed": np.int64(0)})


def test_equal_results_give_equal_bytes(tmp_path):
    example().save(tmp_path / "a")
    example(reverse=True).save(tmp_path / "b")
    for name in ("arrays.npz", "result.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_document_is_strict_json_that_tells_the_arrays(tmp_path):
    example().save(tmp_path)

    def refuse(constant):
        raise AssertionError(constant)

    document = json.loads((tmp_path / "result.json").read_text("ascii"), parse_constant=refuse)
    assert document["summary"] == {"score": 2.5, "shape": [1, 2, 3], "error": None}
    entry = document["arrays"]["input"]
    assert entry == {"member": "input", "axes": "batch row column", "shape": [1, 2, 3], "dtype": "float64"}


@pytest.mark.parametrize("name", ["../../escaped", "/etc/passwd", "a\\b", "con", "", "a\nb"])
def test_the_archive_never_has_a_name_that_leads_out(tmp_path, name):
    Result({name: np.zeros(2), "Input": np.ones(1), "input": np.zeros(1)}).save(tmp_path)
    with zipfile.ZipFile(tmp_path / "arrays.npz") as archive:
        members = archive.namelist()
    assert all(is_safe_name(member) for member in members)
    assert len({member.lower() for member in members}) == 3
    assert set(Result.load(tmp_path).arrays) == {name, "Input", "input"}


def test_saving_again_replaces_what_was_there(tmp_path):
    example().save(tmp_path)
    Result({"x": np.zeros(1)}, status="no_progress", message="the score did not rise").save(tmp_path)
    back = Result.load(tmp_path)
    assert set(back.arrays) == {"x"}
    assert (back.status, back.message) == ("no_progress", "the score did not rise")
    assert {path.name for path in tmp_path.iterdir()} == {"arrays.npz", "result.json"}


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (Result({"x": np.zeros((1, 2))}, {"x": "batch"}), r"'x' has the shape \(1, 2\), its axes are 'batch'"),
        (Result({}, {"x": "batch"}), "axes are named for 'x', but there is no array of that name"),
        (Result({"x": np.array([None])}), "cannot store values of the type object"),
        (Result(summary={"x": object()}), "cannot be written as JSON"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tmp_path, result, message):
    with pytest.raises(DataError, match=message):
        result.save(tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        Result().save(tmp_path / "file" / "out")


def change(folder, **entries):
    path = folder / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "result.json").unlink(), r"result\.json: cannot be read: No such file"),
        (lambda folder: (folder / "arrays.npz").unlink(), r"arrays\.npz: cannot be read as a \.npz archive"),
        (lambda folder: (folder / "result.json").write_text("{"), "is no valid JSON"),
        (lambda folder: (folder / "result.json").write_text("[]"), "is no result of onnxviz"),
        (lambda folder: (folder / "result.json").write_text("{}"), "is no result of onnxviz"),
        (lambda folder: change(folder, version=99), "has version 99, this onnxviz reads 1; update it"),
        (lambda folder: change(folder, summary=[]), "has no valid entry 'summary'"),
        (lambda folder: change(folder, status=None), "has no valid entry 'status'"),
        (lambda folder: change(folder, arrays={"x": 1}), "has no valid entry 'x'"),
        (
            lambda folder: change(folder, arrays={"x": {"member": "x", "axes": ""}}),
            r"arrays\.npz: does not hold 'x' as result\.json",
        ),
        (lambda folder: np.savez(folder / "arrays.npz", input=np.zeros(1)), "does not hold"),
    ],
)
def test_damage_is_told(tmp_path, damage, message):
    example().save(tmp_path)
    damage(tmp_path)
    with pytest.raises(DataError, match=message):
        Result.load(tmp_path)


def test_a_result_shows_itself_in_a_notebook_as_words_alone():
    hostile = "<script>alert(1)</script>&amp;"
    result = Result(
        {hostile: np.array([[0.5, -2.0, np.nan]], np.float32), "names": np.array([hostile]), "none": np.zeros((0, 2))},
        {hostile: "batch feature"},
        {"score": 1.5, "target": hostile, "runs": [hostile]},
        "no_progress",
        hostile,
    )
    text = result._repr_html_()
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;") == 3
    for told in ("no_progress", "batch feature", "1 × 3", "float32", "−2, 0.5", "1.5", "0 × 2"):
        assert told in text


def test_the_picture_beside_a_result_is_shown(tmp_path) -> None:
    Result(summary={"target": "<b>"}).save(tmp_path)
    assert "<img" not in Result.load(tmp_path)._repr_html_()
    content = picture_bytes(np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "picture.png").write_bytes(content)
    (tmp_path / "other.png").write_bytes(b"")
    text = Result.load(tmp_path)._repr_html_()
    assert base64.b64encode(content).decode("ascii") in text
    assert 'alt="&lt;b&gt;"' in text
    (tmp_path / "picture.png").write_bytes(b"damaged")
    assert "<img" not in Result.load(tmp_path)._repr_html_()


def test_a_folder_of_several_results_names_them(tmp_path) -> None:
    (tmp_path / "result.json").write_text("{}")
    Result().save(tmp_path / "logits[7]")
    with pytest.raises(DataError, match=r"its targets have one each: 'logits\[7\]'"):
        Result.load(tmp_path)


@settings(max_examples=60)
@given(st.dictionaries(st.text(), arrays, max_size=4), summaries, st.text())
def test_any_result_shows_itself(content, summary, message):
    text = Result(content, {}, summary, "ok", message)._repr_html_()
    assert text.count("<table>") == text.count("</table>")
