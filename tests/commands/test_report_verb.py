"""`report` gives the same folder after any number of stops, computes nothing twice, and lists the work that is left."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

import onnxviz
from onnxviz.errors import EvaluationError
from onnxviz.pages import unit_search as report_search
from onnxviz.pages.plan import Aim, jobs, spread_order

SMALL = ("--steps", 3, "--units", 4, "--restarts", 1, "--budget", "none")
APART = {"seconds.json", "data/seconds.js"}
"""What was measured of time: the only files that may differ."""


def content(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: text for name, text in files.items() if name not in APART}


def data(folder: Path, name: str) -> dict:
    text = (folder / "data" / f"{name}.js").read_text("ascii").strip()
    return json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")[1]


@pytest.fixture
def counted(monkeypatch) -> list:
    """Every job that is computed."""
    seen: list = []
    real = report_search.run_job

    def counting(job, options):
        seen.append(job)
        return real(job, options)

    monkeypatch.setattr(report_search, "run_job", counting)
    return seen


@pytest.mark.parametrize(
    ("name", "output", "chart"), [("digits", "logits", False), ("tones", "logits", True), ("wine", "logits", True)]
)
def test_pictures_signals_and_tables_have_pages(cli, samples, tmp_path, name: str, output: str, chart: bool) -> None:
    outcome = cli("report", samples / f"{name}.onnx", *SMALL, "--tensors", output, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    document = outcome.document
    assert document["left_out"]["units"] == 0
    assert document["verification"]["ok"]
    tensor = data(tmp_path / "out", output)
    assert tensor["chart"] is chart
    assert tensor["units"]
    for unit in tensor["units"]:
        (panel,) = unit["panels"]
        with Image.open(tmp_path / "out" / panel["file"]) as picture:
            assert picture.size == (panel["width"], panel["height"])
        assert unit["target"] in panel["alt"]
        assert unit["shown"] in panel["alt"]
    assert (tmp_path / "out" / "index.html").exists()


def test_scores_are_those_of_maximize(cli, samples, tmp_path) -> None:
    words = ("--steps", 3, "--restarts", 2)
    short = (*words, "--budget", "none", "--tensors", "logits")
    assert cli("report", samples / "wine.onnx", *short, "-o", tmp_path / "out").code == 0
    for unit in data(tmp_path / "out", "logits")["units"]:
        (row,) = cli("maximize", samples / "wine.onnx", *words, "-t", unit["target"], "--json").document["runs"]
        assert unit["score"] == pytest.approx(row["ort_score"], rel=1e-4)


def test_data_place_each_score(cli, samples, tmp_path) -> None:
    outcome = cli(
        "report", samples / "wine.onnx", samples / "wine.csv", *SMALL, "--tensors", "logits", "-o", tmp_path / "out"
    )
    assert outcome.code == 0, outcome.err
    told = [dict(unit["told"]) for unit in data(tmp_path / "out", "logits")["units"]]
    assert all("178 samples" in one["real data"] for one in told)


@pytest.fixture(scope="module")
def whole(cli, samples, tmp_path_factory) -> tuple[tuple[object, ...], Path]:
    """The words of a report, and the folder that is made by them without an interruption."""
    tensors = ("--tensors", "logits", "--tensors", "relu[23]")
    words = ("report", samples / "digits.onnx", "--steps", 3, "--units", 20, "--budget", "none", *tensors)
    folder = tmp_path_factory.mktemp("whole") / "report"
    assert cli(*words, "-o", folder).code == 0
    return words, folder


@pytest.mark.parametrize("stop", [1, 4])
def test_a_report_that_was_killed_is_resumed_to_the_same_bytes(cli, whole, tmp_path, monkeypatch, stop: int) -> None:
    words, undisturbed = whole
    done = 0
    real = report_search.run_job

    def killed(job, options):
        nonlocal done
        if done == stop:
            raise KeyboardInterrupt
        done += 1
        return real(job, options)

    monkeypatch.setattr(report_search, "run_job", killed)
    outcome = cli(*words, "-o", tmp_path / "parts")
    assert outcome.code == 130
    assert "--resume" in outcome.err
    partial = tmp_path / "parts.partial"
    assert (partial / "index.html").exists()  # the page shows the results so far
    assert (
        sum(
            len(json.loads(file.read_text())["units"])
            for file in (partial / "results").iterdir()
            if "units" in file.read_text()
        )
        > 0
    )
    monkeypatch.setattr(report_search, "run_job", real)
    assert cli(*words, "-o", tmp_path / "parts", "--resume").code == 0
    assert content(tmp_path / "parts") == content(undisturbed)


def test_nothing_is_computed_twice(cli, samples, tmp_path, counted) -> None:
    words = (
        "report",
        samples / "digits.onnx",
        "--steps",
        3,
        "--budget",
        "none",
        "--tensors",
        "relu2",
        "--units",
        4,
        "-o",
        tmp_path / "out",
    )
    assert cli(*words).code == 0
    first = len(counted)
    assert first > 0
    before = content(tmp_path / "out")
    assert cli(*words, "--resume").code == 0
    assert len(counted) == first
    assert content(tmp_path / "out") == before
    # More units are more jobs; finished jobs stay.
    assert cli(*words[:-4], "--units", 20, "-o", tmp_path / "out", "--resume").code == 0
    added = counted[first:]
    assert added
    assert not {(job.aim.tensor, job.number) for job in added} & {
        (job.aim.tensor, job.number) for job in counted[:first]
    }


def test_what_does_not_fit_is_listed(cli, samples, tmp_path) -> None:
    words = (
        "report",
        samples / "digits.onnx",
        "--steps",
        3,
        "--units",
        40,
        "--tensors",
        "relu?",
        "-o",
        tmp_path / "out",
        "--json",
    )
    document = cli(*words, "--budget", "0s").document
    done = sum(row["done"] for row in document["tensors"])
    wanted = sum(row["wanted"] for row in document["tensors"])
    assert 0 < done < wanted
    assert document["left_out"]["units"] == wanted - done
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert f"{wanted - done} units" in page
    assert "--resume" in page
    finished = cli(*words, "--budget", "none", "--resume").document
    assert finished["left_out"] == {"units": 0, "tensors": [], "seconds": None, "sections": []}
    assert "left-out" not in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_other_settings_are_not_mixed(cli, samples, tmp_path) -> None:
    short = ("--steps", 2, "--budget", "0", "--tensors", "logits")
    words = ("report", samples / "wine.onnx", *short, "-o", tmp_path / "out")
    assert cli(*words).code == 0
    outcome = cli(*words, "--seed", 1, "--resume")
    assert outcome.code == 2
    assert "seed" in outcome.err


def hostile(path: Path) -> tuple[Path, str]:
    """Write a model whose names hold HTML, script and what file systems refuse."""
    name = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">../../a"
    graph = onnx.parser.parse_graph("agree (float[N, 3] x) => (float[N, 4] y) { y = MatMul(x, w) }")
    graph.node[0].output[0] = graph.output[0].name = name
    graph.input[0].name = graph.node[0].input[0] = "<b>x</b>"
    graph.initializer.append(onnx.numpy_helper.from_array(np.arange(12, dtype=np.float32).reshape(3, 4), "w"))
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    model.producer_name = "<i>producer</i>"
    model.metadata_props.add(key="labels", value=json.dumps(["<u>a</u>", "b", "c", "d"]))
    onnx.save(model, path / "hostile.onnx")
    return path / "hostile.onnx", name


def test_hostile_names_stay_text_and_inside_the_folder(cli, tmp_path) -> None:
    path, name = hostile(tmp_path)
    outcome = cli("report", path, *SMALL, "-o", tmp_path / "out", "--single-file")
    assert outcome.code == 0, outcome.err
    assert {one.name for one in tmp_path.iterdir()} == {"hostile.onnx", "out"}
    for page in ("index.html", "report.html"):
        text = (tmp_path / "out" / page).read_text("utf-8")
        for tag in ("<b>x", "<i>producer", "<img src=x", "<u>a", "<script>document"):
            assert tag not in text
    (link,) = [row["link"] for row in data(tmp_path / "out", "report")["tensors"] if row["name"] == name]
    assert re.fullmatch(r"[A-Za-z0-9._,\[\]-]+", link)
    assert data(tmp_path / "out", link)["name"] == name


def test_a_model_without_float_inputs_has_a_report_too(cli, written, tmp_path) -> None:
    path = written("agree (int64[N, 5] x) => (int64[N, 5] y) { y = Abs(x) }")
    outcome = cli("report", path, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["tensors"] == []
    assert "no input of numbers" in outcome.document["message"]
    assert "no input of numbers" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_token_ids_are_searched_through_their_embedding_and_shown_as_ids(cli, written, tmp_path) -> None:
    random = np.random.default_rng(0)
    table, weights = random.normal(size=(12, 4)).astype(np.float32), random.normal(size=(4, 3)).astype(np.float32)
    path = written(
        "agraph (int64[N, 5] ids) => (float[N, 5, 3] y) { e = Gather (t, ids)\ny = MatMul (e, w) }", t=table, w=weights
    )
    texts = random.integers(0, 12, (20, 5))
    np.save(tmp_path / "texts.npy", texts)
    outcome = cli("report", path, tmp_path / "texts.npy", *SMALL, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert (outcome.document["wrt"], outcome.document["left_out"]["units"]) == ("ids", 0)
    tensor = data(tmp_path / "out", "y")
    assert [unit["target"] for unit in tensor["units"]] == ["y[..., 0]", "y[..., 1]", "y[..., 2]"]
    scores = (table @ weights)[texts].mean(axis=1)  # (text, unit)
    best = (table @ weights).max(axis=0)
    for unit in tensor["units"]:
        assert unit["score"] == pytest.approx(float(best[unit["unit"]]), rel=1e-4)
        highest = unit["real"]["highest"][0]
        place = int(highest["id"].partition("#")[2])
        assert place == scores[:, unit["unit"]].argmax()
        assert tensor["seen"]["looks"][highest["id"]] == {"kind": "tokens", "length": 5, "ids": texts[place].tolist()}


def test_a_tensor_that_cannot_be_searched_says_why(cli, samples, tmp_path, monkeypatch) -> None:
    def refused(*_):
        raise EvaluationError("ONNX Runtime refuses <this>")

    monkeypatch.setattr("onnxviz.analyses.maximization.preparation.prepare", refused)
    outcome = cli("report", samples / "wine.onnx", "--tensors", "logits", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert data(tmp_path / "out", "logits")["messages"] == ["ONNX Runtime refuses <this>"]
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "ONNX Runtime refuses &lt;this&gt;" in page
    # More time would not help: a refusal is no want of time, on the page or in the terminal.
    assert "left-out" not in page
    assert "ONNX Runtime refuses <this>" in outcome.out
    assert "no time" not in outcome.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "soon", "-o", "x"), "soon"),
        ((), "-o DIR"),
        (("--tensors", "nothing*", "-o", "x"), "nothing*"),
    ],
)
def test_wrong_usage_is_told(cli, samples, tmp_path, monkeypatch, words, said: str) -> None:
    monkeypatch.chdir(tmp_path)
    outcome = cli("report", samples / "wine.onnx", *words)
    assert outcome.code == 2
    assert said in outcome.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("count", [1, 2, 7, 64, 1000])
def test_few_units_lie_evenly_and_more_begin_with_the_same(count: int) -> None:
    order = spread_order(count)
    assert sorted(order) == list(range(count))
    for few in range(1, min(count, 32) + 1):
        gaps = np.diff(sorted([*order[:few], count]))
        assert gaps.max() <= 4 * count / few
    aim = Aim("t", 0, 1, count)
    for wanted in (1, 5, 20):
        part, whole = jobs(aim, wanted, 4), jobs(aim, wanted + 9, 4)
        assert part == whole[: len(part)]
        assert sum(len(job.units) for job in part) >= min(wanted, count)


def test_a_model_is_loaded_once_and_again_when_its_file_is_another(cli, samples, tmp_path, monkeypatch) -> None:
    loaded = []
    real = onnxviz.load

    def counting(path, **named):
        loaded.append(path)
        return real(path, **named)

    monkeypatch.setattr("onnxviz.model.model.load", counting)
    path = tmp_path / "model.onnx"
    for name in ("digits", "digits_int8"):
        shutil.copy(samples / f"{name}.onnx", path)
        outcome = cli("report", path, *SMALL, "--tensors", "logits", "-o", tmp_path / name, "--json")
        assert outcome.code == 0, outcome.err
        (digest,) = {outcome.document["model"]["sha256"]}
        assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(loaded) == 2
