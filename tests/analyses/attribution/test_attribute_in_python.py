"""`onnxviz.attribute` from Python: the same numbers as from the shell, to the bit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import onnxviz
from onnxviz.analyses.attribution.explaining import Explanations
from onnxviz.analyses.attribution.explanation import Explanation


@pytest.fixture(scope="module")
def shell(cli, samples: Path, tmp_path_factory) -> tuple[dict, Path]:
    """What the shell prints and writes."""
    folder = tmp_path_factory.mktemp("shell") / "seven"
    words = ("-m", "integrated-gradients", "-m", "occlusion", "-o", folder, "--json")
    outcome = cli("attribute", samples / "digits.onnx", samples / "digits_seven.png", "-t", "logits[7]", *words)
    assert outcome.code == 0, outcome.err
    return outcome.document["runs"][0], folder


def explained(samples: Path, sample: object, **keywords: object) -> Explanation:
    model = onnxviz.load(samples / "digits.onnx")
    return onnxviz.attribute(model, sample, "logits[7]", methods=["integrated-gradients", "occlusion"], **keywords)


def untimed(row: dict) -> dict:
    kept = {key: value for key, value in row.items() if key != "files"}
    kept["methods"] = [{key: value for key, value in one.items() if key != "seconds"} for one in row["methods"]]
    return json.loads(json.dumps(kept))


def test_a_path_gives_the_shells_row_and_arrays(shell, samples: Path, tmp_path: Path) -> None:
    row, folder = shell
    found = explained(samples, samples / "digits_seven.png")
    assert untimed(found.row()) == untimed(row)
    saved = found.save(tmp_path / "again")
    assert [Path(file).name for file in saved.files] == ["picture.png", "arrays.npz", "result.json"]
    (there,) = folder.glob("*/arrays.npz")
    assert (tmp_path / "again" / "arrays.npz").read_bytes() == there.read_bytes()
    assert (tmp_path / "again" / "picture.png").read_bytes() == (there.parent / "picture.png").read_bytes()


def test_an_array_gives_the_same_as_its_file(shell, samples: Path) -> None:
    row, folder = shell
    (file,) = folder.glob("*/arrays.npz")
    array = np.load(file)["input"][0]
    for sample in (array, {"image": array}, [array]):
        found = explained(samples, sample)
        assert found.ort_score == row["ort_score"]
        assert [one["strongest"] for one in found.row()["methods"]] == [one["strongest"] for one in row["methods"]]


def test_pixels_are_fitted_as_a_picture_is(shell, samples: Path) -> None:
    pixels = np.asarray(Image.open(samples / "digits_seven.png"))
    assert explained(samples, pixels).ort_score == pytest.approx(shell[0]["ort_score"], abs=1e-5)


def test_several_targets_are_a_list_and_a_notebook_shows_a_picture(samples: Path) -> None:
    found = onnxviz.attribute(
        samples / "digits.onnx", samples / "digits_seven.png", ["logits[7]", "logits[1]"], methods=["gradient"]
    )
    assert isinstance(found, Explanations)
    assert [one.target for one in found] == ["logits[7]", "logits[1]"]
    assert found.document()["runs"] == [one.row() for one in found]
    assert found[0]._repr_png_().startswith(b"\x89PNG")
    assert found[0].picture().shape[2] == 3


def test_an_unknown_keyword_is_refused_with_close_ones(samples: Path) -> None:
    with pytest.raises(TypeError, match="'method'; close: methods"):
        onnxviz.attribute(samples / "digits.onnx", samples / "digits_seven.png", method="gradient")
    with pytest.raises(onnxviz.OnnxvizError, match="has no input 'none'"):
        onnxviz.attribute(samples / "digits.onnx", {"none": samples / "digits_seven.png"})


def test_click_is_not_needed(samples: Path) -> None:
    code = f"""
import sys
sys.modules["click"] = sys.modules["rich"] = None
import onnxviz
found = onnxviz.attribute({str(samples / "digits.onnx")!r}, {str(samples / "digits_seven.png")!r}, methods=["gradient"])
print(found.target)
again = onnxviz.attribute({str(samples / "digits.onnx")!r}, {str(samples / "digits_seven.png")!r}, methods=["gradient"])
print(again.target)
"""
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["logits[7]", "logits[7]"], ran.stderr
