"""The names of a model's classes as the user gives them: read, counted against the model's scores, and set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from onnxviz.errors import DataError, UsageError

if TYPE_CHECKING:
    from onnxviz.analyses.listener import Listener
    from onnxviz.model.model import Model

Classes = str | os.PathLike[str] | Sequence[str] | Mapping[int, str]
"""The names of the classes: a file, the names in order, or a mapping from number to name."""

_BOXES = (4, 5)
"""So many numbers stand beside the class scores of a detector's row: a box, or a box and its score."""


def with_classes(listener: Listener, model: Model, classes: Classes | None) -> Model:
    """Return a model with the names that the user gives to its classes; they replace the names in the file.

    Parameters
    ----------
    listener : Listener
        Receives a note on where the names come from.
    model : Model
        The model. It is not changed.
    classes : path, sequence of str or mapping of int to str, optional
        The names, or a file that `read_class_names` takes. Without names the model is returned as it is.

    Raises
    ------
    UsageError
        If there is no such file.
    DataError
        If the file holds no names, or if the model has another number of classes.
    """
    from onnxviz.formats.class_lists import numbered_names, read_class_names

    if classes is None:
        return model
    if isinstance(classes, str | os.PathLike):
        if not Path(classes).is_file():
            raise UsageError(f"`classes` {classes}: no such file; give a file with the name of a class in each line")
        names, source = read_class_names(classes), os.fspath(classes)
    else:
        names, source = numbered_names(classes, "`classes`"), "the call"
    _check_count(model, names, source)
    own = model.class_names
    instead = f" in place of the file's own ({', '.join(own[:3])}{', …' if len(own) > 3 else ''})"
    listener.note(f"{len(names)} class names from {source}{instead if own and own != names else ''}")
    return model.named(names)


def _check_count(model: Model, names: tuple[str, ...], source: str) -> None:
    """Raise a DataError if the sizes of all outputs are known, and none of them has so many scores."""
    counts: dict[str, int] = {}
    for name, info in model.outputs.items():
        if info.container != "tensor":
            node = model.producers.get(name)
            info = model.tensors[node.input[0]] if node is not None and node.op_type == "ZipMap" else info
        if info.shape is None or (info.is_float and any(not isinstance(size, int) for size in info.shape[1:])):
            return
        sizes = [size for size in info.shape[1:] if isinstance(size, int)]
        if any(size - beside == len(names) for size in sizes for beside in (0, *_BOXES)):
            return
        if info.is_float and sizes:
            counts[name] = info.units or sizes[0]
    if counts:
        told = ", ".join(f"{name} has {count}" for name, count in counts.items())
        raise DataError(
            f"`classes`: {source} has {len(names)} names, but no output has so many scores ({told}); "
            "give one name for each score, in the order of the scores"
        )
