"""The plan of a report: its tensors, their units, and the order of the jobs."""

from __future__ import annotations

import difflib
import fnmatch
import hashlib
import itertools
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from onnxviz.errors import TargetError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from onnxviz.model.model import Model

LAYERS = 10
"""The largest number of layers that are chosen between input and output."""

_WEIGHTED = {
    *(
        "Conv",
        "ConvTranspose",
        "FusedConv",
        "QLinearConv",
        "Gemm",
        "FusedGemm",
        "MatMul",
        "FusedMatMul",
        "LSTM",
        "GRU",
        "RNN",
    ),
    *("MatMulNBits", "Attention", "MultiHeadAttention", "QLinearMatMul", "DeformConv", "NhwcConv"),
}
_ACTIVATIONS = {
    *("Relu", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Gelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Mish"),
    *("Softplus", "Clip", "Softmax", "LayerNormalization"),
}  # fmt: skip


@dataclass(frozen=True)
class Aim:
    """A tensor whose units a report shows.

    Attributes
    ----------
    tensor : str
        The tensor's name.
    axis : int
        The axis of the units, counted after the batch.
    rank : int
        The number of axes after the batch; 0 if the tensor has one number for each sample.
    count : int
        The number of units.
    known : bool
        Whether the graph marks `axis` as the channel axis. If not, `axis` is the shortest axis.
    sizes : tuple of int
        The lengths of the axes after the batch.
    """

    tensor: str
    axis: int
    rank: int
    count: int
    known: bool = True
    sizes: tuple[int, ...] = ()

    def target(self, unit: int) -> str:
        """Return a unit as a target, as -t takes it.

        Examples
        --------
        >>> Aim("conv", 0, 3, 8).target(2), Aim("relu", 2, 3, 8).target(2), Aim("y", 1, 3, 8).target(2)
        ('conv[2]', 'relu[..., 2]', 'y[:, 2]')
        """
        if not self.rank:
            return self.tensor
        if self.axis == 0:
            return f"{self.tensor}[{unit}]"
        if self.axis == self.rank - 1:
            return f"{self.tensor}[..., {unit}]"
        return f"{self.tensor}[{':, ' * self.axis}{unit}]"


@dataclass(frozen=True)
class Job:
    """Units of a tensor that are searched together. A job is done as a whole or not at all.

    Attributes
    ----------
    aim : Aim
        The tensor.
    number : int
        The number of this job among the jobs of the tensor.
    units : tuple of int
        The units, in the order of their search.
    seconds : float
        The time after which the job is stopped without a result. It is no part of the job's address.
    """

    aim: Aim
    number: int
    units: tuple[int, ...]
    seconds: float = field(default=math.inf, compare=False)

    @property
    def targets(self) -> tuple[str, ...]:
        """The units as targets, as -t takes them."""
        return tuple(self.aim.target(unit) for unit in self.units)

    def key(self, digest: str, settings: Mapping[str, Any]) -> str:
        """Return the address of the job's result: SHA-256 of the model's digest, the targets and the settings."""
        from onnxviz.formats.json_documents import json_text

        identity = json_text({"model": digest, "targets": self.targets, "settings": dict(settings)}, None)
        return hashlib.sha256(identity.encode("ascii")).hexdigest()


def jobs(aim: Aim, wanted: int, size: int, alone: bool = False) -> list[Job]:
    """Return the jobs of a tensor's units.

    The tensor alone decides which units share a job. So a later call with more units finds the results of an earlier call.

    Parameters
    ----------
    aim : Aim
        The tensor.
    wanted : int
        The least number of units. All units, if the tensor has fewer.
    size : int
        The number of units of a job.
    alone : bool
        Whether the first unit has a job of its own, because a whole job takes longer than the report may take.

    Examples
    --------
    >>> [job.units for job in jobs(Aim("t", 0, 1, 8), 6, 4)], [job.units for job in jobs(Aim("t", 0, 1, 8), 6, 4, alone=True)]
    ([(0, 4, 2, 6), (1, 5, 3, 7)], [(0,), (4, 2, 6), (1, 5, 3, 7)])
    """
    order, last = spread_order(aim.count), min(wanted, aim.count)
    bounds = sorted({0, *([1] if alone else []), *range(size, last + size, size)})
    parts = [(first, end) for first, end in itertools.pairwise(bounds) if first < last]
    return [Job(aim, number, tuple(order[first:end])) for number, (first, end) in enumerate(parts)]


def spread_order(count: int) -> list[int]:
    """Return the numbers below `count`, in an order whose first few are spread evenly over all.

    The order is van der Corput's sequence: 0, a half, a quarter, three quarters, ….

    Examples
    --------
    >>> spread_order(8)
    [0, 4, 2, 6, 1, 5, 3, 7]
    """
    bits = max(1, (count - 1).bit_length())
    places = (int(format(number, f"0{bits}b")[::-1], 2) for number in range(1 << bits))
    return [place for place in places if place < count]


def in_turn(planned: Sequence[list[Job]], outputs: int) -> list[Job]:
    """Return the jobs of several tensors in the order in which they are done.

    A round takes the next job of each tensor: first the outputs, then the last layer, the first layer, and the layers between.

    Parameters
    ----------
    planned : sequence of list of Job
        The jobs of each tensor: first the outputs, then the others in the order of the graph.
    outputs : int
        The number of outputs in `planned`.
    """
    layers = len(planned) - outputs
    inner = [layers - 1, *spread_order(layers - 1)] if layers > 1 else list(range(layers))
    ranked = [*range(outputs), *(outputs + place for place in inner)]
    rounds = max((len(one) for one in planned), default=0)
    return [planned[place][number] for number in range(rounds) for place in ranked if number < len(planned[place])]


def choose_tensors(model: Model, inputs: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """Return the tensors to show: the outputs and a selection of layers, or the tensors that fit the patterns.

    Parameters
    ----------
    model : Model
        The model.
    inputs : sequence of str
        The model's inputs that are searched.
    patterns : sequence of str
        Patterns of names, as in a shell: ``conv*``.

    Returns
    -------
    list of str
        The names, in the order of the graph.

    Raises
    ------
    TargetError
        If no searchable tensor fits a pattern.
    """
    from onnxviz.model.tensors.support import reach

    reached = reach(model, vectors_of(model, inputs) or inputs)
    outputs = set(output_tensors(model, inputs))
    aimable = [
        name
        for name, info in model.tensors.items()
        if name in outputs
        or (info.is_float and name in model.producers and reached[name].differentiable and info.shape != ())
    ]
    if patterns:
        chosen: set[str] = set()
        for pattern in patterns:
            fitting = [name for name in aimable if name == pattern or fnmatch.fnmatchcase(name, pattern)]
            if not fitting:
                close = difflib.get_close_matches(pattern, aimable, n=3, cutoff=0.4)
                raise TargetError(
                    f"`patterns` '{pattern}': no searchable tensor of {model.name} fits."
                    + (f" Close: {', '.join(close)}." if close else "")
                )
            chosen.update(fitting)
        return [name for name in aimable if name in chosen]
    inner = [name for name in aimable if name not in outputs]
    layers = [name for name in inner if model.tensors[name].operator in _WEIGHTED]
    if len(layers) < LAYERS:
        layers = [name for name in inner if model.tensors[name].operator in _WEIGHTED | _ACTIVATIONS]
    if len(layers) > LAYERS:
        layers = [layers[round(place * (len(layers) - 1) / (LAYERS - 1))] for place in range(LAYERS)]
    return [name for name in aimable if name in outputs or name in layers]


@dataclass(frozen=True)
class SearchedInput:
    """The input that a report searches.

    Attributes
    ----------
    name : str
        Its name; for several columns of a table, the name of their vector.
    inputs : tuple of str
        The model's inputs that it stands for.
    is_table : bool
        Whether it is one or several of a table's columns.
    """

    name: str
    inputs: tuple[str, ...]
    is_table: bool = False

    @property
    def joined(self) -> bool:
        """Whether it is a vector of columns, which is no tensor of the model."""
        return self.inputs != (self.name,)


def moving_input(
    model: Model, wrt: str | Sequence[str] | None, held: Collection[str]
) -> tuple[SearchedInput | None, list[str]]:
    """Return the input to search, as `maximize` chooses it for all outputs; for the vectors of token ids, the ids.

    Parameters
    ----------
    model : Model
        The model.
    wrt : str, sequence of str, or None
        The input that the request names; several columns are searched together.
    held : collection of str
        The inputs with a fixed value.

    Returns
    -------
    searched : SearchedInput or None
        The input; None if no input can be searched.
    notes : list of str
        Notes about the choice.

    Raises
    ------
    TargetError
        If there is no tensor with the name `wrt`.
    """
    from onnxviz.analyses.inputs.moving import choose_moving
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    try:
        moving = choose_moving(model, wrt, held=held)
    except TargetError:
        raise
    except UsageError as error:
        return None, [str(error)]
    if moving.embedding is not None and not moving.inputs:
        return SearchedInput(moving.embedding.ids, (moving.embedding.ids,)), []
    if not moving.inputs:
        return None, [f"`wrt` {wrt}: lies inside the graph, but a report searches inputs only; maximize searches it"]
    columns = JoinedInputs.columns(model, held)
    is_table = columns is not None and set(moving.inputs) <= set(columns.inputs)
    return SearchedInput(moving.name, moving.inputs, is_table), [f"{moving.name}: {moving.remark}"] * bool(
        moving.remark
    )


def output_tensors(model: Model, inputs: Sequence[str]) -> list[str]:
    """Return the float outputs that depend on some inputs; for maps, integers and labels, the float tensor before them."""
    from onnxviz.model.graph.structure import dependents
    from onnxviz.model.graph.zipped import unzipped
    from onnxviz.model.tensors.float_source import float_source
    from onnxviz.target import Target

    depends = dependents(model.nodes, inputs) - {*inputs}
    found = []
    for name in model.outputs:
        before = unzipped(model, Target(name, ()))
        tensor = name if before is None else before.tensor
        if not model.tensors[tensor].is_float and model.tensors[tensor].container == "tensor":
            source = float_source(model, tensor)
            tensor = tensor if source is None else source.tensor
        if tensor in depends and model.tensors[tensor].is_float and model.tensors[tensor].shape != ():
            found.append(tensor)
    return list(dict.fromkeys(found))


def is_state(model: Model, name: str, inputs: Sequence[str]) -> bool:
    """Return whether an output is the next value of an input that is not searched: a hidden state, or a cache that grew.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        The output.
    inputs : sequence of str
        The inputs that are searched.
    """
    shape = model.tensors[name].shape
    if not shape or all(not isinstance(size, int) for size in shape):
        return False

    def alike(other: Sequence[int | str | None] | None) -> bool:
        return other is not None and [size if isinstance(size, int) else None for size in other] == [
            size if isinstance(size, int) else None for size in shape
        ]

    return any(info.is_float and alike(info.shape) for one, info in model.inputs.items() if one not in inputs)


def aims(model: Model, names: Sequence[str], inputs: Mapping[str, np.ndarray]) -> list[Aim]:
    """Return the axis and the number of units of each tensor. ONNX Runtime measures shapes that the graph does not have.

    Parameters
    ----------
    model : Model
        The model.
    names : sequence of str
        The tensors' names.
    inputs : mapping of str to ndarray
        The inputs for measuring shapes.

    Raises
    ------
    EvaluationError
        If ONNX Runtime refuses the inputs.
    """
    import numpy as np

    from onnxviz.model.tensors.channel_axis import channel_axis
    from onnxviz.model.tensors.sample_view import sample_view

    found = []
    for name in names:
        shape: Iterable[Any] | None = model.tensors[name].shape
        if shape is None or not all(isinstance(size, int) for size in sample_view(model, name).sizes(tuple(shape))):
            shape = np.asarray(model.session([name])(inputs)[name]).shape
            model.close_sessions()
        view = sample_view(model, name, len(tuple(shape)))
        sizes = [int(size) for size in view.sizes(tuple(shape))]
        if 0 in sizes:
            continue
        if not sizes:
            found.append(Aim(name, 0, 0, 1))
            continue
        axis = channel_axis(model, name, len(tuple(shape)))
        if axis is None:
            # Anchors and positions are many, and the values of each are few: the shortest axis holds the channels.
            several = _only_channel(sizes) or [place for place, size in enumerate(sizes) if size > 1] or [0]
            shortest = min(several, key=lambda place: sizes[place])
            found.append(Aim(name, shortest, len(sizes), sizes[shortest], len(several) < 2, tuple(sizes)))
        else:
            found.append(Aim(name, axis, len(sizes), sizes[axis], sizes=tuple(sizes)))
    return found


_SIDE = 32
"""Two axes of at least this length are the sides of a picture, if the third axis has length 1."""


def _only_channel(sizes: Sequence[int]) -> list[int]:
    """Return the axis of length 1 if the two others look like the sides of a picture; else an empty list.

    Examples
    --------
    >>> _only_channel([1, 64, 64]), _only_channel([1, 200, 7]), _only_channel([1, 10])
    ([0], [], [])
    """
    short, *sides = sorted(sizes) if len(sizes) == 3 else [0]
    return [list(sizes).index(1)] if short == 1 and sides[0] >= _SIDE else []


def vectors_of(model: Model, inputs: Sequence[str]) -> list[str]:
    """Return the tensor with the vectors of an input of token ids, which are searched; an empty list for other inputs."""
    from onnxviz.model.expectations.embedding import find_embedding

    tokens = find_embedding(model, inputs[0]) if len(inputs) == 1 else None
    return [] if tokens is None else [tokens.output]
