"""The tensor that `maximize` moves: one float tensor, several inputs side by side, or the vectors of tokens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.tokens import check_table
from onnxviz.errors import UsageError
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.model.expectations.embedding import Embedding
    from onnxviz.model.expectations.joined_inputs import JoinedInputs
    from onnxviz.model.model import Model


@dataclass(frozen=True)
class Moving:
    """The tensor or the inputs that `maximize` moves.

    Attributes
    ----------
    name : str
        The tensor, or a name for several inputs.
    inputs : tuple of str
        The model's inputs that move; empty for a tensor inside the graph.
    joined : JoinedInputs or None
        The inputs that move as one vector, if several move.
    embedding : Embedding or None
        The embedding, if the tensor holds the vectors of token ids.
    remark : str
        Why this tensor was chosen, if others could move.
    own : InputContract or None
        The contract of an input whose samples are not laid out as the tensor is: it has no batch, or axes of size 1.
    """

    name: str
    inputs: tuple[str, ...]
    joined: JoinedInputs | None = None
    embedding: Embedding | None = None
    remark: str = ""
    own: InputContract | None = None

    @property
    def whole(self) -> str:
        """Why the first axis is no batch, so that the whole tensor is one sample; "" if it is the batch."""
        return "" if self.own is None else self.own.whole

    @property
    def stops(self) -> list[str]:
        """The tensors at which the graph is cut for gradient ascent."""
        return [] if self.inputs else [self.name]

    @property
    def front(self) -> list[str]:
        """The tensors at which the graph is cut for ONNX Runtime; none for tokens, whose ids it scores."""
        return [] if self.embedding else self.stops

    @property
    def sources(self) -> tuple[str, ...]:
        """The tensors from which a gradient must reach the target."""
        return self.inputs or (self.name,)

    def fed(self, samples: np.ndarray) -> dict[str, np.ndarray]:
        """Return the inputs of ONNX Runtime for (batch, *shape) samples; samples of tokens are ids, (batch, time)."""
        if self.embedding is not None:
            return {self.embedding.ids: samples}
        if self.own is not None:
            return {self.name: self.own.fed(samples)}
        return self.joined.split(samples) if self.joined is not None else {self.name: samples}

    def in_graph(self, tensors: Iterable[str]) -> list[str]:
        """Return the given tensors that the graph has. The name for several inputs side by side is no tensor of it."""
        return [name for name in tensors if self.joined is None or name != self.name]

    def contract(self, model: Model) -> InputContract:
        """Return the contract of the moving tensor; several inputs form one vector, with ranges if all have one."""
        from onnxviz.model.expectations.contract_reading import contract

        if self.joined is None:
            return contract(model, self.name)
        return self.joined.contract({name: contract(model, name) for name in self.inputs})

    def shape(
        self,
        model: Model,
        held: dict[str, np.ndarray],
        dims: dict[str, int],
        shapes: dict[str, tuple[int, ...]],
        seed: int,
    ) -> tuple[tuple[int, ...], np.ndarray | None, np.ndarray | None]:
        """Return the shape, batch included, and for a tensor inside the graph the center and spread of its values.

        Raises
        ------
        UsageError
            If the tensor has fewer than two axes, or no element to move.
        """
        from onnxviz.model.expectations.sample_inputs import feed, settled_shape

        name = self.name
        if self.joined is not None:
            return (1, sum(self.joined.widths)), None, None
        if self.inputs:
            shape = settled_shape(model, name, dims, shapes)
            if self.own is not None:
                shape = self.own.sample_shape(shape)
            if len(shape) < 2:
                raise UsageError(f"{name} has the shape {shape_text(shape)}; it must have a batch and one more axis")
            if 0 in shape:
                raise UsageError(
                    f"{name} has the shape {shape_text(shape)}: it has no elements; set sizes with `shapes` {name}=…"
                )
            return shape, None, None
        # The values that ONNX Runtime computes for a seeded input tell shape, center and spread.
        fed = feed(model, held, dims, shapes, seed)
        values = np.asarray(model.session([name])(fed)[name], np.float32)
        if values.ndim < 2 or not values.size:
            raise UsageError(
                f"`wrt` {name}: its shape is {shape_text(values.shape)}; it must have a batch and one more axis"
            )
        if self.embedding is not None:
            check_table(self.embedding, values, fed[self.embedding.ids])
        spread = float(values.std())
        scale = np.asarray(spread if spread > 0 else 1.0, np.float32)
        return values.shape, np.asarray(values.mean(), np.float32), scale


Named = str | Sequence[str]
"""A tensor's name, several names separated by commas, or a sequence of names."""


def named_tensors(model: Model, wrt: Named | None) -> tuple[str, ...]:
    """Return the tensors that a request names to be moved or explained; none without a request.

    Raises
    ------
    TargetError
        If the model has no tensor of a name.
    """
    if wrt is None:
        return ()
    if not isinstance(wrt, str):
        return tuple(dict.fromkeys(model.require(name, f"`wrt` {name}").name for name in wrt))
    if wrt not in model.tensors and "," in wrt:
        return named_tensors(model, [name.strip() for name in wrt.split(",")])
    return (model.require(wrt, f"`wrt` {wrt}").name,)


def choose_moving(model: Model, wrt: Named | None, targets: Sequence[str] = (), held: Collection[str] = ()) -> Moving:
    """Return the tensor that moves: the requested tensor, or the natural choice.

    Several names move together, as one vector. An input of whole numbers stands for the embedding that it indexes.
    Without a request, the first rule that fits decides:

    - all columns move if each input is one number or text, as in exported models of tables;
    - tokens move if the model has no other input;
    - the only input of floats moves, or of integers that the graph reads as numbers;
    - of several such inputs, the first moves that the targets depend on; recurrent states come last.

    Parameters
    ----------
    model : Model
        The model.
    wrt : str, sequence of str, or None
        The requested tensor, or several names; in one text they are separated by commas.
    targets : sequence of str
        The targets to maximize. Default: every output.
    held : collection of str
        Inputs that are held at a value: they are not chosen.

    Raises
    ------
    TargetError, UsageError
        If a name is unknown or cannot move, or there is no natural choice.
    """
    from onnxviz.model.expectations.contract_reading import default_input
    from onnxviz.model.expectations.embedding import embedded_input, find_embedding
    from onnxviz.model.expectations.integer_inputs import movable_inputs, reads_as_numbers
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    names = named_tensors(model, wrt)
    wrt = names[0] if names else None
    if len(names) > 1 or (wrt in model.inputs and model.inputs[names[0]].dtype == "string"):
        return _together(model, names)
    if wrt is None:
        columns = JoinedInputs.columns(model, held)
        if columns is not None:
            return Moving(columns.name, columns.inputs, columns)
        movable = [info.name for info in movable_inputs(model, held)]
        embedding = embedded_input(model)
        if embedding is not None and embedding.ids not in held and movable in ([], [embedding.ids]):
            return Moving(embedding.output, (), embedding=embedding)
        if len(movable) == 1:
            return _moving(model, movable[0])
    elif wrt in model.inputs:
        embedding = find_embedding(model, wrt)
        if embedding is not None:
            return Moving(embedding.output, (), embedding=embedding)
        if not model.inputs[wrt].is_float and not reads_as_numbers(model, wrt):
            raise UsageError(
                f"`wrt` {wrt}: it holds {model.inputs[wrt].dtype} and indexes no embedding (a Gather from a constant table "
                "of floats, or a OneHot); name a float tensor that depends on it"
            )
    if wrt is None and len(movable) > 1:
        chosen = _main_input(model, movable, targets)
        if chosen is not None:
            return chosen
    info = default_input(model, wrt)
    return _moving(model, info.name)


def _together(model: Model, names: Sequence[str]) -> Moving:
    """Return inputs that move together.

    Raises
    ------
    UsageError
        If they cannot move together.
    """
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    try:
        joined = JoinedInputs.of(model, names)
    except UsageError as error:
        raise UsageError(
            f"`wrt` {', '.join(names)}: {error}. Inputs move together if each has the shape (batch, width); "
            "move one of them, and set the others with `held`"
        ) from None
    return Moving(joined.name, joined.inputs, joined)


_STATES = ("state", "cache", "hidden", "cell", "init", "past", "memory", "mask")
"""Words in the names of inputs that hold no data: recurrent states, caches and masks."""


def _main_input(model: Model, movable: list[str], targets: Sequence[str]) -> Moving | None:
    """Return the first of several inputs that can move and that the targets depend on, states last; None if there is none."""
    from onnxviz.methods.objectives.objectives import Objective

    read = [(name, text) for text in targets for name in Objective.parse(text, model.tensors, movable[0]).tensors]
    driven = [model.require(name, text).name for name, text in read] or list(model.outputs)
    counting = model.cut(driven).inputs
    reaching = [name for name in movable if name in counting and len(model.inputs[name].shape or (0, 0)) > 1]
    if not reaching:
        return None
    chosen = min(reaching, key=lambda name: any(word in name.lower() for word in _STATES))
    listed = ", ".join(name for name in reaching if name != chosen)
    why = (
        f"this input moves; choose another with `wrt`: {listed}" if listed else "only input that the target depends on"
    )
    return replace(_moving(model, chosen), remark=why)


def _moving(model: Model, name: str) -> Moving:
    """Return a `Moving` of one tensor: an input, with its batch or as a whole, or a tensor inside the graph."""
    from onnxviz.model.expectations.contract_reading import contract

    if name not in model.inputs:
        return Moving(name, ())
    found = contract(model, name)
    return Moving(name, (name,), own=found if found.whole or found.spare else None)
