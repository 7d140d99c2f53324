"""The pictures of a maximum: of what was found, and of single samples beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.findings import Findings
    from onnxviz.analyses.maximization.task import Task
    from onnxviz.drawing.pictures import Picture


def draw(task: Task, findings: Findings, array: np.ndarray, title: str, subtitle: str, every: np.ndarray) -> Picture:
    """Draw what was found for a target.

    Parameters
    ----------
    task : Task
    findings : Findings
    array : (*shape) ndarray
        What of it is shown; of tokens their ids.
    title, subtitle : str
        Two lines above a chart.
    every : (restart, *shape) ndarray
        What every start ended in.
    """
    if task.tokens is None:
        vector = findings.vector
        if vector is not None:
            subtitle = (subtitle + vector.distance_text()).removeprefix(" · ")
        known = None if vector is None else vector.drawn()
        return task.drawing.draw(array, title, subtitle, every.astype(np.float32), known)
    return draw_sample(task, array, title, subtitle, findings.tokens.drops if findings.tokens is not None else None)


def draw_sample(
    task: Task, array: np.ndarray, title: str = "", subtitle: str = "", drops: np.ndarray | None = None
) -> Picture:
    """Draw one sample of which nothing else is known; of tokens their ids, with what each contributes if that is."""
    tokens = task.tokens
    if tokens is None:
        return task.drawing.draw(array, title, subtitle)
    from onnxviz.drawing.token_chart import TokenSequence, token_chart

    label = "" if drops is None else "score lost when another token takes the place"
    if tokens.kept:
        label += "; dashed: kept" if label else "dashed: kept"
    names = [tokens.name(int(token)) for token in array]
    sequence = TokenSequence(names, array.tolist() if tokens.names else (), drops, tuple(tokens.kept), label)
    count = f"{tokens.embedding.ids}: {len(names)} tokens"
    return token_chart(sequence, title, f"{subtitle} · {count}" if subtitle else count)
