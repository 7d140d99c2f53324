"""The part of a report that runs on a cluster's worker: it unpacks the files once, and runs one job at a time."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path
from threading import Lock
from typing import Any

from onnxviz.analyses.provenance import versions
from onnxviz.errors import ClusterError
from onnxviz.pages.cluster.parcel import Parcel, relocated

_ONE_AT_A_TIME = Lock()
"""Held while a job runs. Jobs of a process share the model's sessions and torch's threads, so only one may run."""


def unpacking(parcel: Parcel, name: str) -> Any:
    """Return a plugin that unpacks a parcel on each worker, also on workers that join later, and deletes it at the end.

    Parameters
    ----------
    parcel : Parcel
        The files.
    name : str
        The name of the folder, unique for each run.
    """
    from distributed import WorkerPlugin

    class Unpacking(WorkerPlugin):
        # The class is sent with the variables of its functions. The files are an argument, so that they are not sent twice.
        def __init__(self, parcel: Parcel, name: str) -> None:
            self.parcel: Parcel | None = parcel
            self.name = name
            self.folder = Path()

        def setup(self, worker: Any) -> None:
            self.folder = Path(worker.local_directory) / self.name
            if self.parcel is not None:
                self.parcel.unpack(self.folder)
            self.parcel = None  # the files are on the disk now: this frees the memory

        def teardown(self, worker: Any) -> None:
            shutil.rmtree(self.folder, ignore_errors=True)

    return Unpacking(parcel, name)


def on_worker(name: str, wanted: dict[str, str], payload: bytes) -> Any:
    """Run a job on this worker; return its result.

    Parameters
    ----------
    name : str
        The name of the parcel.
    wanted : dict of str to str
        The versions on the machine that makes the report.
    payload : bytes
        The function, the job, its work, and the parcel's places and shared paths.

    Raises
    ------
    ClusterError
        If this machine has other versions, lacks a file that was not sent, or has another file in its place.
    """
    from distributed import get_worker

    worker = get_worker()
    found = versions()
    other = next((package for package in wanted if found.get(package) != wanted[package]), None)
    if other is not None:
        raise ClusterError(
            f"the worker {worker.address} has {other} {found.get(other)}, this machine {wanted[other]}: "
            "install the same versions everywhere, since other versions give other results"
        )
    function, job, work, places, shared = pickle.loads(payload)
    for path in shared:
        if not Path(path).exists():
            raise ClusterError(
                f"the worker {worker.address} does not find {path}: folders, large files of data, plugins and libraries are not sent; "
                "put them on a disk that all machines have at the same path"
            )
    with _ONE_AT_A_TIME:
        try:
            return function(job, relocated(work, places, worker.plugins[name].folder))
        except ClusterError as error:
            raise ClusterError(f"the worker {worker.address}: {error}") from None
