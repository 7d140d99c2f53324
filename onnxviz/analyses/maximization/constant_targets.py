"""The targets that no input changes: they are named before a search is spent on them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.methods.evidence.verdict import constant

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.trust import Trust
    from onnxviz.methods.objectives.objectives import Objective

_END = 1e-6
"""The last share of a function's range, where float32 has no gradient left."""

_ASKED = 8
"""At so many random inputs the gradient of a target is computed, beside its starts."""


def constant_targets(tools: Instruments, todo: Sequence[tuple[Objective, Objective]], trust: Trust) -> dict[str, float]:
    """Return the targets that no input changes, by their text, each with the score of what is climbed for it.

    Random inputs and the data all have the same score, by ONNX Runtime. And the gradient is exactly zero at the starts and at random
    inputs, even where dead rectifiers let it pass: a search would stay at its start. Of a probability that is neither 0 nor 1 its
    own gradient counts: where all logits are equal they rise together, and the probability stays.

    Parameters
    ----------
    tools : Instruments
        What climbs and scores.
    todo : sequence of (Objective, Objective)
        What is scored, and what is climbed for it.
    trust : Trust
        Holds the scores of random inputs and of the data.
    """
    import torch

    from onnxviz.methods.ascent.runs import Run
    from onnxviz.methods.ascent.stillness import stands_still

    search, found = tools.search, {}
    alike = [pair for pair in todo if constant(trust.tried(pair[0]))]
    if tools.network is None or not alike:
        return {}
    held = {name: torch.as_tensor(value) for name, value in search.numbers.items()}
    device = torch.device(search.device)
    for space, part in search.spaces(alike):
        for objective, climbed in part:
            runs = [
                Run(str(climbed), restart, search.settings.seed) for restart in range(search.settings.starts(climbed))
            ]
            with torch.no_grad():
                starts = space.start(runs, device).realize().cpu().numpy()
            inputs = np.concatenate([starts, trust.random_inputs(_ASKED)]).astype(np.float32)
            still = partial(
                stands_still,
                space=space,
                held=held,
                inputs=inputs,
                device=device,
                batch_size=tools.batch_size,
                copies=search.copies,
            )
            squashed = objective != climbed and tools.check is not None and _inside(trust, objective)
            # As it is climbed, an answer that is silent everywhere has a slope towards its first sound.
            if still(tools.network, objective=climbed.climbed) or (
                squashed and still(tools.check, objective=objective)
            ):
                found[str(objective)] = float(tools.score_climbed.alone(climbed, search.settled(starts[:1]))[0])
    return found


def _inside(trust: Trust, objective: Objective) -> bool:
    """Return whether the score of all inputs lies between the ends of its function's range, where a gradient of zero is no rounding."""
    low, high, _ = trust.range_of(objective)
    score = float(trust.tried(objective)[0])
    return low + _END * (high - low) < score < high - _END * (high - low)
