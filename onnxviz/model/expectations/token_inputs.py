"""The inputs of a model of tokens: the ids, and beside them the mask, the types, the positions and the lengths."""

from __future__ import annotations

from dataclasses import dataclass

from onnxviz.model.expectations.embedding import Embedding, embedded_input, find_embedding
from onnxviz.model.graph.graph import Graph

_FEW_TYPES = 4
"""A table of at most so many rows, beside that of the tokens, tells sentences apart."""


@dataclass(frozen=True, eq=False)
class TokenInputs:
    """The inputs that a text fills.

    Attributes
    ----------
    embedding : Embedding
        The embedding of the token ids.
    roles : dict of str to str
        From the name of another input to what it holds: "mask" (1 for a token, 0 for padding), "types" (the number of the sentence),
        "positions" (0, 1, 2, …) or "length" (the number of tokens).
    notes : tuple of str
        A sentence for each of them, with the evidence.
    """

    embedding: Embedding
    roles: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def ids(self) -> str:
        """The input of token ids."""
        return self.embedding.ids

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs that a text fills, the ids first."""
        return (self.ids, *self.roles)


def token_inputs(model: Graph) -> TokenInputs | None:
    """Return the inputs that a text fills; None if no input selects rows of an embedding.

    Structure decides first: an input that selects rows of a small table holds the types, one that has the shape of the ids and
    selects no rows is a mask. The name decides what structure leaves open.
    """
    embedding = embedded_input(model)
    if embedding is None:
        return None
    shape = model.inputs[embedding.ids].shape
    roles: dict[str, str] = {}
    notes: list[str] = []
    for name, info in model.inputs.items():
        if name == embedding.ids or info.container != "tensor" or info.dtype == "string":
            continue
        role, why = _role(model, name, shape)
        if role:
            roles[name] = role
            notes.append(f"{name}: {_FED[role]} ({why})")
    return TokenInputs(embedding, roles, tuple(notes))


_FED = {
    "mask": "1 for each token, 0 for padding",
    "types": "the number of each token's sentence",
    "positions": "counted from 0",
    "length": "the number of tokens",
}


def _role(model: Graph, name: str, shape: tuple[int | str | None, ...] | None) -> tuple[str, str]:
    """Return what an input beside the ids holds, and the evidence; "" if a text does not tell it."""
    info, lowered = model.inputs[name], name.lower()
    rank = None if info.shape is None else len(info.shape)
    if rank is not None and rank < 2:
        counts = rank == 1 and "len" in lowered and info.dtype != "bool"
        return ("length", "by its name") if counts else ("", "")
    if rank is not None and rank > 2:
        return "", ""
    table = find_embedding(model, name)
    if table is not None:
        if "pos" in lowered:
            return "positions", "by its name, and it selects rows of a table"
        if len(table.rows) <= _FEW_TYPES or "type" in lowered or "segment" in lowered:
            return "types", f"it selects among {len(table.rows)} rows of a table"
        return "", ""
    if "mask" in lowered:
        return "mask", "by its name"
    if "pos" in lowered and not info.is_float:
        return "positions", "by its name"
    if ("type" in lowered or "segment" in lowered) and not info.is_float:
        return "types", "by its name"
    if not info.is_float and shape is not None and info.shape == shape:
        return "mask", "assumed: it has the shape of the ids and selects no rows of a table"
    return "", ""
