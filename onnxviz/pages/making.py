"""A report in the making: its plan before the first job, and the page with the results so far."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.description import describe
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.moving import choose_moving
from onnxviz.analyses.inputs.settled import settle
from onnxviz.analyses.listener import Listener, Recorder
from onnxviz.analyses.opening import opened_once
from onnxviz.analyses.output import as_written
from onnxviz.analyses.provenance import versions
from onnxviz.model.graph.extensions import NO_NAMES, ExtensionNames
from onnxviz.pages import sections as look
from onnxviz.pages.command_lines import CommandLines
from onnxviz.pages.folder import LazyTensors, ReportFolder, overview
from onnxviz.pages.page import Page, Section
from onnxviz.pages.plan import (
    Aim,
    Job,
    SearchedInput,
    aims,
    choose_tensors,
    in_turn,
    is_state,
    jobs,
    moving_input,
    output_tensors,
)
from onnxviz.pages.samples import Seen, open_seen, table_of
from onnxviz.wording import named_sizes, shape_text

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.model.model import Model
    from onnxviz.pages.budget import Budget
    from onnxviz.pages.jobs import Hands
    from onnxviz.pages.pace import Pace
    from onnxviz.pages.request import ReportRequest
    from onnxviz.pages.unit_search import Searched
    from onnxviz.pages.work import UnitWork

_LARGE = 4096
"""If the input has more numbers than this, a job has 2 units, so that it takes seconds; else 16."""

_FEW, _MANY = 2, 16

_SAID = ("value_range", "mean", "std", "layout", "channels", "kind", "letters", "held", "dims", "shapes")
"""The settings of the inputs that a result depends on. `Book.settings` adds the model, the input, the seed and the table."""

_SWITCH = 64
"""The largest number of elements of a held input that is a rate, a length or a switch. It may decide an If of the graph."""

_Look = tuple[str, str, str, Callable[[], dict[str, Any]]]
"""A section's anchor, title and template, and the function that returns its values."""


@dataclass
class Book:
    """The plan and the state of a report.

    Attributes
    ----------
    model : Model
        The model, open.
    request : ReportRequest
        The request of the report.
    searched : SearchedInput or None
        The input that is searched; None if no input can be searched.
    expected : InputContract or None
        The contract of this input.
    obstacle : str
        The reason why no input can be searched; "" if one can.
    names : list of str
        The tensors that this call adds.
    fed : dict of str to ndarray
        Random inputs from the seed, for measuring shapes and for the verification.
    settled : Model
        The model folded for the sizes of the inputs and for held values, with an open batch. The pages show this graph.
    notes : list of str
        Notes for stderr about findings and assumptions.
    """

    model: Model
    request: ReportRequest
    searched: SearchedInput | None
    expected: InputContract | None
    obstacle: str
    names: list[str]
    fed: dict[str, np.ndarray]
    settled: Model
    notes: list[str] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    """The data and the sample inputs, if there are any."""

    def __post_init__(self) -> None:
        self._aims: list[Aim] = []
        # Tensors whose page is out of date. A tensor's page reads all of its results, so it is not written after every job.
        self._unshown: dict[str, Aim] = {}
        self._planned: dict[str, list[Job]] = {}
        self._overviews: dict[str, dict[str, Any]] = {}
        self._sections: list[Section] = []
        self._calls: list[dict[str, Any]] = []
        self._outputs: set[str] = set()
        self._cost: dict[str, int] = {}
        self._size = _MANY
        self._cut_to: int | None = None
        self._checked = False
        self.report: ReportFolder
        self.jobs: list[Job] = []

    @property
    def moving(self) -> str:
        """The name of the input that is searched; "" if no input can be searched."""
        return self.searched.name if self.searched is not None else ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """The model's inputs that are searched."""
        return self.searched.inputs if self.searched is not None else ()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that every result depends on."""
        request = self.request
        said = {key: getattr(request.said, key) for key in _SAID}
        return {
            "verb": "report",
            **self.model.identity,
            "wrt": self.moving,
            "seed": request.seed,
            "device": request.device,
            **as_written({**said, "steps": request.steps, "restarts": request.restarts}),
            **({} if request.vocab is None else as_written({"vocab": request.vocab})),
            **({"classes": list(self.model.classes)} if self.model.classes else {}),
            **({} if self._table is None else {"data": str(self._table)}),
        }

    @property
    def search(self) -> UnitWork:
        """The settings that all searches share."""
        import torch

        from onnxviz.analyses.maximization.request import MaximizationRequest
        from onnxviz.methods.devices import choose_device
        from onnxviz.pages.work import Companions, UnitWork

        request = self.request
        asked = MaximizationRequest(
            inputs=request.said,
            wrt=self.inputs,
            data=self._table,
            steps=request.steps,
            restarts=request.restarts,
            vocab=self._token_names,
            # The names themselves, because another machine may not have the file.
            classes=self.model.classes or None,
            seed=request.seed,
            # Chosen here, so that a job computes the same on every machine.
            device=str(choose_device(request.device)),
        )
        return UnitWork(self.model.path or self.model.name, asked, torch.get_num_threads(), Companions.of(self.model))

    @cached_property
    def _lines(self) -> CommandLines:
        return CommandLines(self.model.name, self.request, self._table, self.model.extensions.names)

    @cached_property
    def _table(self) -> Path | None:
        return table_of(self.model, self.request, self.expected)

    @cached_property
    def _token_names(self) -> tuple[str, ...] | None:
        """The names of the tokens themselves, because another machine may not have the file."""
        from onnxviz.analyses.inputs.text import vocabulary_beside
        from onnxviz.analyses.inputs.tokens import token_names
        from onnxviz.model.expectations.embedding import find_embedding

        table = find_embedding(self.model, self.moving) if self.moving else None
        if table is None:
            return None
        given = self.request.vocab or vocabulary_beside(self.model, len(table.rows))
        return None if given is None else token_names(given)

    @cached_property
    def _large(self) -> bool:
        from onnxviz.model.expectations.embedding import find_embedding

        if not self.moving:
            return False
        tokens = find_embedding(self.model, self.moving) if len(self.inputs) == 1 else None
        return (
            sum(self.fed[name].size for name in self.inputs) * (1 if tokens is None else tokens.rows.shape[1]) > _LARGE
        )

    @cached_property
    def _device(self) -> str:
        from onnxviz.methods.devices import choose_device

        asked = self.request.device
        return str(choose_device(asked)) if asked == "auto" else asked

    @cached_property
    def links(self) -> dict[str, str]:
        """The name in links and files of each tensor that is no weight."""
        from onnxviz.formats.file_names import safe_names

        return safe_names(name for name in self.model.tensors if name not in self.model.constants)

    @cached_property
    def description(self) -> dict[str, Any]:
        """The model's document, as `inspect --json` prints it."""
        return describe(self.model, None, self.settled)

    def begin(self, folder: OutputFolder) -> None:
        """Make the plan, compute the sections about the whole model, and write the first page."""
        from onnxviz.model.probing.measured_sizes import elements_of_each

        self.report = ReportFolder(folder, self.model.digest, self.settings, self.links, self._lines.words("maximize"))
        # The page can be opened from the first second on.
        self._sections = [look.guarded(*one) for one in self._known()]
        self.write()
        units, patterns = self.request.units, list(self.request.patterns)
        plan = self.report.plan(dict.fromkeys(self.names, units), {"tensors": patterns, "units": units})
        self._calls = plan["calls"]
        cut = plan.get("cut") or {"steps": None, "alone": False}
        wanted = {name: count for name, count in plan["tensors"].items() if name in self.model.tensors}
        self._outputs = outputs = set(output_tensors(self.model, self.inputs))
        order = {name: place for place, name in enumerate(self.model.tensors)}
        ranked = {name: (is_state(self.model, name, self.inputs), order[name]) for name in outputs}
        names = sorted(wanted, key=lambda name: (name not in outputs, ranked.get(name, (False, order[name]))))
        self._aims = aims(self.model, names, self.fed)
        self._wanted, self._size = wanted, _FEW if self._large else _MANY
        self._divide(cut["steps"], cut["alone"])
        shape = self.fed[self.inputs[0]].shape if self.inputs else ()
        others = {name: value for name, value in self.fed.items() if name not in self.inputs[:1]}
        self._cost = elements_of_each(self.model, [aim.tensor for aim in self._aims], shape, others)
        planned = {aim: [unit for job in self._planned[aim.tensor] for unit in job.units] for aim in self._aims}
        names = [*sorted(outputs, key=ranked.__getitem__), *(name for name in names if name not in outputs)]
        self.seen.plan(self.report, planned, aims(self.model, names, self.fed) if self.seen.given else [])
        for aim in self._aims:
            self._show(aim)
        for one in self._looked_at():
            self._sections.append(look.guarded(*one))
            if self.report.due():
                self.write()
        self._sections.append(self._check_to_come)
        self.write()

    def _divide(self, steps: int | None, alone: bool) -> None:
        """Divide the units into jobs of so many steps; None: as many as the request says."""
        self._planned = {aim.tensor: jobs(aim, self._wanted[aim.tensor], self._size, alone) for aim in self._aims}
        self.jobs = in_turn(list(self._planned.values()), sum(aim.tensor in self._outputs for aim in self._aims))
        self._cut_to = steps
        if steps is not None:
            # From here on, this is a report that was asked for so many steps. `settings` says what was asked for.
            self.request = replace(self.request, steps=steps)
            self._lines = CommandLines(self.model.name, self.request, self._table)
            self.report.repeated_by(self._lines.words("maximize"))

    def fit(self, listener: Listener, hands: Hands, budget: Budget) -> None:
        """Time a step, and cut the steps of the search to the budget.

        The search is cut before its first result, and once: the plan says how, so that a later call does the same.

        Parameters
        ----------
        listener : Listener
            Receives a note about the steps.
        hands : Hands
            The executor that times a step.
        budget : Budget
            The time of the report.
        """
        if not math.isinf(budget.seconds) and self.jobs:
            pace = self._paced(hands, budget)
            if not self.report.begun:
                self._cut(pace, budget)
        if self._cut_to is not None:
            listener.note(f"Large model for the time: {self._cut_to} steps (change with `steps`)")

    def _paced(self, hands: Hands, budget: Budget) -> Pace | None:
        """Return the pace of the first job; None if there is no time to measure it, or the job cannot be searched."""
        from onnxviz.pages.jobs import gather
        from onnxviz.pages.pace import measure_pace

        report, first = self.report, self.jobs[0]
        if report.pace is None and budget.left > 0 and not (report.begun and report.kept("verification") is not None):
            # Small inputs share a batch. Of large inputs each takes as long as the next.
            timed = replace(first, units=first.units[:1]) if self._large else first
            ((_, found),) = gather(hands, iter([timed]), measure_pace, self.search)
            report.keep_pace(found and replace(found, step=found.step * len(first.units) / len(timed.units)))
        return report.pace

    def _cut(self, pace: Pace | None, budget: Budget) -> None:
        """Cut the steps, and if need be the first job of each tensor, to the time that is left."""
        from onnxviz.pages.pace import FEWEST, UNITS

        size = len(self.jobs[0].units)
        count = -(-min(UNITS, sum(len(job.units) for job in self.jobs)) // size)
        if pace is None and budget.left > 0:
            return  # the first job cannot be searched, and will say why
        steps = self.request.steps or (FEWEST if pace is None else pace.steps_within(budget.left / count))
        alone = pace is None or pace.seconds(steps) > budget.left
        fewer = None if self.request.steps or (pace is not None and steps == pace.steps) else steps
        if fewer is not None or alone:
            self.report.cut(fewer, alone)
            self._divide(fewer, alone)

    @property
    def _check_to_come(self) -> Section:
        return Section("verification", "Check against ONNX Runtime", "verification", {"pending": True})

    def check(self, budget: Budget) -> None:
        """Compare torch with ONNX Runtime, if the time holds or the result is kept, and show the result on the page."""
        pace, report = self.report.pace, self.report
        # Without a pace, no unit can be searched, or the time was over before a step could be timed.
        holds = budget.left > 0 if pace is None else budget.holds(pace.check)
        if self._checked or not (holds or not self.moving or report.kept("verification") is not None):
            return
        checked = partial(look.verification, self.model, self.fed, self.request.device)
        found = partial(report.once, "verification", checked)
        self._sections[-1] = look.guarded("verification", "Check against ONNX Runtime", "verification", found)
        self._checked = True
        self.write()

    def keep(self, job: Job, searched: Searched) -> None:
        """Keep the result of a job, and show it on the page."""
        self.report.keep(job, searched)
        self._unshown[job.aim.tensor] = job.aim
        if self.report.due():
            self.write()

    def look(self, listener: Listener, hands: Hands, budget: Budget, before: bool) -> None:
        """Score the data and examine the sample inputs, and show the results on the page.

        Parameters
        ----------
        listener : Listener
            Shows the progress.
        hands : Hands
            The executor that scores shards of the data.
        budget : Budget
            The time of the report.
        before : bool
            Whether the search comes after this call.
        """
        if self.seen.look(listener, self.report, hands, budget.until, before):
            for aim in self._aims:
                self._show(aim)
            self.write()

    def write(self, single: bool = False) -> None:
        """Write the page with all results so far."""
        while self._unshown:
            self._show(self._unshown.popitem()[1])
        self.report.write_seconds(versions())
        self.report.write_page(self._page(), single)

    def seconds_of(self, job: Job) -> float | None:
        """Return the estimated seconds of a job, from the finished jobs; None if there are none."""
        done = self.report.seconds["jobs"].values()
        own: list[float] = [one["seconds"] / one["units"] for one in done if one["tensor"] == job.aim.tensor]
        if own:
            return len(job.units) * statistics.median(own)
        rates: list[float] = [
            one["seconds"] / one["units"] / self._cost[one["tensor"]] for one in done if one["tensor"] in self._cost
        ]
        return len(job.units) * self._cost[job.aim.tensor] * statistics.median(rates) if rates else None

    def document(self) -> dict[str, Any]:
        """Return the document of `report --json`, without the files and the time."""
        left = [job for job in self.jobs if not self.report.done(job)]
        thought = [self.seconds_of(job) for job in left]
        known = [one for one in thought if one is not None]
        checked = next(
            (one.content for one in self._sections if one.anchor == "verification" and "ok" in one.content), None
        )
        return {
            "model": self.model.provenance,
            "seed": self.request.seed,
            "wrt": self.moving or None,
            "message": self.obstacle,
            **self.seen.document(self.report),
            "tensors": [
                {
                    "name": one["name"],
                    "units": one["of"],
                    "wanted": one["wanted"],
                    "done": one["done"],
                    "message": "; ".join(one["messages"]),
                    "link": one["link"],
                }
                for one in self._overviews.values()
            ],
            "verification": checked and {key: checked[key] for key in ("ok", "agree", "compared", "first_divergence")},
            "steps": self.request.steps,
            "left_out": {
                "units": sum(len(job.units) for job in left),
                "tensors": sorted({job.aim.tensor for job in left}),
                "seconds": round(sum(known), 1) if len(known) == len(thought) and known else None,
                "sections": [] if self._checked else ["verification"],
            },
        }

    def _show(self, aim: Aim) -> None:
        tensor = self._tensor(aim)
        self.report.write_tensor(aim.tensor, tensor)
        self._overviews[aim.tensor] = overview(tensor)

    def _tensor(self, aim: Aim) -> dict[str, Any]:
        info = self.settled.tensors.get(aim.tensor, self.model.tensors[aim.tensor])
        shape = named_sizes(info.shape)
        if shape is None or None in shape[1:]:
            shape = [None if shape is None else shape[0], *aim.sizes]
        about = {
            "name": aim.tensor,
            "link": self.links[aim.tensor],
            "operator": info.operator,
            "dtype": info.dtype,
            "shape": shape_text(shape),
            "output": aim.tensor in self._outputs,
            "axis": "" if aim.known else f"the graph does not mark the channel axis: axis {aim.axis + 1} is assumed",
        }
        return self.report.tensor(aim, self._planned[aim.tensor], about, self.seen.values(self.report, aim.tensor))

    def _known(self) -> list[_Look]:
        """Return the sections that only read known facts."""
        document, name = self.description, self.model.name
        return [
            ("facts", "File", "facts", partial(look.facts, document, name)),
            ("inputs", "Inputs", "inputs", partial(look.inputs, document, self.expected, self.inputs)),
        ]

    def _looked_at(self) -> list[_Look]:
        """Return the sections that take time to compute."""
        from onnxviz.model.tensors.support import reach
        from onnxviz.pages.graph_drawing import graph_drawing
        from onnxviz.pages.plan import vectors_of

        report, model = self.report, self.model
        shown = [aim.tensor for aim in self._aims]
        reached = reach(self.settled, vectors_of(model, self.inputs) or None)
        drawn = partial(graph_drawing, self.settled, reached, shown, self.links)
        source = self.inputs[0] if len(self.inputs) == 1 else None
        kernels = partial(look.filters, model, source, self.expected, report.keep_picture)
        given = partial(look.outputs, self.description, model.class_names, self.links)
        return [
            ("graph", "Graph", "graph", drawn),
            ("filters", "First layer", "filters", partial(report.once, "filters", kernels)),
            ("outputs", "Outputs", "outputs", given),
        ]

    def _page(self) -> Page:
        shown = list(self._overviews.values())
        units = Section(
            "units", "What units respond to", "units", look.units(shown, self.moving, self._cut_to), self.obstacle
        )
        unit = " ".join(self._lines.words("maximize"))
        made = look.made(self._lines.calls(self._calls), self.request.seed, self._device, unit)
        before = [one for one in self._sections if one.anchor in ("facts", "inputs", "graph", "filters")]
        after = [one for one in self._sections if one not in before]
        data, inputs = (find(self.report) for find in (self.seen.of_data, self.seen.of_inputs))
        last = Section("made", "How to make this page again", "made", made)
        index = {
            "title": self.model.name,
            "command": " ".join(self._lines.words("report")),
            "tensors": look.searched(self.description, self.links, self._overviews),
        }
        look_at = {self.links[aim.tensor]: partial(self._tensor, aim) for aim in self._aims}
        sections = (*before, *data, units, *inputs, *after, last)
        return Page(self.model.name, sections, index, LazyTensors(look_at))


def open_book(path: Path, request: ReportRequest, beside: ExtensionNames = NO_NAMES) -> Book:
    """Open the model and choose the input to search; return the book of the report.

    Parameters
    ----------
    path : Path
        The model's file.
    request : ReportRequest
        The request of the report.
    beside : ExtensionNames
        The plugins and libraries that the user named beside the model.

    Raises
    ------
    UsageError, DataError, ModelError
        If the request does not fit the model, or a file cannot be read.
    """
    heard = Recorder()
    model = with_kind(with_classes(heard, opened_once(path, beside), request.classes), request.said)
    settled = settle(model, request.said, running=True)
    fed = settled.feed(request.seed)
    searched, notes = moving_input(model, request.wrt, settled.held)
    notes += heard.heard
    if searched is None:
        if request.data is not None or request.inputs or request.text:
            notes.append(
                "no input is searched, so data and sample inputs are not used; examples, activations and attribute use them"
            )
        folded = _folded(model, fed, settled.held, settled.dims)
        return Book(model, request, None, None, notes[0], [], fed, folded, notes)
    moving, inputs = searched.name, searched.inputs
    if searched.joined:
        expected = request.said.refined(choose_moving(model, inputs).contract(model))
    else:
        expected = settled.about([moving]).contract(moving)
    if searched.joined and table_of(model, request, expected) is not None:
        expected = expected.without_assumptions()
    others = settled.resting(name for name in model.inputs if name not in inputs)
    model.close_sessions()
    notes += settled.notes
    notes += [f"{moving}: {sentence}" for sentence in expected.evidence]
    names = choose_tensors(model, inputs, request.patterns)
    seen = open_seen(model, request, searched, expected)
    folded = _folded(model, fed, others, settled.dims)
    return Book(model, request, searched, expected, "", names, fed, folded, notes, seen)


def _folded(
    model: Model, fed: Mapping[str, np.ndarray], held: Mapping[str, np.ndarray], dims: Mapping[str, int]
) -> Model:
    """Return the model folded for the sizes of its inputs and for held rates and switches. Open batches stay open."""
    from onnxviz.model.graph.folding import folded

    shapes = {}
    for name, value in fed.items():
        declared = model.inputs[name].shape if name in model.inputs else None
        first = declared[0] if declared else None
        is_open = bool(declared) and not isinstance(first, int) and first not in dims
        shapes[name] = (first, *value.shape[1:]) if is_open else value.shape
    switches = {name: value for name, value in held.items() if value.dtype.kind in "iub" and value.size <= _SWITCH}
    return folded(model, shapes, switches)
