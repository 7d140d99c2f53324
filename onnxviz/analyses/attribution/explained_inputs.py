"""The real input that `attribute` explains: the file for each input, and the tensors that are explained."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.held_inputs import resting_text
from onnxviz.analyses.inputs.moving import named_tensors
from onnxviz.analyses.inputs.one_sample import single_of
from onnxviz.analyses.inputs.settled import Settled, settle
from onnxviz.analyses.listener import Listener
from onnxviz.errors import DataError, UsageError
from onnxviz.formats.sample_address import SampleAddress
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.request import AttributionRequest
    from onnxviz.contract import InputContract
    from onnxviz.formats.tokenizers import Encoded
    from onnxviz.methods.attribution.places import Places
    from onnxviz.model.expectations.embedding import Embedding
    from onnxviz.model.expectations.joined_inputs import JoinedInputs
    from onnxviz.model.model import Model


@dataclass(frozen=True)
class Explained:
    """One tensor that is explained.

    Attributes
    ----------
    name : str
        The tensor: an input, or a tensor inside the graph.
    inside : bool
        Whether the tensor lies inside the graph.
    sample : (1, *shape) ndarray
        The tensor's value, float32 or float64; for an input of integers too.
    expected : InputContract
        The tensor's contract.
    places : Places
        The places, which group the elements that belong together.
    tokens : ndarray or None
        The ids of the tokens that the tensor embeds, one for each place.
    embedding : Embedding or None
        The embedding of the tokens.
    joined : JoinedInputs or None
        The inputs that are explained as one vector, if the tensor stands for several columns of a table.
    """

    name: str
    inside: bool
    sample: np.ndarray
    expected: InputContract
    places: Places
    tokens: np.ndarray | None = None
    embedding: Embedding | None = None
    joined: JoinedInputs | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The tensors that it stands for."""
        return (self.name,) if self.joined is None else self.joined.inputs

    def texts(self, values: np.ndarray) -> tuple[str, ...]:
        """Return the text of each element of a vector: "" for a number."""
        if self.joined is None:
            return ("",) * int(np.size(values))
        return self.joined.shown(np.asarray(values).reshape(-1))

    def held(self, array: np.ndarray) -> np.ndarray:
        """Return an array of the tensor as the model takes it: rounded, in the input's own type, if it holds integers."""
        from onnxviz.model.expectations.integer_inputs import rounded

        integers = self.expected.holds_integers and not self.inside
        return rounded(array, self.expected.dtype) if integers else array


@dataclass(frozen=True)
class Fed:
    """All inputs of the model, and the tensors that are explained.

    Attributes
    ----------
    explained : tuple of Explained
        The explained tensors, in the order of the request.
    feeds : dict of str to ndarray
        The value of every input of the model, with its whole batch.
    copies : int
        The batch that the model runs with; 1 if it is open.
    sources : dict of str to str
        From an input's name to the file that feeds it.
    rates : dict of str to int
        From the name of an input of sound to its sample rate, in samples per second.
    columns : dict of str to tuple of str
        From the name of an input to the table columns that feed it.
    encoded : Encoded or None
        The text that is explained, and its tokens.
    """

    explained: tuple[Explained, ...]
    feeds: dict[str, np.ndarray]
    copies: int
    sources: dict[str, str]
    rates: dict[str, int] = field(default_factory=dict)
    columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    encoded: Encoded | None = None

    @property
    def stops(self) -> list[str]:
        """The explained tensors inside the graph, which are fed instead of computed."""
        return [one.name for one in self.explained if one.inside]

    @property
    def held(self) -> dict[str, np.ndarray]:
        """The inputs that are fed but not explained."""
        explained = {name for one in self.explained for name in one.inputs}
        return {name: value for name, value in self.feeds.items() if name not in explained}

    @property
    def joined(self) -> JoinedInputs | None:
        """The columns of a table that are explained as one vector, if there are any."""
        return self.explained[0].joined if self.explained else None


Sample = str | os.PathLike[str] | np.ndarray | float
Samples = Sample | Mapping[str, Sample] | Sequence[Sample]
"""The real input: a file or an array; or several, by the names of the inputs or in the order of the inputs."""


def read_inputs(listener: Listener, model: Model, samples: Samples, request: AttributionRequest) -> Fed:
    """Return the inputs of a model, read from samples, and the tensors that are explained.

    Parameters
    ----------
    listener : Listener
        Receives notes about what was found or assumed.
    model : Model
        The model.
    samples : path, array, or a mapping or sequence of such
        A text may name its input, as in ``NAME=FILE``.
    request : AttributionRequest
        The user's request.

    Raises
    ------
    UsageError
        If a sample belongs to no input, or the request does not fit.
    DataError
        If a file cannot be read, or a sample does not fit its input.
    """
    from onnxviz.formats.column_matching import Slot
    from onnxviz.model.graph.labels import feature_names, sample_rate

    settled = settle(model, request.inputs)
    encoded: Encoded | None = None
    filled: dict[str, np.ndarray] = {}
    text = _text(listener, model, samples, request, settled)
    if text is not None:
        encoded, filled, samples = text
        # The text settles the sizes of its inputs.
        wholes = {name: _batched(settled, name, array) for name, array in filled.items()}
        named = {
            size: found
            for name, whole in wholes.items()
            for size, found in zip((model.inputs[name].shape or ())[1:], whole.shape[1:], strict=False)
            if isinstance(size, str)
        }
        settled = settled.sized(named, {name: whole.shape for name, whole in wholes.items()})
        beside = {name: whole for name, whole in wholes.items() if name not in samples}
        settled = replace(settled, held={**settled.held, **beside})
    told = sample_rate(model.original)
    rate = None if told is None else round(told)
    wanted = named_tensors(model, request.wrt)
    row = _read_row(listener, settled, samples, request) if encoded is None else None
    if row is not None:
        return _fed_row(listener, settled, row, wanted)
    given = _assign(model, samples, wanted, settled.held)
    contracts: dict[str, InputContract] = {}
    arrays: dict[str, np.ndarray] = {}
    rates: dict[str, int] = {}
    columns: dict[str, tuple[str, ...]] = {}
    copies = 1
    settled = settled.about(list(given)[:1])
    for name, sample in given.items():
        expected = _contract(settled, name)
        sizes = settled.open_sizes(name)
        features = feature_names(model.original) if len(given) == 1 else ()
        slot = Slot.of(expected, sizes, features)
        single = single_of(sample if isinstance(sample, str | os.PathLike) else np.asarray(sample), slot, request.label)
        columns[name] = single.columns
        for note in single.notes:
            listener.note(note)
        for sentence in expected.evidence if encoded is None else ():
            listener.note(f"{name}: {sentence}")
        contracts[name] = expected
        taken = single.wanted(expected, sizes, expected.sample_shape(settled.shape(name))[1:])
        arrays[name], said = single.fitted(expected, taken, rate)
        # Other inputs may have axes of the same names; this sample settles their sizes too.
        size = settled.batch(name) or 1
        settled = settled.with_samples({name: arrays[name].shape[1:]}).of_batch(name, size)
        copies = max(copies, size)
        for sentence in said:
            listener.note(f"{name}: {sentence}")
        if single.sample.kind == "audio" and (rate or single.sample.rate):
            rates[name] = rate or single.sample.rate or 0
    others = [one for one in model.inputs if one not in arrays]
    resting = settled.resting(others)
    for name in others:
        if name not in settled.held and encoded is None:  # the feed of a text has said it
            value = f"{resting_text(resting[name])} ({shape_text(resting[name].shape)})"
            listener.note(f"{name}: {value}; `held` {name}=… sets it")
    feeds = {
        **resting,
        **{name: contracts[name].fed(np.repeat(array, copies, axis=0)) for name, array in arrays.items()},
    }
    sources = {name: sample_text(sample) if encoded is None else encoded.text for name, sample in given.items()}
    explained = _explained(listener, settled, wanted, arrays, contracts, feeds, copies)
    return Fed(explained, feeds, copies, sources, rates, columns, encoded)


def _text(
    listener: Listener, model: Model, samples: Samples, request: AttributionRequest, settled: Settled
) -> tuple[Encoded, dict[str, np.ndarray], Mapping[str, np.ndarray]] | None:
    """Return the text to explain, the values of all inputs that it fills, and the ids as the sample; None without a text.

    Of a file of several texts the first is explained, unless ``FILE#7`` picks another.
    """
    from contextlib import closing

    from onnxviz.analyses.inputs.data_source import DataSource, texts_of, with_texts
    from onnxviz.analyses.inputs.feed import Tally, prepare_feed
    from onnxviz.analyses.inputs.request import DataRequest
    from onnxviz.analyses.inputs.text import is_text

    several = not isinstance(samples, str | os.PathLike | np.ndarray | Mapping)
    given: list[Any] = [*samples] if several else [samples]  # type: ignore[misc]  # a sequence if it is none of these
    if isinstance(samples, Mapping) or not (
        texts_of(request.text) or (len(given) == 1 and is_text(model, given[0], request.label, request.text_column))
    ):
        if not given:
            raise UsageError("no sample is given: name a file, or give `text`")
        return None
    sources: tuple[DataSource, ...] = with_texts(given, request.text)
    if len(sources) > 1 or len(texts_of(request.text)) > 1:
        raise UsageError("one text is explained at a time: give one file or one `text`")
    asked = DataRequest(
        inputs=request.inputs, label=request.label, text_column=request.text_column, vocab=request.vocab, strict=True
    )
    feed = prepare_feed(listener, model, asked, sources)
    data, tally = feed.open(sources[0]), Tally()
    with closing(feed.batches(data, 1, tally, threads=1)) as batches:
        batch = next(batches, None)
    if batch is None or feed.text is None:
        raise DataError(tally.problems[0][1] if tally.problems else f"{sources[0]}: holds no text")
    picked = isinstance(sources[0], str | os.PathLike) and SampleAddress.parse(sources[0]).rows is None
    if picked:
        listener.note(f"{batch.identities[0]} is explained; {sources[0]}#7 picks another")
    encoded = feed.text.encode(batch.texts[0])
    arrays = feed.text.arrays(encoded)
    return encoded, arrays, {feed.text.inputs.ids: arrays[feed.text.inputs.ids]}


def _batched(settled: Settled, name: str, array: np.ndarray) -> np.ndarray:
    """Return the value of an input with the batch that the file fixes, else a batch of one."""
    first = (settled.model.inputs[name].shape or (None,))[0]
    expected, many = settled.contract(name), np.repeat(array[None], first if isinstance(first, int) else 1, axis=0)
    return np.asarray(expected.fed(many)) if expected.spare else many


@dataclass(frozen=True)
class _Row:
    """A row of a table, read for all of its columns."""

    joined: JoinedInputs
    parts: dict[str, np.ndarray]
    source: str
    columns: tuple[str, ...]


def _read_row(listener: Listener, settled: Settled, samples: Samples, request: AttributionRequest) -> _Row | None:
    """Return the row that one sample holds for all columns of a table; None where the sample feeds inputs one by one."""
    from onnxviz.analyses.inputs.one_sample import row_of
    from onnxviz.formats.column_matching import Slot
    from onnxviz.model.expectations.joined_inputs import JoinedInputs
    from onnxviz.model.graph.labels import feature_names

    model = settled.model
    joined = JoinedInputs.columns(model, settled.held)
    one: object = samples
    if isinstance(samples, Sequence) and not isinstance(samples, str) and len(samples) == 1:
        one = samples[0]
    if joined is None or not isinstance(one, str | os.PathLike | np.ndarray | Mapping):
        return None
    if isinstance(one, Mapping):
        if not set(joined.inputs) <= set(one) or any(isinstance(one[name], os.PathLike) for name in joined.inputs):
            return None
        if any(isinstance(one[name], str) and model.inputs[name].dtype != "string" for name in joined.inputs):
            return None
        parts = {
            name: np.asarray(one[name]).reshape(1, *shape)
            for name, shape in zip(joined.inputs, joined.shapes, strict=True)
        }
        return _Row(joined, parts, "values", ())
    if isinstance(one, str) and one.partition("=")[0] in model.inputs and not Path(one).exists():
        return None
    if len(joined.inputs) == 1 and isinstance(one, str) and not SampleAddress.parse(one).exists:
        return _Row(joined, {joined.inputs[0]: np.full((1, *joined.shapes[0]), one, object)}, one, ())
    features = feature_names(model.original) if len(joined.inputs) == 1 else ()
    slots = []
    for name, shape in zip(joined.inputs, joined.shapes, strict=True):
        expected = settled.contract(name)
        slots.append(Slot.of(expected, shape, features))
    found, columns, notes = row_of(one, slots, request.label)
    for note in notes:
        listener.note(note)
    parts = {name: found[name].reshape(1, *shape) for name, shape in zip(joined.inputs, joined.shapes, strict=True)}
    return _Row(joined, parts, sample_text(one), columns)


def _fed_row(listener: Listener, settled: Settled, row: _Row, wanted: tuple[str, ...]) -> Fed:
    """Return the inputs of a model that a row of a table feeds; the wanted columns are explained, by default all."""
    from onnxviz.methods.attribution.places import Places
    from onnxviz.model.expectations.joined_inputs import JoinedInputs

    model = settled.model
    others = [name for name in model.inputs if name not in row.parts]
    resting = settled.resting(others)
    for name in others:
        if name not in settled.held:
            value = f"{resting_text(resting[name])} ({shape_text(resting[name].shape)})"
            listener.note(f"{name}: {value}; `held` {name}=… sets it")
    copies = max((shape[0] for name in row.parts if (shape := settled.shape(name))), default=1)
    feeds = {**resting, **{name: np.repeat(part, copies, axis=0) for name, part in row.parts.items()}}
    sources = dict.fromkeys(row.parts, row.source)
    inside = [name for name in wanted if name not in row.parts]
    if inside:
        explained = tuple(_inside(model, name, feeds, copies) for name in wanted)
        return Fed(explained, feeds, copies, sources)
    joined = (JoinedInputs.of(model, wanted) if wanted else row.joined).knowing(row.parts)
    expected = joined.contract({name: settled.contract(name) for name in joined.inputs}, moves=False)
    for sentence in expected.evidence:
        listener.note(f"{joined.name}: {sentence}")
    dtype = np.float32 if all(one in ("float32", "float16") for one in joined.dtypes) else np.float64
    sample = joined.join({name: row.parts[name] for name in joined.inputs}).astype(dtype)
    if len(joined.inputs) == 1 and joined.smooth:
        own = joined.inputs[0]
        return Fed(
            (Explained(own, False, sample, settled.contract(own), _places(settled.contract(own), sample.shape[1:])),),
            feeds,
            copies,
            sources,
        )
    places = Places(sample.shape[1:], ("feature",))
    return Fed((Explained(joined.name, False, sample, expected, places, joined=joined),), feeds, copies, sources)


def sample_text(sample: Sample) -> str:
    """Return the name of a sample in messages and results: its path, or the array's shape."""
    if isinstance(sample, str | os.PathLike):
        return os.fspath(sample)
    return f"array {shape_text(np.shape(sample))}"


def _assign(model: Model, samples: Samples, wanted: tuple[str, ...], held: dict[str, np.ndarray]) -> dict[str, Sample]:
    """Return the sample for each input, by the input's name or in the order of the inputs, those that can move first."""
    from onnxviz.model.expectations.input_roles import data_inputs
    from onnxviz.model.expectations.integer_inputs import movable_inputs

    given: dict[str, Sample] = {}
    unnamed: list[Sample] = []
    if isinstance(samples, Mapping):
        given |= samples
        for name in given:
            if name not in model.inputs:
                raise UsageError(f"{model.name} has no input '{name}'; its inputs are {', '.join(model.inputs)}")
    else:
        for one in [samples] if isinstance(samples, str | os.PathLike | np.ndarray | float | int) else samples:
            path = os.fspath(one) if isinstance(one, str | os.PathLike) else ""
            name, sign, rest = path.partition("=")
            if sign and name in model.inputs and not Path(path).exists():
                given[name] = rest
            else:
                unnamed.append(one)
    for name in given:
        if name in held:
            raise UsageError(f"{name} has a sample and a value in `held`; give only one of them")
    free = [info for name, info in model.inputs.items() if name not in given and name not in held]
    movable = {info.name for info in movable_inputs(model)}
    # An input without an axis besides the batch is a switch or a state, not a sample.
    data = data_inputs(model)
    ranked = sorted(
        free,
        key=lambda info: (
            info.name not in wanted,
            info.name not in data,
            len(info.shape or (0, 0)) < 2,
            info.name not in movable,
        ),
    )
    if len(unnamed) > len(ranked):
        names = ", ".join(model.inputs)
        count = len(given) + len(unnamed)
        raise UsageError(f"{count} samples for the inputs {names}: each input takes one sample, as in NAME=FILE")
    given.update({info.name: one for info, one in zip(ranked, unnamed, strict=False)})
    return given


def _contract(settled: Settled, name: str) -> InputContract:
    from onnxviz.model.expectations.embedding import find_embedding

    model, found = settled.model, settled.contract(name)
    if model.inputs[name].is_float and find_embedding(model, name) is not None:
        return found.with_note(
            "the graph looks its values up: tokens", kind="tokens", axes=("token",) * len(found.axes)
        )
    return found


def _explained(
    listener: Listener,
    settled: Settled,
    wanted: tuple[str, ...],
    arrays: dict[str, np.ndarray],
    contracts: dict[str, InputContract],
    feeds: dict[str, np.ndarray],
    copies: int,
) -> tuple[Explained, ...]:
    from onnxviz.model.expectations.embedding import find_embedding
    from onnxviz.model.expectations.integer_inputs import reads_as_numbers

    model = settled.model
    names = list(wanted or arrays)
    found = []
    for name in names:
        if name not in model.inputs:
            found.append(_inside(model, name, feeds, copies))
            continue
        embedding = find_embedding(model, name)
        if embedding is not None:
            listener.note(f"{name}: tokens, explained at {embedding.output}, the lookup of their embedding")
            tokens = np.asarray(feeds[name])[:1]
            found.append(_inside(model, embedding.output, feeds, copies, tokens.reshape(-1), embedding))
            continue
        if not model.inputs[name].is_float and not reads_as_numbers(model, name):
            raise UsageError(
                f"{name} holds {model.inputs[name].dtype}, and the graph reads it neither as numbers nor as tokens; "
                "name a float tensor that depends on it with `wrt`"
            )
        expected = contracts.get(name) or _contract(settled, name)
        sample = np.asarray(expected.sampled(feeds[name]))[:1]
        found.append(
            Explained(name, False, _floating(model, name, sample), expected, _places(expected, sample.shape[1:]))
        )
    for one in found:
        if one.sample.ndim < 2 or not one.sample.size:
            raise UsageError(
                f"{one.name} has the shape {shape_text(one.sample.shape)}; it must have a batch and one more axis"
            )
    return tuple(found)


def _inside(
    model: Model,
    name: str,
    feeds: dict[str, np.ndarray],
    copies: int,
    tokens: np.ndarray | None = None,
    embedding: Embedding | None = None,
) -> Explained:
    """Return a tensor inside the graph as explained tensor, with the value that ONNX Runtime computes."""
    from onnxviz.methods.attribution.places import Places
    from onnxviz.model.expectations.contract_reading import contract

    info = model.require(name)
    if not info.is_float:
        raise UsageError(f"`wrt` {name}: it holds {info.dtype}; only floating-point tensors can be explained")
    values = np.asarray(model.session([name])(feeds)[name])
    if values.ndim < 2 or len(values) != copies:
        raise UsageError(
            f"`wrt` {name}: its shape is {shape_text(values.shape)}, so its first axis is not the batch of {copies}; "
            "name another tensor"
        )
    sample = _floating(model, name, values[:1])
    expected = contract(model, name)
    if tokens is not None and tokens.size == int(np.prod(values.shape[1:-1])):
        axes = (*["token"] * (values.ndim - 2), "dimension")
        expected = replace(expected, kind="tokens", axes=axes)
        return Explained(name, True, sample, expected, Places(sample.shape[1:], axes), tokens, embedding)
    return Explained(name, True, sample, expected, _places(expected, sample.shape[1:]))


def _places(expected: InputContract, shape: tuple[int, ...]) -> Places:
    from onnxviz.methods.attribution.places import Places

    axes = (
        expected.axes if len(expected.axes) == len(shape) else tuple(f"axis {place + 1}" for place in range(len(shape)))
    )
    return Places(shape, axes)


def _floating(model: Model, name: str, array: np.ndarray) -> np.ndarray:
    return np.asarray(array, np.float64 if model.tensors[name].dtype == "float64" else np.float32)
