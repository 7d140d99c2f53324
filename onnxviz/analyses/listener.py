"""Who hears of the progress and the notes of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Listener(Protocol):
    """Hears what an analysis found out or assumed, and how far it is."""

    def note(self, text: str) -> None:
        """Take a sentence for the person who asked."""

    def progress(self, what: str, total: int) -> AbstractContextManager[Callable[[int, str], None]]:
        """Begin some work of `total` steps.

        Yields
        ------
        callable
            Takes the number of steps that are done, and a few words.
        """


class Silent:
    """A listener that tells nobody."""

    def note(self, text: str) -> None:
        """Drop the sentence."""

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Drop the progress."""
        yield lambda done, words: None


SILENT = Silent()


class Recorder(Silent):
    """A listener that keeps what it is told.

    Attributes
    ----------
    heard : list of str
        The sentences, each once, in order.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        """Keep the sentence."""
        if text not in self.heard:
            self.heard.append(text)
