"""The manner in which a target's input is searched: the part that moves, the views of it, and how fine its detail may be."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onnxviz.analyses.maximization.size_and_window import seen_windows

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.analyses.maximization.subject import Subject
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.ascent.transforms import Views
    from onnxviz.methods.objectives.objectives import Objective


CUTOFF = 0.15
"""In cycles per pixel. Detail that is finer raises the score of one network, and other networks and people see noise in it."""

DEEP, SHALLOW = 0.5, 0.1
"""A unit that sees at least the first share of the picture's sides is shown things of any size. A unit that sees less than the second
share answers to edges and colors of one size and direction, which are only shifted."""


FAINT, GENTLE = 0.15, 0.5
"""The norm of a picture of a linear unit of the first layer, and the slope of its spectrum. A stronger picture would be one of black
and white dots: what is left of the kernel when every element is driven to an end of the range."""


@dataclass(frozen=True)
class Manner:
    """The manner in which the input of one target is searched.

    Attributes
    ----------
    window : tuple of slice, or None
        The part of the input that the target sees; None where it sees all of it.
    views : Views or None
        The random views of a picture; None where small shifts suit the input.
    cutoff : float or None
        The frequency above which a picture has little detail, in cycles per pixel.
    contrast : float or None
        The norm of a picture, where it is not that of the space.
    slope : float or None
        The slope of a picture's spectrum, where it is not that of the space.
    """

    window: tuple[slice, ...] | None = None
    views: Views | None = None
    cutoff: float | None = None
    contrast: float | None = None
    slope: float | None = None

    def of(self, space: Space) -> Space:
        """Return a space that is searched in this manner."""
        contrast = space.contrast if self.contrast is None else self.contrast
        slope = space.slope if self.slope is None else self.slope
        return replace(space, window=self.window, views=self.views, cutoff=self.cutoff, contrast=contrast, slope=slope)


def manners(
    listener: Listener, subject: Subject, objectives: tuple[Objective, ...], space: Space
) -> tuple[Manner, ...]:
    """Return the manner of each target, and note the part of the input that the first target sees.

    Parameters
    ----------
    listener : Listener
        Told of the part.
    subject : Subject
        The tensor that moves.
    objectives : tuple of Objective
        What is maximized.
    space : Space
        Where inputs are searched.
    """
    if subject.moving.whole:
        return (Manner(),) * len(objectives)
    windows = seen_windows(listener, subject.model, objectives, subject.name, subject.shape, subject.expected)
    return tuple(
        Manner(window) if window is not None else _whole_picture(subject, objective, space)
        for objective, window in zip(objectives, windows, strict=True)
    )


def _whole_picture(subject: Subject, objective: Objective, space: Space) -> Manner:
    """Return the manner of a target that sees all of the input, or that is searched at all places alike."""
    from onnxviz.methods.ascent.transforms import SMALL, Views

    axes = space.spatial
    if space.kind != "image" or len(axes) != 2 or space.parameterization not in ("", "fourier"):
        return Manner()
    if _is_linear(objective):
        return Manner(contrast=FAINT, slope=GENTLE)
    sides = [subject.shape[axis] for axis in axes]
    if min(sides) <= SMALL:
        return Manner()
    plane = (axes[0], axes[1])
    share = _seen_share(subject, objective, sides)
    if share >= DEEP:
        return Manner(None, Views(plane), CUTOFF)
    if share >= SHALLOW:
        return Manner(None, Views(plane, 0.8, 1.25, 0.3, 10.0))
    return Manner()


def _is_linear(objective: Objective) -> bool:
    """Return whether all terms of an objective ask how loud a linear layer of the input answers."""
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.question import Question

    return all(isinstance(term, Activation) and term.target.question is Question.LOUD for _, term in objective.terms)


def _seen_share(subject: Subject, objective: Objective, sides: list[int]) -> float:
    """Return the largest share of the picture's sides that one position of an objective's tensors sees, at most 1."""
    from onnxviz.methods.objectives.objectives import Activation
    from onnxviz.model.tensors.receptive_field import receptive_field

    shares = [0.0]
    for _, term in objective.terms:
        if not isinstance(term, Activation) or subject.name not in subject.model.inputs:
            return 1.0
        field = receptive_field(subject.model, term.target.tensor, subject.name, shape=subject.shape)
        if field is None or not field.spatial:
            return 1.0
        shares.append(max(seen / side for seen, side in zip(field.size, sides, strict=True)))
    return min(1.0, max(shares))
