"""SIGTERM, with which batch systems and container hosts end a program, ends the command line as Ctrl-C does."""

from __future__ import annotations

import signal
import time
from types import FrameType, TracebackType

_AGAIN = 30.0
"""Seconds in which another SIGTERM has no effect. After this time, batch systems and container hosts kill the program."""


class Termination:
    """Turns SIGTERM into a `KeyboardInterrupt` inside its block.

    Code that saves finished results after Ctrl-C also saves them after SIGTERM. Another SIGTERM within 30 seconds has no effect: a
    signal to a process and to its group arrives twice, and the second must not stop the saving. Ctrl-C does stop the saving.

    Attributes
    ----------
    came : bool
        Whether a SIGTERM has ended the block, or will end it.

    Notes
    -----
    The block changes nothing in two cases: outside the main thread, where Python allows no handlers, and if the program was
    started with SIGTERM ignored.

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
        self._over = True  # the block is over, so that a SIGTERM has nothing to end
        if self._restore:
            signal.signal(signal.SIGTERM, self._before)

    def _end(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over or (self.came and now - self._first < _AGAIN):
            return
        self.came, self._first = True, now
        raise KeyboardInterrupt
