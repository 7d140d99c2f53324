"""Work done ahead by a few threads, in order and with a bound on what waits."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def cores() -> int:
    """Return how many threads can run at a time."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed is not None else os.cpu_count() or 1


def prefetch(
    make: Callable[[Item], Made], items: Iterable[Item], threads: int, ahead: int
) -> Generator[Made, None, None]:
    """Apply a function to items in threads, while the results before are being used.

    Parameters
    ----------
    make : callable
        Runs in a thread; decoding pictures and reading files leave Python's lock to others.
    items : iterable
        Consumed lazily, at most `ahead` items before the one that is being used.
    threads : int
        How many run at a time.
    ahead : int
        How many results wait at most, so that memory stays bounded.

    Yields
    ------
    object
        What `make` gives, in the order of the items. An exception of its is raised where its result would be.

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
