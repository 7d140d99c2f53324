"""Everything that `maximize` settles before its first step: what moves, from where, towards what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.commands.options import read_held, read_sizes, refine_contract
from onnxviz.commands.terminal import Terminal, shape_text
from onnxviz.errors import DifferentiationError, UsageError

if TYPE_CHECKING:
    from onnxviz.commands.drawing import Drawing
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


def prepare(terminal: Terminal, options: dict[str, Any]) -> Task:
    """Settle everything, and tell on stderr what was found or assumed.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError
        As the parts do.
    """
    import onnxviz
    from onnxviz.commands.real_samples import inner_space, refined
    from onnxviz.commands.rendering import check_sized, resized_model, seen_windows, size_remark
    from onnxviz.methods.search import Settings
    from onnxviz.model.devices import choose_device
    from onnxviz.model.inputs import contract, default_input
    from onnxviz.model.labels import class_names
    from onnxviz.model.range_probe import probe_range
    from onnxviz.model.resting import rest

    model = onnxviz.load(options["model_path"])
    dims, shapes = read_sizes(options["dims"], options["shapes"], model)
    held = read_held(options["held"], model, dims, shapes)
    moving = default_input(model, options["wrt"])
    if moving.name in held:
        raise UsageError(f"--set {moving.name}=…: it is the tensor that moves; hold another, or move another by --wrt")
    inside = moving.name not in model.inputs
    expected = refine_contract(
        contract(model, moving.name), *(options[key] for key in ("value_range", "mean", "std", "layout", "channels"))
    )
    written = _parse(model, options["targets"])
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
    objectives = _expand(
        model, written, [moving.name] if inside else [], moving.name, shape, held, dims, shapes, options["seed"]
    )
    _check_reach(model, objectives, moving.name)
    climbed = objectives if options["literal"] else tuple(_twin(model, one) for one in objectives)
    if inside and options["data"] is not None:
        shape, center, spread = inner_space(terminal, model, moving.name, held, dims, shapes, options)
    space, drawing = _space(model, moving.name, expected, shape, center, spread, options)
    default_restarts = 1 if space.spectral and expected.kind == "image" else 5
    robust = not options["no_transforms"]
    maco = space.parameterization == "maco"
    settings = Settings(
        options["steps"] or (256 if maco or not space.spectral else 128),
        options["restarts"] or default_restarts,
        options["seed"],
        options["rate"] or (1.0 if maco else 0.1),
        options["optimizer"] or ("nadam" if maco else "adam"),
        robust,
        MACO_LOOKS if maco and robust else 1,
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
    resting = rest(model, others, held, dims, shapes)
    for name in others:
        if name not in held:
            terminal.note(
                f"{name}: held at rest ({shape_text(resting[name].shape)}); --set {name}=… holds it elsewhere"
            )
    device = str(choose_device(options["device"]))
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
        windows,
        "random" if options["start"] is None else str(options["start"]),
        remark,
    )


MACO_LOOKS = 6
"""How many crops are averaged at each step where only phases move: the least that was published."""


def _parse(model: Model, texts: tuple[str, ...]) -> tuple[Objective, ...]:
    from onnxviz.methods.objectives import Objective

    parsed = []
    for text in texts:
        objective = Objective.parse(text, model.tensors)
        for name in objective.tensors:
            info = model.require(name, text)
            if not info.is_float:
                raise UsageError(f"{text}: {name} holds {info.dtype}; only floating-point tensors can be maximized")
        parsed.append(objective)
    return tuple(parsed)


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
) -> tuple[Objective, ...]:
    """Check every index and replace every ``*``; sizes that the graph does not tell are measured by ONNX Runtime."""
    from onnxviz.methods.objectives import Activation
    from onnxviz.model.sample_inputs import feed
    from onnxviz.model.target import EACH

    sizes: dict[str, tuple[Any, ...]] = {}
    for objective in written:
        for _, term in objective.terms:
            if not isinstance(term, Activation) or term.target.tensor in sizes:
                continue
            name = term.target.tensor
            known = model.tensors[name].shape
            starred = EACH in term.target.index
            if known is None or (starred and not all(isinstance(size, int) for size in known[1:])):
                fed = feed(model, held, dims, {**shapes, wrt: shape} if wrt in model.inputs else shapes, seed)
                known = tuple(np.asarray(model.session([name])(fed)[name]).shape)
            sizes[name] = tuple(size if isinstance(size, int) else None for size in known[1:])
    for objective in written:
        for _, term in objective.terms:
            if isinstance(term, Activation):
                term.target.check(sizes[term.target.tensor])
    whole = {name: tuple(size or 1 for size in known) for name, known in sizes.items()}
    return tuple(one for objective in written for one in objective.expand(whole))


def _check_reach(model: Model, objectives: tuple[Objective, ...], wrt: str) -> None:
    """Say what stands in the way before anything is converted."""
    from onnxviz.model.support import reach

    reached = reach(model, [wrt])
    for objective in objectives:
        states = [reached[name] for name in objective.tensors]
        if not any(state.differentiable for state in states) and all(state.converted for state in states):
            reason = next((state.reason for state in states if state.reason), "nothing connects them")
            raise DifferentiationError(f"{objective}: no gradient reaches {wrt}: {reason}")


def _twin(model: Model, objective: Objective) -> Objective:
    from onnxviz.methods.objectives import Objective as Sum
    from onnxviz.model.twin import unsquashed

    target = objective.target
    twin = unsquashed(model, target) if target is not None else None
    return objective if twin is None else Sum.of(twin)


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
    elif options["data"] is not None and expected.kind not in ("image", "signal") and name in model.inputs:
        raise UsageError(f"--data: it is for vectors, pictures and signals; {name} is a {expected.kind}")
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
