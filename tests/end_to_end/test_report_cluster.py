"""A report by a cluster: the same bytes as by one machine, whoever dies meanwhile; one sentence where there is no cluster."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="distributed is not installed: pip install 'onnxviz[cluster]'")


class Cluster:
    """A scheduler and two workers, each a process, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.scheduler = self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", self.file
        )
        wait_for(self.file.exists)
        self.address = json.loads(self.file.read_text())["address"]
        self.workers: list[subprocess.Popen] = []
        for _ in range(2):
            self.add_worker()

    def add_worker(self) -> None:
        words = ("--nthreads", "1", "--no-nanny", "--local-directory", self.folder / f"worker{len(self.workers)}")
        self.workers.append(self._start("dask_worker", self.address, *words))

    def _start(self, module: str, *words: object) -> subprocess.Popen:
        command = [sys.executable, "-m", f"distributed.cli.{module}", *map(str, words), "--no-dashboard"]
        with (self.folder / f"{module}.log").open("a") as log:
            return subprocess.Popen(command, stdout=log, stderr=log)

    def end(self) -> None:
        for one in (*self.workers, self.scheduler):
            one.kill()
            one.wait()


def wait_for(true: Callable[[], bool], seconds: float = 300.0) -> None:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


@pytest.fixture
def cluster(tmp_path) -> Iterator[Cluster]:
    (tmp_path / "cluster").mkdir()
    made = Cluster(tmp_path / "cluster")
    yield made
    made.end()


def test_with_workers_killed_the_bytes_are_those_of_one_machine(
    cluster, start, samples, tmp_path, report_content, scored, many_digits
) -> None:
    short = ("--steps", 12, "--units", 24, "--budget", "none", "--tensors", "relu?")
    words = ("report", samples / "digits.onnx", many_digits, *short)
    by_many = start(*words, "-o", tmp_path / "many", "--cluster", cluster.address, small_shards=True)
    partial = tmp_path / "many.partial"
    wait_for(lambda: scored(partial) >= 400 or by_many.poll() is not None)
    assert by_many.poll() is None, by_many.communicate()[1]
    cluster.workers[0].kill()  # in the middle of the data
    assert scored(partial) < 24 * 360
    cluster.add_worker()
    wait_for(lambda: any((partial / "units").rglob("*.png")) or by_many.poll() is not None)
    assert by_many.poll() is None, by_many.communicate()[1]
    assert scored(partial) == 24 * 360
    cluster.workers[1].kill()  # and in the middle of the search
    _, said = by_many.communicate(timeout=300)
    assert by_many.returncode == 0, said
    assert not [line for line in said.splitlines() if not line.startswith(("image: ", "2 workers", "1 workers"))]
    by_one = start(*words, "-o", tmp_path / "one", small_shards=True)
    _, said = by_one.communicate(timeout=300)
    assert by_one.returncode == 0, said
    assert report_content(tmp_path / "many") == report_content(tmp_path / "one")
    # The worker that is left keeps nothing of it.
    wait_for(lambda: not list((tmp_path / "cluster" / "worker2").rglob("onnxviz-*")))

    cluster.scheduler.kill()  # and now the whole of it, in the middle of a run
    lost = start(*words, "--seed", 1, "-o", tmp_path / "lost", "--cluster", cluster.address)
    _, said = lost.communicate(timeout=120)
    assert lost.returncode == 1
    assert said.startswith(f"onnxviz: --cluster {cluster.address}: no scheduler answers there")
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "lost.partial").exists()


def test_a_cluster_that_is_lost_in_the_middle_is_told_in_a_sentence(cluster, start, samples, tmp_path, opens) -> None:
    words = ("report", samples / "digits.onnx", "--steps", 200, "--budget", "none", "--tensors", "relu?")
    running = start("-q", *words, "-o", tmp_path / "out", "--cluster", cluster.address)
    wait_for(lambda: (tmp_path / "out.partial" / "index.html").exists() or running.poll() is not None)
    wait_for(lambda: bool(list((tmp_path / "cluster").glob("worker*/*/*/onnxviz-*"))))
    cluster.scheduler.kill()
    _, said = running.communicate(timeout=120)
    assert running.returncode == 1
    assert said == f"onnxviz: the cluster at {cluster.address} was lost; what is done is kept\n"
    opens(tmp_path / "out.partial")


@pytest.mark.skipif(sys.platform == "win32", reason="nothing sends SIGTERM there")
def test_a_report_that_is_terminated_takes_its_jobs_back_and_leaves_the_workers(
    cluster, start, samples, tmp_path, scored, many_digits, opens
) -> None:
    short = ("--steps", 200, "--units", 8, "--budget", "none", "--tensors", "relu?")
    words = ("report", samples / "digits.onnx", many_digits, *short)
    running = start(*words, "-o", tmp_path / "out", "--cluster", cluster.address, small_shards=True)
    partial = tmp_path / "out.partial"
    wait_for(lambda: scored(partial) >= 400 or running.poll() is not None)
    running.terminate()
    _, said = running.communicate(timeout=120)
    assert running.returncode == 143, said
    *_, kept, last = said.splitlines()
    assert "--resume goes on from there" in kept
    assert last == "onnxviz: terminated"
    opens(partial)
    wait_for(lambda: not list((tmp_path / "cluster").rglob("onnxviz-*")))
    assert [one.poll() for one in (*cluster.workers, cluster.scheduler)] == [None] * 3
    # They are free for the next run.
    again = start(*words[:2], *short, "--steps", 3, "-o", tmp_path / "again", "--cluster", cluster.address)
    _, said = again.communicate(timeout=300)
    assert again.returncode == 0, said
