"""The files that the jobs of a report read, packed once for machines that share no disk."""

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
"""DATA of more bytes, and folders, are not sent: they must lie where every machine finds them."""


@dataclass(frozen=True)
class Parcel:
    """Files, and where they were written of in a job's work.

    Attributes
    ----------
    files : mapping of str to bytes
        From a place inside the parcel to the content.
    places : mapping of str to str
        From a path as the work has it to the place of its file; of one that is not inside, to where it lies.
    shared : tuple of str
        Where files and folders lie that are not in the parcel.
    """

    files: Mapping[str, bytes]
    places: Mapping[str, str]
    shared: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How many bytes the files are."""
        return sum(map(len, self.files.values()))

    def unpack(self, folder: Path) -> None:
        """Write the files into a folder, which becomes theirs alone.

        Raises
        ------
        OSError
            If the disk does not take them.
        """
        shutil.rmtree(folder, ignore_errors=True)
        for place, content in self.files.items():
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)


def pack(model: Model, work: UnitWork) -> Parcel:
    """Pack the model, the weights beside it, the arrays of held inputs and the data.

    Parameters
    ----------
    model : Model
        The model of the work's file.
    work : UnitWork
        What all searches share.

    Raises
    ------
    DataError
        If a file cannot be read.
    """
    written = Path(work.model_path)
    # Weights beside the model are found from its folder: below one folder they all keep their places.
    inside = {f"model/{written.name}": written, **{f"model/{name}": file for name, file in model.beside.items()}}
    places = {str(written): f"model/{written.name}"}
    for number, value in enumerate(work.request.inputs.held.values()):
        path = SampleAddress.parse(value).path if isinstance(value, str | Path) else None
        if path is not None and path.is_file():
            places[str(path)] = f"held/{number}/{path.name}"
            inside[places[str(path)]] = path
    shared: tuple[str, ...] = ()
    data = work.request.data
    if isinstance(data, str | Path):
        data = Path(data)
        if data.is_file() and data.stat().st_size <= LARGEST_DATA:
            places[str(data)] = f"data/{data.name}"
            inside[places[str(data)]] = data
        else:
            # Another process has another working directory.
            shared = (str(data.absolute()),)
            places[str(data)] = shared[0]
    try:
        return Parcel({place: file.read_bytes() for place, file in inside.items()}, places, shared)
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from error


def relocated(work: AnyWork, places: Mapping[str, str], folder: Path) -> AnyWork:
    """Return the work of a job with every path in the parcel led to the folder that it was unpacked into."""

    def place(value: Any) -> Any:
        if not isinstance(value, str | Path):
            return value
        address = SampleAddress.parse(value)
        found = places.get(str(address.path))
        return value if found is None else address.moved(folder / found)

    return work.relocated(place)
