"""The folder for the results of an analysis: complete, or kept as unfinished."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.listener import Listener
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.formats.output_folder import OutputFolder


def as_written(values: Mapping[str, Any]) -> dict[str, str]:
    """Return settings as text, without those that are None, False, zero or empty; arrays as their SHA-256 digest."""
    written = {}
    for name, value in values.items():
        if isinstance(value, np.ndarray):
            written[name] = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        elif value:
            written[name] = str(value)
    return written


@dataclass(frozen=True)
class Output:
    """The folder that the user chose for results.

    Attributes
    ----------
    path : path, optional
        The folder. None writes nothing.
    overwrite : bool
        Whether an existing folder is replaced when the work is done.
    resume : bool
        Whether the finished parts of an unfinished folder are kept, and only the rest is computed.

    Raises
    ------
    UsageError
        If the parameters contradict each other.
    """

    path: str | os.PathLike[str] | None = None
    overwrite: bool = False
    resume: bool = False

    def __post_init__(self) -> None:
        if self.overwrite and self.resume:
            raise UsageError("`overwrite` starts anew and `resume` goes on: give one of them")
        if self.path is None and (self.overwrite or self.resume):
            raise UsageError(f"`{'overwrite' if self.overwrite else 'resume'}` needs a folder: `output` DIR")

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings that the results to be resumed were begun with; empty where nothing is resumed."""
        if self.path is None or not self.resume:
            return {}
        from onnxviz.formats.output_folder import OutputFolder

        return OutputFolder(self.path, resume=True).recorded

    @contextmanager
    def opened(self, listener: Listener, settings: Mapping[str, Any]) -> Iterator[OutputFolder | None]:
        """Open the folder while the work runs.

        Parameters
        ----------
        listener : Listener
            Receives a note at the end if unfinished work was kept.
        settings : mapping
            The settings that the results depend on. A folder that was begun with other settings is not resumed.

        Yields
        ------
        OutputFolder or None
            None if nothing is written.

        Raises
        ------
        UsageError
            If the folder exists and neither `overwrite` nor `resume` is set, or cannot be replaced or resumed.
        """
        if self.path is None:
            yield None
            return
        from onnxviz.formats.output_folder import OutputFolder

        folder = OutputFolder(self.path, overwrite=self.overwrite, resume=self.resume, settings=settings)
        try:
            with folder:
                yield folder
        finally:
            # The folder knows only now which files of an unfinished run it kept.
            if folder.message:
                listener.note(folder.message)
