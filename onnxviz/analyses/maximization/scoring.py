"""Scores: of single inputs by torch and by ONNX Runtime, and of many inputs by ONNX Runtime, as fast as the model takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.sample_first import sample_first
from onnxviz.errors import UnsupportedOperators

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Search
    from onnxviz.methods.ascent.scorer import Scorer
    from onnxviz.methods.objectives.objectives import Objective

Measure = Callable[["Objective", np.ndarray], tuple[np.ndarray | None, np.ndarray]]
"""Scores an objective at (samples, *shape), of tokens (samples, time) ids, by torch (None where torch cannot run the model)
and by ONNX Runtime: a number for each sample."""


def own_type(search: Search) -> str:
    """Return the input's element type, so that saved arrays can be fed as they are; float32 where numpy lacks the type."""
    if search.tokens:
        return "int64"
    if search.moving.joined:
        return "float32"
    info = search.model.tensors[search.wrt]
    return info.dtype if info.is_integer or info.dtype in ("bool", "float16", "float64") else "float32"


def measurement(search: Search, session: Any, network: Any) -> Measure:
    """Return a function that scores arrays, by torch and by ONNX Runtime on the untouched model.

    The samples are run one by one, and the objective sees them together where their tensors have the same shape.
    """
    import torch

    dtype = own_type(search)

    def measure(objective: Objective, samples: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        ours: list[dict[str, torch.Tensor]] = []
        theirs: list[dict[str, torch.Tensor]] = []
        for sample in samples.astype(dtype):
            batch = np.repeat(sample[None], search.copies, axis=0)
            fed = {**search.held, **search.moving.fed(batch)}
            # Torch begins behind what turns ids into vectors, and where several inputs are one.
            moved = {**search.numbers, **search.moving.fed(batch)}
            moved[search.wrt] = search.tokens.embedding.rows[batch] if search.tokens else batch
            if network is not None:
                with torch.no_grad():
                    ours.append(network({name: torch.as_tensor(np.asarray(value)) for name, value in moved.items()}))
            answers = {search.wrt: batch, **session(fed)}
            theirs.append({name: torch.tensor(np.asarray(value, np.float64)) for name, value in answers.items()})
        scores = [_scores(objective, one, search.copies).cpu().numpy() for one in (ours, theirs) if one]
        return scores[0] if network is not None else None, scores[-1]

    return measure


def _scores(objective: Objective, answers: list[dict[str, Any]], copies: int) -> Any:
    """Return the scores of the answers to some samples; of a fixed batch the answer to the first copy counts."""
    import torch

    from onnxviz.methods.objectives.rows import first_rows, joined

    single = [
        {name: first_rows(one[name], copies) if one[name].ndim else one[name].reshape(1) for name in objective.tensors}
        for one in answers
    ]
    each = {name: joined([one[name] for one in single], [1] * len(single)) for name in objective.tensors}
    whole = {name: value for name, value in each.items() if value is not None}
    if len(whole) == len(each):
        return objective(whole, len(answers))
    return torch.cat([objective(one, 1) for one in single])


def torch_copy(search: Search, tensors: list[str]) -> Any:
    """Return the network that computes some tensors; None where the search needs none and operators cannot be converted."""
    try:
        return search.network(tensors)
    except UnsupportedOperators:
        if search.settings.optimizer != "cma":
            raise
        return None


def scorer(search: Search, session: Any, at_once: int) -> Scorer:
    """Return the scorer of many inputs by ONNX Runtime; of tokens it takes ids."""
    from onnxviz.methods.ascent.scorer import Scorer

    sample, other = _start(search), None
    if search.tokens is not None:
        sample = search.tokens.nearest(sample[None])[0]
        other = np.random.default_rng(0).integers(0, len(search.tokens.embedding.rows), sample.shape)
    return Scorer(
        session,
        search.wrt,
        search.held,
        sample,
        other=other,
        feed=search.moving.fed,
        copies=search.copies,
        batch_size=at_once,
    )


def search_scorer(search: Search, tensors: list[str], at_once: int) -> Scorer:
    """Return the scorer by ONNX Runtime of the inputs that a search without gradients moves.

    Whole numbers and codes are set right first, so that no score is that of an input which cannot be; of tokens the
    vectors themselves are fed, as between ids there is nothing to search.
    """
    from onnxviz.methods.ascent.scorer import Scorer

    if search.tokens is not None:
        session = sample_first(search.model, search.model.session(tensors, search.moving.stops), tensors)
        return Scorer(session, search.wrt, search.held, _start(search), copies=search.copies, batch_size=at_once)
    return Scorer(
        search.session(tensors),
        search.wrt,
        search.held,
        _start(search),
        feed=search.fed_settled,
        copies=search.copies,
        batch_size=at_once,
    )


def _start(search: Search) -> np.ndarray:
    """Return one possible start of a search, (*shape)."""
    import torch

    from onnxviz.methods.ascent.runs import Run

    start = search.space.start([Run("probe", 0, search.settings.seed)], torch.device("cpu"))
    sample: np.ndarray = start.realize().detach().numpy()[0]
    return sample
