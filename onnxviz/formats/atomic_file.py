"""Files that are written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from onnxviz.errors import DataError


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing under another name, and give it its own name when all of it is written.

    Parameters
    ----------
    path : path
        The file. A file that is there is replaced in one step, or left as it is where an exception is raised.

    Raises
    ------
    DataError
        If the folder is missing, if the disk is full, or if the file may not be written.
    """
    path = Path(path)
    # The bytes are written beside the file, since a rename is a single step only within one file system. `tempfile` is not used,
    # since other users may not read the files that it makes.
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
