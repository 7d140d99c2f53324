"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from onnxviz.errors import DataError


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name when all of it is written.

    Parameters
    ----------
    path : path
        Where the file will stand; one that is there is replaced in one step, or left alone when an exception passes.

    Raises
    ------
    DataError
        The folder is missing, the disk is full, or the file may not be written.
    """
    path = Path(path)
    # Beside the file, since a rename is one step only within a file system; not by `tempfile`, which makes files nobody
    # else may read.
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error.strerror or error}") from error
    finally:
        temporary.unlink(missing_ok=True)
