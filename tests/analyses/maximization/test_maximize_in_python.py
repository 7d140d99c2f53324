"""`onnxviz.maximize` from Python: the numbers of the command line, from paths and arrays; results that save and show themselves."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnxviz
from onnxviz.analyses.keywords import fields_of
from onnxviz.analyses.listener import Recorder
from onnxviz.analyses.maximization.request import MaximizationRequest
from onnxviz.commands.maximize import maximize as command
from onnxviz.commands.options import ASKED_OF_THE_SHELL
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import read_npz
from onnxviz.methods.ascent import search

PARTS = ("picture.png", "arrays.npz")


def without_files(row: dict) -> dict:
    return {**row, "files": []}


def as_json(document: dict) -> dict:
    """A document as a reader of JSON has it."""
    from onnxviz.formats.json_documents import plain

    return json.loads(json.dumps(plain(document)))


def test_every_option_is_a_field_of_the_request() -> None:
    named = {parameter.name for parameter in command.params}
    assert named - set(ASKED_OF_THE_SHELL) == set(fields_of(MaximizationRequest))


@pytest.fixture(scope="module")
def shell(cli, samples, tmp_path_factory):
    """A run of the command line with two targets, and its folder."""
    folder = tmp_path_factory.mktemp("shell") / "out"
    words = ("-t", "logits[0]", "-t", "logits[2]", "--data", samples / "wine.csv", "--keep", "alcohol=13")
    outcome = cli("maximize", samples / "wine.onnx", *words, "--steps", 6, "--restarts", 2, "-o", folder, "--json")
    assert outcome.code == 0, outcome.err
    return outcome, folder


@pytest.mark.parametrize("kept", [{"alcohol": 13}, [("alcohol", "13")]], ids=["mapping", "pairs"])
def test_python_gives_what_the_shell_gives(shell, samples, tmp_path, kept) -> None:
    outcome, folder = shell
    heard = Recorder()
    keywords = {"data": samples / "wine.csv", "kept": kept, "steps": 6, "restarts": 2, "device": "cpu"}
    model = onnxviz.load(samples / "wine.onnx")
    found = onnxviz.maximize(model, ["logits[0]", "logits[2]"], output=tmp_path / "own", listener=heard, **keywords)
    # The library's messages name parameters, and the shell's name flags.
    assert {sentence.replace("`data`", "--data") for sentence in heard.heard} == set(outcome.err.splitlines())
    document, told = as_json(found.document()), outcome.document
    assert document["model"]["sha256"] == told["model"]["sha256"]
    assert [without_files(row) for row in document["runs"]] == [without_files(row) for row in told["runs"]]
    for name in ("logits[0]", "logits[2]"):
        for part in PARTS:
            assert (tmp_path / "own" / name / part).read_bytes() == (folder / name / part).read_bytes()
    assert (tmp_path / "own" / "sheet.png").read_bytes() == (folder / "sheet.png").read_bytes()
    assert (tmp_path / "own" / "settings.json").read_bytes() == (folder / "settings.json").read_bytes()
    # Files are read from the folder, although its name has changed since they were written.
    assert np.array_equal(found[1].input, read_npz(folder / "logits[2]" / "arrays.npz")["input"])


def test_rows_may_be_an_array(shell, samples) -> None:
    _, folder = shell
    rows = np.loadtxt(samples / "wine.csv", delimiter=",", skiprows=1)[:, :13]
    keywords = {"data": rows, "kept": {"alcohol": 13}, "steps": 6, "restarts": 2, "device": "cpu"}
    found = onnxviz.maximize(samples / "wine.onnx", "logits[2]", **keywords)
    assert np.array_equal(found.input, read_npz(folder / "logits[2]" / "arrays.npz")["input"])


def test_pictures_may_be_an_array(samples) -> None:
    path, pictures = samples / "digits.onnx", samples / "digits_held_out.npy"
    ways = (pictures, str(pictures), np.load(pictures))
    rows = [onnxviz.maximize(path, "logits[7]", data=data, steps=2, restarts=1).row() for data in ways]
    assert rows[0]["data"]["samples"] > 100
    assert rows[0] == rows[1] == rows[2]


def test_a_maximum_knows_itself(cli, samples, tmp_path) -> None:
    words = ("-t", "logits[7]", "--start", samples / "digits_seven.npy", "--steps", 4, "--restarts", 2)
    outcome = cli("maximize", samples / "digits.onnx", *words, "--save-every", 2, "-o", tmp_path / "out", "--json")
    (row,) = outcome.document["runs"]
    start = np.load(samples / "digits_seven.npy")
    keywords = {"steps": 4, "restarts": 2, "save_every": 2, "start": start}
    one = onnxviz.maximize((samples / "digits.onnx").read_bytes(), "logits[7]", **keywords)
    assert isinstance(one.ort_score, float)
    assert (one.target, one.status, one.verdict.word) == ("logits[7]", row["status"], row["verdict"]["word"])
    assert (one.ort_score, one.score, one.initial_ort_score) == tuple(
        row[key] for key in ("ort_score", "score", "initial_ort_score")
    )
    assert one.robustness.kept == row["robustness"]["kept"]
    assert one.consistency["restarts"] == 2
    assert one.files == ()
    assert as_json({**one.row(), "start": row["start"], "files": row["files"]}) == row
    arrays = read_npz(tmp_path / "out" / "logits[7]" / "arrays.npz")
    assert set(arrays) == set(one.arrays)
    assert all(np.array_equal(array, one.arrays[name], equal_nan=True) for name, array in arrays.items())
    assert np.array_equal(one.starts, arrays["restarts"])
    with Image.open(tmp_path / "out" / "logits[7]" / "picture.png") as picture:
        assert np.array_equal(one.picture(), np.asarray(picture.convert("RGB")))
    with Image.open(io.BytesIO(one._repr_png_())) as picture:
        assert np.array_equal(one.picture(), np.asarray(picture.convert("RGB")))
    assert max(one.picture(headed=False).shape[:2]) == 8
    assert "logits[7]" in repr(one)


def test_what_is_saved_is_read_back(samples, tmp_path) -> None:
    one = onnxviz.maximize(samples / "tones.onnx", "logits[2]", steps=2, save_every=2)
    saved = one.save(tmp_path / "own")
    assert {Path(file).name for file in saved.files} == {"picture.png", "arrays.npz", "result.json", "sound.wav"}
    assert all(Path(file).exists() for file in saved.files)
    again = type(one).stored(tmp_path / "own")
    assert as_json(again.row()) == as_json(saved.row())
    assert np.array_equal(again.input, one.input)
    assert np.array_equal(again.picture(), one.picture())
    again.save(tmp_path / "copy")
    files = sorted(file.relative_to(tmp_path / "own") for file in (tmp_path / "own").rglob("*") if file.is_file())
    assert len(files) == 5
    for file in files:
        same = (tmp_path / "copy" / file).read_bytes() == (tmp_path / "own" / file).read_bytes()
        assert same == (file.name != "result.json")


def test_several_targets_are_a_list_with_a_sheet(written, tmp_path) -> None:
    path = written(
        "g (float[N, 3] x) => (float[N, 1] y, float[N, 2] z) { y = MatMul(x, v)\nz = MatMul(x, w) }",
        v=np.array([[1], [2], [3]], np.float32),
        w=np.array([[1, 0], [-2, 1], [3, -1]], np.float32),
    )
    keywords = {"bounds": (0, 1), "steps": 40, "rate": 0.2}
    found = onnxviz.maximize(path, "z[*]", **keywords)
    assert [one.ort_score for one in found] == pytest.approx([4, 1], abs=0.05)
    assert found.picture().shape[1] > found[0].picture().shape[1] / 2
    with Image.open(io.BytesIO(found._repr_png_())) as picture:
        assert picture.size == found.picture().shape[1::-1]
    saved = found.save(tmp_path / "own")
    assert {file.name for file in (tmp_path / "own").iterdir()} == {"z[0]", "z[1]", "sheet.png", "result.json"}
    assert json.loads((tmp_path / "own" / "result.json").read_text("utf-8")) == as_json(saved.document())
    # A star gives a list, also for a single unit.
    assert len(onnxviz.maximize(path, "y[*]", **keywords)) == 1


def test_a_set_beside_another_target_has_a_sheet(samples, tmp_path) -> None:
    targets = ["conv2[3] - 10*diversity(conv2)", "conv2[3]"]
    found = onnxviz.maximize(samples / "digits.onnx", targets, steps=2, output=tmp_path / "out")
    assert found[0].verdict is None
    assert len(found[0].input) == found[0].row()["set"]["members"]
    assert (tmp_path / "out" / "sheet.png").exists()


def test_what_was_found_is_returned_after_an_interruption(samples, tmp_path, monkeypatch) -> None:
    climb = search.maximize

    def interrupted(*arguments, progress=None, **options):
        def told(step, scores):
            raise KeyboardInterrupt

        return climb(*arguments, progress=told, **options)

    monkeypatch.setattr(search, "maximize", interrupted)
    found = onnxviz.maximize(samples / "wine.onnx", ["logits[0]"], steps=5, output=tmp_path / "out")
    assert found.interrupted
    assert [one.status for one in found] == ["interrupted"]
    assert found[0].input.shape == (1, 13)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    again = onnxviz.maximize(samples / "wine.onnx", ["logits[0]"], steps=5, output=tmp_path / "out", resume=True)
    assert not again.interrupted
    assert (tmp_path / "out").exists()


def test_wrong_keywords_are_told(samples) -> None:
    path = samples / "wine.onnx"
    with pytest.raises(TypeError, match="close: steps"):
        onnxviz.maximize(path, "logits[0]", step=3)
    with pytest.raises(TypeError, match="not both"):
        onnxviz.maximize(path, "logits[0]", request=MaximizationRequest(), steps=3)
    with pytest.raises(UsageError, match="`targets`"):
        onnxviz.maximize(path, [])
    with pytest.raises(UsageError, match="`vocab` names tokens"):
        onnxviz.maximize(path, "logits[0]", vocab="names.txt")
    with pytest.raises(DataError, match="2 names, but the input has 13 features"):
        onnxviz.maximize(path, "logits[0]", names=["a", "b"])
    with pytest.raises(DataError, match="not finite"):
        onnxviz.maximize(path, "logits[0]", start=np.full(13, np.nan))
    with pytest.raises(UsageError, match="`resume` needs a folder"):
        onnxviz.maximize(path, "logits[0]", resume=True)


def test_nothing_heavy_is_imported_and_click_never(samples) -> None:
    code = """
import sys
sys.modules["click"] = sys.modules["rich"] = None
import onnxviz.analyses.maximization.maximizing
heavy = {"torch", "matplotlib", "onnxruntime"} & set(sys.modules)
assert not heavy, heavy
import onnxviz
print(onnxviz.maximize(sys.argv[1], "logits[1]", steps=2, restarts=1).status)
"""
    words = [sys.executable, "-W", "ignore", "-c", code, str(samples / "wine.onnx")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "ok", done.stderr
