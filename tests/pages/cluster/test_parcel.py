"""The files of a job in a parcel: unpacked elsewhere, without the original files, the job gives the same result."""

from __future__ import annotations

import pickle
import shutil
import sys
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from onnxviz.analyses.examples.scoring_pass import ExemplarPass
from onnxviz.analyses.inputs.feed import Tally
from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.listener import SILENT
from onnxviz.errors import ClusterError
from onnxviz.formats.data_shards import shards
from onnxviz.methods.devices import choose_device
from onnxviz.model.graph.extensions import ExtensionNames
from onnxviz.model.session import Session
from onnxviz.pages import jobs as report_jobs
from onnxviz.pages import unit_search as report_search
from onnxviz.pages.cluster import parcel as report_parcel
from onnxviz.pages.cluster.parcel import pack, relocated
from onnxviz.pages.data_shards import ShardJob, ShardWork, divide, score_shard, scoring_of
from onnxviz.pages.making import Book, open_book
from onnxviz.pages.plan import Aim, Job
from onnxviz.pages.request import ReportRequest
from onnxviz.pages.unit_search import Searched

REQUEST = ReportRequest(units=2, device="cpu", restarts=1)


@pytest.fixture
def written_apart(written, tmp_path) -> Path:
    """A model whose weights lie in a folder below its own, that is told a second input from a file, and its data."""
    origin = tmp_path / "origin"
    (origin / "weights").mkdir(parents=True)
    path = written(
        "agree (float[N, 4] x, float[4] shift) => (float[N, 600] y) { z = Add(x, shift) y = MatMul(z, w) }",
        w=np.random.default_rng(0).normal(size=(4, 600)).astype(np.float32),
    )
    model = onnx.load(path)
    onnx.external_data_helper.convert_model_to_external_data(model, location="weights/all.bin", size_threshold=100)
    onnx.save(model, origin / "model.onnx")
    np.save(origin / "shift.npy", np.arange(4, dtype=np.float32))
    (origin / "rows.csv").write_text("a,b,c,d\n0,1,2,3\n4,5,6,7\n8,9,1,2\n")
    return origin


def opened_book(folder: Path) -> Book:
    said = InputRequest(held={"shift": str(folder / "shift.npy")})
    return open_book(folder / "model.onnx", replace(REQUEST, said=said, data=folder / "rows.csv", wrt="x"))


def test_a_job_does_with_the_parcel_alone(written_apart, tmp_path) -> None:
    book = opened_book(written_apart)
    job = Job(Aim("y", 0, 1, 600), 0, (5, 9))
    there = report_search.run_job(job, book.search)
    assert there.rows
    assert not there.message
    parcel = pack(book.model, book.search)
    assert set(parcel.files) == {
        "model/model.onnx",
        "model/weights/all.bin",
        "held/0/shift.npy",
        "data/rows.csv",
    }
    assert parcel.size > 4 * 4 * 600
    parcel.unpack(tmp_path / "elsewhere")
    shutil.rmtree(written_apart)
    here = report_search.run_job(job, relocated(book.search, parcel.places, tmp_path / "elsewhere"))
    assert replace(here, seconds=0.0) == replace(there, seconds=0.0)


def test_a_shard_of_the_data_does_with_the_parcel_alone(written_apart, tmp_path) -> None:
    book = opened_book(written_apart)
    real = book.seen.real
    assert real is not None
    work = ExemplarPass(SILENT, book.model, ["y[5]", "y[9]"])
    division = divide(work, real.feed, real.data, 1, Tally())
    given = ShardWork(written_apart / "model.onnx", scoring_of(work, real.feed, division, 1))
    (shard,) = shards(real.data.pieces(), 10)
    there = score_shard(ShardJob(shard, {}), given)
    rows = np.loadtxt(written_apart / "rows.csv", delimiter=",", skiprows=1)
    weights = np.random.default_rng(0).normal(size=(4, 600))
    np.testing.assert_allclose(there.scores, ((rows + np.arange(4)) @ weights)[:, [5, 9]], rtol=1e-5)
    parcel = pack(book.model, book.search)
    parcel.unpack(tmp_path / "elsewhere")
    sent = pickle.dumps((ShardJob(shard, {"rows.csv#1": there.stamps[1]}), given))
    shutil.rmtree(written_apart)
    job, kept = pickle.loads(sent)
    here = score_shard(job, relocated(kept, parcel.places, tmp_path / "elsewhere"))
    assert here.unchanged == ("rows.csv#1",)
    assert (here.identities, here.stamps) == (there.identities[::2], there.stamps[::2])
    np.testing.assert_allclose(here.scores, there.scores[::2], rtol=1e-6)


def test_folders_and_large_data_are_named_not_sent(written_apart, monkeypatch) -> None:
    book = opened_book(written_apart)
    monkeypatch.setattr(report_parcel, "LARGEST_DATA", 10)
    parcel = pack(book.model, book.search)
    assert parcel.shared == (str(written_apart / "rows.csv"),)
    assert "data/rows.csv" not in parcel.files
    same = relocated(book.search, parcel.places, Path("elsewhere"))
    assert Path(same.request.data) == written_apart / "rows.csv"
    monkeypatch.chdir(written_apart)  # also with another name there
    named = replace(book.search, request=replace(book.search.request, data=Path("rows.csv")))
    near = pack(book.model, named)
    assert near.shared == parcel.shared
    assert relocated(named, near.places, Path("elsewhere")).request.data == same.request.data
    assert same.request.inputs.held == {"shift": str(Path("elsewhere/held/0/shift.npy"))}


def test_rows_and_members_of_a_held_file_go_with_it(written_apart, tmp_path) -> None:
    np.savez(written_apart / "shifts.npz", one=np.arange(8.0).reshape(2, 4))
    said = InputRequest(held={"shift": str(written_apart / "shifts.npz[one]#1")})
    book = open_book(written_apart / "model.onnx", replace(REQUEST, said=said, wrt="x"))
    parcel = pack(book.model, book.search)
    assert "held/0/shifts.npz" in parcel.files
    there = relocated(book.search, parcel.places, tmp_path / "elsewhere")
    assert there.request.inputs.held == {"shift": f"{tmp_path / 'elsewhere/held/0/shifts.npz'}[one]#1:2"}


def test_plugins_are_named_not_sent(written_apart, tmp_path) -> None:
    plugin = tmp_path / "own_ops.py"
    plugin.write_text(
        "from onnxviz.model.operators.declaration import operator\n\n\n"
        "@operator('Own', domain='test.parcel')\ndef own(x):\n    return x\n"
    )
    book = open_book(written_apart / "model.onnx", replace(REQUEST, wrt="x"), ExtensionNames((str(plugin),)))
    parcel = pack(book.model, book.search)
    assert parcel.shared == (str(plugin),)
    assert not any(b"test.parcel" in content for content in parcel.files.values())
    there = relocated(book.search, parcel.places, tmp_path / "elsewhere")
    assert there.companions == book.search.companions  # the path of the plugin stays
    sent = pickle.dumps(there)
    assert b"own_ops.py" in sent
    assert b"test.parcel" not in sent


def test_what_is_no_path_stays(written_apart) -> None:
    search = opened_book(written_apart).search
    said = InputRequest(held={"shift": "0.5"}, layout="model.onnx")
    search = replace(search, request=replace(search.request, inputs=said))
    same = relocated(search, {str(written_apart / "model.onnx"): "model/model.onnx"}, Path("elsewhere"))
    assert same.request.inputs == said
    assert Path(same.model_path) == Path("elsewhere/model/model.onnx")


@pytest.mark.parametrize("count", [1, 3])
def test_a_job_takes_the_threads_that_it_is_told(samples, monkeypatch, count: int) -> None:
    search = open_book(samples / "wine.onnx", REQUEST).search
    assert search.threads == torch.get_num_threads()
    seen = []
    real = Session.__call__

    def counting(self, inputs):
        made = self._session.get_session_options().intra_op_num_threads
        seen.append((torch.get_num_threads(), made))
        return real(self, inputs)

    monkeypatch.setattr(Session, "__call__", counting)
    before = torch.get_num_threads()
    report_search.run_job(
        Job(Aim("logits", 0, 1, 3), 0, (0,)), replace(search, request=replace(search.request, steps=2), threads=count)
    )
    assert set(seen) == {(count, count)}
    assert torch.get_num_threads() == before


def test_without_distributed_a_sentence_says_what_to_install(cli, samples, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    outcome = cli("report", samples / "wine.onnx", "-o", tmp_path / "out", "--cluster", "localhost:8786")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "onnxviz: --cluster needs distributed: pip install 'onnxviz[cluster]'"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("address", ["nonsense", "http://localhost:8786", "localhost", "tcp://a b:1"])
def test_what_is_no_address_is_wrong_usage(cli, samples, tmp_path, address: str) -> None:
    outcome = cli("report", samples / "wine.onnx", "-o", tmp_path / "out", "--cluster", address)
    assert outcome.code == 2
    assert address in outcome.err
    assert "tcp://host:8786" in outcome.err


def test_what_was_found_is_kept_before_what_failed_ends_the_run() -> None:
    made: list[Future] = []

    class Late(Executor):
        def submit(self, fn, /, *args, **kwargs) -> Future:
            made.append(Future())
            if len(made) == 3:  # all jobs end before the first result is read
                made[0].set_exception(ClusterError("lost"))
                made[1].set_result(Searched(message="one"))
                made[2].set_result(Searched(message="two"))
            return made[-1]

    gathered = report_jobs.gather(report_jobs.Hands(Late(), lambda: 3, 1), iter("abc"), str, {})
    assert [next(gathered), next(gathered)] == [("b", Searched(message="one")), ("c", Searched(message="two"))]
    with pytest.raises(ClusterError, match="lost"):
        next(gathered)


def test_a_job_computes_where_the_report_was_begun(samples) -> None:
    search = open_book(samples / "wine.onnx", replace(REQUEST, device="auto")).search
    assert search.request.device == str(choose_device("auto"))
