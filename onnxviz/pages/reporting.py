"""`report`: makes a page that shows what a model has learned."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError
from onnxviz.model.graph.extensions import NO_NAMES, ExtensionNames
from onnxviz.pages.budget import Budget
from onnxviz.pages.request import ReportRequest

if TYPE_CHECKING:
    from onnxviz.model.model import Model
    from onnxviz.pages.jobs import Hands
    from onnxviz.pages.making import Book
    from onnxviz.pages.plan import Job


@dataclass(frozen=True, eq=False)
class Report:
    """A report in a folder.

    Attributes
    ----------
    folder : Path
        The folder.
    told : dict
        The report as JSON: what was searched, which samples were used, and what did not fit into the budget.
    """

    folder: Path
    told: dict[str, Any]

    @property
    def page(self) -> Path:
        """The page that a browser opens."""
        return self.folder / "index.html"

    def document(self) -> dict[str, Any]:
        """Return the report as `report --json` prints it."""
        return self.told

    row = document

    def _repr_html_(self) -> str:
        """Show a link to the page in a notebook."""
        from html import escape

        return f'<a href="{escape(self.page.resolve().as_uri())}" target="_blank">{escape(str(self.page))}</a>'


def report(
    model: Model | str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    resume: bool = False,
    listener: Listener = SILENT,
    request: ReportRequest | None = None,
    **keywords: Any,
) -> Report:
    """Make a web page that shows what a model has learned. It works offline.

    Parameters
    ----------
    model : Model or path
        The model. It must have a file, because other processes read it too.
    output : path
        The folder of the report.
    overwrite, resume : bool
        As in `Output`.
    listener : Listener
        Receives notes and progress.
    request : ReportRequest, optional
        A ready-made request, instead of keywords.
    **keywords
        Fields of `ReportRequest` and `InputRequest`: data, budget, patterns, units, single_file, inputs, label, classes, text,
        text_column, vocab, cluster, steps, restarts, wrt, seed, device, held, dims, shapes, value_range, mean, std, layout,
        channels, kind, letters.

    Raises
    ------
    UsageError, DataError, ModelError, ClusterError
        If the model has no file, or the request does not fit the model.
    """
    from onnxviz.pages.making import open_book

    began = time.monotonic()
    request = requested(ReportRequest, keywords) if request is None else request
    budget = Budget(began, request.budget)
    place = Output(output, overwrite, resume)
    file, beside = _file_of(model)
    book = open_book(file, request, beside)
    if place.path is None:
        raise UsageError("a report needs a folder: give `output` DIR")
    with _hands(listener, book) as (searching, scoring), place.opened(listener, book.settings) as folder:
        assert folder is not None  # `place` has a path
        book.begin(folder)
        for sentence in book.notes:
            listener.note(sentence)
        try:
            book.look(listener, scoring, budget, before=True)
            book.fit(listener, searching, budget)
            book.check(budget)
            _search(listener, book, searching, budget)
            book.look(listener, scoring, budget, before=False)
            book.check(budget)
        finally:
            book.write(single=request.single_file)
        found = book.document()
    names = ["index.html", *(["report.html"] if request.single_file else [])]
    files = [str(Path(output) / name) for name in names]
    return Report(Path(output), {**found, "seconds": round(time.monotonic() - began, 3), "files": files})


def _file_of(model: Model | str | os.PathLike[str]) -> tuple[Path, ExtensionNames]:
    """Return a model's file, and the plugins and libraries that the user named beside it.

    Raises
    ------
    UsageError
        If the model has no file.
    """
    if isinstance(model, str | os.PathLike):
        return Path(model), NO_NAMES
    if model.path is None:
        raise UsageError(f"{model.name} has no file: save the model, and give its path")
    return model.path, model.extensions.names


@contextmanager
def _hands(listener: Listener, book: Book) -> Iterator[tuple[Hands, Hands]]:
    """Provide the executors that search units and score shards of the data: this process, or the workers of --cluster."""
    address = book.request.cluster
    if address is None:
        from onnxviz.pages.data_shards import shares
        from onnxviz.pages.jobs import one_by_one, side_by_side

        with one_by_one() as searching, side_by_side(shares()[0]) as scoring:
            yield searching, scoring
        return
    from onnxviz.pages.cluster.dask import ClusterExecutor
    from onnxviz.pages.cluster.parcel import pack
    from onnxviz.pages.jobs import Hands

    with ClusterExecutor(address, pack(book.model, book.search)) as there:
        listener.note(f"{there.workers} workers at {address}")
        hands = Hands(there, there.room, 2)
        yield hands, hands


def _search(listener: Listener, book: Book, hands: Hands, budget: Budget) -> None:
    """Run the unfinished jobs in their order, as long as the budget lasts."""
    from onnxviz.pages.jobs import gather
    from onnxviz.pages.unit_search import run_job

    todo = [job for job in book.jobs if not book.report.done(job)]
    if not todo:
        return
    total = sum(len(job.units) for job in todo)
    done = 0
    heard: set[str] = set()
    with listener.progress(f"{total} units", total) as told:
        affordable = _affordable(book, todo, budget, hands.ahead)
        for job, searched in gather(hands, affordable, run_job, book.search):
            if searched.late:
                continue
            for sentence in searched.effort:
                if sentence not in heard:
                    heard.add(sentence)
                    listener.note(sentence)
            book.keep(job, searched)
            done += len(job.units)
            told(done, job.aim.tensor)


def _affordable(book: Book, todo: Sequence[Job], budget: Budget, ahead: int) -> Iterator[Job]:
    """Yield the jobs that should end within the budget. A report without any result gets its first job in any case.

    An estimate may be wrong, so a job is also stopped where the budget ends.
    """
    started = book.report.searched
    for job in todo:
        thought = book.seconds_of(job)
        if not started:
            started = True
            yield job
        elif budget.holds((thought or 0.0) * ahead):
            yield replace(job, seconds=budget.left)
