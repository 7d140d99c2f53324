"""Everything that `maximize` settles before its first step: what moves, from where, towards what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.features import Features
from onnxviz.analyses.inputs.moving import Moving, choose_moving
from onnxviz.analyses.inputs.tokens import Tokens, read_tokens
from onnxviz.analyses.maximization.optimizer_choice import OptimizerName, choose_optimizer, stops
from onnxviz.analyses.maximization.search_space import search_space, signal_rate
from onnxviz.analyses.maximization.targets import climbed_aim, expand_aims, parse_aims
from onnxviz.analyses.maximization.token_space import hold_ids, token_space
from onnxviz.commands.options import read_held, read_sizes, refine_contract
from onnxviz.commands.terminal import Terminal
from onnxviz.errors import UsageError
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.maximization.inner_samples import InnerBatches
    from onnxviz.analyses.maximization.pictures import Drawing
    from onnxviz.contract import InputContract
    from onnxviz.methods.ascent.lattice import Lattice
    from onnxviz.methods.ascent.search import Settings
    from onnxviz.methods.ascent.space import Space
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model


@dataclass(frozen=True)
class Task:
    """Everything that is settled before the first step."""

    model: Model
    moving: Moving
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
    features: Features
    tokens: Tokens | None = None
    rate: float | None = None
    straight_through: bool = False
    stopped: tuple[str, ...] = ()
    """For each objective what keeps the gradient from the moving tensor; "" where nothing does."""
    samples: SampleBatches | InnerBatches | None = None
    """The real data, if there is some."""
    windows: tuple[tuple[slice, ...] | None, ...] = ()
    start: str = "random"
    remark: str = ""

    @property
    def wrt(self) -> str:
        """The moving tensor's name."""
        return self.moving.name

    @property
    def copies(self) -> int:
        """The batch that the file or --shape fixes, which one sample fills; 1 where it is open."""
        return self.shape[0] if self.moving.inputs or self.tokens else 1

    @property
    def lattice(self) -> Lattice | None:
        """What of a vector cannot take any value between its bounds; None where everything can, or it is no vector."""
        from onnxviz.methods.ascent.lattice import Lattice

        features, count = self.features, self.shape[1:]
        if features.whole is None:
            return None
        low = np.broadcast_to(-np.inf if self.space.low is None else self.space.low, count)
        high = np.broadcast_to(np.inf if self.space.high is None else self.space.high, count)
        lattice = Lattice(features.whole, features.groups, low, high)
        return None if lattice.empty else lattice

    def settled(self, samples: np.ndarray) -> np.ndarray:
        """Return (…, *shape) samples with whole numbers and one-hot codes set right."""
        lattice = self.lattice
        return samples if lattice is None else lattice.nearest(samples)

    def fed_settled(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Return what ONNX Runtime is fed for (batch, *shape) samples, once they are settled."""
        return self.moving.fed(self.settled(samples))

    def network(self, tensors: list[str]) -> Any:
        """Return the differentiable network from what moves to some tensors."""
        through = self.straight_through
        wanted = self.moving.in_graph(tensors)
        made = self.model.network(wanted, self.moving.stops, device=self.device, straight_through=through)
        if self.moving.joined is None and not self.moving.whole:
            return made
        from onnxviz.methods.ascent.joined_network import JoinedNetwork

        return JoinedNetwork(made, self.wrt, self.moving.inputs, self.moving.fed)

    def session(self, tensors: list[str]) -> Any:
        """Return the part of the model that ONNX Runtime scores; for tokens it begins at their ids."""
        return self.model.session(self.moving.in_graph(tensors), self.moving.front)

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
    from onnxviz.analyses.inputs.few_samples import SampleBatches
    from onnxviz.analyses.maximization.inner_samples import inner_space, refined
    from onnxviz.analyses.maximization.references import check_like, read_example, surroundings
    from onnxviz.analyses.maximization.size_and_window import check_sized, resized_model, seen_windows, size_remark
    from onnxviz.methods.devices import choose_device
    from onnxviz.model.expectations.resting import rest
    from onnxviz.model.graph.labels import class_names
    from onnxviz.model.probing.measured_sizes import activation_elements, operator_count
    from onnxviz.model.probing.range_probe import probe_range
    from onnxviz.model.probing.runnable_sizes import runnable_sizes

    model = onnxviz.load(options["model_path"]) if model is None else model
    dims, shapes = read_sizes(options["dims"], options["shapes"], model)
    held = read_held(options["held"], model, dims, shapes)
    moving = choose_moving(model, options["wrt"], options["targets"])
    sized = ""
    if moving.inputs and moving.joined is None:
        (dims, shapes), sized = runnable_sizes(model, moving.name, held, dims, shapes)
    for name in (moving.name, *moving.inputs, *([moving.embedding.ids] if moving.embedding else [])):
        if name in held:
            raise UsageError(f"--set {name}=…: it is the tensor that moves; hold another, or move another by --wrt")
    inside = not moving.inputs
    expected = refine_contract(
        moving.contract(model), *(options[key] for key in ("value_range", "mean", "std", "layout", "channels"))
    )
    written = parse_aims(terminal, model, options["targets"], moving)
    check_like(written, options["like"])
    if moving.whole and any(one.asks for one in written):
        asking = next(one for one in written if one.asks)
        raise UsageError(
            f"{asking}: {moving.name} has no batch ({moving.whole}); sums of plain targets can be maximized"
        )
    original = model
    if options["size"] is not None:
        model, shapes = resized_model(model, moving.name, expected, inside, dims, shapes, options["size"])
        expected = replace(expected, shape=(*expected.shape[:1], *shapes[moving.name][1:]))
    shape, center, spread = moving.shape(model, held, dims, shapes, options["seed"])
    tokens = None
    if moving.embedding is not None:
        held = hold_ids(model, moving.embedding, held, dims, shapes)
        tokens = read_tokens(moving.embedding, shape[1], options["vocab"], options["kept"])
    elif options["vocab"] is not None:
        raise UsageError(f"--vocab names tokens; {moving.name} is {expected.noun}")
    if model is not original:
        from onnxviz.model.expectations.sample_inputs import feed

        measured = tuple(dict.fromkeys(name for one in written for name in one.tensors))
        check_sized(model, original, measured, moving.name, shape, feed(model, held, dims, shapes, options["seed"]))
    if not inside and moving.joined is None and not moving.whole:
        outside = rest(model, [name for name in model.inputs if name != moving.name], held, dims, shapes)
        expected = probe_range(model, expected, shape, outside)
    objectives, sizes = expand_aims(model, written, moving, shape, held, dims, shapes, options["seed"])
    stopped = stops(model, objectives, moving, options["straight_through"])
    asked = options["optimizer"] or ("nadam" if options["parameterization"] == "maco" else None)
    optimizer = choose_optimizer(terminal, asked, objectives, stopped, moving.name)
    # Without gradients none vanishes: the probability itself is searched.
    literal = options["literal"] or optimizer == "cma"
    climbed = objectives if literal else tuple(climbed_aim(model, one) for one in objectives)
    rate = signal_rate(model, options["sample_rate"], expected.kind)
    samples: SampleBatches | InnerBatches | None = None
    if tokens is not None:
        space, drawing, features = token_space(tokens, expected, shape, options)
    else:
        if inside and options["data"] is not None:
            shape, center, spread, samples = inner_space(terminal, model, moving.name, held, dims, shapes, options)
        space, drawing, features = search_space(model, moving, expected, shape, center, spread, rate, options)
        if options["data"] is not None and samples is None:
            samples = SampleBatches(options["data"], expected, shape, features.rows, rate=rate)
    reached = moving.in_graph(name for one in climbed for name in one.tensors)
    still = [name for name in model.cut(reached, moving.stops).inputs if name not in (moving.name, *moving.inputs)]
    others = rest(model, still, held, dims, shapes)
    count, numbers = (
        measure(model, reached, moving.stops, shape, others) for measure in (operator_count, activation_elements)
    )
    costly = not space.spectral and optimizer != "cma" and (np.prod(shape[1:]) > LARGE or count > LONG)
    vast = space.spectral and optimizer != "cma" and numbers > VAST
    settings = _settings(space, expected, optimizer, bool(costly), vast, options)
    if costly and None in (options["steps"], options["restarts"]):
        why = f"{np.prod(shape[1:])} numbers" if np.prod(shape[1:]) > LARGE else f"{count} operators up to the target"
        terminal.note(f"{moving.name}: {why}: one start and 64 steps where --restarts and --steps say nothing else")
    if vast and options["steps"] is None:
        why = f"{numbers / 1e6:.0f} million numbers up to the target"
        terminal.note(f"{moving.name}: {why}: {settings.steps} steps where --steps says nothing else")
    if optimizer == "lbfgs" and space.spectral and not options["no_transforms"]:
        terminal.note("lbfgs climbs without random moves, which would make its target another at each step")
    for sentence in filter(None, (moving.remark, sized)):
        terminal.note(f"{moving.name}: {sentence}")
    for sentence in (*expected.evidence, *features.notes) if tokens is None else tokens.notes:
        terminal.note(f"{tokens.embedding.ids if tokens else moving.name}: {sentence}")
    if inside and not tokens and not space.spectral:
        terminal.note(f"{moving.name}: each element moves by itself, on a ball in the scale of its activations")
    remark = ""
    if model is not original:
        remark = size_remark(original, moving.name, shape)
        terminal.note(f"{moving.name}: {remark}")
    space = refined(terminal, space, expected, shape, moving, samples, rate, options)
    windows = (
        (None,) * len(objectives)
        if moving.whole
        else seen_windows(terminal, model, objectives, moving.name, shape, expected)
    )
    squashed = [(one, other) for one, other in zip(objectives, climbed, strict=True) if one != other]
    for objective, other in squashed[:1]:
        terminal.note(f"climbing {other}, before the squashing; the score is that of {objective}")
    resting = _resting(terminal, model, moving, (*objectives, *climbed), held, dims, shapes)
    if any(one.asks for one in objectives):
        example = options["like"] and read_example(options["like"], expected, shape, tokens, rate)
        settled = surroundings(model, objectives, space, shape, moving, sizes, resting, example)
        objectives, climbed = (tuple(one.settled(settled) for one in sums) for sums in (objectives, climbed))
    # ONNX Runtime searches on the CPU, whatever else there is.
    device = "cpu" if optimizer == "cma" else str(choose_device(options["device"]))
    return Task(
        model,
        moving,
        expected,
        shape,
        objectives,
        climbed,
        space,
        settings,
        drawing,
        resting,
        class_names(model.original),
        device,
        features,
        tokens,
        rate,
        options["straight_through"],
        stopped,
        samples,
        windows,
        "random" if options["start"] is None else str(options["start"]),
        remark,
    )


LARGE = 4096
"""Inputs of more numbers than this, unless neighbors move together, are searched from one start and in fewer steps."""

LONG = 512
"""So are graphs of more operators than this, of which each step runs all, forward and back."""

VAST = 100_000_000
"""Pictures and signals of which a pass holds more numbers than this are searched in 32 steps: a road segmenter, which holds 238
million at 512 x 896, then reaches .996, and .999 in 64."""

MACO_LOOKS = 6
"""How many crops are averaged at each step where only phases move: the least that was published."""


def _settings(
    space: Space, expected: InputContract, optimizer: OptimizerName, costly: bool, vast: bool, options: dict[str, Any]
) -> Settings:
    """Return how the search goes: as asked, else as was measured to suit the kind of input and what a step costs."""
    from onnxviz.methods.ascent.search import Settings

    robust = not options["no_transforms"] and optimizer != "lbfgs"
    plane = space.spectral and expected.kind in ("image", "spectrogram", "volume")
    maco = space.parameterization == "maco"
    return Settings(
        options["steps"] or _steps(space, maco, plane, costly, vast),
        options["restarts"] or (1 if plane or costly else 5),
        options["seed"],
        options["rate"] or (1.0 if maco else 0.4 if space.spectral else 0.1),
        optimizer,
        robust,
        MACO_LOOKS if maco and robust else 1,
        options["restarts"],
        options["save_every"],
    )


def _steps(space: Space, maco: bool, plane: bool, costly: bool, vast: bool) -> int:
    """Return how many steps suit what moves: elements and phases need the most, pictures more than signals."""
    if maco:
        return 128 if vast else 256
    if space.spectral:
        return 32 if vast else 96 if plane else 64
    return 64 if costly else 256


def _resting(
    terminal: Terminal,
    model: Model,
    moving: Moving,
    objectives: tuple[Objective, ...],
    held: dict[str, np.ndarray],
    dims: dict[str, int],
    shapes: dict[str, tuple[int, ...]],
) -> dict[str, np.ndarray]:
    """Return values for the inputs that do not move, and tell of those that count."""
    from onnxviz.model.expectations.resting import rest

    wanted = moving.in_graph(name for one in objectives for name in one.tensors)
    counting = dict(model.cut(wanted, moving.stops).inputs)
    if moving.embedding is not None:  # ONNX Runtime is fed from the front, where other inputs may count as well
        counting |= model.cut(wanted).inputs
    # The untouched file wants all of its inputs, those too that the target does not depend on.
    asked = {**counting, **({} if moving.front else model.inputs)}
    resting = rest(model, [name for name in asked if name not in (moving.name, *moving.inputs)], held, dims, shapes)
    for name in counting:
        if name in resting and name not in held:
            values = resting[name]
            single = f"{values.flat[0]:g}" if values.size and (values == values.flat[0]).all() else "rest"
            terminal.note(f"{name}: held at {single} ({shape_text(values.shape)}); --set {name}=… holds it elsewhere")
    return resting
