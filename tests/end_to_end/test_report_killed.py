"""A report that is killed, without a chance to tidy up, opens as it lies there and is resumed to the same bytes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

KILLS = 3


def files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def test_killed_three_times_it_ends_at_the_same_bytes(start, samples, tmp_path, report_content, opens) -> None:
    words = ("report", samples / "digits.onnx", "--steps", 12, "--units", 48, "--budget", "none", "--tensors", "relu?")
    whole = start(*words, "-o", tmp_path / "whole")
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    partial = tmp_path / "parts.partial"
    first = 10
    moments = np.random.default_rng(0).integers(first, files(tmp_path / "whole"), KILLS)
    killed = 0
    for moment in sorted(moments):
        running = start(*words, "-o", tmp_path / "parts", *(["--resume"] if partial.exists() else []))
        while running.poll() is None and not ((partial / "index.html").exists() and files(partial) >= moment):
            time.sleep(0.002)
        running.kill()
        _, said = running.communicate()
        assert running.returncode == -9, said
        killed += 1
        opens(partial)
        assert not (tmp_path / "parts").exists()
    assert killed == KILLS
    last = start(*words, "-o", tmp_path / "parts", "--resume")
    _, said = last.communicate(timeout=300)
    assert last.returncode == 0, said
    assert not partial.exists()
    opens(tmp_path / "parts")
    assert report_content(tmp_path / "parts") == report_content(tmp_path / "whole")
    # A check that cannot fail would tell nothing: half a page is no page.
    page = tmp_path / "parts" / "index.html"
    text = page.read_text("utf-8")
    page.write_text(text[: len(text) // 2], "utf-8")
    with pytest.raises(AssertionError):
        opens(tmp_path / "parts")
