"""Everything that `maximize` settles before its first step: what moves, from where, towards what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.commands.gradient_reach import choose_optimizer, stops
from onnxviz.commands.options import read_held, read_sizes, refine_contract
from onnxviz.commands.terminal import Terminal, shape_text
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.commands.drawing import Drawing
    from onnxviz.commands.sample_batches import SampleBatches
    from onnxviz.methods.objectives import Objective
    from onnxviz.methods.search import Settings, Space
    from onnxviz.model.graph import Model
    from onnxviz.model.inputs import InputContract


@dataclass(frozen=True)
class Task:
    """Everything that is settled before the first step."""

    model: Model
    wrt: str
    inside: bool
    expected: InputContract
    shape: tuple[int, ...]
    objectives: tuple[Objective, ...]
    climbed: tuple[Objective, ...]
    space: Space
    settings: Settings
    drawing: Drawing
    held: dict[str, np.ndarray]
    labels: tuple[str, ...]
    device: str
    straight_through: bool = False
    stopped: tuple[str, ...] = ()
    """For each objective what keeps the gradient from the moving tensor; "" where nothing does."""
    samples: SampleBatches | None = None
    """The real data, if there is some."""
    windows: tuple[tuple[slice, ...] | None, ...] = ()
    start: str = "random"
    remark: str = ""

    @property
    def copies(self) -> int:
        """The batch that the file or --shape fixes, which one sample fills; 1 where it is open."""
        return 1 if self.inside else self.shape[0]

    def spaces(
        self, todo: list[tuple[Objective, Objective]]
    ) -> Iterator[tuple[Space, list[tuple[Objective, Objective]]]]:
        """Yield the targets that are still to be climbed in runs that share a window, in order, each with its space."""
        windows = dict(zip(map(str, self.objectives), self.windows, strict=True))
        for window, part in groupby(todo, lambda pair: windows[str(pair[0])]):
            yield replace(self.space, window=window), list(part)


def prepare(terminal: Terminal, options: dict[str, Any], model: Model | None = None) -> Task:
    """Settle everything, and tell on stderr what was found or assumed.

    Parameters
    ----------
    terminal : Terminal
        Where it is told.
    options : dict
        As `maximize` takes them.
    model : Model, optional
        The model of ``options["model_path"]``, where it is open already.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError
        As the parts do.
    """
    import onnxviz
    from onnxviz.commands.feeding import read_input
    from onnxviz.commands.objective_data import check_like, surroundings
    from onnxviz.commands.real_samples import inner_space, refined
    from onnxviz.commands.rendering import check_sized, resized_model, seen_windows, size_remark
    from onnxviz.methods.search import Settings
    from onnxviz.model.devices import choose_device
    from onnxviz.model.inputs import contract, default_input
    from onnxviz.model.labels import class_names
    from onnxviz.model.range_probe import probe_range
    from onnxviz.model.resting import rest

    model = onnxviz.load(options["model_path"]) if model is None else model
    dims, shapes = read_sizes(options["dims"], options["shapes"], model)
    held = read_held(options["held"], model, dims, shapes)
    moving = default_input(model, options["wrt"])
    if moving.name in held:
        raise UsageError(f"--set {moving.name}=…: it is the tensor that moves; hold another, or move another by --wrt")
    inside = moving.name not in model.inputs
    expected = refine_contract(
        contract(model, moving.name), *(options[key] for key in ("value_range", "mean", "std", "layout", "channels"))
    )
    written = _parse(terminal, model, options["targets"], moving.name)
    check_like(written, options["like"])
    original = model
    if options["size"] is not None:
        model, shapes = resized_model(model, moving.name, expected, inside, dims, shapes, options["size"])
        expected = replace(expected, shape=(*expected.shape[:1], *shapes[moving.name][1:]))
    shape, center, spread = _shape(model, moving.name, expected, inside, held, dims, shapes, options["seed"])
    if model is not original:
        from onnxviz.model.sample_inputs import feed

        measured = tuple(dict.fromkeys(name for one in written for name in one.tensors))
        check_sized(model, original, measured, moving.name, shape, feed(model, held, dims, shapes, options["seed"]))
    if not inside:
        outside = rest(model, [name for name in model.inputs if name != moving.name], held, dims, shapes)
        expected = probe_range(model, expected, shape, outside)
    objectives, sizes = _expand(
        model, written, [moving.name] if inside else [], moving.name, shape, held, dims, shapes, options["seed"]
    )
    stopped = stops(model, objectives, moving.name, options["straight_through"])
    asked = options["optimizer"] or ("nadam" if options["parameterization"] == "maco" else None)
    optimizer = choose_optimizer(terminal, asked, objectives, stopped, moving.name)
    # Without gradients none vanishes: the probability itself is searched.
    literal = options["literal"] or optimizer == "cma"
    climbed = objectives if literal else tuple(_twin(model, one) for one in objectives)
    if inside and options["data"] is not None:
        shape, center, spread = inner_space(terminal, model, moving.name, held, dims, shapes, options)
    space, drawing = _space(model, moving.name, expected, shape, center, spread, options)
    samples = None
    if options["data"] is not None and not inside:  # of a tensor inside the graph the samples are of other inputs
        from onnxviz.commands.sample_batches import SampleBatches

        samples = SampleBatches(options["data"], expected, shape, drawing.names)
    default_restarts = 1 if space.spectral and expected.kind == "image" else 5
    robust = not options["no_transforms"]
    maco = space.parameterization == "maco"
    settings = Settings(
        options["steps"] or (256 if maco or not space.spectral else 64),
        options["restarts"] or default_restarts,
        options["seed"],
        options["rate"] or (1.0 if maco else 0.4 if space.spectral else 0.1),
        optimizer,
        robust,
        MACO_LOOKS if maco and robust else 1,
        options["restarts"],
        options["save_every"],
    )
    for sentence in expected.evidence:
        terminal.note(f"{moving.name}: {sentence}")
    if inside and not space.spectral:
        terminal.note(f"{moving.name}: each element moves by itself, on a ball in the scale of its activations")
    remark = ""
    if model is not original:
        remark = size_remark(original, moving.name, shape)
        terminal.note(f"{moving.name}: {remark}")
    space = refined(terminal, space, expected, shape, inside, options)
    windows = seen_windows(terminal, model, objectives, moving.name, shape, expected)
    for objective, other in zip(objectives[:1], climbed[:1], strict=True):
        if objective != other:
            terminal.note(f"climbing {other}, before the squashing; the score is that of {objective}")
    part = model.cut([name for one in (*objectives, *climbed) for name in one.tensors], [moving.name] if inside else [])
    others = [name for name in part.inputs if name != moving.name]
    # The untouched file wants all of its inputs, those too that the target does not depend on.
    idle = [] if inside else [name for name in model.inputs if name not in (moving.name, *others)]
    resting = rest(model, [*others, *idle], held, dims, shapes)
    for name in others:
        if name not in held:
            terminal.note(
                f"{name}: held at rest ({shape_text(resting[name].shape)}); --set {name}=… holds it elsewhere"
            )
    if any(one.asks for one in objectives):
        example = options["like"] and read_input(options["like"], replace(expected, shape=shape), shape)
        settled = surroundings(model, objectives, space, shape, inside, sizes, resting, example)
        objectives, climbed = (tuple(one.settled(settled) for one in sums) for sums in (objectives, climbed))
    # ONNX Runtime searches on the CPU, whatever else there is.
    device = "cpu" if optimizer == "cma" else str(choose_device(options["device"]))
    labels = class_names(model.original)
    return Task(
        model,
        moving.name,
        inside,
        expected,
        shape,
        objectives,
        climbed,
        space,
        settings,
        drawing,
        resting,
        labels,
        device,
        options["straight_through"],
        stopped,
        samples,
        windows,
        "random" if options["start"] is None else str(options["start"]),
        remark,
    )


MACO_LOOKS = 6
"""How many crops are averaged at each step where only phases move: the least that was published."""


def _parse(terminal: Terminal, model: Model, texts: tuple[str, ...], moving: str) -> tuple[Objective, ...]:
    from onnxviz.methods.objectives import Objective

    parsed = []
    for text in texts:
        objective = _unzipped(terminal, model, Objective.parse(text, model.tensors, moving))
        for name in objective.tensors:
            info = model.require(name, text)
            if not info.is_float:
                raise UsageError(f"{text}: {name} holds {info.dtype}; only floating-point tensors can be maximized")
        parsed.append(objective)
    return tuple(parsed)


def _unzipped(terminal: Terminal, model: Model, objective: Objective) -> Objective:
    """Aim at the tensor before a ZipMap where a term names the maps that it makes."""
    from onnxviz.methods.objectives import Activation
    from onnxviz.model.zipped import unzipped

    terms = []
    for weight, term in objective.terms:
        other = unzipped(model, term.target) if isinstance(term, Activation) else None
        if other is not None:
            terminal.note(f"{term}: a map for each sample, made by ZipMap; aiming at {other}, the tensor before it")
        terms.append((weight, term if other is None else Activation(other)))
    return type(objective)(tuple(terms))


def _shape(
    model: Model,
    name: str,
    expected: InputContract,
    inside: bool,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
    """Return the moving tensor's shape with its batch, and for a tensor inside the graph where its values lie."""
    from onnxviz.model.sample_inputs import feed, settled_shape

    if not inside:
        shape = settled_shape(model, name, dims, shapes)
        if len(shape) < 2:
            raise UsageError(f"{name} has the shape {shape_text(shape)}; a batch and one more axis are wanted")
        if 0 in shape:
            raise UsageError(
                f"{name} has the shape {shape_text(shape)}: there is nothing to move; settle it with --shape {name}=…"
            )
        return shape, None, None
    # What ONNX Runtime computes there for a seeded input tells its shape, center and spread.
    values = np.asarray(model.session([name])(feed(model, held, dims, shapes, seed))[name], np.float32)
    if values.ndim < 2 or not values.size:
        raise UsageError(f"--wrt {name}: its shape is {shape_text(values.shape)}; a batch and one more axis are wanted")
    spread = float(values.std())
    return values.shape, np.asarray(values.mean(), np.float32), np.asarray(spread if spread > 0 else 1.0, np.float32)


def _expand(
    model: Model,
    written: tuple[Objective, ...],
    stops: list[str],
    wrt: str,
    shape: tuple[int, ...],
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[tuple[Objective, ...], dict[str, tuple[int, ...]]]:
    """Check every index and replace every ``*``; sizes that the graph does not tell are measured by ONNX Runtime.

    The sizes after the batch are returned as well, 1 where nobody asked for them.
    """
    from onnxviz.model.sample_inputs import feed
    from onnxviz.model.target import EACH

    sizes: dict[str, tuple[Any, ...]] = {}
    for objective in written:
        for target in objective.targets:
            name = target.tensor
            if name in sizes and None not in sizes[name]:
                continue
            known = model.tensors[name].shape
            needed = EACH in target.index or objective.asks
            if known is None or (needed and not all(isinstance(size, int) for size in known[1:])):
                fed = feed(model, held, dims, {**shapes, wrt: shape} if wrt in model.inputs else shapes, seed)
                known = tuple(np.asarray(model.session([name])(fed)[name]).shape)
            sizes[name] = tuple(size if isinstance(size, int) else None for size in known[1:])
    for objective in written:
        for target in objective.targets:
            target.check(sizes[target.tensor])
    whole = {name: tuple(size or 1 for size in known) for name, known in sizes.items()}
    return tuple(one for objective in written for one in objective.expand(whole)), whole


def _twin(model: Model, objective: Objective) -> Objective:
    from onnxviz.methods.objectives import Objective as Sum
    from onnxviz.model.twin import unsquashed

    terms = [
        (
            weight,
            term.aimed([unsquashed(model, target) or target for target in term.targets]) if term.is_value else term,
        )
        for weight, term in objective.terms
    ]
    return Sum(tuple(terms))


def _space(
    model: Model,
    name: str,
    expected: InputContract,
    shape: tuple[int, ...],
    center: np.ndarray | None,
    spread: np.ndarray | None,
    options: dict[str, Any],
) -> tuple[Space, Drawing]:
    from onnxviz.commands.drawing import Drawing
    from onnxviz.commands.feature_data import Features, read_features
    from onnxviz.methods.search import Space
    from onnxviz.model.labels import feature_names

    own = shape[1:]
    axes = expected.axes if len(expected.axes) == len(own) else tuple(f"axis{place + 1}" for place in range(len(own)))
    flat = expected.kind == "vector" and len(own) == 1
    features = Features()
    chosen = options["parameterization"] or ""
    if chosen == "fourier" and not expected.axes:
        raise UsageError(f"--parameterization {chosen}: nothing is known of the axes of {name}")
    if flat:
        if chosen in ("fourier", "maco"):
            raise UsageError(f"--parameterization {chosen}: {name} is a vector, whose elements have no neighbors")
        features = read_features(
            own[0], feature_names(model.original), options["bounds"], options["names"], options["data"]
        )
    elif any(options[key] is not None for key in ("bounds", "names")):
        raise UsageError(f"--bounds and --names are for vectors; {name} is a {expected.kind} (see --range)")
    low = features.low if features.low is not None else _along(expected.low, axes)
    high = features.high if features.high is not None else _along(expected.high, axes)
    if low is not None and options["norm"] is not None:
        raise UsageError("--norm is for unbounded inputs; leave out --bounds, --range and --data, or leave out --norm")
    mean = features.mean if features.mean is not None else _along(expected.mean, axes) if expected.mean else center
    scale = features.scale if features.scale is not None else _along(expected.scale, axes) if expected.scale else spread
    colors = expected.color if expected.color in ("rgb", "bgr") and expected.kind == "image" else None
    kind = expected.kind if len(expected.axes) == len(own) and name in model.inputs else "array"
    space = Space(
        name,
        own,
        axes,
        kind,
        colors,
        low,
        high,
        np.zeros(()) if mean is None else np.asarray(mean),
        np.ones(()) if scale is None else np.asarray(scale),
        options["norm"],
        chosen,
    )
    drawing = Drawing(
        expected,
        features.names,
        mean if flat else None,
        scale if flat else None,
        low if flat else None,
        high if flat else None,
    )
    return space, drawing


def _along(values: tuple[float, ...], axes: tuple[str, ...]) -> np.ndarray | None:
    """Return numbers that hold for all elements, or one per channel or feature, so that they broadcast."""
    if not values:
        return None
    array = np.asarray(values, np.float64)
    if array.size == 1:
        return array.reshape(())
    if "channel" in axes:
        return array.reshape([-1 if axis == "channel" else 1 for axis in axes])
    return array
