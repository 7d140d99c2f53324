"""A report that is killed, without a chance to tidy up, opens as it lies there and is resumed to the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

KILLS = 3


def files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def test_killed_over_its_data_and_over_its_units_it_ends_at_the_same_bytes(
    start, samples, tmp_path, report_content, opens, scored, many_digits
) -> None:
    short = ("--steps", 12, "--units", 24, "--budget", "none", "--tensors", "relu?")
    words = ("report", samples / "digits.onnx", many_digits, *short)
    whole = start(*words, "-o", tmp_path / "whole", small_shards=True)
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    total, first, last = scored(tmp_path / "whole"), 10, files(tmp_path / "whole")
    assert total == 24 * 360
    partial = tmp_path / "parts.partial"
    random = np.random.default_rng(1)
    passing, searching = random.integers(1, total * 3 // 4, KILLS), random.integers(first, last * 3 // 4, 2)

    def kill_when(true: Callable[[], bool]) -> None:
        more = ["--resume"] if partial.exists() else []
        running = start(*words, "-o", tmp_path / "parts", *more, small_shards=True)
        while running.poll() is None and not ((partial / "index.html").exists() and true()):
            time.sleep(0.002)
        running.kill()
        _, said = running.communicate()
        assert running.returncode == -9, said
        opens(partial)
        assert not (tmp_path / "parts").exists()

    for moment in sorted(passing):
        enough = max(moment, scored(partial) + 1)
        kill_when(lambda enough=enough: scored(partial) >= enough)
        assert scored(partial) < total  # it was in the middle of the pass
    for moment in sorted(searching):
        kill_when(lambda moment=moment: scored(partial) == total and files(partial) >= moment)
    ended = start(*words, "-o", tmp_path / "parts", "--resume", small_shards=True)
    _, said = ended.communicate(timeout=300)
    assert ended.returncode == 0, said
    assert not partial.exists()
    opens(tmp_path / "parts")
    assert report_content(tmp_path / "parts") == report_content(tmp_path / "whole")
    # A check that cannot fail would tell nothing: half a page is no page.
    page = tmp_path / "parts" / "index.html"
    text = page.read_text("utf-8")
    page.write_text(text[: len(text) // 2], "utf-8")
    with pytest.raises(AssertionError):
        opens(tmp_path / "parts")
