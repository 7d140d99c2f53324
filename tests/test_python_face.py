"""The package's public functions: each from Python, twice, with arrays and paths, and without click."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import onnxviz
from onnxviz.analyses.activations.request import ActivationsRequest
from onnxviz.analyses.attribution.request import AttributionRequest
from onnxviz.analyses.embedding.request import EmbeddingRequest
from onnxviz.analyses.examples.request import ExamplesRequest
from onnxviz.analyses.filters.request import FiltersRequest
from onnxviz.analyses.keywords import fields_of
from onnxviz.analyses.maximization.request import MaximizationRequest
from onnxviz.analyses.verification import VerificationRequest
from onnxviz.cli import _Verbs
from onnxviz.commands.options import ASKED_OF_THE_SHELL
from onnxviz.pages.request import ReportRequest

REQUESTS = {
    "verify": (VerificationRequest, {"show_all"}),
    "filters": (FiltersRequest, set()),
    "activations": (ActivationsRequest, {"inputs"}),
    "examples": (ExamplesRequest, {"data"}),
    "embed": (EmbeddingRequest, {"data"}),
    "attribute": (AttributionRequest, {"inputs"}),
    "maximize": (MaximizationRequest, set()),
    "report": (ReportRequest, set()),
}
"""The request of each verb, and the parameters of its command that are data or only about the terminal."""


@pytest.mark.parametrize("verb", REQUESTS)
def test_every_option_is_one_field_of_the_request(verb: str) -> None:
    import click

    request, apart = REQUESTS[verb]
    command = _Verbs("onnxviz").get_command(click.Context(click.Command("onnxviz")), verb)
    assert command is not None
    options = [parameter.name for parameter in command.params if parameter.name not in (*ASKED_OF_THE_SHELL, *apart)]
    fields = set(fields_of(request))
    assert set(options) <= fields
    # The contract of an input does not matter for random inputs: only the nested request has these fields.
    meaning = {"value_range", "mean", "std", "layout", "channels", "kind", "letters"}
    assert fields - set(options) <= (meaning if verb == "verify" else set())
    assert len(set(fields_of(request))) == len(fields_of(request))


CALLS = """
import sys
sys.modules["click"] = sys.modules["rich"] = None
import numpy as np, onnxviz
from pathlib import Path
samples = Path({samples!r})
digits, seven, rows = samples / "digits.onnx", samples / "digits_seven.png", samples / "digits_held_out.npy"
few = np.load(rows)[:24]
for _ in range(2):
    assert onnxviz.inspect(digits, "conv*")["tensors"]
    assert onnxviz.verify(digits, ["logits"]).ok
    assert onnxviz.filters(digits, apply=seven).picture().ndim == 3
    assert onnxviz.activations(digits, seven, ["logits"])["logits"].shape == (10,)
    assert onnxviz.examples(digits, few, "logits[7]", k=2).highest[0]["id"].startswith("array#")
    assert onnxviz.embed(digits, few, "features", method="pca").points.shape == (24, 2)
    assert onnxviz.attribute(digits, seven, "logits[7]", methods=["gradient"]).target == "logits[7]"
    assert onnxviz.maximize(digits, "logits[7]", steps=2).target == "logits[7]"
    asked = dict(budget=0, units=1, patterns=["logits"], steps=2, overwrite=True)
    assert onnxviz.report(digits, {folder!r}, **asked).page.exists()
print("all")
"""


def test_every_function_can_be_called_twice_without_click(samples: Path, tmp_path: Path) -> None:
    code = CALLS.format(samples=str(samples), folder=str(tmp_path / "report"))
    ran = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert ran.stdout.split() == ["all"], ran.stderr


def test_the_package_imports_neither_torch_nor_click(samples: Path) -> None:
    code = "import sys, onnxviz; onnxviz.attribute, onnxviz.embed, onnxviz.examples, onnxviz.maximize, onnxviz.report; "
    code += "print([name for name in ('torch', 'click', 'matplotlib', 'onnxruntime') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_all_names_what_is_public() -> None:
    assert set(onnxviz._FACE) | {"OnnxvizError", "__version__"} == set(onnxviz.__all__)
    for name in onnxviz.__all__:
        assert getattr(onnxviz, name) is not None


def plain(document: dict) -> dict:
    kept = {key: value for key, value in document.items() if key not in ("seconds", "files", "data")}
    return json.loads(json.dumps(kept))


def test_activations_are_the_shells(cli, samples: Path) -> None:
    words = ("-t", "logits", "-t", "conv1[2]", "--json")
    told = cli("activations", samples / "digits.onnx", samples / "digits_seven.png", *words).document
    seen = onnxviz.activations(samples / "digits.onnx", samples / "digits_seven.png", ["logits", "conv1[2]"])
    assert json.loads(json.dumps(seen.row())) == told["samples"][0]
    again = onnxviz.activations(samples / "digits.onnx", seen.inputs["image"], ["logits", "conv1[2]"])
    assert (again["logits"] == seen["logits"]).all()
    assert seen._repr_png_().startswith(b"\x89PNG")


def test_examples_and_maps_of_an_array_are_those_of_its_file(cli, samples: Path) -> None:
    rows = samples / "digits_held_out.npy"
    told = cli("examples", samples / "digits.onnx", rows, "-t", "logits[*]", "-k", 2, "--json").document
    found = onnxviz.examples(samples / "digits.onnx", np.load(rows), "logits[*]", k=2)
    assert [one.target for one in found] == [row["target"] for row in told["runs"]]
    for one, row in zip(found, told["runs"], strict=True):
        assert one.statistics == row["statistics"]
        assert [each["score"] for each in one.highest] == [each["score"] for each in row["highest"]]
    mapped = cli("embed", samples / "digits.onnx", rows, "-t", "features", "--method", "pca", "--json").document
    own = onnxviz.embed(samples / "digits.onnx", np.load(rows), "features", method="pca")
    assert own.points.tolist() == [[point["x"], point["y"]] for point in mapped["points"]]


def test_inspect_verify_and_filters_are_the_shells(cli, samples: Path, tmp_path: Path) -> None:
    path = samples / "digits.onnx"
    assert plain(onnxviz.inspect(path).document()) == cli("inspect", path, "--json").document
    assert plain(onnxviz.verify(path).document()) == cli("verify", path, "--json").document
    told = cli("filters", path, "--apply", samples / "digits_seven.png", "-o", tmp_path / "shell", "--json").document
    found = onnxviz.filters(path, apply=samples / "digits_seven.png")
    assert plain(found.document()) == plain(told)
    found.save(tmp_path / "python")
    for name in ("arrays.npz", "filters.png", "answers.png"):
        assert (tmp_path / "python" / name).read_bytes() == (tmp_path / "shell" / name).read_bytes()
