"""The sizes, values and contracts of a model's inputs after a request is read, the same for every verb."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from onnxviz.analyses.inputs.request import InputRequest, checked_dims, checked_shapes, read_held

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.held_inputs import HeldInputs
    from onnxviz.contract import InputContract
    from onnxviz.model.model import Model


@dataclass(frozen=True, eq=False)
class Settled:
    """Sizes, held values and contracts of a model's inputs.

    Attributes
    ----------
    model : Model
        The model.
    request : InputRequest
        The user's settings.
    held : dict of str to ndarray
        Tensors that the request holds at a value.
    given : dict of str to ndarray
        The same values as the request gives them: an array without axes fills its tensor.
    dims : dict of str to int
        Sizes of symbolic axes: those of the request, and those that were found by running the model.
    shapes : dict of str to tuple of int
        Whole shapes of inputs, batch included: those of the request, and those that were found.
    spoken : frozenset of str
        The inputs that the request's range, layout and channels apply to.
    notes : tuple of str
        A sentence about the sizes that were found.
    """

    model: Model
    request: InputRequest
    held: dict[str, np.ndarray]
    given: dict[str, np.ndarray]
    dims: dict[str, int]
    shapes: dict[str, tuple[int, ...]]
    spoken: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    _contracts: dict[str, InputContract] = field(default_factory=dict, repr=False)

    def about(self, names: Iterable[str]) -> Settled:
        """Return a copy in which the request's range, layout and channels apply to the given inputs."""
        return replace(self, spoken=frozenset(names), _contracts={})

    def sized(self, dims: dict[str, int], shapes: dict[str, tuple[int, ...]]) -> Settled:
        """Return a copy with further sizes, such as those of a sample; contracts are kept.

        A symbolic axis has one size in a model, so every input that has an axis of that name follows.
        """
        return replace(self, dims={**self.dims, **dims}, shapes={**self.shapes, **shapes})._filled()

    def with_samples(self, samples: Mapping[str, Sequence[int]]) -> Settled:
        """Return a copy in which samples settle what the file leaves open; other inputs follow.

        Parameters
        ----------
        samples : mapping of str to sequence of int
            The shape of one sample for each input that is fed, without the batch.
        """
        from onnxviz.analyses.inputs.held_inputs import sizes_of_samples

        dims, shapes = sizes_of_samples(self.model, samples)
        return self.sized(dims, shapes)

    def of_batch(self, name: str, size: int) -> Settled:
        """Return a copy in which an input has a batch of some size; inputs with a batch of the same name follow."""
        declared = self.model.tensors[name].shape or ()
        if size == 1 or not declared or isinstance(declared[0], int):
            return self
        named = {declared[0]: size} if declared[0] else {}
        return self.sized(named, {name: (size, *self.shape(name)[1:])})

    def open_sizes(self, name: str) -> tuple[int | None, ...]:
        """Return the sizes of a tensor's samples; None if neither file nor request sets it: each sample has its own."""
        shape, sizes = self.model.tensors[name].shape, self.shape(name)
        if shape is None:
            return sizes[1:]
        told = {**_sizes_of_held(self.model, self.given), **self.request.dims}
        found = [
            size if name in self.request.shapes or isinstance(own, int) or own in told else None
            for own, size in zip(shape, sizes, strict=True)
        ]
        return self.contract(name).sample_shape(found)[1:]

    def beside(self, names: Iterable[str]) -> HeldInputs:
        """Return the inputs that no sample feeds, whose sizes follow each sample."""
        from onnxviz.analyses.inputs.held_inputs import HeldInputs

        return HeldInputs(self.resting(names), self.given, self.dims, self.shapes)

    def _filled(self) -> Settled:
        """Return a copy in which held numbers fill their tensors at the sizes that are settled now."""
        from onnxviz.model.expectations.sample_inputs import filled

        numbers = {name: value for name, value in self.given.items() if not value.ndim}
        held = {**self.held, **filled(self.model, numbers, self.dims, self.shapes)} if numbers else self.held
        return replace(self, held=held)

    def shape(self, name: str) -> tuple[int, ...]:
        """Return an input's shape with every size settled, batch included.

        Raises
        ------
        UsageError
            If a shape of the request contradicts the file's.
        """
        from onnxviz.model.expectations.sample_inputs import settled_shape

        return settled_shape(self.model, name, self.dims, self.shapes)

    def batch(self, name: str) -> int | None:
        """Return the batch that the file or the request fixes, else the only one that the model runs with; None if it is open.

        Exporters name an axis "batch" and write its size into a Reshape all the same. Where an output declares such a size,
        the model is run.
        """
        from onnxviz.model.probing.runnable_sizes import declared_batches

        shape = self.model.tensors[name].shape
        if self.contract(name).whole:
            return 1
        if shape and isinstance(shape[0], int):
            return shape[0]
        if not shape or name not in self.model.inputs:
            return None
        told = name in self.request.shapes
        size = 1
        if told or declared_batches(self.model):
            size = settle(self.model, self.request, self.given, running="" if told else name).shape(name)[0]
        return size if size > 1 else None

    def contract(self, name: str) -> InputContract:
        """Return the contract of a tensor, from the request, else from the file, else from a run of the model.

        Parameters
        ----------
        name : str
            An input, or a float tensor inside the graph.

        Raises
        ------
        UsageError
            If the request contradicts itself or the input.
        TargetError
            If the model has no such tensor.
        """
        if name not in self._contracts:
            self._contracts[name] = self._read(name)
        return self._contracts[name]

    def _read(self, name: str) -> InputContract:
        from onnxviz.model.expectations.contract_reading import contract
        from onnxviz.model.probing import order_probe, range_probe

        expected = contract(self.model, name)
        if name in self.spoken:
            expected = self.request.refined(expected)
        if name not in self.model.inputs or not (range_probe.is_open(expected) or order_probe.is_open(expected)):
            return expected
        # Range and order are properties of the model: they are measured at the sizes that suit the model, not at a sample's.
        shape, others = self._measured_at(name)
        sizes = expected.sample_shape(shape)
        # The order is measured in the range, so the range comes first.
        ranged = range_probe.probe_range(self.model, expected, sizes, others)
        return order_probe.probe_order(self.model, ranged, sizes, others)

    def _measured_at(self, name: str) -> tuple[tuple[int, ...], dict[str, np.ndarray]]:
        """Return the shape at which an input's range is measured, and values for all other inputs."""
        sizes = settle(self.model, self.request, self.given, running=name)
        return sizes.shape(name), sizes.resting(one for one in self.model.inputs if one != name)

    def resting(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return values for some inputs: the held ones, and values at rest for the others."""
        from onnxviz.model.expectations.resting import rest

        return rest(self.model, list(names), self.held, self.dims, self.shapes)

    def chosen_texts(self, names: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return a sentence about each input of texts that the request leaves to the texts known to the graph.

        Parameters
        ----------
        names : iterable of str, optional
            The inputs to speak of. Default: all inputs.
        """
        inputs = self.model.inputs
        free = [name for name in (inputs if names is None else names) if name not in self.held]
        return tuple(
            f"{name}: {sentence}"
            for name in free
            if inputs[name].dtype == "string"
            for sentence in self.contract(name).evidence
        )

    def feed(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Return values for all inputs: the held ones, and seeded values for the others.

        Raises
        ------
        UsageError
            If an input holds neither numbers, booleans nor texts and the request gives no value.
        """
        from onnxviz.model.expectations.sample_inputs import feed

        return feed(self.model, self.held, self.dims, self.shapes, seed)


def settle(
    model: Model, request: InputRequest, held: dict[str, np.ndarray] | None = None, running: str | bool = False
) -> Settled:
    """Return the sizes, values and contracts that a request gives to one model.

    Parameters
    ----------
    model : Model
        The model.
    request : InputRequest
        The user's settings.
    held : dict of str to ndarray, optional
        The held values, if they are read already, as in `Settled.given`.
    running : str or bool
        An input whose open sizes are tried on ONNX Runtime until the model runs; True for the largest input of data that
        is not held, those that can move first.

    Raises
    ------
    UsageError
        If a name is unknown, or a size or a value is not valid.
    DataError
        If a file of the request cannot be read.
    """
    from onnxviz.model.probing.runnable_sizes import runnable_sizes

    dims, shapes = checked_dims(model, request.dims), checked_shapes(model, request.shapes)
    given = read_held(model, request.held) if held is None else held
    dims = {**_sizes_of_held(model, {name: one for name, one in given.items() if name not in shapes}), **dims}
    found = Settled(model, request, dict(given), given, dims, shapes)._filled()
    name = _largest(found) if running is True else running or ""
    if not name:
        return found
    (dims, shapes), sentence = runnable_sizes(model, name, given, dims, shapes)
    notes = (f"{name}: {sentence}",) if sentence else ()
    return replace(found, dims=dims, shapes=shapes, notes=notes)._filled()


def _largest(found: Settled) -> str:
    """Return the largest input of data that is not held, those that can move first; "" if there is none."""
    from onnxviz.model.expectations.input_roles import data_inputs
    from onnxviz.model.expectations.integer_inputs import movable_inputs

    inputs = found.model.inputs
    free = [name for name in data_inputs(found.model) if name not in found.held and inputs[name].dtype != "string"]
    movable = {info.name for info in movable_inputs(found.model, found.held)}
    return max(free, key=lambda name: (name in movable, int(np.prod(found.shape(name)))), default="")


def _sizes_of_held(model: Model, held: dict[str, np.ndarray]) -> dict[str, int]:
    """Return the sizes of symbolic axes that held arrays have, the batch left out."""
    found: dict[str, int] = {}
    for name, array in held.items():
        declared = model.inputs[name].shape if name in model.inputs else None
        if declared is not None and len(declared) == array.ndim:
            pairs = zip(declared[1:], array.shape[1:], strict=True)
            found.update({size: own for size, own in pairs if isinstance(size, str)})
    return found
