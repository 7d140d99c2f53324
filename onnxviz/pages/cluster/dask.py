"""Other machines for the jobs of a report: a Dask cluster with the face of an `Executor`."""

from __future__ import annotations

import contextlib
import logging
import pickle
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any

from onnxviz.errors import ClusterError, OnnxvizError

if TYPE_CHECKING:
    from onnxviz.pages.cluster.parcel import Parcel

_REACHED = 10.0
"""Seconds in which the scheduler must answer."""

_PATIENCE = 60.0
"""Seconds without a single worker before a run is given up."""

_LOOK = 1.0
"""Seconds between two looks at who is there."""


class ClusterExecutor(Executor):
    """Runs jobs on the workers of a Dask cluster.

    The files are sent once to each worker, those that join later included. What a worker had in hand when it died is given to another one
    by the scheduler.

    Parameters
    ----------
    address : str
        Of the scheduler: ``tcp://host:8786``, or ``host:8786``.
    parcel : Parcel
        What the jobs read.

    Raises
    ------
    ClusterError
        If distributed is not installed, nobody answers there, or no worker comes.
    """

    def __init__(self, address: str, parcel: Parcel) -> None:
        try:
            import distributed
        except ImportError:
            raise ClusterError("`cluster` needs distributed: pip install 'onnxviz[cluster]'") from None
        from onnxviz.analyses.provenance import versions
        from onnxviz.pages.cluster.worker import unpacking

        self.address = address
        self._parcel = parcel
        self._name = f"onnxviz-{uuid.uuid4().hex}"
        self._versions = versions()
        self._running: dict[Future[Any], Any] = {}
        self._lock = Lock()
        self._over = Event()
        self._lost = ""
        self.workers = 0
        self._quiet = contextlib.ExitStack()
        self._quiet.enter_context(_quiet())
        try:
            self._client: Any = distributed.Client(address, timeout=_REACHED, set_as_default=False)
        except Exception as error:  # what it raises depends on the address: of five kinds at least
            self._quiet.close()
            raise ClusterError(f"`cluster` {address}: no scheduler answers there ({_sentence(error)})") from None
        try:
            self._client.wait_for_workers(1, timeout=_PATIENCE)
            self._client.register_plugin(unpacking(parcel, self._name), name=self._name)
            self.workers = len(self._client.nthreads())
        except Exception as error:
            self.shutdown()
            raise ClusterError(f"`cluster` {address}: no worker takes the model ({_sentence(error)})") from None
        Thread(target=self._watch, name="cluster watch", daemon=True).start()

    def room(self) -> int:
        """Return how many jobs to hand over at once: for each worker the one that it does, and the next."""
        return 2 * max(1, self.workers)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a job.

        Parameters
        ----------
        fn : callable
            Takes a job and its work.
        *args
            These two.
        **kwargs
            None.
        """
        from onnxviz.pages.cluster.worker import on_worker

        job, work = args
        payload = pickle.dumps((fn, job, work, dict(self._parcel.places), self._parcel.shared))
        future: Future[Any] = Future()
        with self._lock:
            if self._lost:
                future.set_exception(ClusterError(self._lost))
                return future
            handed = self._client.submit(on_worker, self._name, self._versions, payload, pure=False, **kwargs)
            self._running[future] = handed
        handed.add_done_callback(lambda done: self._finish(future, done))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = True) -> None:
        """Take back what is not done, clear the workers' folders, and leave the cluster to itself."""
        self._over.set()
        with self._lock:
            handed, self._running = list(self._running.values()), {}
        with contextlib.suppress(Exception):  # the cluster may be gone
            if not self._lost:
                self._client.cancel(handed, force=True)
                self._client.unregister_worker_plugin(self._name)
        with contextlib.suppress(Exception):
            self._client.close(timeout=2)
        self._quiet.close()

    def _finish(self, future: Future[Any], handed: Any) -> None:
        """Hand on what a job gave, as this program's own errors."""
        try:
            if handed.status == "finished":
                outcome: Any = handed.result()
            elif handed.status == "error":
                outcome = self._told(handed.exception())
            else:
                outcome = ClusterError(f"the cluster at {self.address} was lost; what is done is kept")
        except Exception:  # the connection broke while the result was on its way
            outcome = ClusterError(f"the cluster at {self.address} was lost; what is done is kept")
        self._settle(future, outcome)

    def _settle(self, future: Future[Any], outcome: Any) -> None:
        with self._lock:
            if self._running.pop(future, None) is None:
                return
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    def _told(self, error: BaseException) -> OnnxvizError:
        if isinstance(error, OnnxvizError):
            return error
        if type(error).__name__ == "KilledWorker":
            return ClusterError(
                f"`cluster` {self.address}: several workers died over the same job: too little memory, perhaps; "
                "fewer workers on a machine leave more to each"
            )
        return ClusterError(f"`cluster` {self.address}: a worker failed ({_sentence(error)})")

    def _watch(self) -> None:
        """Count the workers; give up when the scheduler is gone, or nobody has worked for a while."""
        seen = time.monotonic()
        while not self._over.wait(_LOOK):
            try:
                self.workers = len(self._client.nthreads())
                alive = self._client.status == "running"
            except Exception:
                alive = False
            if self._over.is_set():
                return
            if alive and self.workers:
                seen = time.monotonic()
            elif not alive:
                self._give_up(f"the cluster at {self.address} was lost; what is done is kept")
                return
            elif time.monotonic() - seen > _PATIENCE:
                self._give_up(f"no worker is left at {self.address} for {_PATIENCE:.0f} s; what is done is kept")
                return

    def _give_up(self, message: str) -> None:
        with self._lock:
            self._lost = message
            futures = list(self._running)
        for future in futures:
            self._settle(future, ClusterError(message))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the cluster's library says of lost connections and versions from stderr: this program says it in a sentence."""
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] in ("distributed", "tornado")]
    loggers = [logging.getLogger(name) for name in [*names, "distributed", "tornado", "asyncio"]]
    before = [one.level for one in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for one in loggers:
            one.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for one, level in zip(loggers, before, strict=True):
                one.setLevel(level)


def _sentence(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
