"""A data set converted to a model's inputs, batch by batch, for every verb that reads real samples."""

from __future__ import annotations

import os
from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.data_source import DataSource, Texts
from onnxviz.analyses.inputs.fitting import fit_rows, fit_sample, steps
from onnxviz.analyses.inputs.held_inputs import HeldInputs, resting_text
from onnxviz.analyses.inputs.kinds import with_kind
from onnxviz.analyses.inputs.request import DataRequest
from onnxviz.analyses.inputs.settled import Settled, settle
from onnxviz.analyses.inputs.text import TextFeed, is_text, text_feed
from onnxviz.analyses.listener import Listener
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.array_files import map_npy
from onnxviz.formats.data_set import PICTURES, fits
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.formats.table_rows import TABLES
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.formats.column_matching import Slot
    from onnxviz.formats.data_blocks import Block, Known, Piece
    from onnxviz.formats.data_set import DataSet
    from onnxviz.formats.data_shards import Source
    from onnxviz.model.expectations.joined_inputs import JoinedInputs
    from onnxviz.model.model import Model

_SHOWN = 5
_LOOKED_AT = 64
"""So many files of a folder are looked at to tell its kind of data."""
_AHEAD = 4
"""So many pieces wait, besides the pieces that are being read."""


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch of samples, in the model's own units.

    Attributes
    ----------
    identities, stamps, labels : tuple of str
        As in `onnxviz.formats.data_blocks.Block`.
    arrays : dict of str to (sample, *shape) ndarray
        The samples of each input.
    rate : int or None
        The sample rate of sound, in samples per second.
    texts : tuple of str
        The text of each sample, if the samples are texts; else empty.
    """

    identities: tuple[str, ...]
    stamps: tuple[str, ...]
    labels: tuple[str, ...]
    arrays: dict[str, np.ndarray]
    rate: int | None = None
    texts: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.identities)

    def part(self, start: int, stop: int) -> Batch:
        """Return the samples from `start` up to `stop`."""
        return Batch(
            self.identities[start:stop],
            self.stamps[start:stop],
            self.labels[start:stop],
            {name: array[start:stop] for name, array in self.arrays.items()},
            self.rate,
            self.texts[start:stop],
        )


@dataclass
class Tally:
    """The record of the samples that were skipped or unchanged.

    Attributes
    ----------
    problems : list of (str, str)
        Identity and error message of each skipped sample.
    unchanged : int
        The number of samples that were known from an earlier pass.
    """

    problems: list[tuple[str, str]] = field(default_factory=list)
    unchanged: int = 0


@dataclass(eq=False)
class Feed:
    """The inputs that data feeds, and the conversion of samples to them.

    Attributes
    ----------
    model : Model
        The model.
    contracts : dict of str to InputContract
        The contracts of the inputs that the data feeds, in the model's order.
    shapes : dict of str to tuple of (int or None)
        The shape of one sample for each of these inputs; None for an open size.
    held : HeldInputs
        The values of all other inputs.
    text : TextFeed or None
        How texts become these inputs, if the samples are texts.
    """

    listener: Listener
    model: Model
    contracts: dict[str, InputContract]
    shapes: dict[str, tuple[int | None, ...]]
    held: HeldInputs
    rate: int | None
    label: str | None
    strict: bool
    joined: JoinedInputs | None = None
    """The columns of a table that the data feeds, which are drawn as one vector."""
    said: set[str] = field(default_factory=set)
    text: TextFeed | None = None
    text_column: str | None = None
    fixed: int | None = None
    """The batch that the model runs with; None if any will do."""

    @property
    def main(self) -> str:
        """The input that is drawn for a sample: the first picture, else the first clip, signal, point cloud or letters, else the first."""
        if self.text is not None:
            return self.text.inputs.ids
        for kind in ("image", "clip", "signal", "points", "letters"):
            for name, expected in self.contracts.items():
                if expected.kind == kind:
                    return name
        numbers = (name for name, expected in self.contracts.items() if expected.kind != "text")
        return next(numbers, next(iter(self.contracts)))

    def drawing(self) -> Drawing:
        """Return what draws a sample: its main input, or the row of a table."""
        from onnxviz.drawing.input_drawing import Drawing
        from onnxviz.model.graph.labels import feature_names, sample_rate

        original = self.model.original
        if self.joined is None:
            return Drawing(self.contracts[self.main], feature_names(original), rate=sample_rate(original))
        names = self.joined.names if len(self.joined.inputs) > 1 else feature_names(original) or self.joined.names
        expected = self.joined.contract(self.contracts, moves=False)
        return Drawing(expected, names, texts=self.joined.texts if any(self.joined.texts) else ())

    def drawn(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what `drawing` draws of some samples, (sample, *shape); texts as codes, NaN without one."""
        return arrays[self.main] if self.joined is None else self.joined.join(arrays)

    def listed(self, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the same, where a table with texts has the texts themselves, (sample, feature) of object."""
        if self.joined is None or not any(self.joined.texts):
            return self.drawn(arrays)
        parts = [np.asarray(arrays[name], object).reshape(len(arrays[name]), -1) for name in self.joined.inputs]
        return np.concatenate(parts, axis=1)

    def slots(self) -> list[Slot]:
        """Return a slot for each input that the data set must fill."""
        from onnxviz.formats.column_matching import Slot
        from onnxviz.model.graph.labels import feature_names

        features = feature_names(self.model.original)
        return [
            Slot.of(expected, self.shapes[name], features if len(self.contracts) == 1 else ())
            for name, expected in self.contracts.items()
        ]

    def open(self, source: DataSource) -> DataSet:
        """Return the data set of a file, a folder or arrays, opened for these inputs."""
        from onnxviz.formats.array_data import ArrayData
        from onnxviz.formats.data_set import DataSet

        if self.text is not None and isinstance(source, str | os.PathLike | Texts):
            from onnxviz.formats.text_data import TextData

            texts = source.texts if isinstance(source, Texts) else source
            return TextData(texts, self.slots(), self.text, self.label, self.text_column)
        if isinstance(source, Texts):
            raise TypeError("texts need a feed of texts")
        if isinstance(source, str | os.PathLike):
            return DataSet(source, self.slots(), self.label)
        return ArrayData(source, self.slots())

    def batches(
        self,
        data: Source,
        size: int,
        tally: Tally,
        known: Known | None = None,
        wanted: Collection[str] | None = None,
        threads: int | None = None,
    ) -> Generator[Batch, None, None]:
        """Yield the samples of a data set in batches, converted to the inputs; some files are read ahead.

        Parameters
        ----------
        data : Source
            A data set from `open`, or a part of it.
        size : int
            Samples in a batch; fewer at the end, and before a sample of another size.
        tally : Tally
            Receives the skipped samples.
        known : callable, optional
            Tells which samples do not need to be read.
        wanted : collection of str, optional
            The identities of the samples to read. Default: all samples.
        threads : int, optional
            The number of threads that read. Default: one for each core, but at most eight.

        Raises
        ------
        DataError
            If a sample cannot be read and `strict` is set.
        """
        from onnxviz.formats.prefetch import cores, prefetch

        threads = threads or min(8, cores())
        reader = _Reader(self, known)
        waiting: list[Batch] = []
        for batch, notes, problems, unchanged in prefetch(reader, data.pieces(wanted), threads, threads + _AHEAD):
            self.tell([*data.notes, *notes])
            tally.unchanged += unchanged
            for problem in problems:
                self._pass_over(tally, problem)
            if batch is None:
                continue
            if waiting and _shapes(waiting[0]) != _shapes(batch):
                yield _joined(waiting)
                waiting = []
            waiting.append(batch)
            while sum(map(len, waiting)) >= size:
                whole = _joined(waiting)
                yield whole.part(0, size)
                waiting = [whole.part(size, len(whole))] if len(whole) > size else []
        if waiting:
            yield _joined(waiting)

    def tell(self, notes: Iterable[str]) -> None:
        """Give each note to the listener once; "" is no note."""
        for note in notes:
            if note and note not in self.said:
                self.said.add(note)
                self.listener.note(note)

    def _pass_over(self, tally: Tally, problem: tuple[str, str]) -> None:
        if self.strict:
            raise DataError(f"{problem[1]} (`strict` stops here)")
        tally.problems.append(problem)
        said = f"skipped: {problem[1]}"
        if said not in self.said and len(tally.problems) <= _SHOWN:
            self.said.add(said)
            self.listener.note(said)

    def close(self, tally: Tally, read: int) -> None:
        """Give a note of how many samples were skipped.

        Raises
        ------
        DataError
            If no sample could be read.
        """
        if not read and not tally.unchanged:
            said = f": {tally.problems[0][1]}" if tally.problems else ""
            raise DataError(f"no sample could be read{said}")
        if tally.problems:
            count = len(tally.problems)
            self.listener.note(f"{count} sample{'s were' if count > 1 else ' was'} skipped, {read} were read")


@dataclass(frozen=True, eq=False)
class _Reader:
    """A reader that converts pieces of data to the inputs; it runs in a thread."""

    feed: Feed
    known: Known | None

    def __call__(self, piece: Piece) -> tuple[Batch | None, tuple[str, ...], tuple[tuple[str, str], ...], int]:
        block = piece.read(self.known or _never)
        if not block.identities:
            return None, (), block.problems, block.unchanged
        try:
            arrays, notes = self._fitted(block)
        except DataError as error:
            kept, problems = self._rows_that_fit(block, str(error))
            if kept is None:
                return None, (), (*block.problems, *problems), block.unchanged
            block = replace(kept, problems=(*block.problems, *problems))
            arrays, notes = self._fitted(block)
        first = next(iter(block.parts.values()))
        rate = self.feed.rate or first.rate if first.kind == "audio" else None
        batch = Batch(block.identities, block.stamps, block.labels, arrays, rate, block.texts)
        return batch, notes, block.problems, block.unchanged

    def _rows_that_fit(self, block: Block, said: str) -> tuple[Block | None, tuple[tuple[str, str], ...]]:
        """Return the rows of a block that fit the inputs, None if there are none, and the problem of each other row."""
        if not block.stacked or len(block.identities) == 1:
            return None, tuple((identity, said) for identity in block.identities)
        kept, problems = [], []
        for row, identity in enumerate(block.identities):
            try:
                self._fitted(block.rows([row]))
                kept.append(row)
            except DataError as error:
                problems.append((identity, str(error)))
        return block.rows(kept) if kept else None, tuple(problems)

    def _fitted(self, block: Block) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
        arrays, notes = {}, []
        for name, sample in block.parts.items():
            expected, wanted = self.feed.contracts[name], self.feed.shapes[name]
            if block.stacked:
                arrays[name] = fit_rows(sample, expected, wanted)
            else:
                arrays[name] = fit_sample(sample, expected, wanted, self.feed.rate)
            said = steps(sample, expected, wanted, self.feed.rate, block.stacked)
            notes += [f"{name}: {sentence}" for sentence in said]
        return arrays, tuple(notes)


def _never(identity: str, stamp: str) -> bool:
    return False


def _shapes(batch: Batch) -> list[tuple[int, ...]]:
    return [array.shape[1:] for array in batch.arrays.values()]


def _joined(batches: list[Batch]) -> Batch:
    if len(batches) == 1:
        return batches[0]
    return Batch(
        tuple(one for batch in batches for one in batch.identities),
        tuple(one for batch in batches for one in batch.stamps),
        tuple(one for batch in batches for one in batch.labels),
        {name: np.concatenate([batch.arrays[name] for batch in batches]) for name in batches[0].arrays},
        batches[0].rate,
        tuple(one for batch in batches for one in batch.texts),
    )


def prepare_feed(listener: Listener, model: Model, request: DataRequest, sources: Sequence[DataSource]) -> Feed:
    """Return the feed of a model: the inputs that the data feeds, their contracts, and the values of the other inputs.

    Parameters
    ----------
    listener : Listener
        Receives notes about the inputs.
    model : Model
        The model.
    request : DataRequest
        The user's settings of the data and the inputs.
    sources : sequence of path, array or mapping of arrays
        The data; their kinds tell whether they can feed several inputs.

    Raises
    ------
    UsageError
        If it is not clear which input the data is for.
    """
    from onnxviz.model.graph.labels import sample_rate

    model = with_kind(model, request.inputs)
    settled = settle(model, request.inputs)
    text = _text(settled, request, sources)
    names = list(text.inputs.names) if text is not None else _fed(model, request.input_name, settled.held, sources)
    # If the data feeds several inputs, the settings of a picture hold for those inputs that are pictures.
    settled = settled.about(name for name in names if len(names) == 1 or settled.contract(name).has_pixels)
    outside = settled.beside(name for name in model.inputs if name not in names)
    contracts = {name: settled.contract(name) for name in names}
    wanted = {name: settled.open_sizes(name) for name in names}
    for sentence in text.notes if text is not None else ():
        listener.note(sentence)
    for name, expected in contracts.items() if text is None else ():
        for sentence in expected.evidence:
            listener.note(f"{name}: {sentence}")
    for name, value in outside.values.items():
        if name not in settled.held:
            sizes = "" if None in settled.open_sizes(name) else f" ({shape_text(value.shape)})"
            listener.note(f"{name}: {resting_text(value)}{sizes}; `held` {name}=… sets it")
    rate = sample_rate(model.original)
    return Feed(
        listener,
        model,
        contracts,
        wanted,
        outside,
        None if rate is None else round(rate),
        request.label,
        request.strict,
        joined=_table(model, settled, names),
        text=text,
        text_column=request.text_column,
        fixed=next((size for size in map(settled.batch, names) if size is not None), None),
    )


def _text(settled: Settled, request: DataRequest, sources: Sequence[DataSource]) -> TextFeed | None:
    """Return how texts become the inputs; None if the sources hold no texts."""
    model = settled.model
    textual = [is_text(model, one, request.label, request.text_column) for one in sources]
    if not any(textual):
        if request.vocab is not None:
            raise UsageError("`vocab` is for texts, and the samples are none")
        return None
    if not all(textual):
        raise UsageError("texts and samples of another kind cannot be read in one call")
    found = text_feed(model, request.vocab, settled.held)
    if found.inputs.ids in settled.held:
        raise UsageError(f"`held` {found.inputs.ids}: a text fills this input")
    axes = settled.contract(found.inputs.ids).axes
    sizes = settled.open_sizes(found.inputs.ids)
    found.length = sizes[axes.index("position") if "position" in axes else -1]
    return found


def _table(model: Model, settled: Settled, names: list[str]) -> JoinedInputs | None:
    """Return the columns of a table that the data feeds; None for other data."""
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    joined = JoinedInputs.columns(model, settled.held)
    return joined if joined is not None and list(joined.inputs) == names else None


def _fed(model: Model, chosen: str | None, held: dict[str, np.ndarray], sources: Sequence[DataSource]) -> list[str]:
    if chosen is not None:
        if chosen not in model.inputs:
            raise UsageError(
                f"`input_name` {chosen}: {model.name} has no such input; its inputs are {', '.join(model.inputs)}"
            )
        return [chosen]
    from onnxviz.model.expectations.contract_reading import contract
    from onnxviz.model.expectations.input_roles import data_inputs
    from onnxviz.model.expectations.integer_inputs import movable_inputs
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    names = [name for name in model.inputs if name not in held]
    if not names:
        raise UsageError(f"{model.name}: `held` holds every input, so no input is left for the data")
    holding = [name for name in data_inputs(model) if name in names] or names
    files = [source for source in sources if isinstance(source, str | os.PathLike)]
    mapped = [source for source in sources if isinstance(source, Mapping)]
    table = JoinedInputs.columns(model, held)
    if not mapped and table is not None and all(_feeds_a_table(source) for source in sources):
        return list(table.inputs)
    if mapped:
        return [name for name in model.inputs if all(name in source for source in mapped)]
    suffixes = {SampleAddress.parse(source).path.suffix.lower() for source in files}
    several = len(files) == len(sources) and suffixes <= {".npz", ".csv", ".tsv", ".parquet"}
    if len(names) == 1:
        return names
    if several:
        tables = suffixes != {".npz"}
        return holding if tables and len(holding) == 1 else names
    movable = [info.name for info in movable_inputs(model, held)]
    suited = [name for name in movable if contract(model, name).kind == _kind_of(files)]
    for choice in (holding, movable, suited, _fitting(model, names, sources)):
        if len(choice) == 1:
            return choice
    raise UsageError(
        f"{model.name} has several inputs: {', '.join(names)}; name the input of the data with `input_name`, "
        "or give a .npz archive or a table with data for each input"
    )


def _feeds_a_table(source: DataSource) -> bool:
    """Return whether a source may hold a row of a table in each sample: a table, an array or an archive."""
    if isinstance(source, np.ndarray):
        return source.ndim < 3
    if not isinstance(source, str | os.PathLike):
        return False
    path = SampleAddress.parse(source).path
    return path.is_dir() or path.suffix.lower() in (".npz", ".npy", *TABLES)


def _kind_of(sources: Sequence[str | os.PathLike[str]]) -> str:
    """Return the kind of input that files of pictures or sounds are for, by their extensions; "" if unclear."""
    suffixes: set[str] = set()
    for path in map(Path, sources):
        inside = (
            islice((file for file in path.rglob("*.*") if file.is_file()), _LOOKED_AT) if path.is_dir() else (path,)
        )
        suffixes |= {file.suffix.lower() for file in inside} & {".wav", *PICTURES}
    return "signal" if suffixes == {".wav"} else "image" if suffixes and suffixes <= {*PICTURES} else ""


def _fitting(model: Model, names: list[str], sources: Sequence[DataSource]) -> list[str]:
    """Return the inputs whose shape is that of an array's rows."""
    first = sources[0]
    if isinstance(first, str | os.PathLike):
        path = SampleAddress.parse(first).path
        if path.suffix.lower() != ".npy" or not path.is_file():
            return []
        shape = map_npy(path).shape
    else:
        shape = first.shape if isinstance(first, np.ndarray) else ()
    sizes = {
        name: tuple(size if isinstance(size, int) else None for size in (model.inputs[name].shape or ())[1:])
        for name in names
    }
    return [name for name in names if sizes[name] and (fits(shape[1:], sizes[name]) or fits(shape, sizes[name]))]
