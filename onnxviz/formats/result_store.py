"""The store of a report's results: each is found again by the hash of the settings that it depends on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.json_documents import json_text, read_json

_ADDRESS = re.compile(r"[0-9a-f]{64}")


class ResultStore:
    """A folder of JSON documents, each written whole or not at all, and named by a SHA-256.

    Parameters
    ----------
    folder : Path
        The folder. It is made when the first result is stored.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Any:
        """Return the result at an address; None where there is none.

        Raises
        ------
        DataError
            If the document is damaged, for instance by another program.
        """
        place = self._place(key)
        return read_json(place) if place.exists() else None

    def has(self, key: str) -> bool:
        """Return whether there is a result at an address."""
        return self._place(key).exists()

    def put(self, key: str, result: Any) -> None:
        """Store a result at an address.

        Raises
        ------
        DataError
            If the result cannot be written as JSON, or if the folder cannot be written to.
        """
        place = self._place(key)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"{place.parent}: cannot be made: {error.strerror or error}") from error
        with atomic_file(place) as file:
            file.write((json_text(result) + "\n").encode("ascii"))

    def _place(self, key: str) -> Path:
        if not _ADDRESS.fullmatch(key):
            raise DataError(f"'{key}' is no address of a result; give 64 hexadecimal digits")
        return self._folder / f"{key}.json"
