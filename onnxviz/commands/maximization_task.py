"""Everything that `maximize` settles before its first step: what moves, from where, towards what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.commands.feature_data import Features, read_features
from onnxviz.commands.moving import Moving, choose_moving
from onnxviz.commands.options import read_held, read_sizes, refine_contract
from onnxviz.commands.terminal import Terminal, shape_text
from onnxviz.commands.token_data import Tokens, read_tokens
from onnxviz.commands.token_space import check_table, hold_ids, token_space
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
    moving: Moving
    features: Features
    tokens: Tokens | None = None
    rate: float | None = None

    @property
    def copies(self) -> int:
        """The batch that the file fixes, which one sample fills; 1 where it is open."""
        name = self.tokens.embedding.ids if self.tokens else self.wrt
        if self.moving.joined or (self.inside and not self.tokens):
            return 1
        size = self.model.tensors[name].shape
        fixed = size[0] if size else None
        return fixed if isinstance(fixed, int) else 1

    def network(self, tensors: list[str]) -> Any:
        """Return the differentiable network from what moves to some tensors."""
        made = self.model.network(tensors, self.moving.stops, device=self.device)
        if self.moving.joined is None:
            return made
        from onnxviz.methods.joined_network import JoinedNetwork

        return JoinedNetwork(made, self.wrt, self.moving.joined.split)

    def session(self, tensors: list[str]) -> Any:
        """Return the part of the model that ONNX Runtime scores; for tokens it begins at their ids."""
        return self.model.session(tensors, [] if self.tokens else self.moving.stops)

    def fed(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Return what `session` is fed for (batch, *shape) samples; for tokens these are ids, (batch, time)."""
        if self.tokens:
            return {self.tokens.embedding.ids: samples}
        return self.moving.joined.split(samples) if self.moving.joined else {self.wrt: samples}


def prepare(terminal: Terminal, options: dict[str, Any]) -> Task:
    """Settle everything, and tell on stderr what was found or assumed.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError
        As the parts do.
    """
    import onnxviz
    from onnxviz.methods.search import Settings
    from onnxviz.model.devices import choose_device
    from onnxviz.model.inputs import contract
    from onnxviz.model.labels import class_names
    from onnxviz.model.range_probe import probe_range
    from onnxviz.model.resting import rest

    model = onnxviz.load(options["model_path"])
    dims, shapes = read_sizes(options["dims"], options["shapes"], model)
    held = read_held(options["held"], model, dims, shapes)
    moving = choose_moving(model, options["wrt"])
    for name in (moving.name, *moving.inputs):
        if name in held:
            raise UsageError(f"--set {name}=…: it is the tensor that moves; hold another, or move another by --wrt")
    inside = not moving.inputs
    expected = refine_contract(
        _joined_contract(moving) if moving.joined else contract(model, moving.name),
        *(options[key] for key in ("value_range", "mean", "std", "layout", "channels")),
    )
    written = _parse(model, options["targets"])
    shape, center, spread = _shape(model, moving, held, dims, shapes, options["seed"])
    tokens = None
    if moving.embedding is not None:
        held = hold_ids(model, moving.embedding, held, dims, shapes)
        tokens = read_tokens(moving.embedding, shape[1], options["vocab"], options["kept"])
    elif options["vocab"] is not None:
        raise UsageError(f"--vocab names tokens; {moving.name} is a {expected.kind}")
    if not inside and moving.joined is None:
        outside = rest(model, [name for name in model.inputs if name != moving.name], held, dims, shapes)
        expected = probe_range(model, expected, shape, outside)
    objectives = _expand(model, written, moving.stops, moving.name, shape, held, dims, shapes, options["seed"])
    _check_reach(model, objectives, moving)
    climbed = objectives if options["literal"] else tuple(_twin(model, one) for one in objectives)
    rate = _rate(model, options["sample_rate"], expected.kind)
    if tokens is None:
        space, drawing, features = _space(model, moving, expected, shape, center, spread, options, rate)
    else:
        space, drawing, features = token_space(tokens, expected, shape, options)
    default_restarts = 1 if space.spectral and expected.kind == "image" else 5
    robust = not options["no_transforms"]
    settings = Settings(
        options["steps"] or (128 if space.spectral else 256),
        options["restarts"] or default_restarts,
        options["seed"],
        options["rate"],
        options["optimizer"],
        robust,
    )
    for sentence in (*expected.evidence, *features.notes) if tokens is None else tokens.notes:
        terminal.note(f"{tokens.embedding.ids if tokens else moving.name}: {sentence}")
    for objective, other in zip(objectives[:1], climbed[:1], strict=True):
        if objective != other:
            terminal.note(f"climbing {other}, before the squashing; the score is that of {objective}")
    wanted = [name for one in (*objectives, *climbed) for name in one.tensors]
    counting = model.cut(wanted, moving.stops).inputs
    if tokens is not None:  # ONNX Runtime is fed from the front, where other inputs may count as well
        counting = {**counting, **model.cut(wanted).inputs}
    # The untouched file wants all of its inputs, also those that do not count.
    asked = {**counting, **(model.inputs if moving.inputs or tokens else {})}
    others = [name for name in asked if name not in (moving.name, *moving.inputs)]
    resting = rest(model, others, held, dims, shapes)
    for name in counting:
        if name in resting and name not in held:
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
        moving,
        features,
        tokens,
        rate,
    )


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


def _joined_contract(moving: Moving) -> InputContract:
    """Return what several inputs expect as one vector."""
    from onnxviz.model.inputs import InputContract as Contract

    count = sum(moving.joined.widths) if moving.joined else 0
    note = f"{len(moving.inputs)} inputs move together, as one vector of {count}; --wrt moves some of them"
    return Contract(moving.name, (None, count), "vector", ("feature",), evidence=(note,))


def _shape(
    model: Model,
    moving: Moving,
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
    seed: int,
) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
    """Return the moving tensor's shape with its batch, and for a tensor inside the graph where its values lie."""
    from onnxviz.model.sample_inputs import feed, settled_shape

    name = moving.name
    if moving.joined is not None:
        return (1, sum(moving.joined.widths)), None, None
    if moving.inputs:
        shape = settled_shape(model, name, dims, shapes)
        if len(shape) < 2:
            raise UsageError(f"{name} has the shape {shape_text(shape)}; a batch and one more axis are wanted")
        if 0 in shape:
            raise UsageError(
                f"{name} has the shape {shape_text(shape)}: there is nothing to move; settle it with --shape {name}=…"
            )
        return shape, None, None
    # What ONNX Runtime computes there for a seeded input tells its shape, center and spread.
    fed = feed(model, held, dims, shapes, seed)
    values = np.asarray(model.session([name])(fed)[name], np.float32)
    if values.ndim < 2 or not values.size:
        raise UsageError(f"--wrt {name}: its shape is {shape_text(values.shape)}; a batch and one more axis are wanted")
    if moving.embedding is not None:
        check_table(moving.embedding, values, fed[moving.embedding.ids])
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

    sizes: dict[str, tuple[Any, ...]] = {}
    for objective in written:
        for _, term in objective.terms:
            if not isinstance(term, Activation) or term.target.tensor in sizes:
                continue
            name = term.target.tensor
            known = model.tensors[name].shape
            starred = _is_starred(written, name)
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


def _is_starred(objectives: tuple[Objective, ...], tensor: str) -> bool:
    """Tell whether any objective wants a run for each place along an axis of a tensor."""
    from onnxviz.methods.objectives import Activation
    from onnxviz.model.target import EACH

    terms = [term for objective in objectives for _, term in objective.terms if isinstance(term, Activation)]
    return any(term.target.tensor == tensor and EACH in term.target.index for term in terms)


def _check_reach(model: Model, objectives: tuple[Objective, ...], moving: Moving) -> None:
    """Say what stands in the way before anything is converted."""
    from onnxviz.model.support import reach

    reached = reach(model, moving.sources)
    for objective in objectives:
        states = [reached[name] for name in objective.tensors]
        if not any(state.differentiable for state in states) and all(state.converted for state in states):
            reason = next((state.reason for state in states if state.reason), "nothing connects them")
            raise DifferentiationError(f"{objective}: no gradient reaches {moving.name}: {reason}")


def _twin(model: Model, objective: Objective) -> Objective:
    from onnxviz.methods.objectives import Objective as Sum
    from onnxviz.model.twin import unsquashed

    target = objective.target
    twin = unsquashed(model, target) if target is not None else None
    return objective if twin is None else Sum.of(twin)


def _rate(model: Model, given: float | None, kind: str) -> float | None:
    from onnxviz.model.labels import sample_rate

    if given is not None and kind != "signal":
        raise UsageError(f"--sample-rate is for signals; the input is a {kind}")
    return given or (sample_rate(model.original) if kind == "signal" else None)


def _space(
    model: Model,
    moving: Moving,
    expected: InputContract,
    shape: tuple[int, ...],
    center: np.ndarray | None,
    spread: np.ndarray | None,
    options: dict[str, Any],
    rate: float | None,
) -> tuple[Space, Drawing, Features]:
    from onnxviz.commands.drawing import Drawing
    from onnxviz.methods.search import Space
    from onnxviz.model.labels import feature_names

    name, own = moving.name, shape[1:]
    axes = expected.axes if len(expected.axes) == len(own) else tuple(f"axis{place + 1}" for place in range(len(own)))
    flat = expected.kind == "vector" and len(own) == 1
    features = Features()
    if flat:
        known = moving.joined.names if moving.joined else feature_names(model.original)
        features = read_features(own[0], known, *(options[key] for key in ("bounds", "names", "data", "kept")))
    elif any(options[key] not in (None, ()) for key in ("bounds", "names", "data", "kept")):
        raise UsageError(
            f"--bounds, --names, --data and --keep are for vectors; {name} is a {expected.kind} (see --range)"
        )
    low = features.low if features.low is not None else _along(expected.low, axes)
    high = features.high if features.high is not None else _along(expected.high, axes)
    if low is not None and options["norm"] is not None:
        raise UsageError("--norm is for unbounded inputs; leave out --bounds, --range and --data, or leave out --norm")
    mean = features.mean if features.mean is not None else _along(expected.mean, axes) if expected.mean else center
    scale = features.scale if features.scale is not None else _along(expected.scale, axes) if expected.scale else spread
    drawing = Drawing(
        expected,
        features.shown_names(own[0]) if flat else (),
        mean if flat else None,
        scale if flat else None,
        low if flat else None,
        high if flat else None,
        rate,
    )
    mean = np.zeros(()) if mean is None else np.asarray(mean)
    scale = np.ones(()) if scale is None else np.asarray(scale)
    if features.kept:
        low, high, mean, scale = _kept(features.kept, own, low, high, mean, scale)
    colors = expected.color if expected.color in ("rgb", "bgr") and expected.kind == "image" else None
    kind = expected.kind if len(expected.axes) == len(own) else "array"
    space = Space(name, own, axes, kind, colors, low, high, mean, scale, options["norm"], features.groups)
    return space, drawing, features


def _kept(
    kept: dict[int, float],
    shape: tuple[int, ...],
    low: np.ndarray | None,
    high: np.ndarray | None,
    mean: np.ndarray,
    scale: np.ndarray,
) -> tuple[np.ndarray | None, np.ndarray | None, np.ndarray, np.ndarray]:
    """Return bounds, center and spread that leave some features no room."""
    places, values = list(kept), list(kept.values())
    if low is not None and high is not None:
        low, high = np.array(np.broadcast_to(low, shape)), np.array(np.broadcast_to(high, shape))
        if not bool(mean.any()):  # the box's own middle, as without kept features
            mean = (low + high) / 2
        low[places] = high[places] = values
    mean, scale = (
        np.array(np.broadcast_to(mean, shape), np.float64),
        np.array(np.broadcast_to(scale, shape), np.float64),
    )
    mean[places], scale[places] = values, 0
    return low, high, mean, scale


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
