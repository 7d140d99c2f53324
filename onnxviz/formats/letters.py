"""Sequences of letters (DNA, RNA, proteins): FASTA and text files, and the one-hot codes of letters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onnxviz.errors import DataError
from onnxviz.formats.tokenizers import Encoded

FASTA = (".fasta", ".fa", ".fna", ".ffn", ".faa", ".fas")
"""The extensions of FASTA files."""

_GAPS = "-.*?"
"""Signs that stand for a gap, a stop or an unknown letter."""

_SAME = {"T": "U", "U": "T"}
"""Thymine in DNA is uracil in RNA."""

_LEAST = 0.5
"""At least this share of a sequence must be letters that the model has."""


def read_sequences(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the letters of each sequence in a FASTA file; of a text file each line is a sequence without a name.

    Raises
    ------
    DataError
        If the file cannot be read, or a line of letters stands before the first name.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = (line.strip() for line in file)
            if path.suffix.lower() not in FASTA:
                yield from (("", line) for line in lines if line)
                return
            name: str | None = None
            parts: list[str] = []
            for line in lines:
                if line.startswith(">"):
                    if name is not None:
                        yield name, "".join(parts)
                    name, parts = line[1:].strip(), []
                elif line and not line.startswith(";"):
                    if name is None:
                        raise DataError(f"{path}: is no FASTA file: its first line must begin with > and a name")
                    parts.append(line)
            if name is not None:
                yield name, "".join(parts)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error


def is_sequence(text: str, letters: str) -> bool:
    """Return whether a text is a sequence of these letters.

    Examples
    --------
    >>> is_sequence("acgtNN", "ACGT"), is_sequence("seqs.fasta", "ACGT")
    (True, False)
    """
    try:
        encoded_letters(text, letters)
    except DataError:
        return False
    return True


def encoded_letters(text: str, letters: str, most: int | None = None) -> Encoded:
    """Return a sequence as the numbers of its letters; a letter that the alphabet lacks has the number of letters.

    Parameters
    ----------
    text : str
        The sequence, in upper or lower case. Spaces are left out.
    letters : str
        The letters, in the order of their codes.
    most : int, optional
        Only so many letters are kept.

    Raises
    ------
    DataError
        If the text is empty, has signs that are no letters, or mostly other letters.
    """
    written = "".join(text.split())
    known = {letter: place for place, letter in enumerate(letters)}
    known |= {_SAME[one]: place for one, place in known.items() if one in _SAME and _SAME[one] not in known}
    strange = next((sign for sign in written if not (sign.isascii() and sign.isalpha()) and sign not in _GAPS), None)
    if not written or strange is not None:
        met = f"{strange!r} is no letter" if written else "there is no letter"
        raise DataError(f"{met}; sequences of {letters} are read")
    ids = [known.get(sign, len(letters)) for sign in written.upper()]
    found = len([one for one in ids if one < len(letters)])
    if found < _LEAST * len(ids):
        raise DataError(
            f"only {found} of {len(ids)} signs are letters of {letters}; sequences of these letters are read"
        )
    kept = tuple(ids if most is None else ids[:most])
    places = range(len(kept))
    spans = tuple((place, place + 1) for place in places)
    return Encoded(written, kept, (0,) * len(kept), tuple(written[: len(kept)].upper()), spans, tuple(places))


def one_hot(ids: Sequence[int], axes: Sequence[str], count: int) -> NDArray[np.float32]:
    """Return one-hot codes; a number that is no letter has 0 for every letter.

    Parameters
    ----------
    ids : sequence of int
        The number of each position's letter.
    axes : sequence of str
        The order of the axes: "letter" and "position".
    count : int
        The number of letters.

    Examples
    --------
    >>> one_hot((1, 2), ("letter", "position"), 2).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    codes = np.zeros((len(ids), count + 1), np.float32)
    codes[np.arange(len(ids)), np.asarray(ids, np.int64)] = 1
    codes = codes[:, :count]
    return codes.T.copy() if tuple(axes) == ("letter", "position") else codes


def text_of(codes: NDArray[np.floating], axes: Sequence[str], letters: str) -> str:
    """Return the letters of one-hot codes; "N" or "X" where no letter has a share, and of shares the largest.

    Parameters
    ----------
    codes : (letter, position) or (position, letter) ndarray
        The codes.
    axes : sequence of str
        The order of the axes.
    letters : str
        The letters, in the order of their codes.
    """
    rows = codes.T if tuple(axes) == ("letter", "position") else codes
    unknown = next((sign for sign in "NX-" if sign not in letters), "?")
    return "".join(
        letters[int(place)] if row[int(place)] > 0 else unknown
        for row, place in zip(rows, rows.argmax(axis=1), strict=True)
    )


def write_fasta(path: Path, name: str, text: str) -> None:
    """Write one sequence as a FASTA file, in lines of 70 letters."""
    lines = [text[start : start + 70] for start in range(0, len(text), 70)]
    path.write_text("\n".join((f">{' '.join(name.split())}", *lines)) + "\n", encoding="utf-8")
