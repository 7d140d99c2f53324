"""Sequences for a model of one-hot letters: the input that they fill, and its values."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.formats.letters import encoded_letters, one_hot

if TYPE_CHECKING:
    from onnxviz.formats.tokenizers import Encoded
    from onnxviz.model.model import Model


@dataclass(frozen=True)
class LetterInput:
    """The input that a sequence fills, named as `TokenInputs` names those of a text.

    Attributes
    ----------
    ids : str
        The input.
    """

    ids: str

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs that a sequence fills."""
        return (self.ids,)


@dataclass(eq=False)
class LetterInputs:
    """How sequences become the input of a model, in the interface of `TextInputs`.

    Attributes
    ----------
    inputs : LetterInput
        The input.
    axes : tuple of str
        Its axes: "letter" and "position" in either order.
    letters : str
        The letters, in the order of their codes.
    length : int or None
        The positions of the input; None if each sequence keeps its own.
    notes : tuple of str
        Sentences for the user.
    """

    inputs: LetterInput
    axes: tuple[str, ...]
    letters: str
    length: int | None
    notes: tuple[str, ...] = ()

    def encode(self, text: str) -> Encoded:
        """Return a sequence as the numbers of its letters, cut or filled to the length of the input.

        Raises
        ------
        DataError
            If the text is no sequence of these letters.
        """
        found = encoded_letters(text, self.letters, self.length)
        return found if self.length is None else found.padded(self.length, len(self.letters), "")

    def arrays(self, found: Encoded) -> dict[str, np.ndarray]:
        """Return the one-hot codes of a sequence, without the batch; positions behind its end are 0."""
        return {self.inputs.ids: one_hot(found.ids, self.axes, len(self.letters))}

    def __call__(self, text: str) -> dict[str, np.ndarray]:
        """Return the one-hot codes for a sequence; see `arrays`."""
        return self.arrays(self.encode(text))


def letter_input(model: Model, held: Container[str] = ()) -> str | None:
    """Return the first input of one-hot letters that is not held; None if there is none."""
    from onnxviz.model.expectations.contract_reading import contract

    return next((name for name in model.inputs if name not in held and contract(model, name).kind == "letters"), None)


def letter_inputs(model: Model, name: str, length: int | None) -> LetterInputs:
    """Return how sequences become an input of one-hot letters.

    Parameters
    ----------
    model : Model
        The model.
    name : str
        The input.
    length : int or None
        The positions of the input; None if its length is open.
    """
    from onnxviz.model.expectations.contract_reading import contract

    expected = contract(model, name)
    notes = tuple(f"{name}: {sentence}" for sentence in expected.evidence)
    return LetterInputs(LetterInput(name), expected.axes, expected.letters, length, notes)
