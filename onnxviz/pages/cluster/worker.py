"""What a worker of a cluster does for a report: it unpacks the files once, and runs one job at a time."""

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
"""A model's sessions and torch's threads belong to a process: workers with several threads run one job, too."""


def unpacking(parcel: Parcel, name: str) -> Any:
    """Return a plugin that unpacks a parcel on each worker, now or when it joins, and clears it away at the end.

    Parameters
    ----------
    parcel : Parcel
        The files.
    name : str
        A name for the folder that no other run has.
    """
    from distributed import WorkerPlugin

    class Unpacking(WorkerPlugin):
        # The class travels with what its functions close over: the files are an argument, and not held by it.
        def __init__(self, parcel: Parcel, name: str) -> None:
            self.parcel: Parcel | None = parcel
            self.name = name
            self.folder = Path()

        def setup(self, worker: Any) -> None:
            self.folder = Path(worker.local_directory) / self.name
            if self.parcel is not None:
                self.parcel.unpack(self.folder)
            self.parcel = None  # from now on the files are on the disk, and not in memory as well

        def teardown(self, worker: Any) -> None:
            shutil.rmtree(self.folder, ignore_errors=True)

    return Unpacking(parcel, name)


def on_worker(name: str, wanted: dict[str, str], payload: bytes) -> Any:
    """Run a job on the worker that this is.

    Parameters
    ----------
    name : str
        Of the parcel.
    wanted : dict of str to str
        The versions that the report's own machine has.
    payload : bytes
        The function, the job, its work, and the parcel's places and shared paths.

    Raises
    ------
    ClusterError
        If this machine has other versions, or lacks a file that was not sent, or has another one.
    """
    from distributed import get_worker

    worker = get_worker()
    found = versions()
    other = next((package for package in wanted if found.get(package) != wanted[package]), None)
    if other is not None:
        raise ClusterError(
            f"the worker {worker.address} has {other} {found.get(other)}, this machine {wanted[other]}: "
            "only the same versions everywhere give the same results"
        )
    function, job, work, places, shared = pickle.loads(payload)
    for path in shared:
        if not Path(path).exists():
            raise ClusterError(
                f"the worker {worker.address} does not find {path}: folders and large files of data are not sent; "
                "put them on a disk that all machines have at the same path"
            )
    with _ONE_AT_A_TIME:
        try:
            return function(job, relocated(work, places, worker.plugins[name].folder))
        except ClusterError as error:
            raise ClusterError(f"the worker {worker.address}: {error}") from None
