"""What may fill a target that is empty, as the boxes of a detector where nothing is detected."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxviz.model.model import Model


def filling(model: Model, tensor: str, held: Collection[str]) -> str:
    """Return what a person can do about an empty tensor, as a part of a sentence.

    Parameters
    ----------
    model : Model
        The model.
    tensor : str
        The empty tensor.
    held : collection of str
        The inputs that stay at a value. Those that the tensor depends on are named.
    """
    others = [name for name in model.cut([tensor]).inputs if name in held]
    if not others:
        return "begin with a real input that fills it"
    return f"give the input{'s' * (len(others) > 1)} held beside it other values ({', '.join(others)}), or begin with a real input"
