"""Shards of a report's data: the machine, the order, the number at a time and the threads change no byte."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Condition, Thread

import numpy as np
import pytest
from PIL import Image

import onnxviz
from onnxviz.analyses.examples.scoring_pass import ExemplarPass
from onnxviz.analyses.inputs.feed import Tally, prepare_feed
from onnxviz.analyses.inputs.request import DataRequest
from onnxviz.analyses.listener import SILENT
from onnxviz.errors import ClusterError, DataError, EvaluationError
from onnxviz.formats import data_set
from onnxviz.formats.data_set import DataSet
from onnxviz.formats.score_store import ScoreStore
from onnxviz.pages import data_pass as report_data_pass
from onnxviz.pages import data_shards as report_shards
from onnxviz.pages import jobs as report_jobs
from onnxviz.pages.data_pass import DataPass
from onnxviz.pages.jobs import Hands

SHORT = ("--steps", 2, "--units", 4, "--restarts", 1, "--budget", "none")


def words(samples: Path, source: object, *more: object) -> tuple[object, ...]:
    return ("report", samples / "digits.onnx", source, *SHORT, "--tensors", "relu1", *more)


def content(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: text for name, text in files.items() if not name.startswith(("seconds", "data/seconds", "scores/"))}


class Shuffled(Executor):
    """Hands results back in any order but theirs, and what goes in and out as pickles do."""

    room = 6

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.held: list[tuple[Future, object, object]] = []
        self.order: list[int] = []
        self.lock = Condition()

    def submit(self, fn, /, *args, **kwargs) -> Future:
        job, options = pickle.loads(pickle.dumps(args))
        found = pickle.loads(pickle.dumps(fn(job, options)))
        future: Future = Future()
        with self.lock:
            self.held.append((future, job, found))
            self.lock.notify_all()
        Thread(target=self.release).start()
        return future

    def release(self) -> None:
        with self.lock:
            self.lock.wait_for(lambda: len(self.held) >= self.room, timeout=0.3)
            place = self.random.integers(1, len(self.held)) if len(self.held) > 1 else 0
            future, job, found = self.held.pop(place)
            self.order.append(job.shard.number)
        future.set_result(found)


@pytest.fixture
def small(monkeypatch) -> None:
    """Shards of 25 samples."""
    monkeypatch.setattr(report_shards, "_MOST", 25)


@pytest.fixture
def counted(monkeypatch) -> list[int]:
    """How many samples each batch had that was scored."""
    seen: list[int] = []
    real = ExemplarPass.scored

    def counting(self, answers):
        seen.append(sum(len(next(iter(part.values()))) for part in answers))
        return real(self, answers)

    monkeypatch.setattr(ExemplarPass, "scored", counting)
    return seen


def photos(folder: Path, digits: np.ndarray, numbers: object) -> Path:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        pixels = np.asarray(digits[number], np.float32).reshape(8, 8)
        Image.fromarray(np.uint8(255 * (pixels - pixels.min()) / np.ptp(pixels))).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def digits(samples) -> np.ndarray:
    return np.load(samples / "digits_held_out.npy")


@pytest.mark.parametrize("form", ["npy", "folder"])
def test_the_order_in_which_shards_come_back_changes_no_byte(
    cli, samples, tmp_path, monkeypatch, digits, small, form: str
) -> None:
    if form == "npy":
        np.save(tmp_path / "some.npy", digits[:180])
    else:
        photos(tmp_path / "some.folder", digits, range(90))
        for torn in (70, 8, 33):
            (tmp_path / "some.folder" / f"{torn}.png").write_bytes(b"no picture")
    call = words(samples, tmp_path / f"some.{form}", "--json")
    whole = cli(*call, "-o", tmp_path / "whole")
    assert whole.code == 0, whole.err
    made = Shuffled(1)

    @contextmanager
    def hands(count: int) -> Iterator[Hands]:
        yield Hands(made, lambda: made.room, 1)

    monkeypatch.setattr(report_jobs, "side_by_side", hands)
    other = cli(*call, "-o", tmp_path / "other")
    assert other.code == 0, other.err
    assert content(tmp_path / "other") == content(tmp_path / "whole")
    assert other.document["data"] == whole.document["data"]
    assert sorted(made.order) == list(range(len(made.order))) != made.order  # else no sample is shown
    if form == "folder":
        skipped = [one["id"] for one in whole.document["data"]["skipped"]]
        assert skipped == ["8.png", "33.png", "70.png"]


@pytest.fixture
def passed(samples, tmp_path) -> Callable[..., tuple[DataPass, list[dict]]]:
    """Make one pass over a data set for the first layer's channels, and choose samples for each."""

    def run(source: Path, name: str = "scores", threads: int = 1, going=lambda: True) -> tuple[DataPass, list[dict]]:
        model = onnxviz.load(samples / "digits.onnx")
        feed = prepare_feed(SILENT, model, DataRequest(), (str(source),))
        work = ExemplarPass(SILENT, model, ["relu1[*]", "logits[3]"])
        count, each = report_shards.shares(threads)
        with closing(ScoreStore(tmp_path / f"{name}.sqlite")) as store, report_jobs.side_by_side(count) as hands:
            work.take_up(feed, store)
            made = DataPass(work, feed.open(source), store, samples / "digits.onnx", each)
            with suppress(DataError):
                made.run(SILENT, feed, hands, going)
            return made, work.rows(store, 9)

    return run


def test_the_number_of_threads_changes_no_score(passed, tmp_path, digits, small) -> None:
    np.save(tmp_path / "some.npy", digits[:180])
    found = [passed(tmp_path / "some.npy", f"of{threads}", threads)[1] for threads in (1, 2, 5, 15)]
    assert found[0]
    assert all(rows == found[0] for rows in found)


def test_scores_are_those_of_onnx_runtime(passed, samples, tmp_path, digits, small, onnx_runtime) -> None:
    np.save(tmp_path / "some.npy", digits[:180])
    _, rows = passed(tmp_path / "some.npy")
    logits = onnx_runtime(samples / "digits.onnx", "logits", {"image": digits[:180]})[:, 3]
    chosen = [one["id"] for one in rows[-1]["highest"]]
    assert chosen == [f"some.npy#{place}" for place in np.argsort(-logits, kind="stable")[:9]]


def test_a_grown_folder_pays_for_what_is_new(passed, tmp_path, digits, monkeypatch, counted) -> None:
    monkeypatch.setattr(report_shards, "_MOST", 4)
    folder = photos(tmp_path / "photos", digits, range(10, 20))
    assert passed(folder)[0].read == 10
    assert sorted(counted) == [2, 4, 4]
    # New samples lie before and between the old ones, so that shards have both.
    photos(folder, digits, [1, 2, 3, 100])
    counted.clear()
    made, rows = passed(folder)
    assert (made.read, made.tally.unchanged, sum(counted)) == (4, 10, 4)
    anew = passed(folder, "anew")[1]
    for one, other in zip(rows, anew, strict=True):
        assert [row["id"] for row in one["highest"]] == [row["id"] for row in other["highest"]]
        assert one["statistics"]["mean"] == pytest.approx(other["statistics"]["mean"], rel=1e-6)
    # A changed sample is scored again, and the scores of a deleted sample are removed.
    photos(folder, digits[50:], [1])
    (folder / "2.png").unlink()
    counted.clear()
    made, rows = passed(folder)
    assert (made.read, sum(counted), rows[0]["statistics"]["count"]) == (1, 1, 13)


def test_without_time_each_call_scores_a_shard_that_brings_something(passed, tmp_path, digits, monkeypatch) -> None:
    monkeypatch.setattr(report_shards, "_MOST", 1)
    folder = photos(tmp_path / "photos", digits, range(4))
    for torn in (1, 2):
        (folder / f"{torn}.png").write_bytes(b"no picture")
    found = [passed(folder, going=lambda: False)[0] for _ in range(3)]
    assert [made.read for made in found] == [1, 1, 0]
    assert [made.complete for made in found] == [False, False, True]
    assert [identity for identity, _ in found[-1].tally.problems] == ["1.png", "2.png"]


def test_where_nothing_can_be_read_every_sample_is_named(passed, tmp_path) -> None:
    (tmp_path / "photos").mkdir()
    for torn in (1, 2):
        (tmp_path / "photos" / f"{torn}.png").write_bytes(b"no picture")
    made, rows = passed(tmp_path / "photos")
    assert not made.complete
    assert rows == []
    assert [identity for identity, _ in made.tally.problems] == ["1.png", "2.png"]


def test_data_that_turn_out_damaged_keep_what_was_scored(passed, tmp_path, digits, monkeypatch, small) -> None:
    np.savez(tmp_path / "some.npz", image=digits[:180])
    monkeypatch.setattr(data_set, "_CHUNK", 10 * digits[0].nbytes)
    real = DataSet.pieces

    def damaged(self, wanted=None):
        for number, piece in enumerate(real(self, wanted)):
            if number == 12:
                raise DataError("some.npz: damaged")
            yield piece

    monkeypatch.setattr(DataSet, "pieces", damaged)
    made, rows = passed(tmp_path / "some.npz")
    assert not made.complete
    assert rows[0]["statistics"]["count"] == 100  # the complete shards
    monkeypatch.setattr(DataSet, "pieces", real)
    made, rows = passed(tmp_path / "some.npz")
    assert made.complete
    assert (made.read, rows[0]["statistics"]["count"]) == (80, 180)


def test_a_lost_cluster_ends_the_run_keeps_what_is_done_and_is_resumed_to_the_same_bytes(
    cli, samples, tmp_path, digits, monkeypatch, small, counted
) -> None:
    np.save(tmp_path / "some.npy", digits[:180])
    call = words(samples, tmp_path / "some.npy")
    assert cli(*call, "-o", tmp_path / "whole").code == 0
    whole = sum(counted)
    counted.clear()
    real = report_shards.score_shard

    def lost(job, work):
        if job.shard.number == 3:
            raise ClusterError("the cluster at tcp://there:8786 was lost; finished jobs are kept")
        return real(job, work)

    monkeypatch.setattr(report_data_pass, "score_shard", lost)
    outcome = cli(*call, "-o", tmp_path / "parts")
    assert outcome.code == 1
    assert "was lost; finished jobs are kept" in outcome.err
    assert (tmp_path / "parts.partial" / "index.html").exists()
    assert 3 * 25 <= sum(counted) < whole
    monkeypatch.setattr(report_data_pass, "score_shard", real)
    assert cli(*call, "-o", tmp_path / "parts", "--resume").code == 0
    assert sum(counted) == whole
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_a_machine_with_another_folder_ends_the_run_and_scores_nothing_of_it(
    cli, samples, tmp_path, digits, monkeypatch
) -> None:
    monkeypatch.setattr(report_shards, "_MOST", 2)
    folder = photos(tmp_path / "photos", digits, range(8))
    call = words(samples, folder)
    assert cli(*call, "-o", tmp_path / "whole").code == 0

    class Elsewhere(Executor):
        """Runs a job where 5.png is another picture of the same size."""

        def submit(self, fn, /, *args, **kwargs) -> Future:
            sent = pickle.dumps(args)
            file, future = folder / "5.png", Future()
            state, content = file.stat(), file.read_bytes()
            file.write_bytes(content[::-1])
            try:
                future.set_result(fn(*pickle.loads(sent)))
            except ClusterError as error:
                future.set_exception(error)
            finally:
                file.write_bytes(content)
                os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
            return future

    @contextmanager
    def hands(count: int) -> Iterator[Hands]:
        yield Hands(Elsewhere(), lambda: 1, 1)

    with monkeypatch.context() as patched:
        patched.setattr(report_jobs, "side_by_side", hands)
        outcome = cli(*call, "-o", tmp_path / "parts")
    assert outcome.code == 1
    assert f"{folder / '5.png'}: is another file than on the machine that has the report" in outcome.err
    assert cli(*call, "-o", tmp_path / "parts", "--resume").code == 0
    assert content(tmp_path / "parts") == content(tmp_path / "whole")


def test_the_failure_that_is_told_is_that_of_the_first_job_that_failed() -> None:
    made: list[Future] = []

    class Backwards(Executor):
        def submit(self, fn, /, *args, **kwargs) -> Future:
            made.append(Future())
            if len(made) == 4:
                Thread(target=self.end).start()
            return made[-1]

        def end(self) -> None:
            made[3].set_exception(EvaluationError("fourth"))
            time.sleep(0.05)
            made[2].set_result("third")
            made[1].set_exception(EvaluationError("second"))
            made[0].set_result("first")

    gathered = report_jobs.gather(Hands(Backwards(), lambda: 4, 1), iter("abcd"), str, {})
    assert [next(gathered), next(gathered)] == [("a", "first"), ("c", "third")]
    with pytest.raises(EvaluationError, match="second"):
        next(gathered)


@pytest.mark.parametrize(
    ("name", "source", "tensors"),
    [
        ("digits", "digits_held_out.npy", ["relu1", "logits"]),
        ("tones", "tones_held_out.npy", ["logits"]),
        ("wine", "wine.csv", ["logits"]),
    ],
)
def test_a_shard_is_whole_batches_and_costs_what_it_may(samples, monkeypatch, name, source, tensors) -> None:
    model = onnxviz.load(samples / f"{name}.onnx")
    feed = prepare_feed(SILENT, model, DataRequest(), (str(samples / source),))
    work = ExemplarPass(SILENT, model, [f"{one}[*]" for one in tensors])
    for limit, least in (("_MOST", 7), ("_BYTES", 4000), ("_WORK", 5000), ("_WORK", 1)):
        with monkeypatch.context() as patched:
            patched.setattr(report_shards, limit, least)
            found = report_shards.divide(work, feed, feed.open(samples / source), 1, Tally())
        assert found.batch >= 1
        assert found.shard % found.batch == 0
        assert limit != "_MOST" or found.shard <= 7
        assert limit != "_BYTES" or found.shard * 12 * len(work.names) <= 4000 or found.shard == 1
        assert least != 1 or found.shard == 1
        shape = {key: len(shape) for key, shape in found.shapes.items()}
        assert shape == {key: len(model.tensors[key].shape) - 1 for key in tensors}
    alone = report_shards.divide(work, feed, feed.open(samples / source), 1, Tally(), 320)
    monkeypatch.setattr(report_shards, "_LITTLE", 1)
    shared = report_shards.divide(work, feed, feed.open(samples / source), 1, Tally(), 320)
    assert shared.shard == 20 <= alone.shard  # a small data set is divided among cores too, if this saves time
    assert shared.shapes == alone.shapes
