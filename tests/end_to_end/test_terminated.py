"""SIGTERM and Ctrl-C leave the same files, and a resumed run ends with the bytes of a run that was never stopped.

The program stops at a call of one of its functions, says so with a file, and is sent the signal there: by either signal it
then ends at the very same place.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from copied_process import CopiedProcess

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGTERM there")

PROGRAM = """
import importlib, json, sys, time
from pathlib import Path
from onnxviz.cli import run
from onnxviz.pages import data_shards
from onnxviz.formats import score_store

data_shards._MOST, score_store._PATIENCE = 64, 0.0

def hold(module, path, number, mark):
    owner = importlib.import_module(module)
    *way, name = path.split(".")
    for part in way:
        owner = getattr(owner, part)
    real, calls = getattr(owner, name), 0

    def held(*arguments, **options):
        nonlocal calls
        calls += 1
        if calls == number:
            Path(mark).touch()
            while not Path(mark + ".go").exists():
                time.sleep(0.01)
        return real(*arguments, **options)

    setattr(owner, name, held)

for one in json.loads(sys.argv[1]):
    hold(*one)
sys.exit(run(sys.argv[2:]))
"""


@dataclass
class Held:
    """The command line as a process that stops at calls of its functions."""

    process: CopiedProcess
    marks: list[Path]

    def reach(self, number: int = 0) -> None:
        """Wait until it has stopped at the first call, or at the next."""
        while not self.marks[number].exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def go(self, number: int) -> None:
        """Let it go on."""
        Path(f"{self.marks[number]}.go").touch()

    def end(self, number: int) -> tuple[int, str, str]:
        """Send a signal, and return exit code, stdout and stderr; no process of its group is left then."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=120)
        with pytest.raises(ProcessLookupError):
            os.killpg(self.process.pid, 0)
        return self.process.returncode, out, err


@pytest.fixture
def held(tmp_path):
    """Start the command line so that it stops at calls: (module, function, which call)."""
    started = []

    def begin(words: list[object], *calls: tuple[str, str, int]) -> Held:
        place = tmp_path / f"marks{len(started)}"
        place.mkdir()
        marks = [place / str(number) for number in range(len(calls))]
        holds = [(*call, str(mark)) for call, mark in zip(calls, marks, strict=True)]
        process = CopiedProcess(PROGRAM, [json.dumps(holds), *map(str, words)], place)
        started.append(process)
        return Held(process, marks)

    yield begin
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def content(folder: Path, *but: str) -> dict[str, Any]:
    """Every file of a folder, wherever it lies, without what was measured of time and the order in which scores came in."""

    def settled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: settled(one) for key, one in value.items() if key not in ("seconds", *but)}
        if isinstance(value, list):
            return [settled(one) for one in value]
        return value.replace(str(folder).removesuffix(".partial"), "OUT") if isinstance(value, str) else value

    found: dict[str, Any] = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in ("seconds.json", "data/seconds.js") and path.suffix != ".sqlite":
            found[name] = settled(json.loads(path.read_text("utf-8"))) if path.suffix == ".json" else path.read_bytes()
    return found


def plain(text: str, folder: Path) -> str:
    """Return what was printed, wherever the folder lies and however long it took."""
    return re.sub(r'"seconds": [\d.e-]+', "", text.replace(str(folder), "OUT"))


@pytest.fixture
def pictures(samples, tmp_path) -> Path:
    np.save(tmp_path / "many.npy", np.concatenate([np.load(samples / "digits_held_out.npy")] * 4))
    return tmp_path / "many.npy"


@pytest.fixture
def one_by_one(written) -> Path:
    """A model that takes one sample at a time, whose targets are so climbed one after the other."""
    graph = "agraph (float[1, 3] x) => (float[1, 3] y) { a = Reshape(x, s)\ny = MatMul(a, w) }"
    return written(graph, w=np.diag([1, 2, 3]).astype(np.float32), s=np.array([1, 3]))


Call = Callable[..., list[object]]


@pytest.fixture
def calls(samples, pictures, one_by_one) -> dict[str, tuple[list[object], tuple[str, str, int]]]:
    """Of each verb that is resumed a call, and where it is ended."""
    short = ("--steps", 3, "--restarts", 1, "--units", 4, "--budget", "none", "--tensors", "relu2")
    climbing = ("onnxviz.methods.ascent.maximization", "_Record.advance")
    adding = ("onnxviz.formats.score_store", "ScoreStore.add")
    report = ["report", samples / "digits.onnx", pictures, *short]
    return {
        "maximize": (
            ["maximize", one_by_one, "-t", "y[*]", "--bounds", "0,1", "--steps", 6, "--restarts", 2, "--json"],
            (*climbing, 9),
        ),
        "examples": (["examples", samples / "digits.onnx", pictures, "-t", "relu2[*]", "--sheets", 2], (*adding, 3)),
        "attribute": (
            [*("attribute", samples / "wine.onnx", samples / "wine_class_1.csv", "-m", "occlusion", "-t", "logits[*]")],
            ("onnxviz.analyses.attribution.explanation", "explain", 3),
        ),
        "report, its data": (report, (*adding, 5)),
        "report, its units": (report, (*climbing, 5)),
    }


@pytest.mark.parametrize("name", ["maximize", "examples", "attribute", "report, its data", "report, its units"])
def test_it_leaves_what_ctrl_c_leaves_and_is_resumed_to_the_same_bytes(held, cli, calls, tmp_path, name: str) -> None:
    words, call = calls[name]
    left, places = [], [tmp_path / "by_ctrl_c", tmp_path / "terminated"]
    running = [held([*words, "-o", place], call) for place in places]
    for one, number in zip(running, (signal.SIGINT, signal.SIGTERM), strict=True):
        one.reach()
        left.append(one.end(number))
    assert [code for code, _, _ in left] == [130, 143], left
    partials = [place.with_name(f"{place.name}.partial") for place in places]
    assert not any(place.exists() for place in places)
    kept, same = (content(partial) for partial in partials)
    assert kept
    assert not [file for file in same if file.endswith(".tmp") or ".unfinished" in file]
    assert same == kept
    (_, out, said), (_, other_out, other_said) = left
    assert plain(other_out, places[1]) == plain(out, places[0])
    assert plain(other_said, places[1]) == plain(said, places[0]).replace("onnxviz: interrupted", "onnxviz: terminated")
    assert other_said.endswith("\nonnxviz: terminated\n")
    assert f"kept in {partials[1]}; --resume goes on from there" in other_said
    if name == "maximize":
        assert [row["status"] for row in json.loads(other_out)["runs"]] == ["ok", "interrupted"]

    assert cli(*words, "-o", places[1], "--resume").code == 0
    assert cli(*words, "-o", tmp_path / "whole").code == 0
    counts = ("read", "known") if name == "examples" else ()  # samples read, samples known
    assert content(places[1], *counts) == content(tmp_path / "whole", *counts)


def test_one_more_while_it_saves_loses_nothing(held, cli, calls, tmp_path) -> None:
    words, climbing = calls["maximize"]
    running = held([*words, "-o", tmp_path / "out"], climbing, ("onnxviz.formats.results", "Result.save", 2))
    running.reach()
    running.process.send_signal(signal.SIGTERM)
    running.reach(1)  # half of the second target is written
    running.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)  # the signal must arrive before the program continues
    running.go(1)
    out, err = running.process.communicate(timeout=120)
    assert running.process.returncode == 143, err
    assert [row["status"] for row in json.loads(out)["runs"]] == ["ok", "interrupted"]
    partial = tmp_path / "out.partial"
    assert json.loads((partial / "y[1]" / "result.json").read_text("utf-8"))["status"] == "interrupted"
    assert set(content(partial)) >= {"y[0]/picture.png", "y[1]/picture.png", "sheet.png", "result.json"}


def test_whenever_it_comes_what_is_left_is_resumed_to_the_same_bytes(start, samples, tmp_path) -> None:
    """As batch systems do it: the program as it is, ended again and again at whatever it is doing then."""
    words = ["maximize", samples / "digits.onnx", "-t", "conv1[*]", "--steps", 60, "--restarts", 2]
    partial = tmp_path / "out.partial"

    def done() -> int:
        return len(list(partial.glob("conv1*/result.json")))

    ended = 0
    for _ in range(2):
        before = done()
        running = start(*words, "-o", tmp_path / "out", *(["--resume"] if before else []))
        while running.poll() is None and done() <= before:
            time.sleep(0.002)
        running.terminate()
        _, said = running.communicate(timeout=120)
        if running.returncode == 0:
            break
        assert running.returncode == 143, said
        assert "--resume goes on from there" in said
        ended += 1
    assert ended
    for name in ("out", "whole"):
        running = start(*words, "-o", tmp_path / name, "--resume")
        _, said = running.communicate(timeout=120)
        assert running.returncode == 0, said
    assert content(tmp_path / "out") == content(tmp_path / "whole")
