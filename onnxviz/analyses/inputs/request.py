"""The user's settings of a model's inputs and of data, and their values for one model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.inputs.classes import Classes
from onnxviz.analyses.inputs.features import Names
from onnxviz.errors import UsageError

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.model.graph.tensor_info import TensorInfo
    from onnxviz.model.model import Model

Value = float | str | os.PathLike[str] | np.ndarray | list[Any]
"""A number or a text that fills the input, an array, or a file that holds one."""


@dataclass(frozen=True, kw_only=True)
class InputRequest:
    """The user's settings of a model's inputs. A setting that is left out is read from the model.

    Attributes
    ----------
    held : mapping of str to number, text, array or path
        Values of inputs that are held fixed. A number fills the whole shape, and so does the text of an input of texts.
    dims : mapping of str to int
        Sizes for symbolic axes, by the axis's name.
    shapes : mapping of str to tuple of int
        Whole shapes of inputs, batch included.
    value_range : (low, high), optional
        The input's range, in the model's own units.
    mean, std : tuple of float, optional
        The mean and deviation by which pictures in 0 to 1 (or 0 to 255, if a mean is above 1.5) were normalized.
    layout : {"nchw", "nhwc", "hw"}, optional
        The order of a picture's axes; "hw" is a gray picture without an axis for channels.
    channels : {"rgb", "bgr", "gray"}, optional
        The colors of a picture's channels.
    kind : str, optional
        What the input is: image, clip, volume, signal, sequence, points, letters or array.
    letters : str, optional
        The letters of one-hot codes in the order of their axis, such as ACGT.
    """

    held: Mapping[str, Value] = field(default_factory=dict)
    dims: Mapping[str, int] = field(default_factory=dict)
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    value_range: tuple[float, ...] | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    layout: str | None = None
    channels: str | None = None
    kind: str | None = None
    letters: str | None = None

    def refined(self, found: InputContract) -> InputContract:
        """Return a contract in which the settings of the request replace those of the file.

        Raises
        ------
        UsageError
            If the request contradicts itself or the input.
        """
        if self.value_range is not None or self.mean is not None:
            # The user's range replaces an assumed range.
            found = replace(found, evidence=tuple(note for note in found.evidence if "assumed" not in note))
        if self.value_range is not None:
            found = self._ranged(found, self.value_range)
        if (self.mean is None) != (self.std is None):
            raise UsageError("`mean` and `std` belong together: give both")
        if self.mean is not None and self.std is not None:
            found = self._normalized(found, self.mean, self.std)
        if self.layout is not None:
            found = _laid_out(found, self.layout)
        return found if self.channels is None else _colored(found, self.channels)

    def _ranged(self, found: InputContract, ends: tuple[float, ...]) -> InputContract:
        if len(ends) != 2 or not ends[0] < ends[1]:
            raise UsageError("`value_range` needs two numbers, the smaller first: `value_range` 0,255")
        low, high = map(float, ends)
        return found.with_note(f"range given: {low:g} to {high:g}", low=(low,), high=(high,))

    def _normalized(self, found: InputContract, mean: tuple[float, ...], std: tuple[float, ...]) -> InputContract:
        if self.value_range is not None:
            raise UsageError("`value_range` and `mean` with `std` both tell the range: give one or the other")
        if len(mean) != len(std) or any(one <= 0 for one in std):
            raise UsageError("`mean` and `std` need equally many numbers, and every `std` must be above 0")
        top = 255.0 if max(mean) > 1.5 else 1.0
        low = tuple((0 - m) / s for m, s in zip(mean, std, strict=True))
        high = tuple((top - m) / s for m, s in zip(mean, std, strict=True))
        return found.with_note(f"mean and deviation given, of pictures in 0 to {top:g}", low=low, high=high)


_LAYOUTS = {
    "nchw": ("channel", "height", "width"),
    "nhwc": ("height", "width", "channel"),
    "hw": ("height", "width"),
}


def _laid_out(found: InputContract, layout: str) -> InputContract:
    axes = _LAYOUTS[layout.lower()]
    if len(found.shape) not in (0, 1 + len(axes)):
        raise UsageError(
            f"`layout` {layout}: {found.name} has {len(found.shape)} axes, not {1 + len(axes)}; "
            "nchw and nhwc are for 4 axes, hw for 3"
        )
    if "channel" not in axes:
        return found.with_note("layout given: hw, a gray picture", kind="image", axes=axes, color="gray")
    size = found.shape[1 + axes.index("channel")] if found.shape else None
    if isinstance(size, int) and len(found.low) not in (0, 1, size):
        raise UsageError(
            f"`layout` {layout}: {found.name} would have {size} channels, but its range has {len(found.low)} numbers, one "
            "for each channel; check the layout, or give `value_range`"
        )
    color = {1: "gray", 3: "rgb"}.get(size) if isinstance(size, int) else None
    return found.with_note(f"layout given: {layout.lower()}", kind="image", axes=axes, color=color)


def _colored(found: InputContract, channels: str) -> InputContract:
    size = found.shape[1 + found.axes.index("channel")] if "channel" in found.axes and found.shape else None
    wanted = 1 if channels == "gray" else 3
    if isinstance(size, int) and size != wanted:
        raise UsageError(f"`channels` {channels}: {found.name} has {size} channels, not {wanted}")
    return found.with_note(f"channels given: {channels}", color=channels, color_told=True)


def checked_dims(model: Model, dims: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes that a request gives to symbolic axes.

    Raises
    ------
    UsageError
        If a size is not a whole number above 0, or the model has no axis of that name.
    """
    known = {size for info in model.inputs.values() for size in info.shape or () if isinstance(size, str)}
    for name, size in dims.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise UsageError(f"`dims` {name}={size}: write a whole number above 0")
        if name not in known:
            raise UsageError(
                f"`dims` {name}={size}: {model.name} has no size of that name; it has {', '.join(sorted(known)) or 'none'}"
            )
    return {name: int(size) for name, size in dims.items()}


def checked_shapes(model: Model, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Return the shapes that a request gives to inputs.

    Raises
    ------
    UsageError
        If the model has no input of that name, or a size is negative.
    """
    from onnxviz.model.expectations.input_roles import input_roles
    from onnxviz.model.tensors.axes.evidence import TIME
    from onnxviz.model.tensors.axes.graph_axes import graph_axes

    for name, shape in shapes.items():
        text = "x".join(map(str, shape))
        if not all(isinstance(size, int | np.integer) and size >= 0 for size in shape):  # an empty cache has size 0
            raise UsageError(f"`shapes` {name}={text}: write sizes such as 1x3x224x224")
        if name not in model.inputs:
            raise UsageError(
                f"`shapes` {name}={text}: {model.name} has no such input; its inputs are {', '.join(model.inputs)}"
            )
        if 0 in shape and graph_axes(model).place(name, TIME, len(shape)) in [
            axis for axis, size in enumerate(shape) if not size
        ]:
            # ONNX Runtime ends the process if a recurrent layer has no step.
            role = input_roles(model).get(name)
            if role is None or role.name != "cache":
                raise UsageError(f"`shapes` {name}={text}: the axis of the steps is 0; only a cache may be empty")
    return {name: tuple(map(int, shape)) for name, shape in shapes.items()}


def read_held(model: Model, held: Mapping[str, Value]) -> dict[str, np.ndarray]:
    """Return the values of the tensors that a request holds; a number is an array without axes, which fills its tensor.

    Raises
    ------
    UsageError
        If the model has no tensor of that name, or a text is neither a number nor a file.
    DataError
        If a file cannot be read.
    """
    values: dict[str, np.ndarray] = {}
    for name, value in held.items():
        if name not in model.tensors and "=" in name and isinstance(value, str):
            # The text itself holds a "=": the name is what stands before an earlier one.
            name, value = _parted(model, f"{name}={value}")
        written = value if isinstance(value, str | os.PathLike | int | float) else "…"
        if name not in model.tensors:
            raise UsageError(
                f"`held` {name}={written}: {model.name} has no such tensor; its inputs are {', '.join(model.inputs)}"
            )
        sequence = _sequence(model, name, value) if isinstance(value, str | os.PathLike) else None
        if sequence is not None:
            array = sequence
        elif model.tensors[name].dtype == "string":
            array = _texts(value)
        else:
            array = _file_content(name, value) if isinstance(value, str | os.PathLike) else np.asarray(value)
        values[name] = _suited(model.tensors[name], array)
    return values


def _suited(info: TensorInfo, array: np.ndarray) -> np.ndarray:
    """Return numbers in the type of their tensor, with a batch of 1 where the values are those of one sample.

    Raises
    ------
    UsageError
        If a tensor of whole numbers is given others.
    """
    from onnxviz.model.expectations.sample_inputs import number_type

    kind = number_type(info)
    if kind is not None and array.dtype.kind in "biuf" and array.dtype != kind:
        cast = array.astype(kind)
        if kind.kind in "iub" and not np.array_equal(cast, array):
            wrong = array[cast != array].flat[0]
            fitting = "0 or 1" if kind.kind == "b" else "whole numbers in its range"
            raise UsageError(f"`held` {info.name}: it holds {info.dtype}, but was given {wrong:g}; give {fitting}")
        array = cast
    sizes = info.shape or ()
    is_sample = 0 < array.ndim == len(sizes) - 1 and (sizes[0] == 1 or not isinstance(sizes[0], int))
    return array[None] if is_sample else array


def _parted(model: Model, text: str) -> tuple[str, str]:
    """Return the name of a tensor and the value that ``NAME=VALUE`` gives it, if the value may hold a "=" too."""
    ends = [place for place, sign in enumerate(text) if sign == "=" and text[:place] in model.tensors]
    name, _, value = text.rpartition("=") if not ends else (text[: ends[-1]], "=", text[ends[-1] + 1 :])
    return name, value


def _sequence(model: Model, name: str, value: str | os.PathLike[str]) -> np.ndarray | None:
    """Return the one-hot codes of a sequence that an input of letters is given, as letters or as a FASTA file; else None."""
    from onnxviz.analyses.inputs.one_sample import single_of
    from onnxviz.formats.column_matching import Slot
    from onnxviz.formats.letters import FASTA, is_sequence
    from onnxviz.formats.sample_address import SampleAddress
    from onnxviz.model.expectations.contract_reading import contract

    path = SampleAddress.parse(value).path
    if name not in model.inputs or contract(model, name).kind != "letters":
        return None
    expected = contract(model, name)
    if path.suffix.lower() not in FASTA and not is_sequence(os.fspath(value), expected.letters):
        return None
    sizes = tuple(size if isinstance(size, int) else None for size in expected.shape[1:])
    single = single_of(value, Slot(name, sizes, "letters"))
    found, _ = single.fitted(expected, single.wanted(expected, sizes, (1,) * len(sizes)), None)
    return np.asarray(expected.fed(found))


def _texts(value: Value) -> np.ndarray:
    """Return a text, or the texts of an array or of the file that a text names, as an array of object."""
    from onnxviz.formats.text_arrays import TEXT_FILES, as_texts, read_texts

    if isinstance(value, str | os.PathLike):
        path = Path(value)
        # The text itself is meant, unless it names a file of texts.
        return read_texts(path) if path.suffix.lower() in TEXT_FILES and path.is_file() else as_texts(os.fspath(value))
    return as_texts(value)


def _file_content(name: str, value: str | os.PathLike[str]) -> np.ndarray:
    """Return the number that a text spells, or the array of the file that it names."""
    from onnxviz.formats.tables import truth_of

    text = os.fspath(value)
    truth = truth_of(text)
    if truth is not None:
        return np.asarray(truth)
    try:
        return np.asarray(float(text))
    except ValueError:
        from onnxviz.formats.sample_address import SampleAddress
        from onnxviz.formats.samples import read_sample

        address = SampleAddress.parse(text)
        if not address.exists:
            raise UsageError(f"`held` {name}={text}: neither a number nor a file that exists") from None
        if address.rows is not None:
            from onnxviz.analyses.inputs.one_sample import read_single
            from onnxviz.formats.column_matching import Slot

            return np.asarray(read_single(Path(text), Slot(name, ())).sample.array)
        array = np.asarray(read_sample(text).array)
        return array if array.ndim else array.reshape(1)


@dataclass(frozen=True, kw_only=True)
class DataRequest:
    """The user's settings of data and of the inputs that it feeds.

    Attributes
    ----------
    inputs : InputRequest
        Settings of the model's inputs.
    input_name : str, optional
        The input that the data feeds, if the model has several inputs.
    label : str, optional
        A table's column, or an archive's member, that names the samples' classes and is no feature.
    strict : bool
        Whether the first sample that cannot be read ends the work; else such samples are skipped.
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    text : str or sequence of str, optional
        Texts for a model of tokens, in place of files or beside them.
    text_column : str, optional
        The column of a table that holds texts. Default: a column named like "text", or the only column of text.
    vocab : path or sequence of str, optional
        The tokenizer of a model of tokens (``tokenizer.json``, ``vocab.txt``), or the names of its tokens. Default: the file beside
        the model.
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    input_name: str | None = None
    label: str | None = None
    strict: bool = False
    classes: Classes | None = None
    text: str | Sequence[str] | None = None
    text_column: str | None = None
    vocab: Names | None = None
