"""What tests of the program as a process of its own share."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

APART = {"seconds.json", "data/seconds.js"}
"""What was measured of time: the only files of a report that may differ."""


SMALL_SHARDS = """
import sys
from onnxviz.cli import run
from onnxviz.pages import data_shards as report_shards
from onnxviz.formats import score_store
report_shards._MOST, score_store._PATIENCE = 64, 0.0
sys.exit(run(sys.argv[1:]))
"""
"""The command line with shards of 64 samples, each on the disk at once: a pass that takes long enough to be killed in."""


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen]:
    """Start the command line in a process of its own, in one thread."""

    def begin(*words: object, small_shards: bool = False) -> subprocess.Popen:
        program = ["-c", SMALL_SHARDS] if small_shards else ["-m", "onnxviz"]
        command = [sys.executable, *program, *map(str, words)]
        settled = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(command, env=settled, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return begin


@pytest.fixture(scope="session")
def report_content() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a report but those that tell of time, and the scores of samples as they came."""

    def read(folder: Path) -> dict[str, bytes]:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        return {name: text for name, text in files.items() if name not in APART and not name.startswith("scores/")}

    return read


@pytest.fixture(scope="session")
def scored() -> Callable[[Path], int]:
    """Count the samples of a report's data whose scores are on the disk."""

    def count(folder: Path) -> int:
        found = 0
        for store in (folder / "scores").glob("*.sqlite"):
            with contextlib.suppress(sqlite3.OperationalError), contextlib.closing(sqlite3.connect(store)) as file:
                found += file.execute("select count(*) from samples").fetchone()[0]
        return found

    return count


@pytest.fixture
def many_digits(samples, tmp_path) -> Path:
    """Pictures enough for some hundred shards."""
    digits = np.load(samples / "digits_held_out.npy")
    path = tmp_path / "many.npy"
    np.save(path, np.concatenate([digits * np.float32(1 - number / 100) for number in range(24)]))
    return path


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.files: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs) -> None:
        found = dict(attrs)
        self.files += [found[key] for key in ("src", "href") if found.get(key) and found[key][0] != "#"]
        if tag not in ("meta", "link", "img", "input", "br", "hr", "path", "rect", "line"):
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        if tag not in ("path", "rect", "line"):
            assert self.open.pop() == tag


@pytest.fixture(scope="session")
def opens() -> Callable[[Path], None]:
    """Check that a report, as it lies there, opens: the page is whole, and all that it names is there and whole."""

    def check(folder: Path) -> None:
        page = _Page((folder / "index.html").read_text("utf-8"))
        assert page.open == []
        missing = [name for name in page.files if not name.startswith("data:") and not (folder / name).exists()]
        assert set(missing) <= {"data/seconds.js", "data/report.js"}  # written with the first page, a moment apart
        for file in (folder / "data").glob("*.js"):
            text = file.read_text("ascii").strip()
            _, value = json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")
            for unit in value.get("units", []) if isinstance(value.get("units"), list) else []:
                assert all((folder / panel["file"]).exists() for panel in unit["panels"])

    return check
