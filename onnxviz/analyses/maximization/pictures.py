"""The pictures of a maximum: the input that was found, its way there, and single samples beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.maximization.task import Presentation
    from onnxviz.analyses.maximization.vector_findings import VectorFindings
    from onnxviz.drawing.pictures import Picture
    from onnxviz.methods.objectives.objectives import Objective

SMALL = 256
"""Pictures of fewer pixels a side are enlarged until they have about as many."""


@dataclass(frozen=True, eq=False)
class Portrait:
    """What is drawn of a maximum.

    Attributes
    ----------
    presentation : Presentation
        How results are drawn.
    shown : (*shape) ndarray
        The part of the input that moved; of tokens their ids.
    others : (restart, *shape) ndarray
        The same part of what every start ended in.
    title, subtitle : str
        Two lines above a chart.
    vector : VectorFindings or None
        What is known of a vector.
    drops : (time,) ndarray or None
        What each token or letter contributes.
    together : Objective or None
        The target, where all starts are one set and are drawn beside each other.
    own_scores : sequence of float
        The score of each member of a set.
    frames : mapping of int to ndarray
        What the input was after some steps, as `shown`.
    """

    presentation: Presentation
    shown: np.ndarray
    others: np.ndarray
    title: str = ""
    subtitle: str = ""
    vector: VectorFindings | None = None
    drops: np.ndarray | None = None
    together: Objective | None = None
    own_scores: Sequence[float] = ()
    frames: Mapping[int, np.ndarray] = field(default_factory=dict)

    def picture(self, headed: bool = True) -> Picture:
        """Return the picture.

        Parameters
        ----------
        headed : bool
            Whether a chart has its title, and a small picture is enlarged.
        """
        if self.together is not None:
            return self._members(self.together)
        title, subtitle = (self.title, self.subtitle) if headed else ("", "")
        if self.presentation.tokens is not None:
            return draw_sample(self.presentation, self.shown, title, subtitle, self.drops)
        known = None
        if self.vector is not None:
            subtitle = (subtitle + self.vector.distance_text()).removeprefix(" · ")
            known = self.vector.drawn()
        if self.presentation.drawing.expected.kind == "letters" and self.drops is not None:
            known = {"drops": self.drops}
        others = self.others.astype(np.float32)
        picture = self.presentation.drawing.draw(self.shown, title, subtitle, others, known)
        return _enlarged(self.presentation, picture) if headed else picture

    def steps(self) -> Iterator[tuple[int, Picture]]:
        """Yield the steps after which the input was kept, each with its picture."""
        for step, array in self.frames.items():
            picture = draw_sample(self.presentation, array, "", f"after {step} steps")
            yield step, _enlarged(self.presentation, picture)

    def _members(self, objective: Objective) -> Picture:
        """Draw all members of a set beside each other."""
        from onnxviz.drawing.sheet import Sheet, Tile
        from onnxviz.methods.objectives.sets import Interpolation
        from onnxviz.wording import number_text

        count, own = len(self.others), self.own_scores
        tiles = []
        for place, (array, share) in enumerate(zip(self.others, np.linspace(1, 0, count), strict=True)):
            caption = f"{share:.0%} and {1 - share:.0%}" if objective.passes else f"{place + 1} of {count}"
            # A chart is read in its own size, never in squares.
            sharp = None if self.presentation.drawing.is_picture else False
            picture = draw_sample(self.presentation, array)
            tiles.append(Tile(picture, caption, number_text(own[place]) if own else "", sharp=sharp))
        note = ""
        if own:
            note = "below each its score" if objective.alone == objective else f"below each: {objective.alone}"
        for _, term in objective.terms:
            if isinstance(term, Interpolation):
                note = f"shares of {term.target} and {term.other}; {note}"
        return Sheet(tiles, self.title, self.subtitle, note=note).draw()


def draw_sample(
    presentation: Presentation,
    array: np.ndarray,
    title: str = "",
    subtitle: str = "",
    drops: np.ndarray | None = None,
) -> Picture:
    """Return the picture of one sample; of tokens their ids, with what each contributes where that is known."""
    tokens = presentation.tokens
    if tokens is None:
        return presentation.drawing.draw(array, title, subtitle)
    from onnxviz.drawing.token_chart import TokenSequence, token_chart

    label = "" if drops is None else "score lost when another token takes the place"
    if tokens.kept:
        label += "; dashed: kept" if label else "dashed: kept"
    names = [tokens.name(int(token)) for token in array]
    sequence = TokenSequence(names, array.tolist() if tokens.names else (), drops, tuple(tokens.kept), label)
    count = f"{tokens.embedding.ids}: {len(names)} tokens"
    return token_chart(sequence, title, f"{subtitle} · {count}" if subtitle else count)


def _enlarged(presentation: Presentation, picture: Picture) -> Picture:
    """Return a picture large enough to see its pixels; a chart as it is."""
    from onnxviz.drawing.pictures import enlarge

    if not presentation.drawing.is_picture:
        return picture
    return enlarge(picture, max(1, SMALL // max(picture.shape[:2])))
