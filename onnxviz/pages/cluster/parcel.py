"""The files that the jobs of a report read, packed for machines without a shared disk."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from onnxviz.errors import DataError
from onnxviz.formats.sample_address import SampleAddress

if TYPE_CHECKING:
    from onnxviz.model.model import Model
    from onnxviz.pages.work import UnitWork, Work

AnyWork = TypeVar("AnyWork", bound="Work")

LARGEST_DATA = 1 << 28
"""The largest size of DATA that are sent, in bytes. Larger files and folders must lie at the same path on every machine."""


@dataclass(frozen=True)
class Parcel:
    """The packed files, and the paths that they replace in the settings of a job.

    Attributes
    ----------
    files : mapping of str to bytes
        The content of each place in the parcel.
    places : mapping of str to str
        The place in the parcel for each path in the settings; for files that are not packed, the absolute path.
    shared : tuple of str
        The absolute paths of files and folders that are not packed.
    """

    files: Mapping[str, bytes]
    places: Mapping[str, str]
    shared: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """The size of the files, in bytes."""
        return sum(map(len, self.files.values()))

    def unpack(self, folder: Path) -> None:
        """Write the files into a folder. Its earlier content is deleted.

        Raises
        ------
        OSError
            If the files cannot be written.
        """
        shutil.rmtree(folder, ignore_errors=True)
        for place, content in self.files.items():
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def pack(model: Model, work: UnitWork) -> Parcel:
    """Return a parcel of the model, the weights beside it, the arrays of held inputs and the data.

    Parameters
    ----------
    model : Model
        The model that `work` names.
    work : UnitWork
        The settings that all searches share.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    written = Path(work.model_path)
    # The model finds its weights relative to its own folder, so all go below one folder.
    inside = {f"model/{written.name}": written, **{f"model/{name}": file for name, file in model.beside.items()}}
    places = {str(written): f"model/{written.name}"}
    for number, value in enumerate(work.request.inputs.held.values()):
        path = SampleAddress.parse(value).path if isinstance(value, str | Path) else None
        if path is not None and path.is_file():
            places[str(path)] = f"held/{number}/{path.name}"
            inside[places[str(path)]] = path
    # Each machine loads plugins and libraries from its own disk: code is never sent.
    shared: tuple[str, ...] = work.companions.names.files
    data = work.request.data
    if isinstance(data, str | Path):
        data = Path(data)
        if data.is_file() and data.stat().st_size <= LARGEST_DATA:
            places[str(data)] = f"data/{data.name}"
            inside[places[str(data)]] = data
        else:
            # Another process has another working directory.
            shared = (*shared, str(data.absolute()))
            places[str(data)] = shared[-1]
    try:
        return Parcel({place: file.read_bytes() for place, file in inside.items()}, places, shared)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from error


def relocated(work: AnyWork, places: Mapping[str, str], folder: Path) -> AnyWork:
    """Return the settings of a job with every path of the parcel replaced by its path in the unpacked folder."""

    def place(value: Any) -> Any:
        if not isinstance(value, str | Path):
            return value
        address = SampleAddress.parse(value)
        found = places.get(str(address.path))
        return value if found is None else address.moved(folder / found)

    return work.relocated(place)
