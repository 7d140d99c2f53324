"""Sample inputs of a `report`: their numbers are those of ONNX Runtime, they share the budget, and their names are never markup."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxviz.pages import given_inputs as report_inputs

SHORT = ("--steps", 2, "--units", 2, "--restarts", 1, "--budget", "none")


def found_of(folder: Path) -> list[dict]:
    """What was found of inputs, from where the report keeps it."""
    documents = [json.loads(file.read_text("ascii")) for file in (folder / "results").iterdir()]
    return [one for one in documents if "refused" in one]


@pytest.mark.parametrize(
    ("name", "source", "output"),
    [
        ("digits", "digits_seven.png", "logits"),
        ("photo_patches", "photo_patches_cat.png", "logits"),
        ("tones", "tones_rising_chirp.wav", "logits"),
        ("wine", "wine_class_1.csv", "logits"),
    ],
)
def test_an_input_says_what_activations_and_attribute_say(cli, samples, tmp_path, name, source, output) -> None:
    model, given = samples / f"{name}.onnx", samples / source
    outcome = cli("report", model, "--input", given, *SHORT, "--tensors", output, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    (row,) = outcome.document["inputs"]
    assert row["left"] == []
    parts = found_of(tmp_path / "out")
    (seen,) = [one for one in parts if "rows" in one]
    (why,) = [one for one in parts if "method" in one]
    (sample,) = cli("activations", model, given, "-t", output, "--json").document["samples"]
    (own,) = [one for one in seen["rows"] if one["tensor"] == output]
    for one, other in zip(own["strongest"], sample["targets"][0]["strongest"], strict=False):
        assert one["index"] == other["index"]
        assert one["mean"] == pytest.approx(other["mean"], rel=1e-5)
    (run,) = cli("attribute", model, given, "--json").document["runs"]
    assert (why["target"], why["method"]) == (run["target"], run["methods"][0]["method"])
    assert why["ort_score"] == pytest.approx(run["ort_score"], rel=1e-5)
    for key, value in why["faithfulness"].items():
        assert value == pytest.approx(run["methods"][0]["faithfulness"][key], rel=1e-3)
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    pictures = re.findall(
        r'<img[^>]* src="(inputs/[^"]+)" width="(\d+)" height="(\d+)" loading="lazy" alt="([^"]+)"', page
    )
    assert len(pictures) >= 2
    for file, width, height, alt in pictures:
        with Image.open(tmp_path / "out" / file) as picture:
            assert picture.size == (int(width), int(height))
        assert row["name"] in alt
    assert any(why["target"] in alt for *_, alt in pictures)


def test_a_unit_says_what_it_is_on_an_input(cli, samples, tmp_path, onnx_runtime) -> None:
    digits = np.load(samples / "digits_held_out.npy")
    given = f"{samples / 'digits_held_out.npy'}#7"
    words = ("--input", given, *SHORT, "--tensors", "relu1", "-o", tmp_path / "out")
    assert cli("report", samples / "digits.onnx", samples / "digits_held_out.npy", *words).code == 0
    text = (tmp_path / "out" / "data" / "relu1.js").read_text("ascii").strip()
    tensor = json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")[1]
    document = cli("activations", samples / "digits.onnx", given, "-t", "relu1", "--top", 99, "--json").document
    means = {one["index"]: one["mean"] for one in document["samples"][0]["targets"][0]["strongest"]}
    assert len(digits) == tensor["seen"]["samples"]
    for unit in tensor["units"]:
        value, _, stands = dict(unit["told"])["on digits_held_out.npy#7"].partition(", ")
        assert float(value.replace("−", "-")) == pytest.approx(means[unit["unit"]], rel=1e-3, abs=1e-6)
        assert "of 360 samples" in stands or "all 360 samples" in stands


def test_a_row_of_an_array_is_an_input(cli, samples, tmp_path) -> None:
    digits = np.load(samples / "digits_held_out.npy")
    np.save(tmp_path / "one.npy", digits[7])
    scores = []
    for number, given in enumerate((f"{samples / 'digits_held_out.npy'}#7", tmp_path / "one.npy")):
        words = ("--input", given, *SHORT, "--tensors", "logits", "-o", tmp_path / f"out{number}")
        assert cli("report", samples / "digits.onnx", *words).code == 0
        (why,) = [one for one in found_of(tmp_path / f"out{number}") if "method" in one]
        scores.append((why["target"], why["ort_score"], why["faithfulness"]["insertion"]))
    assert scores[0] == scores[1]


def test_inputs_share_the_budget_and_stay_on_the_page(cli, samples, tmp_path) -> None:
    given = ("--input", samples / "digits_seven.png", "--input", f"{samples / 'digits_held_out.npy'}#3")
    words = ("report", samples / "digits.onnx", *SHORT[:-2], "--tensors", "logits", "-o", tmp_path / "out", "--json")
    first = cli(*words, *given, "--budget", "0s").document["inputs"]
    assert [row["left"] for row in first] == [["attribution"], ["activations", "attribution"]]
    assert "The time ran out before: attribution" in (tmp_path / "out" / "index.html").read_text("utf-8")
    second = cli(*words, *given, "--budget", "none", "--resume").document["inputs"]
    assert [row["left"] for row in second] == [[], []]
    before = (tmp_path / "out" / "index.html").read_bytes()
    third = cli(*words, *given, "--budget", "none", "--resume").document["inputs"]
    assert third == second
    assert (tmp_path / "out" / "index.html").read_bytes() == before
    cli(*words, *given, "--budget", "none", "-o", tmp_path / "whole")
    assert (tmp_path / "whole" / "index.html").read_bytes() == before


def test_an_explanation_stops_when_the_budget_is_spent_and_is_begun_anew(cli, samples, tmp_path, monkeypatch) -> None:
    given = ("--input", samples / "digits_seven.png", "--tensors", "logits")
    words = ("report", samples / "digits.onnx", *SHORT, *given, "--json")
    runs = []

    def after_three(going) -> None:
        runs.append(going())
        if len(runs) > 3:
            raise report_inputs._OutOfTime

    with monkeypatch.context() as patched:
        patched.setattr(report_inputs, "_hurry", after_three)
        outcome = cli(*words, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert [row["left"] for row in outcome.document["inputs"]] == [["attribution"]]
    assert len(runs) == 5  # tried again in the time that the search left
    cli(*words, "-o", tmp_path / "out", "--resume")
    cli(*words, "-o", tmp_path / "whole")
    assert (tmp_path / "out" / "index.html").read_bytes() == (tmp_path / "whole" / "index.html").read_bytes()


def test_maps_are_pictures_of_their_own(cli, samples, tmp_path) -> None:
    model, given = samples / "photo_patches.onnx", samples / "photo_patches_cat.png"
    words = ("--input", given, *SHORT, "--tensors", "relu2", "-o", tmp_path / "out")
    assert cli("report", model, *words).code == 0
    (seen,) = [one for one in found_of(tmp_path / "out") if "rows" in one]
    (row,) = [one for one in seen["rows"] if one["tensor"] == "relu2"]
    document = cli("activations", model, given, "-t", "relu2", "--top", 24, "--json").document
    strongest = [one["index"] for one in document["samples"][0]["targets"][0]["strongest"]]
    assert [one["unit"] for one in row["maps"] if not one["over"]] == strongest
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    for one in row["maps"]:
        with Image.open(tmp_path / "out" / one["file"]) as picture:
            assert picture.size == (one["width"], one["height"])
        assert f'src="{one["file"]}"' in page
        assert f"relu2[{one['unit']}] on photo_patches_cat.png" in page


def test_where_no_output_has_classes_the_strongest_unit_is_explained(cli, written, tmp_path) -> None:
    path = written(
        "agree (float[N, 1, 6, 6] x) => (float[N, 2, 4, 4] y) { y = Conv(x, w) }",
        w=np.stack([np.full((1, 3, 3), -1.0), np.full((1, 3, 3), 1.0)]).astype(np.float32),
    )
    np.save(tmp_path / "x.npy", np.ones((1, 6, 6), np.float32))
    outcome = cli("report", path, "--input", tmp_path / "x.npy", *SHORT, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    (why,) = [one for one in found_of(tmp_path / "out") if "method" in one]
    assert why["target"] == "y[1]"
    assert why["ort_score"] == pytest.approx(9.0)


def test_names_of_inputs_are_words(cli, samples, tmp_path) -> None:
    name = "<img src=x onerror=alert(1)>.png"
    shutil.copy(samples / "digits_seven.png", tmp_path / name)
    words = ("--input", tmp_path / name, *SHORT, "--tensors", "logits", "-o", tmp_path / "out", "--single-file")
    assert cli("report", samples / "digits.onnx", *words).code == 0
    for page in ("index.html", "report.html"):
        text = (tmp_path / "out" / page).read_text("utf-8")
        assert "<img src=x" not in text
        assert "&lt;img src=x" in text


@pytest.mark.parametrize(("content", "code"), [(None, 2), (b"no picture", 1)])
def test_what_is_no_input_is_told_before_anything_is_written(cli, samples, tmp_path, content, code) -> None:
    if content is not None:
        (tmp_path / "seven.png").write_bytes(content)
    outcome = cli("report", samples / "digits.onnx", "--input", tmp_path / "seven.png", "-o", tmp_path / "out")
    assert outcome.code == code
    assert "seven.png" in outcome.err
    assert not (tmp_path / "out.partial").exists()
