"""One-hot letters of DNA, RNA and proteins: told by metadata, by names, and by the kernels that read them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from onnxviz.contract import InputContract
from onnxviz.errors import OnnxvizError
from onnxviz.model.expectations.first_layer import first_layer
from onnxviz.model.expectations.kind_axes import ALPHABETS, letter_axes
from onnxviz.model.graph.graph import Graph
from onnxviz.model.graph.labels import metadata, sample_rate
from onnxviz.model.graph.tensor_info import TensorInfo

_KEYS = ("letters", "alphabet")
"""Metadata properties that tell the letters in the order of their axis."""

_BIOLOGY = re.compile(
    r"(?<![a-z])(dna|[mt]?rna|nucleotides?|genom\w*|proteins?|peptides?|amino\w*|promoters?|enhancers?|motifs?|one[ _-]?hot)(?![a-z])",
    re.IGNORECASE,
)
_SEQUENCE = re.compile(r"(?<![a-z])(seqs?|sequences?)(?![a-z])", re.IGNORECASE)
_SIGNAL = re.compile(
    r"(?<![a-z])(e[ceo]g|emg|ppg|imu|acc\w*|gyro\w*|audio|sound|speech|wav\w*|signals?|sensors?|leads?|ohlc\w*|prices?|stocks?"
    r"|series|channels?|electrodes?|vibration|seism\w*|radar|quat\w*|iq)(?![a-z])",
    re.IGNORECASE,
)
"""Words for what else four channels over time are."""

_WIDE = 4
"""Kernels of at least so many positions look for motifs."""

_LONG = 8
"""A sequence has at least so many positions."""

_BEFORE = frozenset(("Transpose", "Unsqueeze", "Squeeze", "Reshape", "Cast", "Identity", "Pad"))
"""Operators before the first convolution that keep every number: letters need no normalization."""


def letters(model: Graph, info: TensorInfo) -> InputContract | None:
    """Return the contract of one-hot letters; None if the evidence is too weak.

    Metadata and words such as "dna" suffice. The word "sequence" counts with a first convolution along the positions. Without
    a word, four channels count if that convolution is at least four positions wide, nothing scales the input before it, and no
    word or metadata names a signal.

    Parameters
    ----------
    model : Graph
        The model.
    info : TensorInfo
        An input of three axes; of four, one of them of size 1.
    """
    shape = info.shape or ()
    spare = tuple(axis for axis in range(1, len(shape)) if shape[axis] == 1) if len(shape) == 4 else ()
    sizes = tuple(size for axis, size in enumerate(shape) if axis not in (0, *spare))
    told = told_letters(model, sizes)
    axes = letter_axes(sizes, len(told) if told else None)
    if axes is None or not info.is_float or len(sizes) != 2:
        return None
    count, length = (sizes[axes.index(axis)] for axis in ("letter", "position"))
    if not isinstance(count, int) or (isinstance(length, int) and length < _LONG and not told):
        return None
    why = f"metadata names the letters {told}" if told else _why(model, info, count)
    if not why:
        return None
    kept = (shape[0], *sizes)
    found = told or usual_letters(count, _words(model, info))
    return InputContract(info.name, kept, "letters", axes, evidence=(why,), spare=spare).with_note(
        order_note(found, bool(told)), low=(0.0,), high=(1.0,), letters=found
    )


def doubtful_letters(model: Graph, info: TensorInfo, axes: Sequence[str]) -> str:
    """Return a sentence for an input of four channels that may hold letters, though too little tells so; else ""."""
    shape = dict(zip(axes, (info.shape or ())[1:], strict=False))
    unit = shape.get("channel", shape.get("feature"))
    if unit != 4 or _SIGNAL.search(_words(model, info)) or sample_rate(model.original) is not None:
        return ""
    return "4 channels: if they are one-hot letters, such as those of DNA, say so with `kind` letters"


def told_letters(model: Graph, sizes: Sequence[int | str | None]) -> str:
    """Return the letters in the metadata, if as many lie along one of the axes; "" without such metadata."""
    properties = metadata(model.original)
    for key in _KEYS:
        text = properties.get(key, "")
        try:
            read = json.loads(text)
            text = "".join(map(str, read)) if isinstance(read, list) else text
        except ValueError:
            pass
        text = text.replace(",", "").replace(" ", "").upper()
        if len(text) > 1 and len(text) in sizes and len(set(text)) == len(text):
            return text
    return ""


def usual_letters(count: int, words: str = "") -> str:
    """Return the usual letters of so many codes; "" if no alphabet has so many.

    Examples
    --------
    >>> usual_letters(4), usual_letters(4, "rna"), usual_letters(7)
    ('ACGT', 'ACGU', '')
    """
    found = ALPHABETS.get(count, "")
    is_rna = re.search(r"(?<![a-z])[mt]?rna(?![a-z])", words, re.IGNORECASE) is not None
    return found.replace("T", "U") if is_rna and count in (4, 5) else found


def order_note(letters: str, told: bool) -> str:
    """Return a sentence about the order of the letters."""
    if told:
        return f"one-hot letters in the order {letters}"
    return f"the order of the letters is not in the file: {letters} is usual (change with `letters`)"


def _words(model: Graph, info: TensorInfo) -> str:
    """Return the words that may tell what an input holds: its name, and the names and texts of the model."""
    proto = model.original
    outputs = " ".join(value.name for value in proto.graph.output)
    told = " ".join(metadata(proto).values())[:2000]
    parts = (info.name, proto.graph.name, proto.doc_string[:2000], proto.graph.doc_string[:2000], told, outputs)
    return " ".join(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part) for part in parts).replace("_", " ")


def _why(model: Graph, info: TensorInfo, count: int) -> str:
    """Return the evidence for letters; "" if it is too weak."""
    words = _words(model, info)
    named = _BIOLOGY.search(words)
    if named is not None:
        return f'the word "{named[0]}", and {count} codes for each position: one-hot letters'
    if _SIGNAL.search(words) or sample_rate(model.original) is not None:
        return ""
    width = _motif_width(model, info.name, count)
    named = _SEQUENCE.search(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", info.name).replace("_", " "))
    if named is not None and width:
        return f'the word "{named[0]}", and a first convolution over {count} codes: one-hot letters'
    if count == 4 and width >= _WIDE:
        told = f"a first convolution over 4 channels and {width} positions, and nothing names a signal"
        return f"{told}: one-hot letters (`kind` signal says otherwise)"
    return ""


def _motif_width(model: Graph, name: str, count: int) -> int:
    """Return the positions that the first kernels see, if they read every letter and nothing scales the input; else 0."""
    try:
        layer = first_layer(model, name)
    except OnnxvizError:
        return 0
    kernels = layer.kernels.shape
    reached = {name}
    for node in model.nodes:
        if layer.layer in node.output:
            break
        if reached.isdisjoint(node.input) or node.op_type in ("Shape", "Size"):
            continue
        if node.op_type not in _BEFORE:
            return 0
        reached.update(node.output)
    if "Conv" not in layer.operator or layer.groups != 1:
        return 0
    long = sorted(size for size in kernels[1:] if size > 1)
    if count not in kernels[1:] or len(long) > 2:
        return 0
    rest = list(kernels[1:])
    rest.remove(count)
    return max(rest, default=0)
