"""Names of classes from a file: a name in each line, a JSON list or object, or a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onnxviz.errors import DataError
from onnxviz.formats.json_documents import read_json
from onnxviz.formats.tables import lines, separator
from onnxviz.wording import quoted

_NESTED = ("id2label", "label2id", "class_names", "classes", "labels", "names")
"""Keys under which a larger JSON document keeps its classes, as config.json of a Transformers model does."""
_HEADERS = ("display_name", "class_name", "name", "label", "class", "category", "description")
"""Names of a table's column of names, the surest first."""
_NUMBERS = ("index", "id", "number", "class_id", "label_id", "class_index")
"""Names of a table's column of numbers."""


def read_class_names(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Return the names of classes, in the order of the model's scores.

    Parameters
    ----------
    path : path
        The file, in UTF-8. In text, each line is a name. A .json file holds a list of names, a mapping from number to name or from
        name to number, or one of these under ``id2label``, ``label2id``, ``class_names``, ``classes``, ``labels`` or ``names``. A
        .csv or .tsv file has a column of names, and may have a column of numbers, from 0, and a line of column names.

    Raises
    ------
    DataError
        If the file cannot be read or holds no names.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return numbered_names(read_json(path), str(path))
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            if suffix in (".csv", ".tsv"):
                first = file.readline()
                file.seek(0)
                rows = [row for _, row in lines(csv.reader(file, delimiter=separator(path, first)), path)]
                return _of_table(rows, str(path))
            names = [line.strip() for line in file.read().splitlines()]
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is no UTF-8 text (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    while names and not names[-1]:
        names.pop()
    if not names:
        raise DataError(f"{path}: holds no names; write a class in each line")
    return tuple(names)


def numbered_names(document: Any, source: str) -> tuple[str, ...]:
    """Return the names of a list, of a mapping from number to name, or of a mapping from name to number.

    Parameters
    ----------
    document : list or mapping
        The names. A list in the place of a name, as in ``["n02123045", "tabby"]``, stands for its last entry.
    source : str
        Where the names come from, for messages.

    Raises
    ------
    DataError
        If the document has another form, or if the numbers are not 0, 1, 2, ….

    Examples
    --------
    >>> numbered_names({"1": "dog", "0": "cat"}, "a mapping")
    ('cat', 'dog')
    >>> numbered_names({"dog": 1, "cat": 0}, "a mapping")
    ('cat', 'dog')
    """
    if isinstance(document, Mapping):
        nested = next((document[key] for key in _NESTED if isinstance(document.get(key), list | dict)), None)
        if nested is not None:
            return numbered_names(nested, source)
        if document and all(type(value) is int for value in document.values()):
            return _ordered({number: str(name) for name, number in document.items()}, source)
        if document and all(str(key).isdecimal() for key in document):
            return _ordered({int(key): _name(value, source) for key, value in document.items()}, source)
    if isinstance(document, Sequence) and not isinstance(document, str) and document:
        return tuple(_name(value, source) for value in document)
    raise DataError(f"{source}: holds no names of classes: a list, or an object from number to name, is needed")


def _name(value: Any, source: str) -> str:
    if isinstance(value, list) and value:
        value = value[-1]
    if isinstance(value, list | dict) or value is None:
        raise DataError(f"{source}: {quoted(str(value))} is no name of a class")
    return str(value)


def _ordered(names: Mapping[int, str], source: str) -> tuple[str, ...]:
    if sorted(names) != list(range(len(names))):
        raise DataError(
            f"{source}: its {len(names)} classes have the numbers {min(names)} to {max(names)}; they must be 0 to {len(names) - 1}"
        )
    return tuple(names[number] for number in range(len(names)))


def _of_table(rows: Sequence[Sequence[str]], source: str) -> tuple[str, ...]:
    """Return the names in a table: its column of names, in the order of its column of numbers if there is one."""
    if not rows:
        raise DataError(f"{source}: holds no names; write a class in each line")
    heads = [cell.strip().lower() for cell in rows[0]]
    named = any(head in (*_HEADERS, *_NUMBERS) for head in heads)
    body = [[cell.strip() for cell in row] for row in (rows[1:] if named else rows)]
    if not body or any(len(row) != len(rows[0]) for row in body):
        raise DataError(
            f"{source}: every line must have the same number of columns, and one line is needed for each class"
        )
    numeric = [column for column in range(len(heads)) if all(row[column].isdecimal() for row in body)]
    numbers = next((heads.index(head) for head in _NUMBERS if named and head in heads), None)
    if numbers is None and len(heads) > 1 and numeric:
        numbers = numeric[0]
    if numbers is not None and numbers not in numeric:
        raise DataError(f"{source}: the column {quoted(rows[0][numbers])} must hold whole numbers")
    place = next((heads.index(head) for head in _HEADERS if named and head in heads), None)
    if place is None:
        # Of several columns of text the last is the one that people read: the columns before it are codes.
        place = next((column for column in reversed(range(len(heads))) if column != numbers), None)
    if place is None:
        raise DataError(f"{source}: has no column of names")
    if numbers is None:
        return tuple(row[place] for row in body)
    found = {int(row[numbers]): row[place] for row in body}
    if len(found) < len(body):
        raise DataError(f"{source}: two classes have the same number")
    return _ordered(found, source)
