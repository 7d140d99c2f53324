"""Results by their address: each is written once, whole or not at all, and found again by the hash of what it depends on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from onnxviz.errors import DataError
from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.json_documents import json_text, read_json

_ADDRESS = re.compile(r"[0-9a-f]{64}")


class ResultStore:
    """A folder of JSON documents, named by SHA-256.

    Parameters
    ----------
    folder : Path
        Made when the first result is put into it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Any:
        """Return a result; None where there is none.

        Raises
        ------
        DataError
            It is damaged, which nothing of this program does to it.
        """
        place = self._place(key)
        return read_json(place) if place.exists() else None

    def has(self, key: str) -> bool:
        """Tell whether there is a result at an address."""
        return self._place(key).exists()

    def put(self, key: str, result: Any) -> None:
        """Keep a result.

        Raises
        ------
        DataError
            It cannot be written as JSON, or the folder cannot be written to.
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
            raise DataError(f"'{key}' is no address: 64 hexadecimal digits are")
        return self._folder / f"{key}.json"
