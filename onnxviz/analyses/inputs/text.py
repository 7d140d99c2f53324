"""Texts for a model of tokens: the tokenizer, the inputs that a text fills, and the values of these inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from onnxviz.analyses.inputs.data_source import Texts
from onnxviz.analyses.inputs.letter_inputs import letter_input, letter_inputs
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.letters import FASTA
from onnxviz.formats.sample_address import SampleAddress

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.features import Names
    from onnxviz.formats.tokenizers import Encoded, Tokenizer
    from onnxviz.model.expectations.token_inputs import TokenInputs
    from onnxviz.model.model import Model

_BYTES = (256, 260)
"""An embedding of bytes has 256 rows, and at most a few more for special tokens."""


class Filled(Protocol):
    """The inputs that a text fills, by their names."""

    @property
    def ids(self) -> str:
        """The input of the text itself."""

    @property
    def names(self) -> tuple[str, ...]:
        """All inputs that a text fills, that of the text first."""


class TextFeed(Protocol):
    """How texts become the inputs of a model: `TextInputs` for tokens, `LetterInputs` for one-hot letters."""

    length: int | None

    @property
    def inputs(self) -> Filled:
        """The inputs that a text fills."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the user."""

    def encode(self, text: str) -> Encoded:
        """Return a text as tokens or letters, cut or filled to the length of the input."""

    def arrays(self, found: Encoded) -> dict[str, np.ndarray]:
        """Return the values of all inputs that a text fills, without the batch."""

    def __call__(self, text: str) -> dict[str, np.ndarray]:
        """Return the values of the inputs for a text."""


@dataclass(eq=False)
class TextInputs:
    """How texts become the inputs of a model.

    Attributes
    ----------
    inputs : TokenInputs
        The inputs that a text fills.
    tokenizer : Tokenizer
        Turns texts into tokens.
    length : int or None
        The length of the input of ids; None if each text keeps its own.
    notes : tuple of str
        Sentences for the user.
    """

    inputs: TokenInputs
    tokenizer: Tokenizer
    length: int | None
    notes: tuple[str, ...] = ()
    _cut: set[str] = field(default_factory=set)

    def encode(self, text: str) -> Encoded:
        """Return a text as tokens, cut or filled to the length of the input.

        Raises
        ------
        DataError
            If the text has no token, or a token has no row in the embedding.
        """
        tokenizer, count = self.tokenizer, len(self.inputs.embedding.rows)
        found = tokenizer.encode(text, self.length)
        if max(found.ids) >= count:
            raise DataError(
                f"`vocab`: the token {found.pieces[int(np.argmax(found.ids))]} has the id {max(found.ids)}, "
                f"but the model's table has {count} rows; "
                "the vocabulary is that of another model"
            )
        if self.length is None or len(found) == self.length:
            return found
        name = tokenizer.vocabulary[tokenizer.padding] if tokenizer.padding < len(tokenizer.vocabulary) else ""
        return found.padded(self.length, tokenizer.padding, name or str(tokenizer.padding))

    def arrays(self, found: Encoded) -> dict[str, np.ndarray]:
        """Return the values of all inputs that a text fills, without the batch: (time,), or a number for a length."""
        ids = np.asarray(found.ids, np.int64)
        values = {
            "mask": (np.arange(len(found)) < found.real).astype(np.int64),
            "types": np.asarray(found.types, np.int64),
            "positions": np.arange(len(found), dtype=np.int64),
            "length": np.asarray(found.real, np.int64),
        }
        return {self.inputs.ids: ids, **{name: values[role] for name, role in self.inputs.roles.items()}}

    def __call__(self, text: str) -> dict[str, np.ndarray]:
        """Return the values of the inputs for a text; see `arrays`."""
        return self.arrays(self.encode(text))

    def tokens(self, text: str) -> list[dict[str, object]]:
        """Return the tokens of a text as JSON, without padding."""
        return self.encode(text).rows()


def text_inputs(model: Model, vocab: Names | None, held: Mapping[str, np.ndarray], length: int | None) -> TextInputs:
    """Return how texts become the inputs of a model.

    Parameters
    ----------
    model : Model
        The model.
    vocab : path or sequence of str, optional
        The tokenizer or the vocabulary. Default: the file beside the model.
    held : mapping of str to ndarray
        Inputs that the user holds at a value: texts do not fill them.
    length : int or None
        The length of the input of ids.

    Raises
    ------
    UsageError
        If no input takes tokens, or there is no tokenizer.
    DataError
        If the tokenizer cannot be read.
    """
    from dataclasses import replace

    from onnxviz.formats.tokenizers import ByteTokenizer, open_tokenizer
    from onnxviz.model.expectations.token_inputs import token_inputs

    inputs = token_inputs(model)
    if inputs is None:
        raise UsageError(
            f"{model.name}: no input takes tokens, so text cannot be fed to it; if an input takes one-hot letters, say so "
            "with `kind` letters"
        )
    count = len(inputs.embedding.rows)
    source = vocab if vocab is not None else vocabulary_beside(model, count)
    if isinstance(source, str | os.PathLike) and not Path(source).is_file():
        raise UsageError(f"`vocab` {source}: no such file")
    if source is not None:
        tokenizer = open_tokenizer(source)
    elif _BYTES[0] <= count <= _BYTES[1]:
        tokenizer = ByteTokenizer(count)
    else:
        raise UsageError(
            f"{model.name}: text needs its tokenizer; give `vocab` tokenizer.json or vocab.txt, or put the file beside the model"
        )
    roles = {name: role for name, role in inputs.roles.items() if name not in held}
    inputs = replace(inputs, roles=roles, notes=tuple(one for one in inputs.notes if one.partition(":")[0] in roles))
    where = " (beside the model)" if vocab is None and source is not None else ""
    return TextInputs(inputs, tokenizer, length, (f"{inputs.ids}: {tokenizer.note}{where}", *inputs.notes))


def text_feed(model: Model, vocab: Names | None, held: Mapping[str, np.ndarray], length: int | None = None) -> TextFeed:
    """Return how texts become the inputs of a model: as one-hot letters if an input takes them, else as tokens.

    Parameters
    ----------
    model, vocab, held, length
        As in `text_inputs`.

    Raises
    ------
    UsageError, DataError
        As `text_inputs` does.
    """
    name = letter_input(model, held)
    if name is None:
        return text_inputs(model, vocab, held, length)
    if vocab is not None:
        raise UsageError(f"`vocab` names tokens; {name} takes letters, whose order `letters` tells")
    return letter_inputs(model, name, length)


def vocabulary_beside(model: Model, count: int) -> Path | None:
    """Return the tokenizer or vocabulary beside a model's file; None if there is none with as many tokens as the embedding.

    Parameters
    ----------
    model : Model
        The model.
    count : int
        The rows of the embedding. A table may have a few rows more than the vocabulary has tokens, never fewer.
    """
    from onnxviz.formats.tokenizers import FILES
    from onnxviz.formats.vocabularies import read_vocabulary

    if model.path is None:
        return None
    folder = model.path.resolve().parent
    # Exporters of Transformers models write the model into a folder named onnx, below the tokenizer.
    for place in (folder, *([folder.parent] if folder.name == "onnx" else [])):
        for name in FILES:
            path = place / name
            if not path.is_file():
                continue
            try:
                found = len(read_vocabulary(path))
            except DataError:  # another program's file
                continue
            if count // 2 < found <= count:
                return path
    return None


def is_text(model: Model, source: object, label: str | None, column: str | None) -> bool:
    """Return whether a source of samples holds texts that must become tokens or letters.

    Texts in memory, .txt and FASTA files do; a table does if it has a column of text and no columns of numbers for the ids.
    """
    from onnxviz.formats.table_rows import TABLES, open_table
    from onnxviz.formats.text_data import text_files
    from onnxviz.model.expectations.embedding import embedded_input

    if isinstance(source, Texts):
        return True
    if not isinstance(source, str | os.PathLike):
        return False
    path = SampleAddress.parse(source).path
    if path.is_dir():
        takes = embedded_input(model) is not None or letter_input(model) is not None
        return takes and bool(text_files(path))
    if path.suffix.lower() in (".txt", *FASTA):
        return True
    if path.suffix.lower() not in TABLES or not path.is_file():
        return False
    if column is not None:
        return True
    embedding = embedded_input(model)
    if embedding is None:
        return letter_input(model) is not None and not all(open_table(path).widths)
    table = open_table(path)
    texts = [
        place for place, width in enumerate(table.widths) if not width and table.names[place : place + 1] != (label,)
    ]
    numeric = [name for name, width in zip(table.names, table.widths, strict=True) if width] if table.names else []
    shape = model.inputs[embedding.ids].shape or ()
    numbers = sum(width for place, width in enumerate(table.widths) if table.names[place : place + 1] != (label,))
    fills = len(shape) == 2 and isinstance(shape[1], int) and numbers == shape[1]
    return bool(texts) and not fills and not any(name.startswith(embedding.ids) for name in numeric)
