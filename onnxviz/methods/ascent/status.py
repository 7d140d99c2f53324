"""The status of an ascent, which says how it ended."""

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
    CONSTANT = "constant", "not maximized, since no input changes the score"
    INTERRUPTED = "interrupted", "interrupted; this is the best so far"

    @property
    def reported(self) -> str:
        """The word in JSON documents. There a dead or constant unit has the word of no progress and a message that says more."""
        return str(Status.NO_PROGRESS if self in (Status.DEAD, Status.CONSTANT) else self)
