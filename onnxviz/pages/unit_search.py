"""A job of a report: it searches units of a tensor, scores the results by ONNX Runtime, and draws them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.computing import computing
from onnxviz.analyses.listener import SILENT, Silent
from onnxviz.errors import OnnxvizError
from onnxviz.pages.plan import Job

if TYPE_CHECKING:
    from onnxviz.pages.work import UnitWork


@dataclass(frozen=True)
class Searched:
    """The result of a job.

    Attributes
    ----------
    rows : list of dict
        The run of each unit, as `maximize --json` prints it; empty if the tensor cannot be searched.
    pictures : list of (bytes, (int, int))
        The picture of each unit: a PNG file, and its width and height in pixels.
    kernels : list of ((bytes, (int, int)) or None)
        The kernel of each unit, likewise; None unless a convolution of the input makes the unit.
    is_chart : bool
        Whether the pictures are charts, with words in them. Else they show the input pixel by pixel.
    message : str
        The reason why the tensor cannot be searched; "" after a successful search.
    seconds : float
        The duration of the job.
    effort : tuple of str
        A sentence for each reason why the search takes fewer steps or starts than usual.
    late : bool
        Whether the job was stopped at the end of its time. It has no result then.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[bytes, tuple[int, int]]] = field(default_factory=list)
    kernels: list[tuple[bytes, tuple[int, int]] | None] = field(default_factory=list)
    is_chart: bool = False
    message: str = ""
    seconds: float = 0.0
    effort: tuple[str, ...] = ()
    late: bool = False


class _Late(Exception):
    """The time of the job is over."""


class _Deadline(Silent):
    """Raises `_Late` at the first progress after an instant of the monotonic clock."""

    def __init__(self, instant: float) -> None:
        self._instant = instant

    @contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Check the time at each step."""
        yield self._check

    def _check(self, done: int, words: str) -> None:
        if time.monotonic() > self._instant:
            raise _Late


def run_job(job: Job, work: UnitWork) -> Searched:
    """Search the units of a job. A result depends on the model, the targets and the settings alone, so that any process may call this.

    A job that takes longer than `job.seconds` is stopped, and has no result.

    Parameters
    ----------
    job : Job
        The units to search.
    work : UnitWork
        The settings that all searches share.

    Raises
    ------
    KeyboardInterrupt
        If the search was interrupted. An unfinished job leaves no result.
    """
    with computing(work.threads):
        return _searched(job, work)


def _searched(job: Job, work: UnitWork) -> Searched:
    from onnxviz.analyses.maximization.maximizing import each_maximum
    from onnxviz.analyses.maximization.preparation import prepare
    from onnxviz.drawing.pictures import picture_bytes, trim
    from onnxviz.pages.page_pictures import page_chart

    began = time.monotonic()
    listener = _Deadline(began + job.seconds)
    model = work.companions.opened(Path(work.model_path))
    try:
        task = prepare(model, replace(work.request, targets=job.targets), SILENT)
        is_picture = task.presentation.drawing.is_picture
        rows, pictures, kernels = [], [], []
        for one in each_maximum(task, task.search.todo, listener):
            if one.status == "interrupted":
                raise KeyboardInterrupt
            rows.append(one.row())
            drawn = one.picture(headed=False)
            if is_picture:
                pictures.append((picture_bytes(drawn), (drawn.shape[1], drawn.shape[0])))
            else:
                chart = page_chart(trim(drawn))  # the page itself shows the text of a chart's head
                pictures.append((chart.content, (chart.width, chart.height)))
            kernel = one.kernel
            kernels.append(None if kernel is None else (picture_bytes(kernel), (kernel.shape[1], kernel.shape[0])))
    except _Late:
        return Searched(seconds=time.monotonic() - began, late=True)
    except OnnxvizError as error:
        return Searched(message=str(error), seconds=time.monotonic() - began)
    finally:
        model.close_sessions()
    return Searched(rows, pictures, kernels, not is_picture, "", time.monotonic() - began, task.effort)
