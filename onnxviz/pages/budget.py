"""The time that a report may take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """The time of a report, from its first call on. Loading, checks, the search and the page all count.

    Attributes
    ----------
    began : float
        The start of the report on the monotonic clock, in seconds.
    seconds : float
        The length of the budget; infinity for no limit.
    """

    began: float
    seconds: float

    @property
    def left(self) -> float:
        """The seconds that are left; below 0 after the end."""
        return self.seconds - (time.monotonic() - self.began)

    def holds(self, seconds: float, share: float = 1.0) -> bool:
        """Return whether work of some seconds would end within a share of the budget."""
        return time.monotonic() - self.began + seconds <= share * self.seconds

    def until(self, share: float) -> Callable[[], bool]:
        """Return a function that tells whether a share of the budget lasts."""
        return lambda: time.monotonic() - self.began < share * self.seconds
