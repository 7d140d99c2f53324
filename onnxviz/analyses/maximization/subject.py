"""The tensor that moves, with its sizes, its contract and its tokens: all that is settled before targets are read."""

from __future__ import annotations

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

    from onnxviz.analyses.maximization.request import MaximizationRequest
    from onnxviz.contract import InputContract
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
    settled = _sized(model, request, moving).about([moving.name])
    _check_free(moving, settled)
    plain = single and not moving.whole
    expected = settled.contract(moving.name) if plain else request.inputs.refined(moving.contract(model))
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
        settled = replace(settled, held=held)
        tokens = read_tokens(moving.embedding, shape[1], request.vocab, request.kept_pairs)
    elif request.vocab is not None:
        raise UsageError(f"`vocab` names tokens; {moving.name} is {expected.noun}")
    return Subject(model, original, moving, settled, expected, shape, center, spread, tokens)


def _sized(model: Model, request: MaximizationRequest, moving: Moving) -> Settled:
    """Return the settled sizes: real samples of the request tell those that the file leaves open, else runs of the model."""
    settled = settle(model, request.inputs)
    real = next((one for one in (request.start, request.like, request.data) if one is not None), None)
    ids = moving.embedding.ids if moving.embedding else ""
    name = ids or (moving.name if moving.inputs and moving.joined is None else "")
    if real is not None and request.size is None and not moving.whole:
        source = name or ("" if moving.inputs or request.data is None else choose_moving(model, None).name)
        if source in model.inputs and None in settled.open_sizes(source):
            rate = request.sample_rate or sample_rate(model.original)
            sizes = first_sizes(real, settled.contract(source), settled.open_sizes(source), settled.shape(source), rate)
            if sizes is not None:
                return settled.with_samples({source: sizes})
    return settle(model, request.inputs, settled.given, running=name or moving.joined is None)


def _check_free(moving: Moving, settled: Settled) -> None:
    """Raise if the tensor that moves is held at a value."""
    for name in (moving.name, *moving.inputs, *([moving.embedding.ids] if moving.embedding else [])):
        if name in settled.held:
            raise UsageError(
                f"`held` {name}=…: this tensor moves; hold another tensor, or move another tensor with `wrt`"
            )
