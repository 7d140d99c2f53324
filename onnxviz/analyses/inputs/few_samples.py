"""Real samples for an input, a batch at a time: the rows of a table or an array, or the files of a folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.features import Rows, read_rows
from onnxviz.analyses.inputs.fitting import fit_rows, fit_sample
from onnxviz.analyses.inputs.one_sample import ARRAY, read_enlarged, read_input, single_of
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import map_npy
from onnxviz.formats.clips import clip_places
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_set import PICTURES
from onnxviz.formats.letters import read_sequences
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.samples import SUFFIXES, Sample, letters_sample, read_sample

if TYPE_CHECKING:
    from onnxviz.contract import InputContract

MOST = 10_000
"""The largest number of samples: with so many, a percentile is known to about 0.01."""


class SampleBatches:
    """Batches of samples for an input. The memory holds one batch at a time, and the numbers of a table.

    Parameters
    ----------
    path : path or ndarray
        A folder of pictures or arrays, subfolders included; a .npy or other array file with the samples along its first
        axis, in the model's own units; a table with a row for each sample. An array is read like a file that holds it.
    expected : InputContract
        The contract of the input.
    shape : tuple of int
        The input's shape with every size settled, batch included.
    rows : (sample, feature) ndarray, optional
        The rows of a vector's table, if they are read already.
    most : int
        The largest number of samples. Of more samples, so many are taken, evenly spaced.
    rate : float, optional
        The sample rate of the model, in samples per second.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file or folder holds no samples, or does not fit the input.
    """

    def __init__(
        self,
        path: Rows,
        expected: InputContract,
        shape: tuple[int, ...],
        rows: np.ndarray | None = None,
        most: int = MOST,
        rate: float | None = None,
    ) -> None:
        # If the input's size is open, all samples take the settled size.
        self._expected, self._shape, self._rate = replace(expected, shape=shape), shape, rate
        self._path = ARRAY if isinstance(path, np.ndarray) else str(path)
        self._files: list[Path] = []
        # Rows that are given were checked when they were read.
        self._gaps = rows is not None or expected.missing
        self._rows: np.ndarray = np.empty(0)
        path = path if isinstance(path, np.ndarray) else Path(path)
        if isinstance(path, Path) and not SampleAddress.parse(path).exists:
            raise UsageError(f"`data` {path}: no such file or folder")
        if isinstance(path, Path) and path.is_dir():
            if expected.kind == "clip":
                self._files = clip_places(path)
            else:
                self._files = sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
            if not self._files:
                raise DataError(f"`data` {path}: the folder holds no pictures, arrays or sounds")
            total = len(self._files)
        else:
            self._rows = self._read(path) if rows is None else rows
            total = len(self._rows)
        self._places = _even(total, most)

    def __len__(self) -> int:
        return len(self._places)

    def batches(self, size: int, most: int | None = None) -> Iterator[np.ndarray]:
        """Yield (at most `size`, *shape) arrays in the model's own units; in all at most `most` samples, evenly spaced.

        Raises
        ------
        DataError
            If a file cannot be read or does not fit, or a value is not a finite number.
        """
        for batch, _ in self.enlarged(size, most):
            yield batch

    def enlarged(self, size: int, most: int | None = None) -> Iterator[tuple[np.ndarray, list[float]]]:
        """Yield the arrays of `batches`, each with the factors by which its samples were enlarged.

        Raises
        ------
        DataError
            As `batches` does.
        """
        chosen = self._places if most is None else self._places[_even(len(self), most)]
        for first in range(0, len(chosen), size):
            yield self._read_places(chosen[first : first + size])

    def at(self, numbers: Sequence[int]) -> np.ndarray:
        """Return some samples by their numbers in the order of `batches`, (sample, *shape).

        Raises
        ------
        DataError
            As `batches` does.
        """
        return self._read_places(self._places[np.asarray(numbers, np.int64)])[0]

    def _read_places(self, places: np.ndarray) -> tuple[np.ndarray, list[float]]:
        """Return the samples at some places of the folder or array, and the factors by which they were enlarged."""
        factors = [1.0] * len(places)
        if self._files:
            read = [read_enlarged(self._files[one], self._expected, self._shape, self._rate) for one in places]
            batch, factors = np.concatenate([part for part, _ in read]), [factor for _, factor in read]
        else:
            batch = np.asarray(self._rows[places]).reshape(len(places), *self._shape[1:])
        batch = batch.astype(np.float32)
        if not (np.isfinite(batch) | (np.isnan(batch) & self._gaps)).all():
            raise DataError(f"`data` {self._path}: some values are not finite numbers; fill them in")
        return batch, factors

    def _read(self, path: Path | np.ndarray) -> np.ndarray:
        own = self._shape[1:]
        if self._expected.kind == "vector" and len(own) == 1:
            return read_rows(path, (), own[0], self._expected.missing)[0]
        if isinstance(path, np.ndarray):
            array = path
        elif path.suffix.lower() == ".npy":
            array = map_npy(path)
        else:
            sample = read_sample(path, frames=self._expected.kind == "clip")
            if sample.kind == "letters":
                return self._sequences(path)
            if sample.kind in ("image", "audio", "clip", "points"):
                return read_input(path, self._expected, self._shape, self._rate)
            array = sample.array
        if self._expected.kind == "points" and array.ndim == 3:
            return fit_rows(Sample(np.asarray(array), (), self._path, "array"), self._expected, own)
        flat = array.ndim == 2 and array.shape[1] == int(np.prod(own))
        # Axes of one element may be left out; others are never reordered.
        if flat or (array.ndim > 1 and _longer(array.shape[1:]) == _longer(own)):
            return array
        if array.shape == own:
            return array[None]
        wanted = "x".join(map(str, own))
        raise DataError(
            f"`data` {self._path}: its shape is {'x'.join(map(str, array.shape))}; needed: rows of {wanted}"
        )

    def _sequences(self, path: Path) -> np.ndarray:
        """Return the one-hot codes of all sequences in a file, (sample, *shape)."""
        wanted = self._shape[1:]
        found = [letters_sample(text, f"`data` {path}") for _, text in read_sequences(path)]
        return np.concatenate([fit_sample(one, self._expected, wanted) for one in found])


def first_sizes(
    source: Rows,
    expected: InputContract,
    sizes: Sequence[int | None],
    usual: Sequence[int],
    rate: float | None = None,
) -> tuple[int, ...] | None:
    """Return the sizes that a sample, or the first sample of a data set, gives to an input; None where it gives none.

    Pictures of a folder have sizes of their own, so they give none. What cannot be read is left for its reader to tell.

    Parameters
    ----------
    source : path or ndarray
        As in `SampleBatches`, or one sample.
    expected : InputContract
        The contract of the input.
    sizes : sequence of (int or None)
        The sizes after the batch; None for an open size.
    usual : sequence of int
        The whole shape with usual sizes, batch included.
    rate : float, optional
        The sample rate of the model, in samples per second.
    """
    if not isinstance(source, np.ndarray) and Path(source).is_dir():
        files = sorted(file for file in Path(source).rglob("*") if file.suffix.lower() in SUFFIXES)
        if not files or files[0].suffix.lower() in PICTURES:
            return None
        source = files[0]
    try:
        single = single_of(source, Slot.of(expected, sizes))
        wanted = single.wanted(expected, sizes, usual[1:])
        return single.fitted(expected, wanted, None if rate is None else round(rate))[0].shape[1:]
    except (UsageError, DataError):
        return None


def _even(count: int, most: int) -> np.ndarray:
    """Return at most `most` places out of `count`, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(np.int64))


def _longer(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes above 1."""
    return tuple(size for size in shape if size > 1)
