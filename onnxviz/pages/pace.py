"""The pace of a search: a step is timed before the first job, so that the steps can be cut to the budget."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.listener import SILENT
from onnxviz.errors import OnnxvizError
from onnxviz.pages.plan import Job

if TYPE_CHECKING:
    from onnxviz.pages.work import UnitWork

FEWEST = 8
"""The fewest steps to which a budget cuts a search. With fewer, an input looks like the noise at its start."""

UNITS = 4
"""The steps are cut until the search of this many units fits into the budget."""

_EVIDENCE = 12
"""The scores of random and of moved inputs, which every unit has, take about as long as this many steps."""

_CHECK = 6
"""The check against ONNX Runtime takes about as long as this many steps."""


@dataclass(frozen=True)
class Pace:
    """How fast the units of one job are searched.

    Attributes
    ----------
    ready : float
        The seconds before the first step of a job.
    step : float
        The seconds of a step of all units of the job.
    steps : int
        The number of steps that the search takes without a limit.
    """

    ready: float
    step: float
    steps: int

    def seconds(self, steps: int) -> float:
        """Return the estimated seconds of the job with some number of steps."""
        return self.ready + (steps + _EVIDENCE) * self.step

    @property
    def check(self) -> float:
        """The estimated seconds of the check against ONNX Runtime."""
        return self.ready + _CHECK * self.step

    def steps_within(self, seconds: float) -> int:
        """Return the largest half, quarter, … of the steps with which the job ends in time; `FEWEST` at least.

        Examples
        --------
        >>> pace = Pace(ready=1.0, step=0.5, steps=96)
        >>> pace.steps_within(60.0), pace.steps_within(50.0), pace.steps_within(20.0), pace.steps_within(1.0)
        (96, 48, 24, 8)
        """
        steps = self.steps
        while steps > FEWEST and self.seconds(steps) > seconds:
            steps = max(FEWEST, steps // 2)
        return steps

    def row(self) -> dict[str, Any]:
        """Return the pace as the file of all durations keeps it."""
        return {"ready": round(self.ready, 3), "step": round(self.step, 4), "steps": self.steps}


class _Timed(Exception):
    """Both steps were timed."""


def measure_pace(job: Job, work: UnitWork) -> Pace | None:
    """Return the pace of a job, from two steps of its search; None if its units cannot be searched.

    Parameters
    ----------
    job : Job
        The units.
    work : UnitWork
        The settings that all searches share.
    """
    from onnxviz.analyses.computing import computing
    from onnxviz.analyses.maximization.climb import Instruments
    from onnxviz.analyses.maximization.preparation import prepare

    seen: list[tuple[int, int, float]] = []

    def told(done: int, total: int, words: str) -> None:
        seen.append((done, total, time.monotonic()))
        if len(seen) > 2:
            raise _Timed

    model = work.companions.opened(Path(work.model_path))
    with computing(work.threads):
        try:
            task = prepare(model, replace(work.request, targets=job.targets), SILENT)
            search, steps = task.search, task.search.settings.steps
            space, part = next(search.spaces(search.todo))
            prepared = time.monotonic()
            tools = Instruments.of(search, part)
            seen.append((0, 0, time.monotonic()))
            short = replace(search.settings, steps=2)
            for _ in tools.groups(tools.network, space, [climbed for _, climbed in part], short, told):
                break
        except _Timed:
            pass
        except OnnxvizError:
            return None
        finally:
            model.close_sessions()
    # What was prepared is remembered: the job needs no such time again.
    (before, _, first), (after, total, last) = seen[-2:]
    share = len(job.units) / len(part)
    # The progress counts the steps of every start that is climbed alone, so a step of all units may be many of its steps.
    return Pace(seen[0][2] - prepared, share * (last - first) * (total / 2) / (after - before), steps)
