"""A report that is killed opens in a browser, and is resumed to the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

DEATH = """
import os, signal, sys, threading
from pathlib import Path
from onnxviz.formats.score_store import ScoreStore

word, count, units = {word!r}, {count}, Path({units!r})
commit, reached = ScoreStore.commit, threading.Event()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def look_on():
    reached.wait()
    die()

def committed(store):
    if len(store.seen) < count:
        commit(store)
    elif word == "before its scores are on the disk":
        die()
    else:
        reached.set()
        commit(store)

def renamed(event, arguments):
    place = Path(arguments[1]) if event == "os.rename" else Path()
    if place.suffix == ".png" and units in place.parents and len(list(units.rglob("*.png"))) >= count:
        die() if word == "before a picture takes its name" else reached.set()

threading.Thread(target=look_on, daemon=True).start()
if word in {data!r}:
    ScoreStore.commit = committed
else:
    sys.addaudithook(renamed)
"""
"""
Kills the program by what it has written: so many samples' scores, or so many pictures of units. It dies at a step of its work,
or a thread kills it while its work goes on, somewhere after that step.
"""

DATA = ("before its scores are on the disk", "while its scores are written")
SEARCH = ("before a picture takes its name", "while pictures are written")


def pictures(folder: Path) -> int:
    return len(list((folder / "units").rglob("*.png")))


def test_killed_over_its_data_and_over_its_units_it_ends_at_the_same_bytes(
    start, tmp_path, report_content, opens, scored, whole_report
) -> None:
    words, whole = whole_report
    total = scored(whole)
    assert total == 24 * 360
    partial = tmp_path / "parts.partial"
    random = np.random.default_rng(1)
    moments = {
        **dict(zip(DATA, sorted(random.integers(1, total * 3 // 4, len(DATA))), strict=True)),
        **dict(zip(SEARCH, sorted(random.integers(1, pictures(whole) * 3 // 4, len(SEARCH))), strict=True)),
    }
    for word, moment in moments.items():
        more = ["--resume"] if partial.exists() else []
        # The tensor has too few units so far.
        count = max(moment, 1 + (scored(partial) if word in DATA else pictures(partial)))
        death = DEATH.format(word=word, count=count, units=str(partial / "units"), data=DATA)
        running = start(*words, "-o", tmp_path / "parts", *more, small_shards=True, before=death)
        _, said = running.communicate(timeout=300)
        assert running.returncode == -9, said
        opens(partial)
        assert not (tmp_path / "parts").exists()
        if word in DATA:
            assert scored(partial) < total  # the kill came in the middle of the pass
        else:
            assert scored(partial) == total
            assert pictures(partial) < pictures(whole)
    ended = start(*words, "-o", tmp_path / "parts", "--resume", small_shards=True)
    _, said = ended.communicate(timeout=300)
    assert ended.returncode == 0, said
    assert not partial.exists()
    opens(tmp_path / "parts")
    assert report_content(tmp_path / "parts") == report_content(whole)
    # This shows that the check can fail: half a page does not open.
    page = tmp_path / "parts" / "index.html"
    text = page.read_text("utf-8")
    page.write_text(text[: len(text) // 2], "utf-8")
    with pytest.raises(AssertionError):
        opens(tmp_path / "parts")
