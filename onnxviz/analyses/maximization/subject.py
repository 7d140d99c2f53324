"""The tensor that moves, with its sizes, its contract and its tokens: all that is settled before targets are read."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from onnxviz.analyses.inputs.few_samples import first_sizes
from onnxviz.analyses.inputs.moving import Moving, choose_moving
from onnxviz.analyses.inputs.settled import Settled, settle
from onnxviz.analyses.inputs.tokens import Tokens, read_tokens
from onnxviz.analyses.maximization.size_and_window import resized_model
from onnxviz.analyses.maximization.token_space import hold_ids
from onnxviz.errors import UsageError
from onnxviz.model.graph.labels import sample_rate

if TYPE_CHECKING:
    import numpy as np

    from onnxviz.analyses.inputs.features import Names
    from onnxviz.analyses.inputs.request import InputRequest
    from onnxviz.analyses.inputs.text import TextInputs
    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.contract import InputContract
    from onnxviz.formats.tokenizers import Encoded
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Subject:
    """The tensor that moves.

    Attributes
    ----------
    model, original : Model
        The model with its input at the size that is asked for, and as the file has it.
    moving : Moving
        The tensor.
    settled : Settled
        Sizes and held values of the model's inputs.
    expected : InputContract
        What the tensor expects.
    shape : tuple of int
        Its shape, with the batch.
    center, spread : ndarray or None
        The mean and deviation of a tensor inside the graph.
    tokens : Tokens or None
        The tokens, where the tensor is what token ids become.
    """

    model: Model
    original: Model
    moving: Moving
    settled: Settled
    expected: InputContract
    shape: tuple[int, ...]
    center: np.ndarray | None = None
    spread: np.ndarray | None = None
    tokens: Tokens | None = None

    @property
    def name(self) -> str:
        """The tensor's name."""
        return self.moving.name

    @property
    def inside(self) -> bool:
        """Whether the tensor lies inside the graph."""
        return not self.moving.inputs

    @property
    def is_resized(self) -> bool:
        """Whether the input has another size than the file declares."""
        return self.model is not self.original


def choose_subject(model: Model, request: MaximizationRequest) -> Subject:
    """Return the tensor that moves, with its sizes settled.

    Raises
    ------
    UsageError, DataError
        If the request does not fit the model, or a file cannot be read.
    """
    original, moving = model, choose_moving(model, request.wrt, request.targets, tuple(request.inputs.held))
    single = bool(moving.inputs) and moving.joined is None
    started = _started(model, moving, request)
    if started is None:
        settled = _sized(model, request, moving)
    else:
        settled = settle(model, _lengthened(model, request, started), running=started.inputs.inputs.ids)
    settled = settled.about([moving.name])
    _check_free(moving, settled)
    expected = settled.contract(moving.name) if single else request.inputs.refined(moving.contract(model))
    if request.size is not None:
        sizes = (request.size,) if isinstance(request.size, int) else tuple(request.size)
        model, shapes = resized_model(
            model, moving.name, expected, not moving.inputs, settled.dims, settled.shapes, sizes
        )
        settled = replace(settled, model=model, shapes=shapes)
        expected = replace(expected, shape=(*expected.shape[:1], *shapes[moving.name][1:]))
    shape, center, spread = moving.shape(model, settled.held, settled.dims, settled.shapes, request.seed)
    tokens = None
    if moving.embedding is not None:
        held = hold_ids(model, moving.embedding, settled.held, settled.dims, settled.shapes)
        if started is not None:
            beside = {name: value[None] for name, value in started.arrays().items() if name not in settled.held}
            held = {**held, **beside, moving.embedding.ids: held[moving.embedding.ids]}
        settled = replace(settled, held=held)
        tokens = read_tokens(moving.embedding, shape[1], _vocabulary(model, moving, request), _kept(request, started))
        if started is not None:
            tokens = replace(tokens, start=started.encoded, notes=(*started.notes, *tokens.notes))
    elif request.vocab is not None:
        raise UsageError(f"`vocab` names tokens; {moving.name} is {expected.noun}")
    return Subject(model, original, moving, settled, expected, shape, center, spread, tokens)


@dataclass(frozen=True, eq=False)
class _Started:
    """The text from which a search of tokens starts."""

    inputs: TextInputs
    encoded: Encoded

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user, without the name of the input of ids, which others put before them."""
        first, *others = self.inputs.notes
        return (first.partition(": ")[2], *(note.replace(": ", " holds ", 1) for note in others))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values of all inputs that the text fills."""
        return self.inputs.arrays(self.encoded)


def _started(model: Model, moving: Moving, request: MaximizationRequest) -> _Started | None:
    """Return the text of `start`; None if the search starts elsewhere. A value that names an existing file is that file."""
    from onnxviz.analyses.inputs.text import text_inputs
    from onnxviz.formats.sample_address import SampleAddress
    from onnxviz.formats.samples import SUFFIXES

    start = request.start
    if moving.embedding is None or not isinstance(start, str | os.PathLike) or SampleAddress.parse(start).exists:
        return None
    if SampleAddress.parse(start).path.suffix.lower() in SUFFIXES:
        return None  # a file that does not exist
    settled = settle(model, request.inputs)
    inputs = text_inputs(model, request.vocab, settled.held, None)
    if inputs.inputs.ids != moving.embedding.ids:
        raise UsageError(f"`start`: {moving.embedding.ids} is not the input of the text; give its ids as a file")
    inputs.length = settled.open_sizes(inputs.inputs.ids)[-1]
    return _Started(inputs, inputs.encode(os.fspath(start)))


def _lengthened(model: Model, request: MaximizationRequest, started: _Started) -> InputRequest:
    """Return the settings of the inputs with the length of the text, where the length is open."""
    if started.inputs.length is not None:
        return request.inputs
    name, length = started.inputs.inputs.ids, len(started.encoded)
    size = (model.inputs[name].shape or (None, None))[-1]
    if isinstance(size, str):
        return replace(request.inputs, dims={size: length, **request.inputs.dims})
    return replace(request.inputs, shapes={name: (1, length), **request.inputs.shapes})


def _vocabulary(model: Model, moving: Moving, request: MaximizationRequest) -> Names | None:
    """Return the names of tokens: those of the request, else those of the file beside the model."""
    from onnxviz.analyses.inputs.text import vocabulary_beside

    if request.vocab is not None or moving.embedding is None:
        return request.vocab
    return vocabulary_beside(model, len(moving.embedding.rows))


def _kept(request: MaximizationRequest, started: _Started | None) -> tuple[tuple[str, str], ...]:
    """Return the positions that keep a token; the padding after a text is kept too."""
    if started is None or not started.encoded.padding:
        return request.kept_pairs
    found = started.encoded
    padding = tuple((str(place), str(found.ids[place])) for place in range(found.real, len(found)))
    return (*padding, *request.kept_pairs)


def _sized(model: Model, request: MaximizationRequest, moving: Moving) -> Settled:
    """Return the settled sizes: real samples of the request tell those that the file leaves open, else runs of the model."""
    settled = settle(model, request.inputs)
    real = next((one for one in (request.start, request.like, request.data) if one is not None), None)
    ids = moving.embedding.ids if moving.embedding else ""
    name = ids or (moving.name if moving.inputs and moving.joined is None else "")
    if (
        real is not None
        and request.size is None
        and not (moving.whole and moving.own is not None and not moving.own.spare)
    ):
        source = name or ("" if moving.inputs or request.data is None else choose_moving(model, None).name)
        if source in model.inputs and None in settled.open_sizes(source):
            rate = request.sample_rate or sample_rate(model.original)
            usual = settled.contract(source).sample_shape(settled.shape(source))
            sizes = first_sizes(real, settled.contract(source), settled.open_sizes(source), usual, rate)
            if sizes is not None:
                return settled.with_samples({source: sizes})
    found = settle(model, request.inputs, settled.given, running=name or moving.joined is None)
    if moving.own is None or not moving.own.spare:
        return found
    # The batch behind the steps is 1, and every input that has it follows.
    return found.with_samples({name: moving.own.sample_shape(found.shape(name))[1:]})


def _check_free(moving: Moving, settled: Settled) -> None:
    """Raise if the tensor that moves is held at a value."""
    for name in (moving.name, *moving.inputs, *([moving.embedding.ids] if moving.embedding else [])):
        if name in settled.held:
            raise UsageError(
                f"`held` {name}=…: this tensor moves; hold another tensor, or move another tensor with `wrt`"
            )
