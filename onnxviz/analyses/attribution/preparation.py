"""The preparation of `attribute`: inputs, targets, methods and baselines, with notes about what is assumed."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.attribution.explained_inputs import Explained, Fed, read_inputs
from onnxviz.analyses.attribution.task import BY_GRADIENT, BY_SAMPLING, METHODS, Aim, Task
from onnxviz.analyses.inputs.class_targets import with_class_numbers
from onnxviz.analyses.inputs.classes import with_classes
from onnxviz.analyses.inputs.float_targets import with_floats
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.sample_first import sample_first
from onnxviz.analyses.listener import Listener
from onnxviz.errors import DifferentiationError, UsageError
from onnxviz.model.tensors.twin import with_twins
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Samples
    from onnxviz.analyses.attribution.request import AttributionRequest
    from onnxviz.analyses.inputs.features import Features, Names
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.expectations.joined_inputs import JoinedInputs
    from onnxviz.model.model import Model

_FEW = 64
_MOST_LAYERS = 48


def prepare(listener: Listener, model: Model, samples: Samples, request: AttributionRequest) -> Task:
    """Return the settled task, and give notes about what was found or assumed.

    Parameters
    ----------
    listener : Listener
        Receives the notes.
    model : Model
        The model.
    samples : path, array, or a mapping or sequence of such
        The real input.
    request : AttributionRequest
        The user's request.

    Raises
    ------
    UsageError, DataError, ModelError, DifferentiationError, UnsupportedOperators
        If the request does not fit the model or the input.
    """
    from onnxviz.methods.devices import choose_device
    from onnxviz.model.tensors.randomness import random_note

    model = with_twins(with_kind(with_classes(listener, model, request.classes), request.inputs))
    request = replace(request, targets=with_class_numbers(model, request.targets))
    fed = read_inputs(listener, model, samples, request)
    features = _features(model, fed, request)
    baselines, text = _baselines(fed, features, request.baseline)
    listener.note(f"baseline: {text}")
    aims = tuple(
        _aim(listener, model, fed, objective, request) for objective in _objectives(listener, model, fed, request)
    )
    note = random_note(model, [name for aim in aims for name in aim.objective.tensors], fed.feeds)
    if note:
        listener.note(note)
    device = str(choose_device(request.device))
    return Task(
        model, request, fed, aims, baselines, text, features, _vocabulary(listener, model, fed, request.vocab), device
    )


def _features(model: Model, fed: Fed, request: AttributionRequest) -> Features:
    from onnxviz.analyses.inputs.features import Features, read_features
    from onnxviz.model.graph.labels import feature_names

    first = fed.explained[0]
    flat = len(first.places.sizes) == 1 and first.places.axes == ("feature",)
    if not flat:
        if request.names is not None or request.data is not None:
            raise UsageError(f"`names` and `data` are for vectors; {first.name} is a {first.expected.kind}")
        return Features()
    if first.joined is not None:
        return read_features(
            first.places.count, first.joined.names, None, request.names, request.data, joined=first.joined
        )
    known = feature_names(model.original) or fed.columns.get(first.name, ())
    count, missing = first.places.count, first.expected.missing
    return read_features(count, known, None, request.names, request.data, missing=missing)


def _vocabulary(listener: Listener, model: Model, fed: Fed, given: Names | None) -> tuple[str, ...]:
    """Return the tokens' names by id; for an embedding of bytes, the characters."""
    from onnxviz.analyses.inputs.text import vocabulary_beside
    from onnxviz.analyses.inputs.tokens import token_names
    from onnxviz.formats.tokenizers import byte_name

    embeddings = [one.embedding for one in fed.explained if one.embedding is not None]
    if given is None and embeddings:
        beside = vocabulary_beside(model, len(embeddings[0].rows))
        given = None if beside is None else token_names(beside)
        if beside is not None and fed.encoded is None:
            listener.note(f"the names of the tokens are those of {beside.name} beside the model")
    if given is None:
        # An embedding of bytes has 256 rows, and at most a few more for special tokens.
        bytewise = embeddings and 256 <= len(embeddings[0].rows) <= 260
        return tuple(byte_name(code) for code in range(len(embeddings[0].rows))) if bytewise and embeddings else ()
    if not embeddings:
        raise UsageError("`vocab` names tokens, but no input of tokens is explained")
    return token_names(given)


def _baselines(
    fed: Fed, features: Features, given: str | os.PathLike[str] | np.ndarray | None
) -> tuple[tuple[np.ndarray, ...], str]:
    """Return the baselines, and a sentence about them."""
    arrays, words = [], []
    for place, one in enumerate(fed.explained):
        array, text = _baseline(fed, one, features if place == 0 else None, given)
        # The baseline is an input as well: integers are whole numbers in it.
        arrays.append(np.asarray(one.held(array), one.sample.dtype).reshape(one.sample.shape))
        words.append(text)
    if len(set(words)) > 1:
        words = [f"{one.name}: {text}" for one, text in zip(fed.explained, words, strict=True)]
    return tuple(arrays), "; ".join(dict.fromkeys(words))


def _baseline(
    fed: Fed, one: Explained, features: Features | None, given: str | os.PathLike[str] | np.ndarray | None
) -> tuple[np.ndarray, str]:
    from onnxviz.methods.attribution.baselines import blurred_baseline, mean_baseline

    sample = one.sample[0]
    vector = one.places.axes == ("feature",)
    known = None
    if vector and features is not None and features.mean is not None:
        known = features.mean, "the mean of the data"
    elif vector and one.expected.mean:
        known = np.asarray(one.expected.mean), "the center of each feature that the file tells"
    elif vector and one.expected.bounded:
        known = (np.asarray(one.expected.low) + np.asarray(one.expected.high)) / 2, "the middle of the range"
    if isinstance(given, np.ndarray) or (given is not None and str(given) not in ("zero", "mean", "blur")):
        return _given_baseline(fed, one, given)
    choice = given or ("zero" if one.inside or (vector and known is None) else "mean")
    if one.joined is not None and not one.joined.smooth:
        return _row_baseline(one, one.joined, features, choice)
    if choice == "zero":
        return np.zeros_like(sample), "zero, in the model's own units"
    if choice == "blur":
        return blurred_baseline(sample, one.places), "the input blurred by a sixteenth of its size"
    if known is not None:
        return np.broadcast_to(known[0], sample.shape), known[1]
    if vector:
        raise UsageError(f"`baseline` mean: the mean of {one.name} is unknown; give `data` FILE, or `baseline` zero")
    kept = next(
        (
            axis
            for axis in ("channel", "feature", "letter", "coordinate")
            if axis in one.places.axes and len(one.places.axes) > 1
        ),
        "",
    )
    channels = f"each {kept}'s own mean over the input" if kept else "the input's own mean"
    return mean_baseline(sample, one.places), channels


def _row_baseline(
    one: Explained, joined: JoinedInputs, features: Features | None, choice: str | os.PathLike[str] | np.ndarray
) -> tuple[np.ndarray, str]:
    """Return the baseline of a row with texts: of a text the most frequent one of the data, else the first known one."""
    if str(choice) == "blur":
        raise UsageError("`baseline` blur is for pictures and signals; a row of a table takes zero, mean or a file")
    texts = np.asarray([bool(known) for known in joined.texts])
    if features is not None and features.mean is not None and str(choice) == "mean":
        values, words = features.mean, "the mean of the data"
        return values, f"{words}, of texts the most frequent" if texts.any() else words
    return np.zeros(one.sample.shape[1:]), "zero; of texts the first that the graph knows" if texts.any() else "zero"


def _given_baseline(fed: Fed, one: Explained, given: str | os.PathLike[str] | np.ndarray) -> tuple[np.ndarray, str]:
    """Return the baseline that a file or an array holds."""
    from onnxviz.analyses.inputs.one_sample import ARRAY, joined_row, single_of
    from onnxviz.formats.column_matching import Slot
    from onnxviz.formats.sample_address import SampleAddress

    text = ARRAY if isinstance(given, np.ndarray) else os.fspath(given)
    if not isinstance(given, np.ndarray) and not SampleAddress.parse(text).exists:
        raise UsageError(f"`baseline` {text}: neither zero, mean nor blur, nor a file that exists")
    shape = one.sample.shape[1:]
    slot = Slot.of(one.expected, shape, fed.columns.get(one.name, ()))
    if one.joined is not None:
        return joined_row(given, one.joined)[0], text
    array, _ = single_of(given, slot).fitted(one.expected, shape, fed.rates.get(one.name))
    return array[0], text


def _objectives(listener: Listener, model: Model, fed: Fed, request: AttributionRequest) -> tuple[Objective, ...]:
    """Return the objectives of the targets, with every ``*`` expanded and indices checked by ONNX Runtime's shapes."""
    from onnxviz.methods.objectives.objectives import Activation, Objective

    texts = request.targets or (_default_target(listener, model, fed),)
    written = []
    for text in texts:
        objective = with_floats(listener, model, Objective.parse(text, model.tensors))
        for name in objective.tensors:
            info = model.require(name, text)
            if info.container != "tensor" or info.dtype == "string":
                raise UsageError(f"{text}: {name} holds no numbers ({info.dtype}), so it cannot be explained")
        written.append(objective)
    names = list(dict.fromkeys(name for one in written for name in one.tensors))
    answers = sample_first(model, model.session(names, fed.stops), names)(_feeds(fed))
    shapes = {name: tuple(np.asarray(answers[name]).shape[1:]) for name in names}
    for objective in written:
        for _, term in objective.terms:
            if isinstance(term, Activation):
                term.target.check(shapes[term.target.tensor])
    return tuple(one for objective in written for one in objective.expand(shapes))


def _feeds(fed: Fed) -> dict[str, np.ndarray]:
    """Return values for all inputs, and for the explained tensors inside the graph."""
    inside = [one for one in fed.explained if one.inside]
    return {**fed.feeds, **{one.name: one.expected.fed(np.repeat(one.sample, fed.copies, axis=0)) for one in inside}}


def _default_target(listener: Listener, model: Model, fed: Fed) -> str:
    """Return the class with the highest score by ONNX Runtime, or the only number of an output."""
    from onnxviz.model.tensors.channel_axis import channel_axis
    from onnxviz.model.tensors.sample_view import sample_view

    names = []
    for name, info in model.outputs.items():
        node = model.producers.get(name)
        # Classic classifiers end in a ZipMap, from labels to scores; the tensor of scores is before it.
        plain = node.input[0] if info.container != "tensor" and node is not None and node.op_type == "ZipMap" else name
        if model.tensors[plain].is_float:
            names.append(plain)
    answers = sample_first(model, model.session(names), names)(fed.feeds) if names else {}
    for name in names:
        values = np.asarray(answers[name])
        if values.ndim < 2 or len(values) != fed.copies:
            continue
        if values[0].size == 1:
            return f"{name}[0]" if values.ndim == 2 else name
        if values[0].size == values.shape[1]:
            row = values[0].reshape(-1)
            best = int(row.argmax())
            listener.note(
                f"no `targets`: explaining {name}[{best}], the highest of {row.size} scores ({float(row[best]):.4g})"
            )
            return f"{name}[{best}]"
        axis = channel_axis(model, name)
        if not sample_view(model, name).plain and axis is not None:
            # Steps come first: a class's score is its mean over the steps.
            row = np.moveaxis(values[0], axis, 0).reshape(values.shape[1 + axis], -1).mean(1)
            best = int(row.argmax())
            chosen = f"{name}[{':, ' * axis}{best}]"
            listener.note(
                f"no `targets`: explaining {chosen}, the highest mean of {row.size} units ({float(row[best]):.4g})"
            )
            return chosen
    listed = ", ".join(f"{name} ({shape_text(np.shape(answers[name]))})" for name in names) or "no numbers"
    raise UsageError(
        f"{model.name} has no output with one score for each class: {listed}; name a target with `targets`"
    )


def _aim(listener: Listener, model: Model, fed: Fed, objective: Objective, request: AttributionRequest) -> Aim:
    from onnxviz.model.graph.zipped import class_name

    explained = objective if request.literal else _logit(model, fed, objective)
    if explained != objective:
        listener.note(f"explaining {explained}, the logit of {objective}; `literal` explains the probability itself")
    methods = _methods(listener, model, fed, objective, explained, request.methods)
    layers: tuple[str, ...] = ()
    if "grad-cam" in methods:
        layers = _layers(model, fed, explained, request.layer)
        if not layers:
            if request.methods != ("all",):
                raise UsageError(
                    f"{explained}: no tensor before it has the input's positions; name one for Grad-CAM with `layer`"
                )
            methods = tuple(one for one in methods if one != "grad-cam")
    elif request.layer is not None:
        raise UsageError("`layer` is for Grad-CAM: add `methods` grad-cam")
    return Aim(objective, explained, class_name(model, objective.target), methods, layers)


def _logit(model: Model, fed: Fed, objective: Objective) -> Objective:
    """Return the logit before a probability's Softmax or Sigmoid; for two classes, the difference of their logits."""
    from onnxviz.methods.objectives.objectives import Objective as Sum
    from onnxviz.model.tensors.twin import rival, unsquashed

    target = objective.target
    twin = unsquashed(model, target) if target is not None else None
    if twin is None:
        return objective
    # The file may not tell the shape, so ONNX Runtime does.
    shape = np.asarray(model.session([twin.tensor], fed.stops)(_feeds(fed))[twin.tensor]).shape
    other = rival(model, twin, shape)
    return Sum.of(twin) if other is None else Sum.of(twin) - Sum.of(other)


def _methods(
    listener: Listener, model: Model, fed: Fed, objective: Objective, explained: Objective, given: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the requested methods, or one that suits the model; methods that cannot work are refused or left out."""
    from onnxviz.model.tensors.support import reach

    names = [one.name for one in fed.explained]
    reached = reach(model, [name for one in fed.explained for name in one.inputs])
    states = [reached[name] for name in explained.tensors]
    smooth = all(state.converted for state in states) and any(state.differentiable for state in states)
    reason = next((state.reason for state in states if state.reason), "nothing connects them")
    if fed.joined is not None and not fed.joined.smooth:
        smooth, reason = False, "a column holds texts or whole numbers"
    if any(np.isnan(one.sample).any() for one in fed.explained):
        smooth, reason = False, "the input has missing values"
    if not given:
        if smooth:
            listener.note(
                "method: integrated-gradients, because a gradient reaches the input; `methods` chooses others, or all"
            )
            return ("integrated-gradients",)
        count = sum(one.places.count for one in fed.explained)
        chosen = "shapley" if not fed.explained[0].places.evenly_spaced and count <= _FEW else "occlusion"
        listener.note(f"method: {chosen}, because no gradient reaches the input ({reason})")
        return (chosen,)
    wanted = tuple(dict.fromkeys(METHODS if "all" in given else given))
    refused = [one for one in wanted if one in BY_GRADIENT] if not smooth else []
    if refused and "all" not in given:
        raise DifferentiationError(
            f"{explained}: {refused[0]} needs a gradient, but none reaches {', '.join(names)}: {reason}; "
            f"{', '.join(BY_SAMPLING)} need no gradient"
        )
    if refused:
        listener.note(f"left out, because no gradient reaches the input ({reason}): {', '.join(refused)}")
    wanted = tuple(one for one in wanted if one not in refused)
    if "guided-backprop" in wanted and not _rectifiers(model, fed, explained):
        if "all" not in given:
            raise UsageError(
                f"{explained}: guided-backprop replaces rectifiers (Relu, Clip from 0, LeakyRelu, PRelu), "
                "but the target depends on none"
            )
        wanted = tuple(one for one in wanted if one != "guided-backprop")
    return wanted


def _rectifiers(model: Model, fed: Fed, explained: Objective) -> int:
    from onnxviz.methods.attribution.guided import GUIDED

    part = model.cut(explained.tensors, fed.stops)
    return sum(node.op_type in GUIDED and not node.domain for node in part.nodes)


def _layers(model: Model, fed: Fed, explained: Objective, given: str | None) -> tuple[str, ...]:
    """Return the tensors before the target whose positions match the input's, the last tensor first."""
    from onnxviz.methods.attribution.grad_cam import suits
    from onnxviz.model.tensors.support import reach

    if any(one.expected.whole or one.expected.spare for one in fed.explained):
        return ()
    if len(fed.explained) > 1 or (given is None and not fed.explained[0].places.evenly_spaced):
        return ()
    (one,) = fed.explained
    feeds = _feeds(fed)
    if given is not None:
        info = model.require(given, f"`layer` {given}")
        shape = np.asarray(model.session([given], fed.stops)(feeds)[given]).shape if info.is_float else ()
        if not suits(tuple(shape), one.places):
            raise UsageError(
                f"`layer` {given}: its shape is {shape_text(shape)}; "
                f"it must have a batch, channels and {len(one.places.sizes)} axes of positions"
            )
        return (given,)
    part = model.cut(explained.tensors, fed.stops)
    reached = reach(part, [one.name])
    rank = 2 + len(one.places.sizes)
    layers: list[str] = []
    for node in reversed(part.nodes):
        for name in node.output:
            found = part.tensors.get(name)
            if found is None or name in explained.tensors or not found.is_float or not reached[name].differentiable:
                continue
            if found.shape is not None and len(found.shape) != rank:
                continue
            sizes = found.shape or ()
            if not sizes or not all(isinstance(size, int) for size in sizes[1:]):
                sizes = np.asarray(model.session([name], fed.stops)(feeds)[name]).shape
            if suits(tuple(size if isinstance(size, int) else 1 for size in sizes), one.places):
                layers.append(str(name))
    return tuple(layers[:_MOST_LAYERS])
