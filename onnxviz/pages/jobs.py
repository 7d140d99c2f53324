"""Who does the jobs of a report, and how what they find is gathered: one way for units and for shards of the data.

A job is done by a function of itself and of the work that all jobs of its kind share. Both can be pickled, so that any
`concurrent.futures.Executor` does; what is found does not depend on which.
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
    """Who does jobs of a kind.

    Attributes
    ----------
    executor : Executor
        Takes them.
    room : callable
        Tells how many to hand over at once, from now on.
    ahead : int
        How many of those wait for one another.
    """

    executor: Executor
    room: Callable[[], int]
    ahead: int


class SerialExecutor(Executor):
    """Runs each call when it is submitted, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a function and return what it gave as a future that is done."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def one_by_one() -> Iterator[Hands]:
    """Let this process do one job after the other, each on all cores."""
    with SerialExecutor() as executor:
        yield Hands(executor, lambda: 1, 1)


@contextmanager
def side_by_side(count: int) -> Iterator[Hands]:
    """Let this process do so many jobs at a time, in threads; one more waits, so that none of them is idle."""
    executor = ThreadPoolExecutor(count, thread_name_prefix="job")
    try:
        yield Hands(executor, lambda: count + 1, 1)
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def gather(
    hands: Hands, todo: Iterator[Job], run: Callable[[Job, Shared], Found], shared: Shared
) -> Iterator[tuple[Job, Found]]:
    """Hand jobs over and yield what they found, as they finish.

    Parameters
    ----------
    hands : Hands
        Who does them.
    todo : iterator
        The jobs; asked for the next one only when there is room for it.
    run : callable
        Does a job, with what all of them share.
    shared : Work
        What all of them share.

    Raises
    ------
    Exception
        What the first of the jobs that failed raised, once all that were handed over are done, and all that they found was
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
        # What is found is kept before what failed ends the run, and which failure is told does not depend on who was faster.
        done, _ = wait(running)
    for future in sorted(done, key=lambda one: (one.exception() is not None, running[one][0])):
        _, job = running.pop(future)
        yield job, future.result()
