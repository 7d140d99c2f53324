"""SIGTERM, by which batch systems and container hosts end a program: the command line takes it as it takes Ctrl-C."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_AGAIN = 30.0
"""Seconds in which one more SIGTERM changes nothing. After as many, batch systems and container hosts kill what is left."""


class Termination:
    """Turns SIGTERM into a `KeyboardInterrupt` as long as its block lasts.

    Whatever keeps what is finished when Ctrl-C comes, keeps it then as well. One more SIGTERM within 30 seconds changes nothing: a
    signal to a process and to its group arrives twice, and must not break off what is being saved. Ctrl-C still does.

    Attributes
    ----------
    came : bool
        Whether a SIGTERM has ended the block, or is about to.

    Notes
    -----
    Nothing is changed outside the main thread, where Python allows no handlers, and where whoever started the program has SIGTERM
    ignored.

    Examples
    --------
    >>> with Termination() as termination:
    ...     try:
    ...         signal.raise_signal(signal.SIGTERM)
    ...     except KeyboardInterrupt:
    ...         print(termination.came)
    True
    """

    def __init__(self) -> None:
        self.came = False
        self._over = False
        self._first = 0.0
        self._restore = False

    def __enter__(self) -> Termination:
        self._before = signal.getsignal(signal.SIGTERM)
        # None is a handler of C code, which Python cannot put back.
        if self._before is None or self._before == signal.SIG_IGN:
            return self
        try:
            signal.signal(signal.SIGTERM, self._end)
        except ValueError:  # not the main thread
            return self
        self._restore = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over = True  # from here on there is nothing left to end
        if self._restore:
            signal.signal(signal.SIGTERM, self._before)

    def _end(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over or (self.came and now - self._first < _AGAIN):
            return
        self.came, self._first = True, now
        raise KeyboardInterrupt
