"""From a request to a task: what moves, from where, towards what, and how; all before the first step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.held_inputs import resting_text
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.maximization.effort import Cost, settings
from onnxviz.analyses.maximization.inner_samples import inner_space, with_spectrum, with_start
from onnxviz.analyses.maximization.manner import manners
from onnxviz.analyses.maximization.nearness import check_near, near
from onnxviz.analyses.maximization.optimizer_choice import OptimizerName, choose_optimizer, stops
from onnxviz.analyses.maximization.references import check_like, read_example, surroundings
from onnxviz.analyses.maximization.request import source_text
from onnxviz.analyses.maximization.search_space import search_space, signal_rate
from onnxviz.analyses.maximization.size_and_window import check_sized, size_remark
from onnxviz.analyses.maximization.subject import Subject, choose_subject
from onnxviz.analyses.maximization.targets import climbed_aim, expand_aims, parse_aims
from onnxviz.analyses.maximization.task import Knowledge, Presentation, Search, Task
from onnxviz.analyses.maximization.token_space import token_space
from onnxviz.errors import UsageError
from onnxviz.model.tensors.encoded_texts import encoded_texts
from onnxviz.model.tensors.twin import with_twins
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.features import Features
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.listener import Listener
    from onnxviz.analyses.maximization.inner_samples import InnerBatches
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.methods.ascent.lattice import Lattice
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


_NARROW = 16
"""Bits of the widest integers whose lowest and highest numbers data reach."""


@dataclass(frozen=True, eq=False)
class _Aims:
    """The targets: what is scored, what is climbed in its place, and by which optimizer."""

    objectives: tuple[Objective, ...]
    sizes: dict[str, tuple[int, ...]]
    stopped: tuple[str, ...]
    optimizer: OptimizerName
    climbed: tuple[Objective, ...]


@dataclass(frozen=True, eq=False)
class _Ground:
    """The space that is searched, and what is known of it."""

    space: Space
    drawing: Drawing
    features: Features
    samples: SampleBatches | InnerBatches | None
    rate: float | None


def prepare(model: Model, request: MaximizationRequest, listener: Listener) -> Task:
    """Return the task that a request stands for, and tell what was found or assumed.

    Parameters
    ----------
    model : Model
        The model.
    request : MaximizationRequest
        What is asked.
    listener : Listener
        Told what was found or assumed.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError
        As the parts do.
    """
    from onnxviz.methods.devices import choose_device
    from onnxviz.model.tensors.randomness import random_note

    model = with_kind(with_classes(listener, model, request.classes), request.inputs)
    request = replace(request, targets=with_class_numbers(model, request.targets))
    subject = choose_subject(with_twins(model), request)
    aims = _aims(subject, _written(subject, request, listener), request, listener)
    subject, ground = _ground(subject, request, listener)
    check_near(subject, aims.objectives, aims.optimizer, request)
    cost = Cost.of(subject, aims.climbed)
    how, effort = settings(subject, cost, ground.space, aims.optimizer, request, listener)
    remark = _tell(subject, ground, aims, request, listener)
    space = _refined(subject, ground, request, listener)
    ways = manners(listener, subject, aims.objectives, space)
    space, ways = near(space, ways, request)
    _tell_squashed(aims, listener)
    resting = _resting(subject, aims, listener)
    scored = [name for objective in aims.objectives for name in objective.tensors]
    note = random_note(subject.model, scored, resting)
    if note:
        listener.note(note)
    objectives, climbed = _complete(subject, aims, ground, space, resting, request)
    search = Search(
        subject.model,
        subject.moving,
        subject.shape,
        resting,
        objectives,
        climbed,
        ways,
        space,
        how,
        # ONNX Runtime searches on the CPU, whatever else there is.
        "cpu" if aims.optimizer == "cma" else str(choose_device(request.device)),
        request.straight_through,
        subject.tokens,
        _lattice(subject, ground.features, space),
    )
    knowledge = Knowledge(
        subject.expected, ground.features, aims.stopped, ground.samples, request.near_data, request.keep_near
    )
    start = "random" if request.start is None else source_text(request.start)
    return Task(search, knowledge, Presentation(ground.drawing, subject.tokens, ground.rate, start, remark), effort)


def _written(subject: Subject, request: MaximizationRequest, listener: Listener) -> tuple[Objective, ...]:
    """Return the objectives as they are written, once they are known to suit the tensor that moves."""
    written = parse_aims(listener, subject.original, request.targets, subject.moving)
    check_like(written, request.like)
    whole, asking = subject.moving.whole, next((one for one in written if one.asks), None)
    if whole and asking is not None:
        raise UsageError(f"{asking}: {subject.name} has no batch ({whole}); sums of plain targets can be maximized")
    if subject.is_resized:
        tensors = tuple(dict.fromkeys(name for one in written for name in one.tensors))
        fed = subject.settled.feed(request.seed)
        check_sized(subject.model, subject.original, tensors, subject.name, subject.shape, fed)
    return written


def _aims(subject: Subject, written: tuple[Objective, ...], request: MaximizationRequest, listener: Listener) -> _Aims:
    """Return the objectives with every ``*`` replaced, what is climbed for each, and the optimizer."""
    objectives, sizes = expand_aims(subject, written, request.seed)
    stopped = stops(subject.model, objectives, subject.moving, request.straight_through)
    asked = request.optimizer or ("nadam" if request.parameterization == "maco" else None)
    optimizer = choose_optimizer(listener, asked, objectives, stopped, subject.name)
    # Without gradients none vanishes: the probability itself is searched.
    literal = request.literal or optimizer == "cma"
    climbed = objectives if literal else tuple(climbed_aim(subject.model, one) for one in objectives)
    return _Aims(objectives, sizes, stopped, optimizer, climbed)


def _ground(subject: Subject, request: MaximizationRequest, listener: Listener) -> tuple[Subject, _Ground]:
    """Return where the tensor is searched; and the tensor, whose shape and spread real samples may tell."""
    from onnxviz.analyses.inputs.few_samples import SampleBatches

    rate = signal_rate(subject.model, request.sample_rate, subject.expected.kind)
    if subject.tokens is not None:
        space, drawing, features = token_space(subject.tokens, subject.expected, subject.shape, request)
        return subject, _Ground(space, drawing, features, None, rate)
    samples: SampleBatches | InnerBatches | None = None
    if subject.inside and request.data is not None:
        subject, samples = inner_space(subject, request, listener)
    space, drawing, features = search_space(subject, rate, request)
    if request.data is not None and samples is None:
        samples = SampleBatches(request.data, subject.expected, subject.shape, features.rows, rate=rate)
    return subject, _Ground(space, drawing, features, samples, rate)


def _tell(subject: Subject, ground: _Ground, aims: _Aims, request: MaximizationRequest, listener: Listener) -> str:
    """Tell what was found or assumed of the tensor, and return the remark that belongs to every score."""
    name, tokens, space = subject.name, subject.tokens, ground.space
    if aims.optimizer == "lbfgs" and space.spectral and not request.no_transforms:
        listener.note("lbfgs climbs without random moves, because they would change the target at each step")
    if subject.moving.remark:
        listener.note(f"{name}: {subject.moving.remark}")
    for sentence in subject.settled.notes:
        listener.note(sentence)
    about = tokens.embedding.ids if tokens else name
    joined = subject.moving.joined is not None and (request.data is not None or request.bounds is not None)
    expected = subject.expected.without_assumptions() if joined else subject.expected
    for sentence in (*expected.evidence, *ground.features.notes) if tokens is None else tokens.notes:
        listener.note(f"{about}: {sentence}")
    if subject.expected.holds_integers and not subject.inside:
        listener.note(f"{name}: moves as floating-point numbers; the result is rounded to {subject.expected.dtype}")
    if subject.inside and not tokens and not space.spectral:
        listener.note(f"{name}: each element moves on its own, within a ball of the size of its activations")
    if not subject.is_resized:
        return ""
    remark = size_remark(subject.original, name, subject.shape)
    listener.note(f"{name}: {remark}")
    return remark


def _refined(subject: Subject, ground: _Ground, request: MaximizationRequest, listener: Listener) -> Space:
    """Return the space with what real samples tell of a spectrum, and with the start that is asked for."""
    from onnxviz.analyses.inputs.few_samples import SampleBatches

    space = ground.space
    if isinstance(ground.samples, SampleBatches) and space.spectral and request.data is not None:
        space = with_spectrum(space, ground.samples, source_text(request.data), subject.expected, listener)
    return with_start(space, subject, ground.rate, request, listener)


def _tell_squashed(aims: _Aims, listener: Listener) -> None:
    """Tell of an objective that is climbed before its squashing."""
    squashed = [pair for pair in zip(aims.objectives, aims.climbed, strict=True) if pair[0] != pair[1]]
    for objective, other in squashed[:1]:
        listener.note(f"climbing {other}, the tensor before the squashing; the score is that of {objective}")


def _resting(subject: Subject, aims: _Aims, listener: Listener) -> dict[str, np.ndarray]:
    """Return values for the inputs that do not move, and tell of those on which a target depends."""
    model, moving, held = subject.model, subject.moving, subject.settled.held
    wanted = moving.in_graph(name for one in (*aims.objectives, *aims.climbed) for name in one.tensors)
    counting = dict(model.cut(wanted, moving.stops).inputs)
    if moving.embedding is not None:  # ONNX Runtime is fed from the front, where other inputs may count as well
        counting |= model.cut(wanted).inputs
    # The untouched file wants all of its inputs, those too that the target does not depend on.
    asked = {**counting, **({} if moving.front else model.inputs)}
    resting = subject.settled.resting(name for name in asked if name not in (moving.name, *moving.inputs))
    for name in counting:
        if name in resting and name not in held:
            values = resting[name]
            said = f"{resting_text(values)} ({shape_text(values.shape)})"
            listener.note(f"{name}: {said}; `held` {name}=… holds it elsewhere")
    encoded = (
        encoded_texts(model.cut(wanted, moving.stops)) if any(one.dtype.kind == "O" for one in resting.values()) else ()
    )
    if encoded and not moving.stops and (moving.joined is None or moving.joined.smooth):
        # Torch has no texts: what the graph makes of those that are held is computed once.
        still = subject.settled.resting(name for name in model.inputs if name not in resting)
        resting |= {name: np.asarray(value) for name, value in model.session(encoded)({**still, **resting}).items()}
    return resting


def _complete(
    subject: Subject,
    aims: _Aims,
    ground: _Ground,
    space: Space,
    resting: dict[str, np.ndarray],
    request: MaximizationRequest,
) -> tuple[tuple[Objective, ...], tuple[Objective, ...]]:
    """Return what is scored and what is climbed, with what their terms need from outside the graph."""
    if not any(one.asks for one in aims.objectives):
        return aims.objectives, aims.climbed
    example = None if request.like is None else read_example(request.like, subject, ground.rate)
    around = surroundings(subject, aims.objectives, space, aims.sizes, resting, example)
    objectives = tuple(one.settled(around) for one in aims.objectives)
    return objectives, tuple(one.settled(around) for one in aims.climbed)


def _lattice(subject: Subject, features: Features, space: Space) -> Lattice | None:
    """Return which elements cannot take any value; None where all can. An input of integers takes whole numbers alone."""
    from onnxviz.methods.ascent.lattice import Lattice

    own = subject.shape[1:]
    integers = subject.expected.holds_integers and not subject.inside
    # Tokens that move as one-hot codes are settled as ids.
    groups = () if subject.tokens is not None else space.groups
    if features.whole is None and not integers and not groups:
        return None
    low = np.broadcast_to(-np.inf if space.low is None else space.low, own)
    high = np.broadcast_to(np.inf if space.high is None else space.high, own)
    whole = features.whole
    if integers:
        whole = np.ones(own, np.bool_)
        low, high = _held_by(subject.expected.dtype, low, high)
    lattice = Lattice(np.zeros(own, np.bool_) if whole is None else whole, groups, low, high, features.unordered)
    return None if lattice.empty else lattice


def _held_by(dtype: str, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return bounds within those of a type of integers. The ends of wide types are no values that data take."""
    if dtype == "bool":
        return np.maximum(low, 0), np.minimum(high, 1)
    limits = np.iinfo(dtype)
    if limits.min == 0 or limits.bits <= _NARROW:
        low = np.maximum(low, limits.min)
    return low, np.minimum(high, limits.max) if limits.bits <= _NARROW else high
