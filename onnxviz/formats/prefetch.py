"""Work that a few threads do in advance, in order, with a limit on the results that wait."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def cores() -> int:
    """Return how many threads can run at the same time."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def prefetch(
    make: Callable[[Item], Made], items: Iterable[Item], threads: int, ahead: int
) -> Generator[Made, None, None]:
    """Yield a function's results for items, computed in threads while earlier results are being used.

    Parameters
    ----------
    make : callable
        The function, which runs in a thread. While pictures are decoded and files are read, other threads of Python can run.
    items : iterable
        The items. At most `ahead` of them are taken before the first of their results is used.
    threads : int
        How many threads run at the same time.
    ahead : int
        How many results wait at most, which limits the memory.

    Yields
    ------
    object
        The result for each item, in the order of the items. An exception of `make` is raised in place of its result.

    Examples
    --------
    >>> list(prefetch(abs, [-1, 2, -3], threads=2, ahead=2))
    [1, 2, 3]
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="prefetch")
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
