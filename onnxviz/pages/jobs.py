"""Runs a report's jobs on an Executor and yields their results.

A job is a search of units, or a shard of the data. A function takes the job and the settings that all jobs of its kind share.
Both can be pickled, so that any `concurrent.futures.Executor` can run them. The results do not depend on the executor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

Job = TypeVar("Job")
Found = TypeVar("Found")
Shared = TypeVar("Shared")


@dataclass(frozen=True)
class Hands:
    """An executor, and the number of jobs that it takes at once.

    Attributes
    ----------
    executor : Executor
        Runs the jobs.
    room : callable
        Returns the largest number of unfinished jobs to hand over. It may change during a run.
    ahead : int
        The number of these jobs that one worker runs one after the other.
    """

    executor: Executor
    room: Callable[[], int]
    ahead: int


class SerialExecutor(Executor):
    """Runs each call when it is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function, and return a finished future with its result or its exception."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def one_by_one() -> Iterator[Hands]:
    """Provide an executor that runs one job after the other in this process, each on all cores."""
    with SerialExecutor() as executor:
        yield Hands(executor, lambda: 1, 1)


@contextmanager
def side_by_side(count: int) -> Iterator[Hands]:
    """Provide `count` threads of this process that run jobs; one more job waits, so that no thread is idle."""
    executor = ThreadPoolExecutor(count, thread_name_prefix="job")
    try:
        yield Hands(executor, lambda: count + 1, 1)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def gather(
    hands: Hands, todo: Iterator[Job], run: Callable[[Job, Shared], Found], shared: Shared
) -> Iterator[tuple[Job, Found]]:
    """Run jobs, and yield each job with its result as it finishes.

    Parameters
    ----------
    hands : Hands
        The executor that runs the jobs.
    todo : iterator
        The jobs. The next job is taken only when the executor has room for it.
    run : callable
        Runs a job: takes the job and `shared`, and returns the result.
    shared : Work
        The settings that all jobs share.

    Raises
    ------
    Exception
        The exception of the first job that failed. It is raised after all jobs in work have ended and all results were
        yielded.
    """
    running: dict[Future[Found], tuple[int, Job]] = {}
    for number, job in enumerate(todo):
        running[hands.executor.submit(run, job, shared)] = (number, job)
        while len(running) >= hands.room():
            yield from _finished(running)
    while running:
        yield from _finished(running)


def _finished(running: dict[Future[Found], tuple[int, Job]]) -> Iterator[tuple[Job, Found]]:
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    if any(future.exception() is not None for future in done):
        # A failure ends the run. Results are yielded first. The failure of the job with the lowest number is raised, so that
        # the message does not depend on the speed of the jobs.
        done, _ = wait(running)
    for future in sorted(done, key=lambda one: (one.exception() is not None, running[one][0])):
        _, job = running.pop(future)
        yield job, future.result()
