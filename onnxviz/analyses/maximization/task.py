"""What a maximization has settled before its first step: the search, what is known, and how results are shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.sample_first import sample_first
from onnxviz.errors import Unsupported, UnsupportedOperators
from onnxviz.model.tensors.encoded_texts import encoded_texts

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.features import Features
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.inputs.moving import Moving
    from onnxviz.analyses.inputs.tokens import Tokens
    from onnxviz.analyses.maximization.inner_samples import InnerBatches
    from onnxviz.analyses.maximization.manner import Manner
    from onnxviz.contract import InputContract
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.lattice import Lattice
    from onnxviz.methods.ascent.settings import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Search:
    """What is climbed, where, and how.

    Attributes
    ----------
    model : Model
        The model, with its input at the size that was asked for.
    moving : Moving
        The tensor that moves.
    shape : tuple of int
        The shape of the moving tensor, with the batch.
    held : dict of str to ndarray
        Values of all other inputs.
    objectives, climbed : tuple of Objective
        What is scored, and what is climbed for each of them.
    manners : tuple of Manner
        For each objective the part of the input that moves, and how.
    space : Space
        Where inputs are searched.
    settings : Settings
        How the search goes.
    device : str
        Where torch computes.
    straight_through : bool
        Whether gradients pass operators that round.
    tokens : Tokens or None
        The tokens, where vectors behind token ids move.
    lattice : Lattice or None
        Which features of a vector cannot take any value between their bounds; None where all can.
    """

    model: Model
    moving: Moving
    shape: tuple[int, ...]
    held: dict[str, np.ndarray]
    objectives: tuple[Objective, ...]
    climbed: tuple[Objective, ...]
    manners: tuple[Manner, ...]
    space: Space
    settings: Settings
    device: str
    straight_through: bool = False
    tokens: Tokens | None = None
    lattice: Lattice | None = None

    @property
    def wrt(self) -> str:
        """The moving tensor's name."""
        return self.moving.name

    @property
    def numbers(self) -> dict[str, np.ndarray]:
        """Values of all other inputs that torch can hold: texts are left out, and what the graph makes of them is in."""
        return {name: value for name, value in self.held.items() if np.asarray(value).dtype.kind != "O"}

    @property
    def copies(self) -> int:
        """The fixed batch, which copies of one sample fill; 1 where the batch is open."""
        return self.shape[0] if self.moving.inputs or self.tokens else 1

    @property
    def todo(self) -> list[tuple[Objective, Objective]]:
        """All targets, each with what is climbed for it."""
        return list(zip(self.objectives, self.climbed, strict=True))

    def settled(self, samples: np.ndarray) -> np.ndarray:
        """Return (…, *shape) samples with whole numbers and one-hot codes set right."""
        return samples if self.lattice is None else self.lattice.nearest(samples)

    def fed_settled(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Return what ONNX Runtime is fed for (batch, *shape) samples, once they are settled."""
        return self.moving.fed(self.settled(samples))

    def network(self, tensors: list[str]) -> Any:
        """Return the differentiable network from the moving tensor to some tensors."""
        wanted, stops = self.moving.in_graph(tensors), self.moving.stops
        if self.moving.joined is not None and not self.moving.joined.smooth:
            joined = self.moving.joined
            reason = f"torch has no type for the texts or whole numbers of {joined.discrete}"
            raise UnsupportedOperators([Unsupported("", "Input", 1, len(joined.inputs), self.wrt, reason)])
        encoded = encoded_texts(self.model.cut(wanted, stops))
        made = self.model.network(
            wanted, [*stops, *encoded], device=self.device, straight_through=self.straight_through
        )
        made = sample_first(self.model, made, wanted)
        if self.moving.joined is None and self.moving.own is None:
            return made
        from onnxviz.methods.ascent.joined_network import JoinedNetwork

        return JoinedNetwork(made, self.wrt, self.moving.inputs, self.moving.fed)

    def session(self, tensors: list[str]) -> Any:
        """Return the part of the model that ONNX Runtime scores; for tokens this part begins at their ids."""
        wanted = self.moving.in_graph(tensors)
        return sample_first(self.model, self.model.session(wanted, self.moving.front), wanted)

    def space_of(self, objective: Objective) -> Space:
        """Return the whole space of a target, with the norm that its pictures have."""
        manners = dict(zip(map(str, self.objectives), self.manners, strict=True))
        contrast = manners[str(objective)].contrast
        return self.space if contrast is None else replace(self.space, contrast=contrast)

    def spaces(
        self, todo: list[tuple[Objective, Objective]]
    ) -> Iterator[tuple[Space, list[tuple[Objective, Objective]]]]:
        """Yield the given targets in order, in runs that are searched in one manner, each run with its space."""
        manners = dict(zip(map(str, self.objectives), self.manners, strict=True))
        for manner, part in groupby(todo, lambda pair: manners[str(pair[0])]):
            yield manner.of(self.space), list(part)


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What is known besides the search, for findings and trust.

    Attributes
    ----------
    expected : InputContract
        What the moving tensor expects.
    features : Features
        A vector's features.
    stopped : tuple of str
        For each objective what keeps the gradient from the moving tensor; "" where nothing does.
    samples : SampleBatches, InnerBatches or None
        The real data, if there is some.
    near_data : bool
        Whether inputs are kept near the best real samples.
    keep_near : bool
        Whether the input from which the search starts is only accented.
    """

    expected: InputContract
    features: Features
    stopped: tuple[str, ...]
    samples: SampleBatches | InnerBatches | None = None
    near_data: bool = False
    keep_near: bool = False


@dataclass(frozen=True, eq=False)
class Presentation:
    """How results are drawn and described.

    Attributes
    ----------
    drawing : Drawing
        How arrays of the moving tensor are drawn.
    tokens : Tokens or None
        The names of tokens.
    rate : float or None
        A signal's samples per second.
    start : str
        Where the search starts: "random", or the name of a file.
    remark : str
        What a person should know about all scores; "" where there is nothing to say.
    """

    drawing: Drawing
    tokens: Tokens | None = None
    rate: float | None = None
    start: str = "random"
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Task:
    """A maximization that is ready to start.

    Attributes
    ----------
    search : Search
        What is climbed.
    knowledge : Knowledge
        What findings and trust rest on.
    presentation : Presentation
        How results are shown.
    effort : tuple of str
        A sentence for each reason why the search takes fewer steps or starts than usual.
    """

    search: Search
    knowledge: Knowledge
    presentation: Presentation
    effort: tuple[str, ...] = ()
