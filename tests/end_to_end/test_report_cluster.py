"""A report by a cluster: the same bytes as from one machine, also if workers die; one sentence if there is no cluster."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'onnxviz[cluster]'")


HOLD = """
import itertools, time
from pathlib import Path
from onnxviz.pages import data_shards, unit_search

def hold(module, name, number):
    real, calls = getattr(module, name), itertools.count(1)

    def held(*arguments):
        if next(calls) == number:
            Path({mark!r}).touch()
            while True:
                time.sleep(1)
        return real(*arguments)

    setattr(module, name, held)

hold({job}, {number})
"""
"""A worker that stops inside one of its jobs and says so by a file: whatever dies then, dies in the middle of the work."""

SHARD, SEARCH = "data_shards, 'score_shard'", "unit_search, 'run_job'"


class Cluster:
    """A scheduler and workers, each a process, on this machine."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.scheduler = self._start(
            "dask_scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file
        )
        wait_for(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers: list[subprocess.Popen] = []

    def add_worker(self, job: str = "", number: int = 1) -> Path:
        """Start a worker, which stops in the named job of its own if there is one; return the file that says so."""
        place = self.folder / f"worker{len(self.workers)}"
        mark = place.with_suffix(".held")
        words: list[object] = ["--nthreads", "1", "--no-nanny", "--local-directory", place]
        if job:
            program = place.with_name(f"hold{len(self.workers)}.py")
            program.write_text(HOLD.format(mark=str(mark), job=job, number=number), "utf-8")
            words += ["--preload", program]
        self.workers.append(self._start("dask_worker", place.name, self.address, *words))
        return mark

    def wait_for_workers(self) -> None:
        """Wait until the scheduler knows every worker that lives."""
        logs = [self.folder / f"worker{number}.log" for number, one in enumerate(self.workers) if one.poll() is None]
        wait_for(lambda: all("Registered to" in log.read_text("utf-8") for log in logs))

    def _start(self, module: str, name: str, *words: object) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, words), "--no-dashboard"]
        with (self.folder / f"{name}.log").open("w") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def end(self) -> None:
        for one in (*self.workers, self.scheduler):
            one.kill()
            one.wait()


def wait_for(true: Callable[[], bool], seconds: float = 600.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    made = Cluster(tmp_path / "cluster")
    yield made
    made.end()


def test_with_workers_killed_the_bytes_are_those_of_one_machine(
    cluster, start, tmp_path, report_content, scored, whole_report
) -> None:
    words, whole = whole_report
    scoring = cluster.add_worker(SHARD, 3)
    searching = cluster.add_worker(SEARCH)
    cluster.wait_for_workers()
    by_many = start(*words, "-o", tmp_path / "many", "--cluster", cluster.address, small_shards=True)
    partial = tmp_path / "many.partial"
    wait_for(lambda: scoring.exists() or by_many.poll() is not None)
    assert by_many.poll() is None, by_many.communicate()[1]
    assert scored(partial) < scored(whole)
    cluster.workers[0].kill()  # in the middle of the data
    cluster.workers[0].wait()
    cluster.add_worker()
    cluster.wait_for_workers()
    wait_for(lambda: searching.exists() or by_many.poll() is not None)
    assert by_many.poll() is None, by_many.communicate()[1]
    assert scored(partial) == scored(whole)
    cluster.workers[1].kill()  # and in the middle of the search
    _, said = by_many.communicate(timeout=600)
    assert by_many.returncode == 0, said
    assert not [line for line in said.splitlines() if not line.startswith(("image: ", "2 workers"))]
    assert report_content(tmp_path / "many") == report_content(whole)
    # The remaining worker keeps no files of the run.
    wait_for(lambda: not list((tmp_path / "cluster" / "worker2").rglob("onnxviz-*")))

    cluster.scheduler.kill()  # and now the whole cluster, in the middle of a run
    lost = start(*words, "--seed", 1, "-o", tmp_path / "lost", "--cluster", cluster.address)
    _, said = lost.communicate(timeout=600)
    assert lost.returncode == 1
    assert said.startswith(f"onnxviz: --cluster {cluster.address}: no scheduler answers there")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "lost.partial").exists()


def test_a_cluster_that_is_lost_in_the_middle_is_told_in_a_sentence(cluster, start, samples, tmp_path, opens) -> None:
    searching = cluster.add_worker(SEARCH, 2)
    words = ("report", samples / "digits.onnx", "--steps", 12, "--budget", "none", "--tensors", "relu?")
    running = start("-q", *words, "-o", tmp_path / "out", "--cluster", cluster.address)
    wait_for(lambda: searching.exists() or running.poll() is not None)
    cluster.scheduler.kill()
    _, said = running.communicate(timeout=600)
    assert running.returncode == 1
    assert said == f"onnxviz: the cluster at {cluster.address} was lost; finished jobs are kept\n"
    opens(tmp_path / "out.partial")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGTERM there")
def test_a_report_that_is_terminated_takes_its_jobs_back_and_leaves_the_workers(
    cluster, start, samples, tmp_path, scored, many_digits, opens
) -> None:
    for _ in range(2):
        cluster.add_worker()
    cluster.wait_for_workers()
    short = ("--steps", 200, "--units", 8, "--budget", "none", "--tensors", "relu?")
    words = ("report", samples / "digits.onnx", many_digits, *short)
    running = start(*words, "-o", tmp_path / "out", "--cluster", cluster.address, small_shards=True)
    partial = tmp_path / "out.partial"
    wait_for(lambda: scored(partial) >= 400 or running.poll() is not None)
    running.terminate()
    _, said = running.communicate(timeout=600)
    assert running.returncode == 143, said
    *_, kept, last = said.splitlines()
    assert "--resume goes on from there" in kept
    assert last == "onnxviz: terminated"
    opens(partial)
    wait_for(lambda: not list((tmp_path / "cluster").rglob("onnxviz-*")))
    assert [one.poll() for one in (*cluster.workers, cluster.scheduler)] == [None] * 3
    # The workers are free for the next run.
    again = start(*words[:2], *short, "--steps", 3, "-o", tmp_path / "again", "--cluster", cluster.address)
    _, said = again.communicate(timeout=600)
    assert again.returncode == 0, said
