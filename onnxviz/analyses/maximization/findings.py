"""Findings about a result beyond its score: the input that is fed, and more of vectors and tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.features import Features
    from onnxviz.analyses.inputs.tokens import Tokens
    from onnxviz.analyses.maximization.accentuation import Accents
    from onnxviz.analyses.maximization.letter_findings import LetterFindings
    from onnxviz.analyses.maximization.token_findings import TokenFindings
    from onnxviz.analyses.maximization.vector_findings import VectorFindings


@dataclass(frozen=True, eq=False)
class Findings:
    """The input that is fed in the end, and what is known of it.

    Attributes
    ----------
    array, start : (*shape) ndarray
        The model's input at the end and at the start, with whole numbers and codes settled; of tokens their ids.
    every, starts : (restart, *shape) ndarray
        The same for every start.
    vector : VectorFindings or None
        Findings about a vector.
    tokens : TokenFindings or None
        Findings about tokens.
    letters : LetterFindings or None
        Findings about one-hot letters.
    accents : Accents or None
        The changes of a real input.
    remark : str
        What a person should know about the search.
    """

    array: np.ndarray
    start: np.ndarray
    every: np.ndarray
    starts: np.ndarray
    vector: VectorFindings | None = None
    tokens: TokenFindings | None = None
    letters: LetterFindings | None = None
    accents: Accents | None = None
    remark: str = ""

    @property
    def drops(self) -> np.ndarray | None:
        """What each token or letter contributes; None for other inputs."""
        known = self.tokens if self.tokens is not None else self.letters
        return None if known is None else known.drops

    def summary(self, features: Features, tokens: Tokens | None, rate: float | None) -> dict[str, Any]:
        """Return the fields of the result's row about features, tokens and sound.

        Parameters
        ----------
        features : Features
            A vector's features.
        tokens : Tokens or None
            The names of tokens.
        rate : float or None
            A signal's samples per second.
        """
        told: dict[str, Any] = {}
        if self.vector is not None:
            told["features"] = self.vector.summary(features)
        if self.tokens is not None:
            told["tokens"] = self.tokens.summary(tokens)
        if self.letters is not None:
            told["letters"] = self.letters.summary()
        if self.accents is not None:
            told["accentuation"] = self.accents.summary()
        if rate is not None:
            told["sound"] = {"rate": rate, "peak": float(np.abs(self.array).max())}
        return told

    def arrays(self) -> dict[str, tuple[np.ndarray, str]]:
        """Return further arrays to save, each with its axes; those of changes have the axes of the input after the first."""
        if self.accents is not None:
            own = " ".join(f"axis{axis + 1}" for axis in range(self.accents.original.ndim))
            accents = {
                "accents": (self.accents.arrays, f"strength {own}"),
                "importance": (self.accents.importance, own),
            }
            return {**accents, **replace(self, accents=None).arrays()}
        if self.tokens is not None:
            return {
                "vectors": (self.tokens.soft[None], "batch time feature"),
                "similarity": (self.tokens.similarity, "time"),
                "contributions": (self.tokens.drops, "time"),
            }
        if self.letters is not None:
            return {"contributions": (self.letters.drops, "position")}
        if self.vector is None:
            return {}
        told = {
            "reference": (self.vector.reference, "feature"),
            "contributions": (self.vector.drops(), "feature"),
        }
        if self.vector.neighbors is not None:
            told["nearest_rows"] = (self.vector.neighbor_rows, "row feature")
        return told
