"""How an ascent ended."""

from __future__ import annotations

from onnxviz.methods.explained_word import ExplainedWord


class Status(ExplainedWord):
    """How an ascent ended.

    Attributes
    ----------
    sentence : str
        What the status means; "" for an ascent that went well.
    """

    OK = "ok", ""
    NOT_FINITE = "not_finite", "no score was a finite number"
    NO_PROGRESS = "no_progress", "the score did not rise over its start"
    DEAD = "dead", "the gradient is zero: the unit looks dead here"
    INTERRUPTED = "interrupted", "interrupted; this is the best so far"

    @property
    def reported(self) -> str:
        """The word that results are written with, which tells a dead unit by the message alone."""
        return str(Status.NO_PROGRESS if self is Status.DEAD else self)
