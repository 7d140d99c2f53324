"""The climb of targets that a task has settled: the network, the session and the groups that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from onnxviz.analyses.maximization.findings import Inquiry
from onnxviz.analyses.maximization.scoring import Measure, measurement, scorer, search_scorer, torch_copy
from onnxviz.analyses.maximization.trust import Trust

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.findings import Findings
    from onnxviz.analyses.maximization.task import Task
    from onnxviz.methods.ascent.search import Found
    from onnxviz.methods.objectives.objectives import Objective

Told = Callable[[int, str], None]
"""Takes how many steps of all targets are done, and a few words."""


@dataclass(frozen=True)
class Climbed:
    """One target and what was found for it.

    Attributes
    ----------
    objective : Objective
        The target, as it is scored.
    found : Found
        What the search found, settled: whole numbers whole, tokens real ones.
    findings : Findings
        What was asked of it further.
    measure, trust : callable, Trust
        What scores it and says how far it is to be trusted; shared by all targets.
    window : tuple of slice, or None
        The part of the input that moved.
    """

    objective: Objective
    found: Found
    findings: Findings
    measure: Measure
    trust: Trust
    window: tuple[slice, ...] | None


def climb(task: Task, todo: list[tuple[Objective, Objective]], told: Told) -> Iterator[Climbed]:
    """Climb targets, a group at a time.

    Parameters
    ----------
    task : Task
        What is settled for all of them.
    todo : list of (Objective, Objective)
        What is scored, and what is climbed for it.
    told : callable
        Hears of the progress.

    Yields
    ------
    Climbed
        In order. After a `KeyboardInterrupt` those of the running group say "interrupted", and are the last.
    """
    import torch

    from onnxviz.methods.ascent.search import search
    from onnxviz.model.probing.measured_sizes import samples_at_once

    tensors = list(dict.fromkeys(name for _, climbed in todo for name in climbed.tensors))
    measured = list(dict.fromkeys(name for objective, _ in todo for name in objective.tensors))
    blind = task.settings.optimizer == "cma"
    network = None if blind else task.network(tensors)
    session = task.session(measured)
    check = torch_copy(task, measured) if blind or measured != tensors else network
    at_once = samples_at_once(task.model, task.moving.in_graph(tensors), task.moving.stops, task.shape, task.held)
    held = {name: torch.as_tensor(value) for name, value in task.held.items()}
    measure = measurement(task, session, check)
    score = scorer(task, session, at_once)
    climbed_score = score if measured == tensors else scorer(task, task.session(tensors), at_once)
    trust = Trust.measured(task, score, climbed_score, [objective for objective, _ in todo])
    moving_score = search_scorer(task, tensors, at_once) if blind else None
    inquiry = Inquiry(task, network, check, score, climbed_score, moving_score, at_once)
    done, stopped = 0, False
    for space, part in task.spaces(todo):
        aims = [climbed for _, climbed in part]
        progress = partial(_told, told, task.settings.steps, done, len(part))
        if moving_score is not None:
            from onnxviz.methods.ascent.evolution import evolve  # the library takes a second to load

            groups = evolve(moving_score, space, aims, task.settings, progress=progress)
        else:
            groups = search(
                network,
                space,
                aims,
                held,
                task.settings,
                device=torch.device(task.device),
                batch_size=at_once,
                copies=task.copies,
                progress=progress,
            )
        for group in groups:
            for found in group:
                objective = todo[done][0]
                done += 1
                begin = partial(trust.probe, objective)
                result, findings = inquiry(objective, found, space, trust.best_probe(objective), begin)
                yield Climbed(objective, result, findings, measure, trust, space.window)
                stopped = stopped or found.ascent.status == "interrupted"
        if stopped:
            return


def _told(told: Told, steps: int, before: int, count: int, step: int, total: int, words: str) -> None:
    """Tell how far all targets are, when `count` of them are being climbed after `before` others."""
    told(steps * before + step * steps * count // total, words)
