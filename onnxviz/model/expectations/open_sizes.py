"""Sizes that a file leaves open: one size for each symbol of a model, and the usual size of each other open axis."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Mapping
from weakref import WeakKeyDictionary

from onnxviz.contract import InputContract
from onnxviz.model.expectations.contract_reading import contract
from onnxviz.model.expectations.input_roles import InputRole, data_inputs, input_roles
from onnxviz.model.graph.graph import Graph
from onnxviz.model.tensors.axes.graph_axes import graph_axes

Shapes = Mapping[str, tuple[int, ...]]

_USUAL = {"image": 224, "clip": 112, "volume": 32, "signal": 4000, "points": 1024, "letters": 200, "tokens": 16}
"""The usual size of an open axis after the batch, by the kind of the input; 1 for other kinds. The first kind decides a symbol."""

_STEPS = {"clip": 16, "sequence": 16}
"""The usual number of frames of a clip, and of steps of a sequence."""

_LONGEST = 200
"""The most characters of a size that is read as arithmetic."""

_BATCH = re.compile(r"batch|^(n|b|bs)$", re.IGNORECASE)


def _steps_axis(found: InputContract) -> int | None:
    """Return the axis of a tensor that holds the steps of a clip or a sequence; None for other inputs."""
    if found.kind not in _STEPS or "time" not in found.axes:
        return None
    places = found.sample_shape(range(len(found.shape) - 1 + len(found.spare) + (not found.whole)))
    return int(places[1 + found.axes.index("time")])


class _Facts:
    """What does not depend on a request: kinds, and the usual size of every symbol."""

    def __init__(self, model: Graph) -> None:
        self.roles = input_roles(model)
        unbatched = graph_axes(model).unbatched
        read = {
            name: contract(model, name)
            for name, info in model.inputs.items()
            if any(not isinstance(size, int) for size in (info.shape or ())[name not in unbatched :])
        }
        self.kinds = {name: found.kind for name, found in read.items()}
        self.steps = {name: steps for name, found in read.items() if (steps := _steps_axis(found)) is not None}
        """The axis of the steps of each clip and sequence, batch included."""
        self.shared: dict[str, set[str]] = {}
        """The inputs that hold data and have an axis of each name, or a cache's axis of the past."""
        self.symbols: dict[str, int] = {}
        named = {size for name in self.kinds for size in model.inputs[name].shape or () if isinstance(size, str)}
        self.computed = {size for size in named if _is_computed(size, named)}
        for name in sorted(self.kinds, key=self._rank):
            role = self.roles.get(name)
            for axis, size in enumerate(model.inputs[name].shape or ()):
                if not isinstance(size, str) or (axis == 0 and self.steps.get(name) != 0):
                    continue
                if role is None:
                    self.shared.setdefault(size, set()).add(name)
                if size not in self.computed:
                    self.symbols.setdefault(size, 1 if _BATCH.search(size) else self.usual(name, axis))

    def usual(self, name: str, axis: int) -> int:
        """Return the usual size of an open axis."""
        role = self.roles.get(name)
        if axis == 0 and self.steps.get(name) != 0:
            return 1
        if role is not None and role.name == "cache":
            return int(not role.grows) if axis == role.axis else 1
        if self.steps.get(name) == axis:
            return _STEPS[self.kinds[name]]
        return _USUAL.get(self.kinds[name], 1) if name in self.kinds else 1

    def _rank(self, name: str) -> tuple[bool, int]:
        """Return the order in which inputs are asked for a symbol: data first, pictures before tokens."""
        order = list(_USUAL)
        role = self.roles.get(name)
        is_aside = role is not None and role.name != "cache"
        kind = self.kinds[name]
        return is_aside, order.index(kind) if kind in order else len(order)


_FACTS: WeakKeyDictionary[Graph, _Facts] = WeakKeyDictionary()


def _facts(model: Graph) -> _Facts:
    if model not in _FACTS:
        _FACTS[model] = _Facts(model)
    return _FACTS[model]


def symbol_sizes(model: Graph, dims: Mapping[str, int], shapes: Shapes) -> dict[str, int]:
    """Return the size of each symbol of a model's inputs: it has one size in the whole model.

    Sizes by name come first, then the sizes of whole inputs, then the usual size.

    Parameters
    ----------
    model : Graph
        The model.
    dims, shapes : mapping
        Sizes that are known for names, and for whole inputs, batch included.
    """
    known = dict(dims)
    for name, shape in shapes.items():
        declared = model.inputs[name].shape if name in model.inputs else None
        if declared is not None and len(declared) == len(shape):
            for size, own in zip(declared, shape, strict=True):
                if isinstance(size, str):
                    known.setdefault(size, own)
    for symbol, size in _facts(model).symbols.items():
        known.setdefault(symbol, size)
    return known


def completed_shape(model: Graph, name: str, dims: Mapping[str, int], shapes: Shapes) -> tuple[int, ...]:
    """Return the shape of an input that no shape is given for.

    Open sizes are those of their symbols. A mask beside a cache is as long as the past and the sequence together. Axes
    without a name have the usual size; those of a mask follow the input that it masks.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input.
    dims, shapes : mapping
        Sizes that are known for names, and for whole inputs, batch included.
    """
    declared = model.tensors[name].shape or ()
    if all(isinstance(size, int) for size in declared):
        return tuple(size for size in declared if isinstance(size, int))
    facts, known = _facts(model), symbol_sizes(model, dims, shapes)
    sizes: list[int] = []
    for axis, size in enumerate(declared):
        if isinstance(size, int):
            sizes.append(size)
        elif axis == len(declared) - 1 > 0 and (length := _past_and_present(model, name, dims, shapes)) is not None:
            sizes.append(length)
        elif size is not None and (value := _evaluated(size, known, facts.computed)) is not None:
            sizes.append(value)
        else:
            followed = _followed(model, name, axis, dims, shapes) if size is None else None
            sizes.append(facts.usual(name, axis) if followed is None else followed)
    return tuple(sizes)


def _past_and_present(model: Graph, name: str, dims: Mapping[str, int], shapes: Shapes) -> int | None:
    """Return the length of a mask over a cache and the sequence after it; None for other inputs and known lengths."""
    facts = _facts(model)
    role, size = facts.roles.get(name), (model.inputs[name].shape or (None,))[-1] if name in model.inputs else None
    if role is None or role.name != "mask" or isinstance(size, int) or size in dims or facts.shared.get(size or ""):
        return None
    caches = [(one, cache) for one, cache in facts.roles.items() if cache.grows and cache.axis is not None]
    sequences = [one for one in data_inputs(model) if len(model.inputs[one].shape or ()) > 1]
    if not caches or not sequences or sequences[0] == name:
        return None
    return _size(model, *caches[0], dims, shapes) + _shape(model, sequences[0], dims, shapes)[1]


def _size(model: Graph, name: str, cache: InputRole, dims: Mapping[str, int], shapes: Shapes) -> int:
    return _shape(model, name, dims, shapes)[cache.axis or 0]


def _shape(model: Graph, name: str, dims: Mapping[str, int], shapes: Shapes) -> tuple[int, ...]:
    return shapes[name] if name in shapes else completed_shape(model, name, dims, shapes)


def _followed(model: Graph, name: str, axis: int, dims: Mapping[str, int], shapes: Shapes) -> int | None:
    """Return the size of an unnamed axis of a mask: that of the picture or the sequence which it masks."""
    role = _facts(model).roles.get(name)
    if axis == 0 or role is None or role.name != "mask":
        return None
    rank = len(model.inputs[name].shape or ())
    for other in data_inputs(model):
        if other == name:
            continue
        axes = [place for place, one in enumerate(contract(model, other).axes, 1) if one not in ("channel", "feature")]
        shape = _shape(model, other, dims, shapes)
        if len(axes) == rank - 1 and len(shape) > max(axes, default=0):
            return shape[axes[axis - 1]]
    return None


def sequence_length(model: Graph, name: str, dims: Mapping[str, int], shapes: Shapes) -> int:
    """Return the number of steps of an input: its size along time, else along its last open axis.

    Parameters
    ----------
    model : Graph
        The model.
    name : str
        The input whose steps are counted.
    dims, shapes : mapping
        Sizes that are known for names, and for whole inputs, batch included.
    """
    shape, declared = _shape(model, name, dims, shapes), model.inputs[name].shape or ()
    axes = contract(model, name).axes
    if "time" in axes and axes.index("time") + 1 < len(shape):
        return shape[axes.index("time") + 1]
    is_open = [axis for axis, size in enumerate(declared) if axis and not isinstance(size, int)]
    return shape[is_open[-1] if is_open else -1] if shape else 1


def _is_computed(text: str, names: Collection[str]) -> bool:
    """Return whether a size is written as arithmetic over the names of other sizes, such as ``past + 1``."""
    tree = _parsed(text)
    if tree is None or isinstance(tree, ast.Name | ast.Constant):
        return False
    used = {part.id for part in ast.walk(tree) if isinstance(part, ast.Name)}
    return bool(used) and used <= set(names) - {text}


def _parsed(text: str) -> ast.expr | None:
    if len(text) > _LONGEST:
        return None
    try:
        return ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _evaluated(text: str, known: Mapping[str, int], computed: Collection[str]) -> int | None:
    """Return the size of a symbol, or the value of arithmetic over symbols; None where a part of it is not known."""
    if text in known:
        return known[text]
    tree = _parsed(text) if text in computed else None
    try:
        return None if tree is None else _value(tree, known)
    except (ValueError, KeyError, ZeroDivisionError):
        return None


def _value(part: ast.expr, known: Mapping[str, int]) -> int:
    if isinstance(part, ast.Constant) and isinstance(part.value, int):
        return part.value
    if isinstance(part, ast.Name):
        return known[part.id]
    if isinstance(part, ast.BinOp):
        left, right = _value(part.left, known), _value(part.right, known)
        if isinstance(part.op, ast.Add):
            return left + right
        if isinstance(part.op, ast.Sub):
            return max(0, left - right)
        if isinstance(part.op, ast.Mult):
            return left * right
        if isinstance(part.op, ast.FloorDiv | ast.Div):
            return left // right
    raise ValueError("no arithmetic of sizes")
