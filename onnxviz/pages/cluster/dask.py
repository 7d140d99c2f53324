"""Runs the jobs of a report on other machines: a Dask cluster as an `Executor`."""

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
"""The longest wait for the scheduler's answer, in seconds."""

_PATIENCE = 60.0
"""The longest time without any worker, in seconds. After this time the run ends."""

_LOOK = 1.0
"""The time between two counts of the workers, in seconds."""


class ClusterExecutor(Executor):
    """Runs jobs on the workers of a Dask cluster.

    The files are sent once to each worker, also to workers that join later. If a worker dies, the scheduler gives its jobs to
    another worker.

    Parameters
    ----------
    address : str
        The address of the scheduler: ``tcp://host:8786``, or ``host:8786``.
    parcel : Parcel
        The files that the jobs read.

    Raises
    ------
    ClusterError
        If distributed is not installed, no scheduler answers, or no worker joins.
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
        except Exception as error:  # distributed raises at least five kinds of errors, depending on the address
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
        """Return the largest number of unfinished jobs to hand over: for each worker, the current job and the next."""
        return 2 * max(1, self.workers)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a job; return the future of its result.

        Parameters
        ----------
        fn : callable
            Takes a job and the settings that all jobs of its kind share.
        *args
            The job and the settings.
        **kwargs
            No keywords.
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
        """Cancel the unfinished jobs, delete the workers' folders, and disconnect from the cluster."""
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
        """Pass the result of a job to its future; turn a failure into an error of this program."""
        try:
            if handed.status == "finished":
                outcome: Any = handed.result()
            elif handed.status == "error":
                outcome = self._told(handed.exception())
            else:
                outcome = ClusterError(f"the cluster at {self.address} was lost; finished jobs are kept")
        except Exception:  # the connection broke while the result was on its way
            outcome = ClusterError(f"the cluster at {self.address} was lost; finished jobs are kept")
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
                f"`cluster` {self.address}: several workers died during the same job, perhaps for lack of memory; "
                "with fewer workers on a machine, each has more memory"
            )
        return ClusterError(f"`cluster` {self.address}: a worker failed ({_sentence(error)})")

    def _watch(self) -> None:
        """Count the workers. End the run if the scheduler is gone, or if there was no worker for a minute."""
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
                self._give_up(f"the cluster at {self.address} was lost; finished jobs are kept")
                return
            elif time.monotonic() - seen > _PATIENCE:
                self._give_up(
                    f"the cluster at {self.address} had no worker for {_PATIENCE:.0f} s; finished jobs are kept"
                )
                return

    def _give_up(self, message: str) -> None:
        with self._lock:
            self._lost = message
            futures = list(self._running)
        for future in futures:
            self._settle(future, ClusterError(message))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the logs and warnings of distributed: this program reports lost connections and versions in a sentence."""
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
