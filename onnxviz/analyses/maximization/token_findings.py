"""Findings about tokens: the nearest ids, swapped while ONNX Runtime's score rises, and the contribution of each token."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.methods.ascent.status import Status
from onnxviz.methods.ascent.swaps import Swapped, greedy_swaps

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.tokens import Tokens
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.objectives.objectives import Objective

_REPLACEMENTS = 8
_MOST_POSITIONS = 128
# So many of the starts are swapped, the best ones; a start may end in a dead end that another passes.
_SWAPPED = 2
# A candidate costs about as much as its tokens: of long sequences fewer are tried.
_MOST_TOKENS = 1 << 21


@dataclass(frozen=True, eq=False)
class TokenFindings:
    """Findings about tokens.

    Attributes
    ----------
    ids : (time,) int64
        The token ids that are fed.
    start : (time,) int64
        The tokens nearest to where the ascent began.
    soft : (time, feature) float32
        The vectors that the best ascent ended in.
    rounded_score : float
        The target's score, by ONNX Runtime, at the best of the rounded starts.
    swapped : Swapped
        The result of the swaps from there.
    similarity : (time,) float32
        The cosine of the standardized vectors and rows.
    drops : (time,) float64
        The mean loss when another token takes the place; NaN where nothing was measured.
    """

    ids: np.ndarray
    start: np.ndarray
    soft: np.ndarray
    rounded_score: float
    swapped: Swapped
    similarity: np.ndarray
    drops: np.ndarray

    def summary(self, tokens: Tokens | None) -> dict[str, Any]:
        """Return what result.json tells, with the names of tokens."""
        named = [tokens.name(int(token)) for token in self.ids] if tokens is not None and tokens.names else []
        return {
            "input": tokens.embedding.ids if tokens is not None else "",
            "ids": self.ids.tolist(),
            "names": named,
            "similarity": [float(value) for value in self.similarity],
            "contributions": [float(value) for value in self.drops],
            "rounded_score": self.rounded_score,
            "swapped_score": self.swapped.score,
            "swaps": self.swapped.rounds,
            "candidates": self.swapped.looks,
        }


def token_findings(search: Search, objective: Objective, found: Found, score: Scorer, network: Any) -> TokenFindings:
    """Return the nearest tokens after swaps that raise the score, with the contribution of each token.

    Parameters
    ----------
    search : Search
        The search, of tokens.
    objective : Objective
        The target. Swaps are measured by it and not by what was climbed in its place: the logit before a Softmax may rise
        while the probability falls.
    found : Found
        The result of the ascents.
    score : Scorer
        The scorer of token ids.
    network : callable or None
        From the vectors to the tensors that the target reads, differentiable; without one nothing tells what to swap.
    """
    import torch

    from onnxviz.methods.ascent.token_swaps import TokenSwaps

    tokens = search.tokens
    if tokens is None:
        raise ValueError("the search has no tokens")
    beginning = tokens.nearest(found.start[None])
    every = tokens.nearest(np.stack([ascent.array for ascent in found.ascents]))
    points = np.unique(np.concatenate([every, beginning]), axis=0)
    measured = partial(score.alone, objective)
    scores = np.nan_to_num(measured(points), nan=-np.inf)
    length = every.shape[1]
    swaps = TokenSwaps(
        network,
        tokens.embedding.output,
        tokens.embedding.ids,
        objective,
        torch.as_tensor(tokens.embedding.rows, device=search.device),
        {name: torch.as_tensor(value, device=search.device) for name, value in search.held.items()},
        tokens.movable(length),
    )
    rounds = max(8, min(4 * length, 128, _MOST_TOKENS // (swaps.count * length)))
    if network is None or found.ascent.status == Status.INTERRUPTED:
        rounds = 0
    ends = [
        greedy_swaps(measured, points[place], swaps, rounds=rounds)
        for place in np.argsort(-scores, kind="stable")[:_SWAPPED]
    ]
    swapped = max(ends, key=lambda end: end.score)
    soft = found.ascent.array
    return TokenFindings(
        swapped.point,
        beginning[0],
        soft,
        float(np.nan_to_num(measured(every), nan=-np.inf).max()),
        swapped,
        tokens.similarity(soft, swapped.point),
        _drops(search, objective, score, swapped.point),
    )


def _drops(search: Search, objective: Objective, score: Scorer, ids: np.ndarray) -> np.ndarray:
    """Return the mean loss, over a few tokens spread evenly over the table, when one takes a position's place."""
    drops = np.full(ids.shape, np.nan)
    if len(ids) > _MOST_POSITIONS or search.tokens is None:
        return drops
    count = len(search.tokens.embedding.rows)
    others = np.unique(np.linspace(0, count - 1, min(count, _REPLACEMENTS)).astype(np.int64))
    changed = np.repeat(ids[None], len(ids) * len(others), axis=0).reshape(len(ids), len(others), len(ids))
    for place in range(len(ids)):
        changed[place, :, place] = others
    scores = score.alone(objective, np.concatenate([ids[None], changed.reshape(-1, len(ids))]))
    return np.asarray(scores[0] - scores[1:].reshape(len(ids), len(others)).mean(1))
