"""The roles of all axes of a graph, from its operators, its names of sizes, and habit, in this order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

from onnxviz.errors import OnnxvizError
from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.axes.evidence import BATCH, DEPTH, HEIGHT, TIME, UNIT, WIDTH, Axis, Evidence, Seed
from onnxviz.model.tensors.axes.layers import RULES as LAYERS
from onnxviz.model.tensors.axes.layout import RULES as LAYOUTS
from onnxviz.model.tensors.axes.layout import anything

_ONCE = {BATCH, UNIT, HEIGHT, WIDTH, DEPTH}
"""Roles that only one axis of a tensor has."""

_BATCH_NAMES = {"n", "b", "bs", "nb", "batch", "batch_size", "batchsize", "num_batch", "n_samples"}
_TIME_NAMES = {
    "t",
    "time",
    "times",
    "seq",
    "sequence",
    "seq_len",
    "seqlen",
    "sequence_length",
    "frames",
    "n_frames",
} | {
    *("num_frames", "steps", "n_steps", "timesteps", "time_steps", "seq_length", "sequence_len", "tokens"),
}

_NOUNS = {BATCH: "the batch", TIME: "the steps", UNIT: "the units", HEIGHT: "the height", WIDTH: "the width"} | {
    DEPTH: "the depth"
}

_FRAMES, _FRAMES_LAST = (UNIT, HEIGHT, WIDTH), (HEIGHT, WIDTH, UNIT)
"""The roles of the axes of each frame of a clip."""

_BACKWARD = 1 << 20
"""The cost of a step from an output to an input: the operators before a tensor tell more than those after it."""


@dataclass(frozen=True)
class Role:
    """The role of an axis, with the evidence for it.

    Attributes
    ----------
    role : str
        "batch", "time", "unit", "height", "width" or "depth".
    seed : Seed
        The evidence: an axis with this role.
    sure : bool
        Whether an operator tells. If not, a name of a size or habit does.
    """

    role: str
    seed: Seed
    sure: bool


class GraphAxes:
    """The roles of the axes of all tensors outside of subgraphs.

    Roles spread from the operators that give them, along the axes that other operators keep, in both directions. The
    nearest operator before a tensor decides; operators after it count only where none before it tells.

    Parameters
    ----------
    graph : Graph
        The graph.
    """

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._evidence = Evidence(graph)
        self._found: dict[Axis, Role] = {}
        self._taken: set[tuple[str, str]] = set()
        for node in graph.nodes:
            rule = LAYERS.get(node.op_type) or LAYOUTS.get(node.op_type) or anything
            try:
                rule(self._evidence, node)
            except (ValueError, TypeError, LookupError, ArithmeticError, OnnxvizError):
                continue  # a damaged node tells nothing
        self._spread(self._evidence.seeds, sure=True)
        self._fold_frames()
        self._spread(self._named(), sure=False)
        self._spread(self._shared(), sure=False)
        self._spread(self._habitual(), sure=False)

    def role(self, name: str, axis: int, rank: int | None = None) -> Role | None:
        """Return the role of an axis; None if it is unknown.

        Parameters
        ----------
        name : str
            A tensor.
        axis : int
            The axis; below 0 counted from the end.
        rank : int, optional
            The tensor's number of axes, if it was measured; used if the file does not tell.
        """
        known = self._evidence.rank(name)
        count = rank if known is None else known
        if count is None:
            return self._found.get((name, axis))
        place = axis + count if axis < 0 else axis
        return self._found.get((name, place)) or (self._found.get((name, place - count)) if known is None else None)

    def roles(self, name: str, rank: int | None = None) -> tuple[str, ...]:
        """Return the roles of all axes of a tensor; "" where a role is unknown.

        Parameters
        ----------
        name : str
            A tensor.
        rank : int, optional
            As in `role`.
        """
        known = self._evidence.rank(name)
        found = (self.role(name, axis, rank) for axis in range((rank if known is None else known) or 0))
        return tuple("" if one is None else one.role for one in found)

    def place(self, name: str, role: str, rank: int | None = None) -> int | None:
        """Return the axis of a tensor that has a role; None if there is none.

        Parameters
        ----------
        name : str
            A tensor.
        role : str
            The role.
        rank : int, optional
            As in `role`.
        """
        roles = self.roles(name, rank)
        return roles.index(role) if role in roles else None

    def sentence(self, name: str, axis: int) -> str:
        """Return the evidence for the role of an axis as a sentence; "" if it is unknown."""
        found = self.role(name, axis)
        if found is None:
            return ""
        seed, (other, place) = found.seed, found.seed.axis
        told = seed.words or f"{seed.operator} has {_NOUNS[found.role]} along axis {place} of {other}"
        return f"axis {axis} of {name} holds {_NOUNS[found.role]}: {told}"

    @cached_property
    def unbatched(self) -> dict[str, str]:
        """The inputs whose first axis is not the batch, each with the reason."""
        return {name: said for name in self._graph.inputs if (said := self._reason(name))}

    @cached_property
    def one_by_one(self) -> bool:
        """Whether samples run one at a time, since the batch is the first axis of no input."""
        shapes = {name: info.shape for name, info in self._graph.inputs.items()}
        return bool(self.unbatched) and not any(shape and name not in self.unbatched for name, shape in shapes.items())

    def _reason(self, name: str) -> str:
        """Return why an input's first axis is not the batch; "" if it may be the batch."""
        shape, first = self._graph.inputs[name].shape, self.role(name, 0)
        if not shape or (first is not None and first.role == BATCH):
            return ""
        if first is not None and first.role == TIME:
            return (
                f"{first.seed.operator} steps along its first axis"
                if first.sure
                else f"its first axis is named {shape[0]}"
            )
        if len(shape) == 1 and isinstance(shape[0], int):
            return "one axis of a fixed size"
        batch = self.place(name, BATCH)
        if batch is not None:
            found = self._found[name, batch]
            told = f"{found.seed.operator} has" if found.sure else "the names of its sizes have"
            return f"{told} the batch along axis {batch}"
        if first is not None and first.sure and self._complete(name):
            return f"{first.seed.operator} has {_NOUNS[first.role]} along its first axis"
        return ""

    def _complete(self, name: str) -> bool:
        """Return whether an input's last axes are a picture or a sound by themselves, so that none is left for the batch."""
        roles = self.roles(name)
        return BATCH not in roles and all(roles) and bool({HEIGHT, TIME} & {*roles})

    def origin(self, name: str, axis: int) -> Axis | None:
        """Return the axis of an input that an axis of a tensor is; None if operators make the axis.

        Parameters
        ----------
        name : str
            A tensor.
        axis : int
            The axis.
        """
        return self._origins.get((name, axis))

    @cached_property
    def _origins(self) -> dict[Axis, Axis]:
        inputs = self._graph.inputs.items()
        found: dict[Axis, Axis] = {
            (name, axis): (name, axis) for name, info in inputs for axis in range(len(info.shape or ()))
        }
        ahead = deque(found)
        while ahead:
            axis = ahead.popleft()
            for other, backward in self._evidence.links.get(axis, ()):
                if not backward and other not in found:
                    found[other] = found[axis]
                    ahead.append(other)
        return found

    def _spread(self, seeds: Iterable[Seed], sure: bool) -> None:
        """Give roles to axes, the nearest evidence first."""
        waiting: list[tuple[int, int, Axis, Seed]] = []
        for number, seed in enumerate(seeds):
            waiting.append((_BACKWARD * seed.backward, number, seed.axis, seed))
        heapq.heapify(waiting)
        count = len(waiting)
        while waiting:
            cost, _, axis, seed = heapq.heappop(waiting)
            key = (axis[0], seed.role)
            if axis in self._found or (seed.role in _ONCE and key in self._taken):
                continue
            self._found[axis] = Role(seed.role, seed, sure)
            self._taken.add(key)
            for other, backward in self._evidence.links.get(axis, ()):
                if other not in self._found:
                    count += 1
                    heapq.heappush(waiting, (cost + (_BACKWARD if backward else 1), count, other, seed))

    def _fold_frames(self) -> None:
        """Give steps to the axis of frames that a Reshape moves into the batch of a convolution along height and width.

        With a batch of 1, the convolution's batch is as long as the frames, and is traced back to them.
        """
        for name, info in self._graph.inputs.items():
            sizes = info.shape or ()
            if len(sizes) != 5 or self.roles(name)[2:] not in (_FRAMES, _FRAMES_LAST):
                continue
            first, second = self.role(name, 0), self.role(name, 1)
            folded = second is not None and second.role == BATCH and sizes[0] == 1
            if first is not None or (second is not None and not folded):
                continue
            seed = second.seed if second is not None else self._found[name, 3].seed
            self._found[name, 0] = Role(BATCH, seed, True)
            self._found[name, 1] = Role(TIME, seed, True)
            self._taken.add((name, BATCH))

    def _ends(self) -> list[tuple[str, int, int | str | None]]:
        """Return the axes of the graph's inputs and outputs, with their sizes."""
        return [
            (name, axis, size)
            for part in (self._graph.inputs, self._graph.outputs)
            for name, info in part.items()
            for axis, size in enumerate(info.shape or ())
            if self._evidence.computed(name)
        ]

    def _named(self) -> list[Seed]:
        """Return the roles that the names of sizes tell."""
        seeds = []
        for name, axis, size in self._ends():
            word = size.lower() if isinstance(size, str) else ""
            role = BATCH if word in _BATCH_NAMES else TIME if word in _TIME_NAMES else ""
            # A single letter tells little: it counts only where its role usually is, the batch in front and steps behind.
            if role and (len(word) > 1 or (role == BATCH) == (axis == 0)):
                seeds.append(Seed((name, axis), role, words=f"its size is named {size}"))
        return seeds

    def _shared(self) -> list[Seed]:
        """Return the axes whose size has the name of a known batch."""
        ends = self._ends()
        known = {size: name for name, axis, size in ends if isinstance(size, str) and self._is_batch(name, axis)}
        return [
            Seed((name, axis), BATCH, words=f"it shares its size {size} with the batch of {known[size]}")
            for name, axis, size in ends
            if isinstance(size, str) and size in known
        ]

    def _is_batch(self, name: str, axis: int) -> bool:
        found = self._found.get((name, axis))
        return found is not None and found.role == BATCH

    def _habitual(self) -> list[Seed]:
        """Return the first axis of every input whose batch nothing tells."""
        seeds = []
        for name, info in self._graph.inputs.items():
            open_row = info.shape is not None and len(info.shape) == 1 and not isinstance(info.shape[0], int)
            if (open_row or len(info.shape or ()) > 1) and (name, BATCH) not in self._taken and not self._reason(name):
                seeds.append(Seed((name, 0), BATCH, words="the first axis counts the samples, as is usual"))
        return seeds


_KNOWN: WeakKeyDictionary[Graph, GraphAxes] = WeakKeyDictionary()


def graph_axes(graph: Graph) -> GraphAxes:
    """Return the roles of a graph's axes, inferred once for each graph.

    Parameters
    ----------
    graph : Graph
        The graph.
    """
    if graph not in _KNOWN:
        _KNOWN[graph] = GraphAxes(graph)
    return _KNOWN[graph]
