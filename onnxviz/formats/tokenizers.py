"""Tokenizers: sentences as token ids, with the characters of each token.

A ``tokenizer.json`` or the ``vocab.txt`` of a BERT is read by the package tokenizers. A list of whole words and a model of bytes
need no package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from onnxviz.errors import DataError
from onnxviz.formats.json_documents import read_json
from onnxviz.formats.vocabularies import read_vocabulary
from onnxviz.wording import quoted

FILES = ("tokenizer.json", "vocab.txt")
"""The files of a tokenizer, the surest first."""

_UNKNOWN = ("[UNK]", "<unk>", "<UNK>", "[unk]", "UNK", "unk", "<oov>", "<OOV>")
_PADDING = ("[PAD]", "<pad>", "<PAD>", "[pad]", "<|pad|>", "<blank>", "PAD")
_ENDS = ("</s>", "<|endoftext|>", "[SEP]", "<eos>")
"""Tokens that stand at the end of a text, for tokenizers without a token for padding."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A text as tokens.

    Attributes
    ----------
    text : str
        The text.
    ids : tuple of int
        The id of each token.
    types : tuple of int
        The number of the sentence that each token belongs to.
    pieces : tuple of str
        Each token as the vocabulary writes it, such as ``##ing`` or ``[CLS]``.
    spans : tuple of (int, int)
        The first character of each token in the text, and the character after its last; (0, 0) for a special token.
    words : tuple of (int or None)
        The number of the word that each token belongs to; None for a special token.
    padding : int
        How many tokens at the end only fill the input.
    """

    text: str
    ids: tuple[int, ...]
    types: tuple[int, ...]
    pieces: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    words: tuple[int | None, ...]
    padding: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def real(self) -> int:
        """The number of tokens that are no padding."""
        return len(self.ids) - self.padding

    def shown(self, place: int) -> str:
        """Return a token as a person reads it: its characters, or the name of a special token."""
        start, end = self.spans[place]
        return self.text[start:end] if end > start else self.pieces[place]

    def rows(self) -> list[dict[str, Any]]:
        """Return the tokens without padding as JSON: id, token, text, start and end."""
        return [
            {
                "id": self.ids[place],
                "token": self.pieces[place],
                "text": self.shown(place),
                "start": self.spans[place][0],
                "end": self.spans[place][1],
            }
            for place in range(self.real)
        ]

    def padded(self, length: int, token: int, name: str) -> Encoded:
        """Return the text with tokens of padding at its end, up to a length."""
        more = length - len(self)
        if more <= 0:
            return self
        return Encoded(
            self.text,
            (*self.ids, *(token,) * more),
            (*self.types, *(0,) * more),
            (*self.pieces, *(name,) * more),
            (*self.spans, *((0, 0),) * more),
            (*self.words, *(None,) * more),
            more,
        )


class Tokenizer(Protocol):
    """Turns texts into tokens.

    Attributes
    ----------
    vocabulary : tuple of str
        The name of each token, by id.
    padding : int
        The id of the token that fills an input.
    note : str
        How texts are split, for the user.
    """

    @property
    def vocabulary(self) -> tuple[str, ...]: ...  # noqa: D102  # the class tells
    @property
    def padding(self) -> int: ...  # noqa: D102  # the class tells
    @property
    def note(self) -> str: ...  # noqa: D102  # the class tells

    def encode(self, text: str, most: int | None = None) -> Encoded:
        """Return a text as tokens; of a longer text the first tokens, the special ones included."""


def open_tokenizer(source: str | os.PathLike[str] | Sequence[str]) -> Tokenizer:
    """Return the tokenizer of a file or of a list of words.

    Parameters
    ----------
    source : path or sequence of str
        A ``tokenizer.json``; the ``vocab.txt`` of a BERT, with pieces such as ``##ing`` or the tokens ``[CLS]`` and ``[SEP]``; any other
        vocabulary that `read_vocabulary` takes, or its names: the text is then split at spaces.

    Raises
    ------
    DataError
        If the file cannot be read, or the package tokenizers is needed and missing.
    """
    if not isinstance(source, str | os.PathLike):
        return WordTokenizer(tuple(map(str, source)), "the vocabulary")
    path = Path(source)
    if path.suffix.lower() == ".json":
        document = read_json(path)
        if isinstance(document, dict) and isinstance(document.get("model"), dict):
            return LibraryTokenizer(_library(path).Tokenizer.from_file(str(path)), f"{path.name}: {_kind(document)}")
    names = read_vocabulary(path)
    if {"[CLS]", "[SEP]"} <= set(names) or any(name.startswith("##") and len(name) > 2 for name in names):
        return _word_pieces(path, names)
    return WordTokenizer(names, path.name)


def _kind(document: dict[str, Any]) -> str:
    kind = {"BPE": "byte pairs", "WordPiece": "word pieces", "Unigram": "a unigram model", "WordLevel": "whole words"}
    return kind.get(str(document["model"].get("type")), "a tokenizer")


def _library(path: Path) -> Any:
    try:
        import tokenizers
    except ImportError:
        raise DataError(
            f"{path}: reading text with this tokenizer needs the package tokenizers: pip install 'onnxviz[text]', or give token ids as .npy"
        ) from None
    return tokenizers


def _word_pieces(path: Path, names: tuple[str, ...]) -> Tokenizer:
    """Return the tokenizer of a BERT's vocabulary: words are split into the longest pieces that it holds."""
    library = _library(path)
    from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

    ids = {name: number for number, name in enumerate(names)}
    unknown = next((name for name in _UNKNOWN if name in ids), None)
    if unknown is None:
        raise DataError(f"{path}: has no token for unknown words, such as [UNK]")
    config = path.with_name("tokenizer_config.json")
    said = read_json(config).get("do_lower_case") if config.is_file() else None
    marked = [name for name in names if not (name.startswith("[") and name.endswith("]"))]
    lower = bool(said) if said is not None else not any(name != name.lower() for name in marked)
    made = library.Tokenizer(models.WordPiece(ids, unk_token=unknown))
    made.normalizer = normalizers.BertNormalizer(lowercase=lower)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.add_special_tokens([name for name in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if name in ids])
    if {"[CLS]", "[SEP]"} <= set(ids):
        made.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    how = "tokenizer_config.json says so" if said is not None else "as its tokens are"
    return LibraryTokenizer(made, f"{path.name}: word pieces, {'small letters' if lower else 'capitals kept'}, {how}")


class LibraryTokenizer:
    """A tokenizer of the package tokenizers.

    Attributes
    ----------
    note : str
        How texts are split.
    """

    def __init__(self, tokenizer: Any, note: str) -> None:
        self._own = tokenizer
        limit = tokenizer.truncation
        self._limit = None if limit is None else int(limit["max_length"])
        # The file's own padding is for batches of the trainer; the input of the model tells how long a text must be.
        filling = tokenizer.padding
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._cut = self._limit
        if self._limit is not None:
            tokenizer.enable_truncation(self._limit)
        held = tokenizer.get_vocab(with_added_tokens=True)
        numbered = {number: name for name, number in held.items()}
        self.vocabulary = tuple(numbered.get(number, "") for number in range(max(numbered, default=-1) + 1))
        self.padding = int(filling["pad_id"]) if filling is not None else _padding(self.vocabulary)
        self.note = note

    def encode(self, text: str, most: int | None = None) -> Encoded:
        """Return a text as tokens; of a longer text the first tokens, the special ones included.

        Raises
        ------
        DataError
            If the text has no token.
        """
        limit = min((size for size in (most, self._limit) if size is not None), default=None)
        if limit != self._cut:
            self._own.no_truncation() if limit is None else self._own.enable_truncation(limit)
            self._cut = limit
        found = self._own.encode(text)
        if not found.ids:
            raise DataError(f"{quoted(text)}: has no token")
        special = found.special_tokens_mask
        return Encoded(
            text,
            tuple(found.ids),
            tuple(found.type_ids),
            tuple(found.tokens),
            tuple((0, 0) if mark else (start, end) for mark, (start, end) in zip(special, found.offsets, strict=True)),
            tuple(found.word_ids),
        )


class WordTokenizer:
    """A tokenizer of whole words: the text is split at spaces, and signs beside a word are tokens of their own.

    Attributes
    ----------
    vocabulary : tuple of str
        The name of each token, by id.
    note : str
        How texts are split.
    """

    def __init__(self, vocabulary: tuple[str, ...], source: str) -> None:
        self.vocabulary = vocabulary
        self._source = source
        self._ids = {name: number for number, name in reversed([*enumerate(vocabulary)]) if name}
        self._unknown = next((self._ids[name] for name in _UNKNOWN if name in self._ids), None)
        self._lower = not any(name != name.lower() for name in vocabulary if name not in (*_UNKNOWN, *_PADDING, *_ENDS))
        self.padding = _padding(vocabulary)
        self.note = f"{source}: whole words, split at spaces"

    def encode(self, text: str, most: int | None = None) -> Encoded:
        """Return a text as tokens; of a longer text the first tokens.

        Raises
        ------
        DataError
            If a word is unknown and the vocabulary has no token for unknown words, or if the text has no word.
        """
        found: list[tuple[int, int, int]] = []
        for word in re.finditer(r"\S+", text):
            whole = self._id(word[0])
            if whole is not None:
                found.append((whole, *word.span()))
                continue
            # A comma or a full stop stands beside a word without a space.
            for part in re.finditer(r"\w+(?:['’-]\w+)*|[^\w\s]", word[0]):
                number = self._id(part[0])
                number = self._unknown if number is None else number
                if number is None:
                    raise DataError(
                        f"{quoted(part[0])}: is no word of {self._source}, which has no token for unknown words, such as <unk>"
                    )
                found.append((number, word.start() + part.start(), word.start() + part.end()))
        found = found[:most]
        if not found:
            raise DataError(f"{quoted(text)}: has no token")
        return Encoded(
            text,
            tuple(number for number, _, _ in found),
            (0,) * len(found),
            tuple(self.vocabulary[number] for number, _, _ in found),
            tuple((start, end) for _, start, end in found),
            tuple(range(len(found))),
        )

    def _id(self, word: str) -> int | None:
        return self._ids.get(word, self._ids.get(word.lower()) if self._lower else None)


class ByteTokenizer:
    """A tokenizer of bytes: each byte of the text in UTF-8 is a token, and its number is the id.

    Parameters
    ----------
    count : int
        The number of rows of the embedding; a row above 255 fills the input.
    """

    def __init__(self, count: int) -> None:
        self.vocabulary = tuple(byte_name(code) for code in range(count))
        self.padding = 256 if count > 256 else 0
        self.note = "each byte of the text is a token"

    def encode(self, text: str, most: int | None = None) -> Encoded:
        """Return a text as tokens; of a longer text the first tokens.

        Raises
        ------
        DataError
            If the text is empty.
        """
        found = [
            (code, place) for place, letter in enumerate(text) for code in letter.encode("utf-8", "surrogatepass")
        ][:most]
        if not found:
            raise DataError("the text is empty")
        return Encoded(
            text,
            tuple(code for code, _ in found),
            (0,) * len(found),
            tuple(byte_name(code) for code, _ in found),
            tuple((place, place + 1) for _, place in found),
            tuple(place for _, place in found),
        )


def byte_name(code: int) -> str:
    """Return a byte's character, or a mark: for blanks, line ends and codes above 255."""
    marks = {32: "·", 10: "¶", 13: "¶", 9: "»"}
    return marks.get(code) or (chr(code) if 32 < code < 127 else f"{code:02x}" if code < 256 else "−")


def _padding(vocabulary: Sequence[str]) -> int:
    """Return the id of the token of padding; without one, of a token that ends texts, else 0."""
    return next((vocabulary.index(name) for name in (*_PADDING, *_ENDS) if name in vocabulary), 0)
