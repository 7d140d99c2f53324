"""Shared fixtures of the tests that run the program as a process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from copied_process import CopiedProcess

from onnxviz.formats import score_store
from onnxviz.pages import data_shards

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

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

Started = subprocess.Popen | CopiedProcess


@pytest.fixture(scope="session")
def start(tmp_path_factory) -> Callable[..., Started]:
    """Start the command line in a process of its own, in one thread.

    With small shards the process is a copy, and a program may run in it before the command line; else it is the program itself.
    """

    def begin(*words: object, small_shards: bool = False, before: str = "") -> Started:
        if small_shards:
            return CopiedProcess(before + SMALL_SHARDS, [*map(str, words)], tmp_path_factory.mktemp("process"))
        command = [sys.executable, "-m", "onnxviz", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

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


@pytest.fixture(scope="session")
def many_digits(samples, tmp_path_factory) -> Path:
    """Pictures enough for some hundred shards."""
    digits = np.load(samples / "digits_held_out.npy")
    path = tmp_path_factory.mktemp("data") / "many.npy"
    np.save(path, np.concatenate([digits * np.float32(1 - number / 100) for number in range(24)]))
    return path


@pytest.fixture(scope="session")
def whole_report(cli, samples, many_digits, tmp_path_factory) -> tuple[tuple[object, ...], Path]:
    """The words of a report with data, and the folder that this process makes by them, in one thread and undisturbed."""
    short = ("--steps", 12, "--units", 24, "--budget", "none", "--tensors", "relu?")
    words = ("report", samples / "digits.onnx", many_digits, *short)
    folder = tmp_path_factory.mktemp("whole") / "report"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(data_shards, "_MOST", 64)
        patched.setattr(score_store, "_PATIENCE", 0.0)
        outcome = cli(*words, "-o", folder)
    assert outcome.code == 0, outcome.err
    return words, folder


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Return a chromium without a window: Debian's, or the one that CHROMIUM names."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium was found: apt install chromium, or CHROMIUM=/path")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="package")
def window(browser) -> BrowserContext:
    """What pages share that need nothing of their own: a page in it costs half of what one in a new window does."""
    return browser.new_context()


@pytest.fixture
def new_page(browser, window) -> Iterator[Callable[..., Page]]:
    """Open empty pages of a size, in a color scheme, with or without scripts; nothing of them stays when the test is over."""
    made: list[Page] = []

    def begin(width: int = 1280, height: int = 800, scheme: str = "light", scripts: bool = True) -> Page:
        page = (window if scripts else browser.new_context(java_script_enabled=False)).new_page()
        made.append(page)
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)
        return page

    yield begin
    for page in made:
        if page.context is window:
            page.evaluate("localStorage.clear()")
            page.close()
        else:
            page.context.close()


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
        assert set(missing) <= {"data/seconds.js", "data/report.js"}  # written a moment before or after the first page
        for file in (folder / "data").glob("*.js"):
            text = file.read_text("ascii").strip()
            _, value = json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")
            for unit in value.get("units", []) if isinstance(value.get("units"), list) else []:
                assert all((folder / panel["file"]).exists() for panel in unit["panels"])

    return check
