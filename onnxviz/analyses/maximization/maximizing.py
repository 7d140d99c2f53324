"""`onnxviz.maximize`: inputs that drive targets as high as they go."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, overload

from onnxviz.analyses.computing import computing, threads_for
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.maximization.accentuation import accentuate
from onnxviz.analyses.maximization.climb import Instruments, climb
from onnxviz.analyses.maximization.constant_targets import constant_targets
from onnxviz.analyses.maximization.maxima import Maxima
from onnxviz.analyses.maximization.preparation import prepare
from onnxviz.analyses.maximization.real_paths import RealPaths, near_objectives
from onnxviz.analyses.maximization.request import MaximizationRequest
from onnxviz.analyses.maximization.result import Climbed, Maximum, measured
from onnxviz.analyses.maximization.result_files import Stored
from onnxviz.analyses.maximization.second_look import Inquiry
from onnxviz.analyses.maximization.targets import is_starred
from onnxviz.analyses.maximization.trust import Trust
from onnxviz.analyses.opening import opened
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnx import ModelProto

    from onnxviz.analyses.maximization.task import Task
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model

    Opened = Model | str | os.PathLike[str] | bytes | ModelProto


@overload
def maximize(
    model: Opened,
    targets: str,
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: MaximizationRequest | None = None,
    **keywords: Any,
) -> Maximum | Maxima: ...


@overload
def maximize(
    model: Opened,
    targets: list[str] | tuple[str, ...],
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: MaximizationRequest | None = None,
    **keywords: Any,
) -> Maxima: ...


def maximize(
    model: Opened,
    targets: str | Sequence[str],
    *,
    output: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: MaximizationRequest | None = None,
    **keywords: Any,
) -> Maximum | Maxima:
    """Find inputs that drive targets as high as they go.

    The scores are measured by ONNX Runtime on the untouched model.

    Parameters
    ----------
    model : Model, path, bytes or ModelProto
        The model.
    targets : str or sequence of str
        What is maximized, such as "logits[281]", "conv1[*]" or "logits[2] - 0.5*logits[5]".
    output : path, optional
        A folder for pictures, arrays and results. Each is written as soon as it is found.
    overwrite : bool
        Whether an existing folder is replaced, once the work is done.
    resume : bool
        Whether what an unfinished folder holds is kept, and the rest is done.
    listener : Listener
        Told of the progress, and of what was found or assumed.
    request : MaximizationRequest, optional
        All that is asked, in place of keywords.
    **keywords
        The fields of `MaximizationRequest` and `InputRequest`, such as ``data="rows.csv"``, ``steps=64`` or ``seed=1``.

    Returns
    -------
    Maximum
        Of a text that names one unit.
    Maxima
        Of several targets: a list of `Maximum`. After a `KeyboardInterrupt` those that were being climbed say "interrupted", and are
        the last.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError
        If the model, the targets or the keywords do not fit each other, or a file cannot be read.

    Examples
    --------
    >>> import onnxviz
    >>> found = onnxviz.maximize("sample_models/wine.onnx", "logits[1]", steps=16, restarts=1)
    >>> found.input.shape, found.status
    ((1, 13), 'ok')
    """
    if request is not None and keywords:
        raise TypeError("give a request or keywords, not both")
    place = Output(output, overwrite, resume)
    asked = requested(MaximizationRequest, keywords) if request is None else request
    asked = replace(asked, targets=(targets,) if isinstance(targets, str) else tuple(targets))
    if not asked.targets:
        raise UsageError("`targets`: name a tensor, as in 'logits[281]'")
    threads = threads_for(place)
    with computing(threads):
        task = prepare(opened(model), asked, listener)
        found, search = _searched(task, asked, place, threads, listener), task.search
    single = isinstance(targets, str) and not is_starred(search.model, targets, search.wrt)
    return found[0] if single else found


def _searched(task: Task, asked: MaximizationRequest, place: Output, threads: int, listener: Listener) -> Maxima:
    """Return all maxima, each written as soon as it is found."""
    began, search = time.monotonic(), task.search
    settings = {
        "verb": "maximize",
        **search.model.identity,
        "wrt": search.wrt,
        "shape": list(search.shape),
        **asdict(search.settings),
        **asked.searched,
        "threads": threads,
    }
    found = Maxima(search, threads)
    try:
        with place.opened(listener, settings) as folder:
            found.extend(_each(task, folder, listener))
            found.seconds = time.monotonic() - began
            if folder is not None:
                found.save_together(folder.partial)
            if found.interrupted:
                raise KeyboardInterrupt  # so that the folder stays unfinished
    except KeyboardInterrupt:
        if not found.interrupted:
            raise
    return found


def _each(task: Task, folder: OutputFolder | None, listener: Listener) -> Iterator[Maximum]:
    """Yield the maxima that a folder holds already, then those of all other targets."""
    from onnxviz.formats.file_names import safe_names

    if folder is None:
        yield from each_maximum(task, task.search.todo, listener)
        return
    names = safe_names(str(one) for one in task.search.objectives)
    kept = set()
    for target, name in names.items():
        if folder.done(name):
            there = Maximum.stored(folder.partial / name, folder.path / name)
            if there.status != "interrupted":
                yield there
                kept.add(target)
    for one in each_maximum(task, task.search.todo, listener, kept):
        name = names[one.target]
        with folder.item(name) as item:
            row = one.save(item, folder.path / name).row()
        # What is written need not be held in memory.
        yield Maximum.of(row, Stored(folder.partial / name, folder.path / name))


def each_maximum(
    task: Task, todo: Sequence[tuple[Objective, Objective]], listener: Listener, kept: Collection[str] = ()
) -> Iterator[Maximum]:
    """Yield the maximum of each target as soon as it is found.

    Parameters
    ----------
    task : Task
        What is settled for all of them.
    todo : sequence of (Objective, Objective)
        What is scored, and what is climbed for it.
    listener : Listener
        Told of the progress, and of what was remarkable.
    kept : collection of str
        The targets whose maxima are there already. They are left out, but the others are searched and scored beside them, so
        that these have the same bytes as if all were searched.

    Yields
    ------
    Maximum
        In order. After a `KeyboardInterrupt` those of the running group say "interrupted", and are the last.
    """
    if all(str(objective) in kept for objective, _ in todo):
        return
    with listener.progress(f"{len(todo)} targets", task.search.settings.steps * len(todo)) as told:
        tools = Instruments.of(task.search, todo)
        trust = Trust.measured(tools, [objective for objective, _ in todo], task.knowledge.samples)
        paths = RealPaths(tools, trust, task.knowledge.samples)
        if task.knowledge.near_data:
            tools = tools.keeping_near(near_objectives(paths, todo))
        inquiry = Inquiry(task.knowledge, tools)
        constant = constant_targets(tools, todo, trust)
        if task.knowledge.keep_near:
            for objective, found, space, accents in accentuate(tools, todo, told, kept):
                result, findings = inquiry(objective, found, space)
                findings = replace(findings, accents=accents)
                yield measured(task, tools.measure, trust, paths, Climbed(objective, result, findings, space.window))
            return
        for objective, found, space in climb(tools, todo, told, constant, kept):
            probe = partial(trust.probe, objective)
            result, findings = inquiry(objective, found, space, trust.best_probe(objective), probe)
            if findings.remark:
                listener.note(findings.remark)
            yield measured(task, tools.measure, trust, paths, Climbed(objective, result, findings, space.window))
