"""Listeners, which receive the notes and the progress of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Listener(Protocol):
    """A receiver of the notes of an analysis (what was found or assumed) and of its progress."""

    def note(self, text: str) -> None:
        """Receive a sentence for the user."""

    def progress(self, what: str, total: int) -> AbstractContextManager[Callable[[int, str], None]]:
        """Begin work that has `total` steps.

        Yields
        ------
        callable
            Takes the number of finished steps and a few words about them.
        """


class Silent:
    """A listener that drops notes and progress."""

    def note(self, text: str) -> None:
        """Drop the sentence."""

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Drop the progress."""
        yield lambda done, words: None


SILENT = Silent()


class Recorder(Silent):
    """A listener that keeps the notes.

    Attributes
    ----------
    heard : list of str
        The notes, each once, in order.
    """

    def __init__(self) -> None:
        self.heard: list[str] = []

    def note(self, text: str) -> None:
        """Keep the sentence."""
        if text not in self.heard:
            self.heard.append(text)
