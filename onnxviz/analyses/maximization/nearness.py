"""How a search goes that stays near real inputs: which requests suit it, and what it leaves to the real inputs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from onnxviz.analyses.maximization.manner import Manner
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.ascent.transforms import Views
    from onnxviz.methods.objectives.objectives import Objective


def check_near(
    subject: Subject, objectives: tuple[Objective, ...], optimizer: str, request: MaximizationRequest
) -> None:
    """Raise if a search near real inputs is asked for where there are none, or where it cannot be made.

    Raises
    ------
    UsageError
    """
    if request.near_data and request.data is None:
        raise UsageError("`near_data`: it needs real samples; give them with `data`")
    if request.keep_near and request.start is None:
        raise UsageError("`keep_near`: it needs a real input to keep near; give it with `start`")
    for asked, field in ((request.near_data, "near_data"), (request.keep_near, "keep_near")):
        if not asked:
            continue
        if subject.tokens is not None:
            raise UsageError(f"`{field}`: {subject.name} holds tokens, which do not change by degrees; leave it out")
        if optimizer == "cma":
            raise UsageError(f"`{field}`: it follows gradients, and cma has none; leave it out")
        together = next((one for one in objectives if one.members), None)
        if together is not None:
            raise UsageError(f"`{field}`: {together} is a set of inputs; give a single target")
    if request.keep_near and request.parameterization == "maco":
        raise UsageError("`keep_near`: maco cannot start at a real input; use fourier or pixel")


def near(space: Space, ways: tuple[Manner, ...], request: MaximizationRequest) -> tuple[Space, tuple[Manner, ...]]:
    """Return the space and the manners of a search near real inputs, which tell its detail, contrast and size themselves."""
    if not (request.near_data or request.keep_near):
        return space, ways
    space = replace(space, contrast=None)
    if not request.near_data:
        return space, tuple(replace(one, window=None, contrast=None, slope=None) for one in ways)
    return space, tuple(Manner(views=None if one.views is None else _gentle(one.views)) for one in ways)


def _gentle(views: Views) -> Views:
    """Return views that change a picture's size little: the statistics of real samples hold for their own size."""
    return replace(views, farthest=0.8, nearest=1.25, rotation=10.0)
