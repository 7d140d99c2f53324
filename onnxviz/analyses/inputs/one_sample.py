"""One real sample for one input: a picture, a sound, an array, or a row of an array or a table."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.fitting import are_pixels, enlargement, fit_rows, fit_sample, point_rows, steps
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.clips import clip_places
from onnxviz.formats.column_matching import Slot
from onnxviz.formats.data_set import DataSet
from onnxviz.formats.letters import FASTA, read_sequences
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.samples import Sample, letters_sample, read_sample
from onnxviz.formats.table_rows import TABLES
from onnxviz.wording import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnxviz.contract import InputContract
    from onnxviz.model.expectations.joined_inputs import JoinedInputs


ARRAY = "the array"
"""The name in messages of a sample that is no file."""


@dataclass(frozen=True)
class SingleSample:
    """One sample for an input, not yet in the model's units.

    Attributes
    ----------
    sample : Sample
        The sample as its file holds it.
    stacked : bool
        Whether the sample is a row: the array then has a first axis of rows.
    notes : tuple of str
        Sentences about how the sample was chosen.
    columns : tuple of str
        The names of the table's columns that feed the input.
    """

    sample: Sample
    stacked: bool = False
    notes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()

    @property
    def row(self) -> Sample:
        """The sample itself, without the axis of the rows."""
        return replace(self.sample, array=self.sample.array[0]) if self.stacked else self.sample

    @property
    def own(self) -> tuple[int, ...]:
        """The sample's shape, without the axis of the rows; for sound, the number of samples."""
        shape = tuple(self.sample.array.shape)
        if self.sample.kind == "audio":
            return shape[-1:]
        return shape[1:] if self.stacked else shape

    def wanted(
        self, expected: InputContract, sizes: Sequence[int | None], usual: Sequence[int]
    ) -> tuple[int | None, ...]:
        """Return the sizes that the sample is converted to: its own where the input leaves them open.

        Parameters
        ----------
        expected : InputContract
            The contract of the input.
        sizes : sequence of (int or None)
            The sizes after the batch; None for an open size.
        usual : sequence of int
            The same sizes, with a usual size where it is open.

        Returns
        -------
        tuple of (int or None)
            None keeps the sample's own size, as for pictures.
        """
        if self.sample.kind == "letters" and expected.kind == "letters":
            axes = zip(expected.axes, sizes, strict=True)
            return tuple(self.own[0] if axis == "position" and size is None else size for axis, size in axes)
        if expected.kind == "points" and self.row.array.ndim == 2:
            rows = point_rows(self.row.array, expected, sizes)
            axes = zip(expected.axes, sizes, strict=True)
            return tuple(
                len(rows) if axis == "point" and size is None and rows is not None else size for axis, size in axes
            )
        if None not in sizes or self.sample.kind in ("image", "clip") or are_pixels(self.row.array, expected):
            return tuple(sizes)
        if self.sample.kind == "audio":
            return (*usual[:-1], sizes[-1])
        own = self.own[1:] if len(self.own) == len(sizes) + 1 else self.own
        first = len(sizes) - len(own)  # an array may leave its first axes out
        if first < 0:
            return tuple(sizes)
        return tuple(
            size if size is not None else own[place - first] if place >= first else usual[place]
            for place, size in enumerate(sizes)
        )

    def fitted(
        self, expected: InputContract, wanted: Sequence[int | None], rate: int | None
    ) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the sample, converted to the shape and the units of an input.

        Parameters
        ----------
        expected : InputContract
            The contract of the input.
        wanted : sequence of (int or None)
            The sizes after the batch. None keeps the sample's own size.
        rate : int or None
            The sample rate of the model, in samples per second.

        Returns
        -------
        array : (1, *shape) ndarray
            In the model's own units.
        steps : tuple of str
            A sentence for each conversion.

        Raises
        ------
        DataError
            If the sample does not fit the input.
        """
        said = steps(self.sample, expected, wanted, rate, self.stacked)
        if self.stacked:
            return fit_rows(self.sample, expected, wanted), said
        return fit_sample(self.sample, expected, wanted, rate), said


def read_input(
    path: str | os.PathLike[str] | np.ndarray,
    expected: InputContract,
    shape: tuple[int, ...],
    rate: float | None = None,
) -> np.ndarray:
    """Return a file's content as one sample for an input.

    Parameters
    ----------
    path : path or ndarray
        A picture, an array, a table or a sound; a row of an array or a table as ``FILE#7``.
    expected : InputContract
        The contract of the input. Sizes that its shape leaves open become the sample's own.
    shape : tuple of int
        The input's shape with a usual size where it is open, batch included.
    rate : float, optional
        The sample rate of the model, in samples per second. Sound of another rate is resampled.

    Returns
    -------
    (1, *shape) ndarray
        In the model's own units.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file cannot be read, or does not fit the input.
    """
    return read_enlarged(path, expected, shape, rate)[0]


def read_enlarged(
    path: str | os.PathLike[str] | np.ndarray,
    expected: InputContract,
    shape: tuple[int, ...],
    rate: float | None = None,
) -> tuple[np.ndarray, float]:
    """Return the sample of `read_input`, and the factor by which it was enlarged: 1 if it was not enlarged."""
    declared = expected.shape[1:] if len(expected.shape) == len(shape) else shape[1:]
    sizes = tuple(size if isinstance(size, int) else None for size in declared)
    single = single_of(path, Slot.of(expected, sizes))
    wanted = single.wanted(expected, sizes, shape[1:])
    whole = None if rate is None else round(rate)
    fitted, _ = single.fitted(expected, wanted, whole)
    return fitted, enlargement(single.row, fitted, expected, whole)


def single_of(sample: str | os.PathLike[str] | np.ndarray, slot: Slot, label: str | None = None) -> SingleSample:
    """Return one sample for one input, from a file or an array.

    Parameters
    ----------
    sample : path or ndarray
        A file, as in `read_single`; or one sample; or several along the first axis, of which the first is used; for an input of
        letters also a sequence itself.
    slot, label
        As in `read_single`.

    Raises
    ------
    UsageError, DataError
        As `read_single` does.
    """
    if isinstance(sample, str | os.PathLike):
        if slot.kind == "letters" and not SampleAddress.parse(sample).exists and not Path(sample).suffix:
            return SingleSample(letters_sample(os.fspath(sample), "the text"))
        return read_single(Path(sample), slot, label)
    return _whole(Sample(np.asarray(sample), (), ARRAY, "array"), slot)


def read_single(source: Path, slot: Slot, label: str | None = None) -> SingleSample:
    """Return one sample of a file; of several rows the first, unless ``FILE#7`` picks another.

    Parameters
    ----------
    source : Path
        The path as the user typed it.
    slot : Slot
        The input. A table's columns are matched to it by name, or by order.
    label : str, optional
        A column, or a member of an archive, that is no feature.

    Raises
    ------
    UsageError
        If there is no such file, row or column.
    DataError
        If the file cannot be read, or does not fit the input.
    """
    text = str(source)
    address = SampleAddress.parse(source)
    picked = address.rows is not None
    table = address.path.suffix.lower() in TABLES and slot.kind != "points"
    if not picked and not table:
        if slot.kind == "clip" and address.path.is_dir():
            return _clip_of(address.path, slot)
        return _whole(read_sample(source, missing=slot.missing, frames=slot.kind == "clip"), slot)
    if address.path.suffix.lower() in FASTA and address.exists:
        return _sequence(address, text)
    if address.rows is not None and address.rows.stop - address.rows.start != 1:
        first = f"{address.source}#{address.rows.start}"
        raise DataError(f"{text}: several rows, but one sample is needed; pick one row: {first}")
    data = DataSet(source, [slot], label)
    for piece in data.pieces():
        block = piece.read(lambda identity, stamp: False)
        if block.problems and (picked or not block.identities):
            raise DataError(block.problems[0][1])
        notes = [*data.notes]
        if block.problems:
            notes.append(f"{block.problems[0][1]}: skipped")
        if not picked:
            notes.append(f"{source.name}: row {block.identities[0].rpartition('#')[2]} is used; {text}#7 picks another")
        sample = block.parts[slot.name]
        return SingleSample(replace(sample, array=sample.array[:1]), block.stacked, tuple(notes), data.columns)
    raise DataError(f"{text}: has no rows")


def _clip_of(folder: Path, slot: Slot) -> SingleSample:
    """Return the clip of a folder of frames; of a folder of clips the first."""
    clips = clip_places(folder)
    if len(clips) < 2:
        return SingleSample(read_sample(clips[0] if clips else folder, frames=True))
    note = f"{folder.name}: the first of {len(clips)} clips is used, {clips[0].relative_to(folder).as_posix()}"
    return replace(
        read_single(clips[0], slot) if clips[0] != folder else SingleSample(read_sample(folder, frames=True)),
        notes=(note,),
    )


def _sequence(address: SampleAddress, text: str) -> SingleSample:
    """Return the sequence of a FASTA file that ``FILE#7`` picks."""
    first, last = (address.rows.start, address.rows.stop) if address.rows is not None else (0, 1)
    found = [sequence for _, sequence in read_sequences(address.path)]
    if last - first != 1 or first >= len(found):
        raise UsageError(f"{text}: pick one of {len(found)} sequences, 0 to {len(found) - 1}")
    return SingleSample(letters_sample(found[first], text))


def row_of(
    sample: str | os.PathLike[str] | np.ndarray, slots: Sequence[Slot], label: str | None = None
) -> tuple[dict[str, np.ndarray], tuple[str, ...], tuple[str, ...]]:
    """Return one row of a table, an array or an archive for several inputs; of several rows the first.

    Parameters
    ----------
    sample : path or ndarray
        The file, as ``FILE#7`` with the row to take; or an array with a column for each element.
    slots : sequence of Slot
        The inputs, in their order.
    label : str, optional
        A column, or a member of an archive, that is no feature.

    Returns
    -------
    parts : dict of str to (1, …) ndarray
        The value of each input.
    columns : tuple of str
        The names of the table's columns that feed the inputs.
    notes : tuple of str
        Sentences about how the row was chosen.

    Raises
    ------
    UsageError
        If there is no such file, row or column.
    DataError
        If the file cannot be read, or does not fit the inputs.
    """
    from onnxviz.formats.array_data import ArrayData

    text = ARRAY if isinstance(sample, np.ndarray) else os.fspath(sample)
    address = None if isinstance(sample, np.ndarray) else SampleAddress.parse(sample)
    picked = address is not None and address.rows is not None
    data = ArrayData(sample, slots) if isinstance(sample, np.ndarray) else DataSet(sample, slots, label)
    for piece in data.pieces():
        block = piece.read(lambda identity, stamp: False)
        if block.problems and (picked or not block.identities):
            raise DataError(block.problems[0][1])
        if not block.identities:
            continue
        notes = [*data.notes, *(f"{said}: skipped" for _, said in block.problems[:1])]
        if not picked and "#" in block.identities[0] and text != ARRAY:
            number = block.identities[0].rpartition("#")[2]
            notes.append(f"{Path(text).name}: row {number} is used; {text}#7 picks another")
        arrays = {name: part.array if block.stacked else part.array[None] for name, part in block.parts.items()}
        return {name: np.asarray(array[:1]) for name, array in arrays.items()}, data.columns, tuple(notes)
    raise DataError(f"{text}: has no rows")


def joined_slots(joined: JoinedInputs) -> list[Slot]:
    """Return the part of each sample that each of several joined inputs takes."""
    kinds = ["text" if dtype == "string" else "vector" for dtype in joined.dtypes]
    gaps = joined.gaps or (False,) * len(kinds)
    return [
        Slot(name, shape, kind, (), gap)
        for name, shape, kind, gap in zip(joined.inputs, joined.shapes, kinds, gaps, strict=True)
    ]


def joined_row(sample: str | os.PathLike[str] | np.ndarray, joined: JoinedInputs) -> np.ndarray:
    """Return a row of a table, for inputs that are its columns, as a (1, feature) float64 vector.

    Parameters
    ----------
    sample : path or ndarray
        The file, as ``FILE#7`` with the row to take; or an array with a column for each element.
    joined : JoinedInputs
        The inputs.

    Raises
    ------
    UsageError
        If there is no such file, row or column, or no code for a text of the row.
    DataError
        If the file cannot be read, or does not fit the inputs.
    """
    parts, _, _ = row_of(sample, joined_slots(joined))
    after = joined.knowing(parts).texts
    new = [quoted(text) for known, both in zip(joined.texts, after, strict=True) for text in both[len(known) :]]
    if new:
        source = ARRAY if isinstance(sample, np.ndarray) else os.fspath(sample)
        raise UsageError(f"{source}: no encoder of the graph knows {', '.join(new)}")
    return joined.join(parts)


def _whole(sample: Sample, slot: Slot) -> SingleSample:
    """Return a file as one sample; for an array of several samples, with a note that the first is used."""
    sample = replace(sample, array=slot.without_spare(sample.array))
    rows, wanted = sample.array, slot.shape
    several = sample.kind == "array" and rows.ndim == len(wanted) + 1 and len(rows) > 1
    if not several or not all(size in (None, own) for size, own in zip(wanted, rows.shape[1:], strict=True)):
        return SingleSample(sample)
    note = f"{Path(sample.source).name}: the first of {len(rows)} samples is used"
    if sample.source != ARRAY:
        note += f"; {sample.source}#7 picks another"
    return SingleSample(sample, notes=(note,))
