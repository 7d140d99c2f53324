"""The folder of results that a command writes: it appears when it is finished, and until then an earlier folder stays."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from onnxviz.errors import DataError, UsageError
from onnxviz.formats.atomic_file import atomic_file
from onnxviz.formats.file_names import is_safe_name
from onnxviz.formats.json_documents import json_text, plain, read_json
from onnxviz.wording import quoted

_SETTINGS = "settings.json"
_MARK = "onnxviz"
_UNFINISHED = ".unfinished"


class OutputFolder:
    """A folder that is written as ``DIR.partial`` and renamed to ``DIR`` when all of it is written.

    Parameters
    ----------
    path : path
        The folder to write. Its parent must exist.
    overwrite : bool
        Start anew. A folder that is there is replaced when the new folder is finished, and not before.
    resume : bool
        Finish what is missing. The files in ``DIR.partial``, or else in ``DIR``, are kept, and `done` says which they are. Where
        neither folder exists, start.
    settings : mapping, optional
        The settings that the content depends on, as JSON: model, seed, options. They are written to ``settings.json``. Only a
        folder with the same settings is resumed.

    Attributes
    ----------
    path : Path
        The folder to write.
    partial : Path
        The folder that holds the files until all are written.
    message : str
        After the block: a sentence about the files that were kept, if the block was interrupted; else "".

    Raises
    ------
    UsageError
        On entering: if the folder exists, holds an unfinished run, was not written by onnxviz or has other settings; if its
        parent is missing; if the path is a file; or if both `overwrite` and `resume` are given.
    DataError
        If the folder cannot be written to.

    Notes
    -----
    Only a folder that is empty or holds a ``settings.json`` is ever replaced or moved. So nobody loses files by naming the home
    folder and asking to overwrite it.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with OutputFolder(Path(parent) / "out") as folder:
    ...         with folder.item("conv1[12]") as item:
    ...             _ = (item / "note.txt").write_text("found")
    ...     (folder.path / "conv1[12]" / "note.txt").read_text()
    'found'
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        resume: bool = False,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        if overwrite and resume:
            raise UsageError("`overwrite` starts anew and `resume` goes on; give one of them")
        if not Path(path).resolve().name:
            raise UsageError(f"{path}: cannot be replaced by a folder of results; give a name below it")
        # Links are followed: the folder that a link leads to is replaced, and the link itself stays.
        self.path = Path(path).resolve()
        self.partial = self.path.with_name(self.path.name + ".partial")
        self.message = ""
        self._former = self.path.with_name(self.path.name + ".former")
        self._overwrite = overwrite
        self._resume = resume
        self._settings = plain(dict(settings or {}))

    def __enter__(self) -> OutputFolder:
        self._check_place()
        with _told(self.partial):
            self._recover()
            if self._resume:
                self._take_up()
            else:
                self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._keep()
            return
        try:
            if self.path.exists():
                # Between the two renames both folders have other names for a moment. `_recover` knows these names.
                os.replace(self.path, self._former)
            os.replace(self.partial, self.path)
            shutil.rmtree(self._former, ignore_errors=True)
        except OSError as problem:
            if self._former.exists() and not self.path.exists():
                os.replace(self._former, self.path)
            raise DataError(
                f"{self.path}: cannot be put in place: {problem.strerror or problem}; all is in {self.partial}"
            ) from problem

    @property
    def recorded(self) -> dict[str, Any]:
        """The settings of the folder that would be resumed; empty where there is none."""
        return self._there()[1]

    def _there(self) -> tuple[Path | None, dict[str, Any]]:
        """Return the folder that is resumed and its settings."""
        found = ((place, _recorded(place)) for place in (self.partial, self.path))
        return next(((place, settings) for place, settings in found if settings is not None), (None, {}))

    def file(self, name: str) -> Path:
        """Return the path for a file, which the functions of this room then write in one step.

        Parameters
        ----------
        name : str
            A file name, or several names separated by "/". All names must be safe (see `onnxviz.formats.file_names`).

        Raises
        ------
        UsageError
            If the name leads out of the folder, or is not safe.
        DataError
            If the file's folder cannot be made.
        """
        place = self._place(name)
        with _told(place.parent):
            place.parent.mkdir(parents=True, exist_ok=True)
        return place

    @contextmanager
    def item(self, name: str) -> Iterator[Path]:
        """Open a folder of its own for one item; the folder gets its name when the block ends, and is removed if the block fails.

        Parameters
        ----------
        name : str
            As in `file`.

        Raises
        ------
        UsageError, DataError
            As in `file`.
        """
        place = self.file(name)
        unfinished = place.with_name(f".{place.name}{_UNFINISHED}")
        shutil.rmtree(unfinished, ignore_errors=True)
        try:
            with _told(place):
                unfinished.mkdir()
            yield unfinished
            with _told(place):
                if place.exists():
                    shutil.rmtree(place)
                os.replace(unfinished, place)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def done(self, name: str) -> bool:
        """Return whether a file or an item of this name is finished.

        Raises
        ------
        UsageError
            As in `file`.
        """
        return self._place(name).exists()

    def finished(self) -> tuple[str, ...]:
        """Return the names of the files in the folder so far, sorted, as "item/file"; the settings are left out."""
        files = (entry.relative_to(self.partial) for entry in self.partial.rglob("*") if entry.is_file())
        whole = (file.as_posix() for file in files if not any(part.startswith(".") for part in file.parts))
        return tuple(sorted(name for name in whole if name != _SETTINGS))

    def _place(self, name: str) -> Path:
        parts = name.split("/")
        if name == _SETTINGS or not all(is_safe_name(part) for part in parts):
            raise UsageError(f"{quoted(name)} cannot be the name of a file here; make it safe first")
        return self.partial.joinpath(*parts)

    def _check_place(self) -> None:
        if not self.path.parent.is_dir():
            raise UsageError(f"{self.path}: its parent folder {self.path.parent} does not exist; make it first")
        for place in (self.path, self.partial, self._former):
            if place.exists() and not place.is_dir():
                raise UsageError(f"{place}: is a file, and a folder is to be written there; give another name")
        if self.path.exists() and not (self._overwrite or self._resume):
            raise UsageError(f"{self.path}: exists; `overwrite` starts anew, `resume` finishes what is missing")
        if self.partial.exists() and not (self._overwrite or self._resume):
            raise UsageError(f"{self.partial}: holds an unfinished run; `resume` finishes it, `overwrite` starts anew")
        for place in (self.path, self.partial, self._former):
            if place.exists() and any(place.iterdir()) and _recorded(place) is None:
                raise UsageError(
                    f"{place}: was not written by onnxviz, so it is left alone; move it away or give another name"
                )

    def _recover(self) -> None:
        """Restore the folder of a run that was killed between the two renames at its end."""
        if self._former.exists() and not self.path.exists():
            os.replace(self._former, self.path)
        elif self._former.exists():
            shutil.rmtree(self._former)

    def _start(self) -> None:
        if self.partial.exists():
            shutil.rmtree(self.partial)
        self.partial.mkdir()
        with atomic_file(self.partial / _SETTINGS) as file:
            file.write((json_text({_MARK: 1, "settings": self._settings}) + "\n").encode("ascii"))

    def _take_up(self) -> None:
        there, recorded = self._there()
        if there is None:
            self._start()
            return
        if recorded != self._settings:
            raise UsageError(
                f"{there}: was begun with other settings ({_difference(recorded, self._settings)}); `overwrite` starts anew"
            )
        if there == self.path:
            os.replace(self.path, self.partial)
        for leftover in list(self.partial.rglob(".*")):
            if leftover.name.endswith(_UNFINISHED):
                shutil.rmtree(leftover, ignore_errors=True)
            elif leftover.name.endswith(".tmp"):
                leftover.unlink(missing_ok=True)

    def _keep(self) -> None:
        """Set the message about the files that an interrupted run leaves behind; a folder without finished files is removed."""
        count = len(self.finished())
        if not count:
            shutil.rmtree(self.partial, ignore_errors=True)
            self.message = "nothing was finished, so nothing was kept"
        else:
            things = "1 finished file is" if count == 1 else f"{count} finished files are"
            self.message = f"{things} kept in {self.partial}; `resume` goes on from there, `overwrite` starts anew"
        if self.path.exists():
            self.message += f"; {self.path} is as it was"


@contextmanager
def _told(place: Path) -> Iterator[None]:
    """Turn an error of the file system into a `DataError` with a sentence."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{place}: cannot be written: {error.strerror or error}") from error


def _recorded(folder: Path) -> dict[str, Any] | None:
    """Return the settings that a folder was written with; None where it was not written by onnxviz."""
    try:
        document = read_json(folder / _SETTINGS)
    except DataError:
        return None
    settings = document.get("settings") if isinstance(document, dict) and _MARK in document else None
    return settings if isinstance(settings, dict) else None


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    parts = []
    for name in sorted(set(before) | set(now)):
        old, new = (json_text(settings[name], None) if name in settings else "none" for settings in (before, now))
        if old != new:
            parts.append(f"{name}: {quoted(old)} then, {quoted(new)} now")
    return ", ".join(parts)
