"""Vocabularies: which token an id is, as a list of lines or as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from onnxviz.errors import DataError
from onnxviz.formats.json_documents import read_json
from onnxviz.wording import quoted

# No model has more tokens; a file that says so is damaged or hostile.
_MOST = 1 << 24


def read_vocabulary(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Read a vocabulary.

    Parameters
    ----------
    path : path
        A token on each line, the first being number 0, as in ``vocab.txt``; or, named .json, a list of tokens, a mapping
        from token to id, or a ``tokenizer.json`` with such a thing under ``model.vocab``.

    Returns
    -------
    tuple of str
        By id; "" for ids that no token has.

    Raises
    ------
    DataError
        The file cannot be read or is nothing of this kind.
    """
    if Path(path).suffix.lower() == ".json":
        document = read_json(path)
        numbered = _numbered(document, path)
        if isinstance(document, dict) and isinstance(document.get("added_tokens"), list):
            for entry in document["added_tokens"]:
                if (
                    isinstance(entry, dict)
                    and isinstance(entry.get("id"), int)
                    and isinstance(entry.get("content"), str)
                ):
                    numbered[entry["id"]] = entry["content"]
    else:
        try:
            text = Path(path).read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}: is no UTF-8 text (byte {error.start})") from error
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        # A token may be any character but the line's end, also one that other programs take for an end.
        lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else []
        numbered = dict(enumerate(lines))
    if not numbered:
        raise DataError(f"{path}: holds no tokens")
    last = max(numbered)
    if min(numbered) < 0 or last >= _MOST:
        raise DataError(f"{path}: has the id {min(numbered) if min(numbered) < 0 else last}, which no vocabulary has")
    return tuple(numbered.get(number, "") for number in range(last + 1))


def _numbered(document: Any, path: str | os.PathLike[str]) -> dict[int, str]:
    """Find the tokens and their ids in a JSON document."""
    vocabulary = document
    if isinstance(document, dict) and isinstance(document.get("model"), dict):
        vocabulary = document["model"].get("vocab")
    if isinstance(vocabulary, dict):
        wrong = next((token for token, number in vocabulary.items() if type(number) is not int), None)
        if wrong is None:
            return {number: token for token, number in vocabulary.items()}
        raise DataError(f"{path}: the token {quoted(wrong)} has no whole number as its id")
    if isinstance(vocabulary, list):
        # Unigram models list pairs of token and score.
        tokens = [entry[0] if isinstance(entry, list) and entry else entry for entry in vocabulary]
        if all(isinstance(token, str) for token in tokens):
            return dict(enumerate(tokens))
    raise DataError(f"{path}: is no list of tokens, no mapping from token to id, and no tokenizer.json")
