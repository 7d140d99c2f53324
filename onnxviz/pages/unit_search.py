"""One job of a report: units of a tensor, searched, scored by ONNX Runtime and drawn, in this process or in another."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.listener import SILENT
from onnxviz.errors import OnnxvizError
from onnxviz.methods.ascent.status import Status
from onnxviz.pages.plan import Job

if TYPE_CHECKING:
    from onnxviz.model.model import Model


@dataclass(frozen=True)
class Searched:
    """What a job found.

    Attributes
    ----------
    rows : list of dict
        For each unit what `maximize --json` tells of it; empty where the tensor cannot be searched.
    pictures : list of (bytes, (int, int))
        For each unit a PNG file, and its width and height.
    is_chart : bool
        Whether the pictures are charts, with words in them, rather than pictures pixel by pixel.
    message : str
        Why nothing was found; "" where all went well.
    seconds : float
        How long it took.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[bytes, tuple[int, int]]] = field(default_factory=list)
    is_chart: bool = False
    message: str = ""
    seconds: float = 0.0


def run_job(job: Job, options: dict[str, Any]) -> Searched:
    """Search the units of a job; a function of its arguments alone, so that any process may call it.

    Parameters
    ----------
    job : Job
        What is searched.
    options : dict
        As `maximize` takes them; the targets are the job's. "threads" is how many compute: the more share a sum, the
        otherwise it is rounded, so that the number must be the same wherever jobs run.

    Raises
    ------
    KeyboardInterrupt
        If it was interrupted: half a job counts for nothing.
    """
    import torch

    from onnxviz.model.session import session_threads

    before = torch.get_num_threads()
    torch.set_num_threads(options["threads"])
    try:
        with session_threads(options["threads"]):
            return _searched(job, options)
    finally:
        torch.set_num_threads(before)


def _searched(job: Job, options: dict[str, Any]) -> Searched:
    from onnxviz.analyses.maximization.climb import climb
    from onnxviz.analyses.maximization.pictures import draw
    from onnxviz.analyses.maximization.result_files import record
    from onnxviz.analyses.maximization.task import prepare
    from onnxviz.drawing.pictures import picture_bytes, trim
    from onnxviz.pages.page_pictures import page_chart

    began = time.monotonic()
    model = opened(Path(options["model_path"]))
    try:
        task = prepare(SILENT, {**options, "targets": job.targets}, model)
        todo = list(zip(task.objectives, task.climbed, strict=True))
        rows, pictures = [], []
        for one in climb(task, todo, _unheard):
            if one.found.outcome.status == Status.INTERRUPTED:
                raise KeyboardInterrupt
            rows.append(
                record(task, one.objective, one.found, one.findings, one.measure, one.trust, None, "", one.window)
            )
            best, every = one.findings.array, one.findings.every
            inside = one.window or (slice(None),) * best.ndim
            windowed = (slice(None), *inside)
            drawn = draw(task, one.findings, best[inside], "", "", every[windowed])
            if task.drawing.is_picture:
                pictures.append((picture_bytes(drawn), (drawn.shape[1], drawn.shape[0])))
            else:
                chart = page_chart(trim(drawn))  # the page says what a chart's head would
                pictures.append((chart.content, (chart.width, chart.height)))
    except OnnxvizError as error:
        return Searched(message=str(error), seconds=time.monotonic() - began)
    finally:
        model.close_sessions()
    return Searched(rows, pictures, not task.drawing.is_picture, "", time.monotonic() - began)


def opened(path: Path) -> Model:
    """Load a model once for each process, for as long as its file stays what it is.

    Raises
    ------
    UsageError, ModelError
        As `onnxviz.load` does.
    """
    try:
        state = path.stat()
    except OSError:
        return _loaded(path)
    return _loaded(path, state.st_mtime_ns, state.st_size, state.st_ino)


@lru_cache(maxsize=1)
def _loaded(path: Path, *state: int) -> Model:
    import onnxviz

    return onnxviz.load(path)


def _unheard(done: int, words: str) -> None:
    """Tell nobody of the steps of one job; the report counts jobs."""


@cache
def versions() -> dict[str, str]:
    """Return what results depend on besides the processor."""
    import onnxviz

    found = {"python": python_version(), "onnxviz": onnxviz.__version__}
    for package in ("onnxruntime", "torch", "onnx", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found
