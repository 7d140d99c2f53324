"""The second look at a result: findings for its kind of input, and another climb where the first one failed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.maximization.findings import Findings
from onnxviz.analyses.maximization.letter_findings import letter_findings
from onnxviz.analyses.maximization.token_findings import token_findings
from onnxviz.analyses.maximization.vector_findings import vector_findings
from onnxviz.methods.ascent.status import Status

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.tokens import Tokens
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.task import Knowledge
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.ascent.settings import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective


_BROKEN = (Status.INTERRUPTED, Status.NOT_FINITE)
"""The ends of an ascent whose input is not examined further."""

_AWAKE = 0.5
"""A picture counts as still dead where its score rose by less than this share of the rise of a random input."""


@dataclass(frozen=True, eq=False)
class Inquiry:
    """Looks at the result of a climb, and climbs again where the first climb failed.

    Attributes
    ----------
    knowledge : Knowledge
        What is known of the input.
    tools : Instruments
        What climbs and scores.
    """

    knowledge: Knowledge
    tools: Instruments

    def __call__(
        self,
        objective: Objective,
        found: Found,
        space: Space,
        best_probe: float = -np.inf,
        probe: Callable[[], np.ndarray] | None = None,
    ) -> tuple[Found, Findings]:
        """Return the result, or the result of another climb where the first one failed, and its findings.

        A logit may rise while its probability falls, as the others rise more: then the probability itself is climbed. A
        unit may be dead at every start, or nearly so, and alive elsewhere: then it is climbed from an input at which it is
        alive.

        Parameters
        ----------
        objective : Objective
            The target.
        found : Found
            The result of the search; the climbed objective may differ from the target.
        space : Space
            The space that was searched.
        best_probe : float
            The highest score of a random input.
        probe : callable, optional
            Gives a random input of high score, (*shape).
        """
        search, tools = self.tools.search, self.tools
        if tools.near or self.knowledge.keep_near:
            # Near real inputs the score is not the highest one, and another climb would leave them.
            return found, replace(self._findings(objective, found), remark=self._rows(objective))
        if probe is not None and self._beaten(objective, found, space, best_probe):
            begun = self._climb(replace(space, beginning=probe()), found.objective, tools.network, search.settings)
            if begun.ascent.score > found.ascent.score or (_lost(found) and not _lost(begun)):
                findings = replace(self._findings(objective, begun), remark=self._rows(objective))
                remark = "the random starts ended below a random input, so the search climbed from that random input"
                if _lost(found):
                    remark = "no random start had a score, so the search climbed from a random input that has one"
                elif _dead(found):
                    remark = "dead at all random starts, so the search climbed from a random input at which the target is alive"
                return begun, replace(findings, remark="; ".join(filter(None, (remark, findings.remark))))
        findings = replace(self._findings(objective, found), remark=self._rows(objective))
        stopped = found.ascent.status in _BROKEN
        if objective == found.objective or objective.members or tools.check is None or stopped:
            return found, findings
        start, end = tools.score.alone(objective, np.stack([findings.start, findings.array]))
        if not end < max(start, best_probe):
            return found, findings
        literal = self._climb(space, objective, tools.check, search.settings)
        again = self._findings(objective, literal)
        if not tools.score.alone(objective, again.array[None])[0] > end:
            return found, findings
        other = "its start" if end < start else "a random input"
        remark = f"raising {found.objective} left {objective} below {other}, so {objective} itself was maximized"
        return literal, replace(again, remark="; ".join(filter(None, (remark, findings.remark))))

    def _beaten(self, objective: Objective, found: Found, space: Space, best_probe: float) -> bool:
        """Return whether a random input scores higher than the result, so that a climb from that input helps."""
        tools = self.tools
        if tools.network is None or objective.members or space.beginning is not None or tools.search.tokens is not None:
            return False
        if _lost(found):
            return bool(np.isfinite(best_probe))
        if not _dead(found):
            # Where a logit left its probability behind, the remedy is to climb the probability; and a vector has more starts.
            same = space.spectral and objective == found.objective and found.ascent.status not in _BROKEN
            rise = found.ascent.score - found.ascent.initial_score
            return same and rise < _AWAKE * (best_probe - found.ascent.initial_score)
        return bool(tools.score.alone(objective, found.ascent.array[None])[0] < best_probe)

    def _rows(self, objective: Objective) -> str:
        """Return a sentence for each tensor of the target of which one input gives several rows, such as the boxes of a detector."""
        rows = self.tools.score.rows
        counted = {name: rows[name] for name in objective.tensors if name in rows}
        return "; ".join(
            f"one input gives {count} rows of {name}; the question about them: {objective.question}"
            for name, count in counted.items()
        )

    def _findings(self, objective: Objective, found: Found) -> Findings:
        search = self.tools.search
        arrays = np.stack([one.array for one in found.ascents])
        if search.tokens is not None:
            return self._token_findings(objective, found, search.tokens, arrays)
        if search.lattice is not None:
            arrays = arrays.astype(np.float32)
        starts, every = search.settled(found.starts), search.settled(arrays)
        plain = Findings(every[found.best], starts[found.best], every, starts)
        is_vector = self.knowledge.expected.kind == "vector" and len(search.shape) == 2
        broken = found.ascent.status in _BROKEN or not np.isfinite(plain.array).all()
        if self.knowledge.expected.kind == "letters" and search.lattice is not None and search.moving.inputs:
            if broken or objective.members:
                return plain
            letters = letter_findings(
                search, search.lattice, self.knowledge.expected, objective, found, self.tools.score
            )
            return replace(plain, array=letters.array, letters=letters)
        if not is_vector or broken or objective.members:
            return plain
        return self._vector_findings(objective, found, plain)

    def _token_findings(self, objective: Objective, found: Found, known: Tokens, arrays: np.ndarray) -> Findings:
        tools = self.tools
        starts, every = known.nearest(found.starts), known.nearest(arrays)
        if objective.members:
            return Findings(every[found.best], starts[found.best], every, starts)
        check = None if tools.network is None else tools.check
        tokens = token_findings(tools.search, objective, found, tools.score, check)
        return Findings(tokens.ids, tokens.start, every, starts, tokens=tokens)

    def _vector_findings(self, objective: Objective, found: Found, plain: Findings) -> Findings:
        tools, literal = self.tools, found.objective == objective
        once = replace(tools.search.settings, restarts=1, frame_every=None)
        climb = partial(self._climb, network=tools.check if literal else tools.network, settings=once)
        score = tools.score if literal else tools.score_climbed
        vector = vector_findings(tools.search, self.knowledge.features, objective, found, tools.score, score, climb)
        return replace(plain, array=vector.array, vector=vector)

    def _climb(self, space: Space, objective: Objective, network: Any, settings: Settings) -> Found:
        """Return the result of one more climb.

        Raises
        ------
        KeyboardInterrupt
            If it is interrupted.
        """
        found = next(self.tools.groups(network, space, [objective], settings))[0]
        if found.ascent.status == Status.INTERRUPTED:
            raise KeyboardInterrupt
        return found


def _lost(found: Found) -> bool:
    """Return whether no start has a score: the target may be empty there, or not finite."""
    return not np.isfinite(found.ascent.score)


def _dead(found: Found) -> bool:
    """Return whether no start had a gradient."""
    return all(ascent.status == Status.DEAD for ascent in found.ascents)
