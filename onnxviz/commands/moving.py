"""What `maximize` moves: one float tensor, several inputs side by side, or the vectors behind an input of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.model.embedding import Embedding
    from onnxviz.model.graph import Model
    from onnxviz.model.joined_inputs import JoinedInputs


@dataclass(frozen=True)
class Moving:
    """What moves.

    Attributes
    ----------
    name : str
        The tensor, or a name for several inputs.
    inputs : tuple of str
        The model's inputs that it stands for; none for a tensor inside the graph.
    joined : JoinedInputs or None
        Where several inputs move as one vector.
    embedding : Embedding or None
        Where the tensor is what token ids become.
    """

    name: str
    inputs: tuple[str, ...]
    joined: JoinedInputs | None = None
    embedding: Embedding | None = None

    @property
    def stops(self) -> list[str]:
        """Where the graph is cut."""
        return [] if self.inputs else [self.name]

    @property
    def sources(self) -> tuple[str, ...]:
        """The tensors from which a gradient must reach the target."""
        return self.inputs or (self.name,)


def choose_moving(model: Model, wrt: str | None) -> Moving:
    """Return what moves, by --wrt or where there is one natural choice.

    Several names, separated by commas, move together. An input of whole numbers stands for the embedding that it indexes.
    Without --wrt it is the only float input; all float inputs where each is one number, as tables are exported; and the
    tokens where a model reads nothing but them.

    Raises
    ------
    TargetError, UsageError
        If the name is unknown or cannot move, or there is no natural choice.
    """
    from onnxviz.model.embedding import embedded_input, find_embedding
    from onnxviz.model.inputs import default_input
    from onnxviz.model.joined_inputs import JoinedInputs

    if wrt is not None and wrt not in model.tensors and "," in wrt:
        joined = JoinedInputs.of(model, [model.require(name.strip()).name for name in wrt.split(",")])
        return Moving(joined.name, joined.inputs, joined)
    if wrt is None:
        columns = JoinedInputs.columns(model)
        if columns is not None:
            return Moving(columns.name, columns.inputs, columns)
        floats = [info.name for info in model.inputs.values() if info.is_float]
        embedding = embedded_input(model)
        if embedding is not None and floats in ([], [embedding.ids]):
            return Moving(embedding.output, (), embedding=embedding)
    elif wrt in model.inputs:
        embedding = find_embedding(model, wrt)
        if embedding is not None:
            return Moving(embedding.output, (), embedding=embedding)
        if not model.inputs[wrt].is_float:
            raise UsageError(
                f"--wrt {wrt}: it holds {model.inputs[wrt].dtype} and indexes no embedding (a Gather from a constant table "
                "of floats, or a OneHot); name a float tensor that depends on it"
            )
    info = default_input(model, wrt)
    return Moving(info.name, (info.name,) if info.name in model.inputs else ())
