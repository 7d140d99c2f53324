"""The data of a `report`: samples and scores equal those of `examples`, and an interrupted pass continues."""

from __future__ import annotations

import itertools
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from onnxviz.analyses.examples import scoring_pass as exemplar_pass
from onnxviz.methods.evidence.standing import standing, standing_of
from onnxviz.methods.samples.exemplars import distribution
from onnxviz.pages import data_shards as report_shards
from onnxviz.pages.page_pictures import MOST, envelope, page_picture
from onnxviz.pages.sample_pictures import window_share

APART = ("seconds.json", "data/seconds.js", "scores/")
"""What was measured of time, and the scores as they came: all that may differ between two runs."""


def content(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: text for name, text in files.items() if not name.startswith(APART)}


def data(folder: Path, name: str) -> dict:
    text = (folder / "data" / f"{name}.js").read_text("ascii").strip()
    return json.loads("[" + text.removeprefix("onnxvizReport(").removesuffix(");") + "]")[1]


def words(samples: Path, name: str, source: object, tensor: str, *more: object) -> tuple[object, ...]:
    short = ("--steps", 2, "--units", 4, "--restarts", 1, "--budget", "none", "--tensors", tensor)
    return ("report", samples / f"{name}.onnx", source, *short, *more)


@pytest.fixture(scope="session")
def digits(samples) -> np.ndarray:
    return np.load(samples / "digits_held_out.npy")


@pytest.mark.parametrize(
    ("name", "source", "tensor", "kind"),
    [
        ("digits", "digits_held_out.npy", "relu2", "picture"),
        ("tones", "tones_held_out.npy", "logits", "wave"),
        ("wine", "wine.csv", "logits", "row"),
    ],
)
def test_each_unit_shows_the_samples_that_onnx_runtime_scores_highest(
    cli, samples, tmp_path, name: str, source: str, tensor: str, kind: str
) -> None:
    outcome = cli(*words(samples, name, samples / source, tensor), "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    found = data(tmp_path / "out", tensor)
    assert {look["kind"] for look in found["seen"]["looks"].values()} == {kind}
    targets = [word for unit in found["units"] for word in ("-t", unit["target"])]
    rows = cli("examples", samples / f"{name}.onnx", samples / source, *targets, "-k", 9, "--json").document["runs"]
    assert outcome.document["data"]["complete"]
    for unit, row in zip(found["units"], rows, strict=True):
        real = unit["real"]
        assert [one["id"] for one in real["highest"]] == [one["id"] for one in row["highest"]]
        assert real["histogram"] == row["statistics"]["histogram"]
        assert sum(real["histogram"]) == real["count"] == outcome.document["data"]["samples"]
        assert not {one["id"] for one in real["highest"]} & {one["id"] for one in real["lowest"]}
        assert all(one["id"] in found["seen"]["looks"] for one in (*real["highest"], *real["lowest"]))
        assert dict(unit["told"])["real data"] == real["stands"]


def test_a_picture_is_the_sample_and_its_window_is_what_the_unit_sees(cli, samples, tmp_path, digits) -> None:
    assert cli(*words(samples, "digits", samples / "digits_held_out.npy", "relu1"), "-o", tmp_path / "out").code == 0
    found = data(tmp_path / "out", "relu1")
    for unit in found["units"]:
        (row,) = cli(
            *(
                "examples",
                samples / "digits.onnx",
                samples / "digits_held_out.npy",
                "-t",
                unit["target"],
                "-k",
                9,
                "--json",
            )
        ).document["runs"]
        for one, other in zip(unit["real"]["highest"], row["highest"], strict=True):
            look = found["seen"]["looks"][one["id"]]
            with Image.open(tmp_path / "out" / look["file"]) as picture:
                assert picture.size == (look["width"], look["height"]) == (8, 8)
                pixels = np.asarray(picture.convert("L"), np.float64) / 255
            sample = np.asarray(digits[int(one["id"].partition("#")[2])], np.float64).reshape(8, 8)
            assert np.corrcoef(pixels.ravel(), sample.ravel())[0, 1] > 0.999
            wanted = [[max(0, first) / 8, min(8, last) / 8] for first, last in other["window"]]
            assert np.allclose(one["window"], wanted, atol=1e-4)


@pytest.mark.parametrize("score", [-3.0, 0.25, 2.4, 99.0, None])
def test_a_percentile_from_kept_ranks_is_that_of_all_scores(score: float | None) -> None:
    scores = np.random.default_rng(0).normal(size=200_000).astype(np.float32)
    known = distribution(scores)
    ranks = np.linspace(0, len(scores) - 1, 1001).round().astype(int)
    real = {
        "statistics": {"count": known.count, "max": known.high, "mean": known.mean, "std": known.std},
        "order": np.sort(scores)[ranks].tolist(),
    }
    if score is None:
        assert standing_of(real, score) == ""
        return
    exact = standing(score, scores)
    assert exact is not None
    if exact.percentile == 100:
        assert standing_of(real, score) == exact.statement
    else:
        assert float(standing_of(real, score).split()[1]) == pytest.approx(exact.percentile, abs=0.11)


def test_a_pass_that_was_stopped_goes_on_to_the_same_bytes(cli, samples, tmp_path, monkeypatch) -> None:
    call = words(
        samples, "digits", samples / "digits_held_out.npy", "relu[12]", "--input", samples / "digits_seven.png"
    )
    monkeypatch.setattr(report_shards, "_MOST", 90)
    assert cli(*call, "-o", tmp_path / "whole").code == 0
    real = exemplar_pass.ExemplarPass.scored
    for stop in (0, 1):
        batches = itertools.count()

        def stopped(self, answers, stop=stop, batches=batches):
            if next(batches) == stop:
                raise KeyboardInterrupt
            return real(self, answers)

        monkeypatch.setattr(exemplar_pass.ExemplarPass, "scored", stopped)
        outcome = cli(*call, "-o", tmp_path / "parts", "--resume")
        assert outcome.code == 130
        assert (tmp_path / "parts.partial" / "index.html").exists()
    monkeypatch.setattr(exemplar_pass.ExemplarPass, "scored", real)
    assert cli(*call, "-o", tmp_path / "parts", "--resume").code == 0
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_pass_without_time_says_so_and_goes_on_to_the_same_bytes(cli, samples, tmp_path, monkeypatch) -> None:
    call = words(samples, "digits", samples / "digits_held_out.npy", "relu1")
    monkeypatch.setattr(report_shards, "_MOST", 60)
    assert cli(*call, "-o", tmp_path / "whole").code == 0
    short = cli(*call, "--budget", "0s", "-o", tmp_path / "parts", "--json").document
    assert short["data"]["samples"] == 60
    assert not short["data"]["complete"]
    page = (tmp_path / "parts" / "index.html").read_text("utf-8")
    assert 'id="data-left-out"' in page
    assert data(tmp_path / "parts", "relu1")["seen"]["complete"] is False
    whole = cli(*call, "-o", tmp_path / "parts", "--resume", "--json").document
    assert whole["data"]["complete"]
    assert "data-left-out" not in (tmp_path / "parts" / "index.html").read_text("utf-8")
    # Without time the first unit was searched alone, so the jobs are divided otherwise; what people see is the same.
    parts, undisturbed = (
        {name: text for name, text in content(tmp_path / folder).items() if not name.startswith(("plan", "results/"))}
        for folder in ("parts", "whole")
    )
    assert parts == undisturbed


def test_a_pass_is_made_once(cli, samples, tmp_path, digits, monkeypatch) -> None:
    seen: list[int] = []
    real = exemplar_pass.ExemplarPass.scored

    def counting(self, answers):
        seen.append(len(self.names))
        return real(self, answers)

    monkeypatch.setattr(exemplar_pass.ExemplarPass, "scored", counting)
    np.save(tmp_path / "some.npy", digits[:40])
    call = words(samples, "digits", tmp_path / "some.npy", "relu3", "--units", 20)
    assert cli(*call, "-o", tmp_path / "out").code == 0
    assert set(seen) == {32}
    before, first = content(tmp_path / "out"), len(seen)
    assert cli(*call, "-o", tmp_path / "out", "--resume").code == 0
    assert len(seen) == first
    assert content(tmp_path / "out") == before
    # Another tensor needs one more pass, for its units only.
    more = words(samples, "digits", tmp_path / "some.npy", "relu1", "--units", 20)
    assert cli(*more, "-o", tmp_path / "out", "--resume").code == 0
    assert set(seen[first:]) == {16}


def test_data_may_come_later_and_a_data_set_may_grow(cli, samples, tmp_path, digits) -> None:
    np.save(tmp_path / "some.npy", digits[:40])
    short = (
        "--steps",
        2,
        "--units",
        4,
        "--restarts",
        1,
        "--budget",
        "none",
        "--tensors",
        "relu1",
        "-o",
        tmp_path / "out",
    )
    assert cli("report", samples / "digits.onnx", *short).code == 0
    assert "seen" not in data(tmp_path / "out", "relu1")
    for count in (40, 90):
        np.save(tmp_path / "some.npy", digits[:count])
        outcome = cli("report", samples / "digits.onnx", tmp_path / "some.npy", *short, "--resume", "--json")
        assert outcome.code == 0, outcome.err
        assert outcome.document["data"]["samples"] == count
        found = data(tmp_path / "out", "relu1")
        shown = {look["file"] for look in found["seen"]["looks"].values()}
        # Pictures of samples that are no longer among the highest are deleted.
        assert {f"samples/{file.name}" for file in (tmp_path / "out" / "samples").glob("*.png")} == shown
    # A call without data keeps the earlier results of the data.
    before = content(tmp_path / "out")
    assert cli("report", samples / "digits.onnx", *short, "--resume").code == 0
    after = content(tmp_path / "out")
    assert {name for name in before if before[name] != after.get(name)} == {"index.html", "data/report.js"}  # the call
    assert "90 samples" in (tmp_path / "out" / "index.html").read_text("utf-8")


def test_what_cannot_be_read_is_passed_over_and_told(cli, samples, tmp_path, digits) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(5):
        pixels = np.asarray(digits[number], np.float32).reshape(8, 8)
        Image.fromarray(np.uint8(255 * (pixels - pixels.min()) / np.ptp(pixels))).save(folder / f"{number}.png")
    (folder / "<b>torn.png").write_bytes(b"no picture")
    outcome = cli(*words(samples, "digits", folder, "relu1"), "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["data"]["passed_over"] == 1
    assert outcome.document["data"]["samples"] == 5
    assert "torn" in outcome.document["data"]["skipped"][0]["id"]
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert "<b>torn" not in page
    assert "&lt;b&gt;torn" in page


def test_a_tensor_that_no_sample_can_be_told_apart_in_is_named(cli, written, tmp_path) -> None:
    path = written(
        """agree (float[N, 3] x) => (float[N, 4] y, float[4] z) { y = MatMul(x, w) z = ReduceSum <keepdims = 0> (y, first) }""",
        first=np.array([0]),
        w=np.arange(12, dtype=np.float32).reshape(3, 4),
    )
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32))
    outcome = cli("report", path, tmp_path / "rows.npy", "--steps", 2, "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert [row["tensor"] for row in outcome.document["data"]["refused"]] == ["z"]
    assert outcome.document["data"]["samples"] == 9
    assert "does not count them" in (tmp_path / "out" / "index.html").read_text("utf-8")
    assert data(tmp_path / "out", "y")["units"][0]["real"]["count"] == 9


def test_where_nothing_is_searched_data_are_not_looked_at_and_this_is_said(cli, written, tmp_path) -> None:
    path = written("agree (int64[N, 5] x) => (int64[N, 5] y) { y = Abs(x) }")
    np.save(tmp_path / "rows.npy", np.ones((3, 5), np.int64))
    outcome = cli("report", path, tmp_path / "rows.npy", "-o", tmp_path / "out", "--json")
    assert outcome.code == 0, outcome.err
    assert outcome.document["data"] is None
    assert "not used" in outcome.err


def test_missing_data_are_wrong_usage(cli, samples, tmp_path) -> None:
    outcome = cli("report", samples / "wine.onnx", tmp_path / "none.csv", "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "none.csv" in outcome.err
    assert not (tmp_path / "out.partial").exists()


def test_labels_of_a_table_are_shown(cli, samples, tmp_path) -> None:
    header, *rows = (samples / "wine.csv").read_text("utf-8").splitlines()
    named = [f"{header},who", *(f"{row},w{number}" for number, row in enumerate(rows))]
    (tmp_path / "named.csv").write_text("\n".join(named) + "\n", "utf-8")
    call = words(samples, "wine", tmp_path / "named.csv", "logits", "--label", "who")
    assert cli(*call, "-o", tmp_path / "out").code == 0
    for unit in data(tmp_path / "out", "logits")["units"]:
        assert all(one["label"] == f"w{one['id'].partition('#')[2]}" for one in unit["real"]["highest"])


def test_scores_of_a_batch_are_kept_whole_or_not_at_all(tmp_path, monkeypatch) -> None:
    from onnxviz.formats.score_store import ScoreStore

    store = ScoreStore(tmp_path / "scores.sqlite")
    whole, places = np.ones((2, 3), np.float32), np.zeros((2, 3), np.uint64)
    store.add(("a", "b"), ("1", "1"), ("", ""), whole, places)
    real = ScoreStore._insert

    def interrupted(self, batch, rows, scores, places):
        real(self, batch, rows, scores, places)
        raise KeyboardInterrupt

    monkeypatch.setattr(ScoreStore, "_insert", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.add(("c", "d"), ("1", "1"), ("", ""), whole, places)
    store.close()
    with sqlite3.connect(tmp_path / "scores.sqlite") as file:
        assert [row[0] for row in file.execute("select identity from samples order by identity")] == ["a", "b"]
        assert file.execute("select count(*) from scores").fetchone() == (1,)


def test_large_pictures_become_small_and_small_ones_stay_exact(tmp_path) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (28, 40, 3), dtype=np.uint8)
    made = page_picture(small)
    (tmp_path / "small.png").write_bytes(made.content)
    with Image.open(tmp_path / "small.png") as picture:
        assert np.array_equal(np.asarray(picture), small)
    large = page_picture(np.full((700, 900, 3), 200, np.uint8))
    assert (large.width, large.height) == (MOST, round(700 * MOST / 900))
    (tmp_path / "large.jpg").write_bytes(large.content)
    with Image.open(tmp_path / "large.jpg") as picture:
        assert picture.size == (large.width, large.height)
        assert abs(int(np.asarray(picture).mean()) - 200) <= 1


@pytest.mark.parametrize("length", [1, 7, 160, 5000])
def test_an_envelope_holds_every_sample(length: int) -> None:
    line = np.random.default_rng(1).normal(size=(2, length))
    found = envelope(line, 160)
    for own, (low, high) in zip(line, found, strict=True):
        assert len(low) == len(high) == min(160, length)
        assert min(low) == pytest.approx(own.min(), rel=1e-3)
        assert max(high) == pytest.approx(own.max(), rel=1e-3)
        assert all(least <= most for least, most in zip(low, high, strict=True))


def test_a_window_of_everything_is_none() -> None:
    assert window_share([[-3, 20], [0, 16]], (16, 16)) is None
    assert window_share(None, (16, 16)) is None
    assert window_share([[-2, 4]], (16,)) == [[0.0, 0.25]]


def test_numbers_that_are_looked_up_have_no_ranges_and_are_searched_all_the_same(cli, written, tmp_path) -> None:
    path = written(
        """agree (float[N, 4] x) => (float[N, 3] y) {
          i = Cast <to = 7> (x)
          e = Gather (w, i)
          y = ReduceMean <axes = [1], keepdims = 0> (e)
        }""",
        w=np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32),
    )
    np.save(tmp_path / "ids.npy", np.random.default_rng(1).integers(0, 10, (12, 4)).astype(np.float32))
    outcome = cli("report", path, tmp_path / "ids.npy", "--steps", 2, "--budget", "none", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    found = data(tmp_path / "out", "y")
    assert found["messages"] == []
    assert [unit["real"]["count"] for unit in found["units"]] == [12, 12, 12]
