"""Forward passes of ONNX Runtime over samples: batched where the model allows it, one by one where it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import EmptyTargetError, EvaluationError, UsageError
from onnxviz.wording import shape_text

if TYPE_CHECKING:
    from onnxviz.analyses.inputs.feed import Feed
    from onnxviz.model.session import Session

_MOST_AT_ONCE = 256
_ROOM = 48 << 20
"""Bytes for a batch's inputs and computed tensors: few enough that a reduction finds them in the cache."""

_TOLERANCE = 1e-3
"""The largest difference between a sample alone and the same sample in a batch, relative to the tensor's range."""


class Forward:
    """A function from samples to tensors, computed by ONNX Runtime on the untouched model.

    Parameters
    ----------
    feed : Feed
        The inputs that the data feeds.
    tensors : sequence of str
        The names of the tensors to compute.
    loose : bool
        Whether a tensor whose first axis does not count the samples is taken whole, for one sample at a time.
    runs : int
        The number of calls that may run side by side, each with its share of the cores. For many samples this is faster
        than one call after the other on all cores. The first call must end before others begin.
    threads : int, optional
        The number of threads of a call. Default: its share of the cores.
    at_once : int, optional
        The attribute `at_once` of another `Forward` for the same model. The batch is then not tested again.

    Attributes
    ----------
    at_once : int
        The number of samples in a run of the model.
    """

    def __init__(
        self,
        feed: Feed,
        tensors: Sequence[str],
        loose: bool = False,
        runs: int = 1,
        threads: int | None = None,
        at_once: int | None = None,
    ) -> None:
        from onnxviz.formats.prefetch import cores
        from onnxviz.model.probing.measured_sizes import samples_at_once
        from onnxviz.model.tensors.randomness import random_note
        from onnxviz.model.tensors.sample_view import sample_view

        self.feed = feed
        self.tensors = tuple(dict.fromkeys(tensors))
        feed.tell([random_note(feed.model, self.tensors, feed.held.values)])
        share = max(1, cores() // runs) if runs > 1 else None
        self._held_at: dict[tuple[tuple[str, tuple[int, ...]], ...], dict[str, np.ndarray]] = {}
        self.session: Session = feed.model.session(self.tensors, threads=threads or share)
        self._fixed = feed.fixed
        self._views = {name: sample_view(feed.model, name) for name in self.tensors}
        self._loose = loose
        self._checked = self._fixed is not None or at_once is not None
        if at_once is not None:
            self.at_once = at_once
            return
        sample = (1, *(size or 256 for size in feed.shapes[feed.main]))
        shape = feed.contracts[feed.main].tensor_shape(sample)
        room = samples_at_once(feed.model, list(self.tensors), [], shape, self._beside({feed.main: sample[1:]}))
        self.at_once = self._fixed or max(1, min(_MOST_AT_ONCE, room // runs, _ROOM // self._bytes(math.prod(shape))))

    def __call__(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the tensors for some samples.

        Parameters
        ----------
        arrays : dict of str to (sample, *shape) ndarray
            The inputs that the data feeds.

        Returns
        -------
        dict of str to (sample, …) ndarray
            If `loose`, a tensor whose shape differs from sample to sample is a (sample,) array of arrays.

        Raises
        ------
        UsageError
            If a tensor has no axis for the samples, or another shape for each of them.
        EmptyTargetError
            If a tensor is empty and not `loose`, since it holds no number for a sample.
        EvaluationError
            If ONNX Runtime refuses the values.
        """
        parts = self.parts(arrays)
        if len(parts) == 1:
            return parts[0]
        if not self._loose:
            name = next(name for name in self.tensors if len({part[name].shape[1:] for part in parts}) > 1)
            sizes = " and ".join(shape_text(part[name].shape[1:]) for part in parts[:2])
            raise UsageError(
                f"{name} has another shape for each sample, such as {sizes}, so its numbers cannot be compared one by one"
            )
        return {name: _apart([one for part in parts for one in part[name]]) for name in self.tensors}

    def parts(self, arrays: dict[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
        """Return the tensors of neighboring samples, all together, or run by run where shapes differ from run to run.

        The parameters and errors are those of a call.
        """
        count = len(next(iter(arrays.values())))
        if not self._checked and count > 1:
            self._check(arrays)
        parts = [
            self._run({name: array[start : start + self.at_once] for name, array in arrays.items()})
            for start in range(0, count, self.at_once)
        ]
        if any(len({part[name].shape[1:] for part in parts}) > 1 for name in self.tensors):
            return parts
        return [{name: np.concatenate([part[name] for part in parts]) for name in self.tensors}]

    def _run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = len(next(iter(arrays.values())))
        size = self._fixed or count
        beside = self._beside({name: array.shape[1:] for name, array in arrays.items()})
        fed: dict[str, np.ndarray] = {name: self._held(array, name, size) for name, array in beside.items()}
        for name, array in arrays.items():
            # A batch that the file fixes is filled up with the last sample.
            whole = array if len(array) == size else np.concatenate([array, np.repeat(array[-1:], size - count, 0)])
            fed[name] = self.feed.contracts[name].fed(whole)
        answers = self.session(fed)
        found = {}
        for name in self.tensors:
            value = self._views[name](_array(answers[name], name))
            if not value.size and not self._loose:
                raise EmptyTargetError(
                    f"{name} is empty at this sample ({shape_text(value.shape)}); other samples may fill it"
                )
            if size == 1 and (value.ndim == 0 or (self._loose and len(value) != 1)):
                value = value[None]
            if value.ndim == 0 or len(value) != size:
                raise UsageError(
                    f"{name} has the shape {value.shape} for {size} samples: the first axis does not count them, "
                    "so it cannot be looked at sample by sample"
                )
            found[name] = value[:count]
        return found

    def _beside(self, samples: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """Return the values of the other inputs beside samples of these shapes."""
        key = tuple(samples.items())
        if key not in self._held_at:
            self._held_at.clear()
            self._held_at[key] = self.feed.held.beside(self.feed.model, samples)
        return self._held_at[key]

    def _bytes(self, elements: int) -> int:
        """Return an estimate of the bytes of a sample; a tensor of unknown size counts as much as the input."""
        total = elements
        for name in self.tensors:
            sizes = (self.feed.model.tensors[name].shape or ())[1:]
            total += math.prod(sizes) if sizes and all(isinstance(size, int) for size in sizes) else elements  # type: ignore[arg-type]  # all are whole numbers
        return 4 * total

    def _held(self, array: np.ndarray, name: str, size: int) -> np.ndarray:
        shape = self.feed.model.tensors[name].shape
        open_batch = bool(shape) and not isinstance(shape[0], int)  # type: ignore[index]  # `shape` is not empty
        return np.repeat(array, size, axis=0) if open_batch and array.ndim and len(array) == 1 else array

    def _check(self, arrays: dict[str, np.ndarray]) -> None:
        """Set `at_once` to 1 if the model does not keep the samples of a batch apart."""
        self._checked = True
        two = {name: array[:2] for name, array in arrays.items()}
        alone = self._run({name: array[1:2] for name, array in arrays.items()})
        try:
            together = self._run(two)
            same = all(_same(alone[name][0], together[name][1]) for name in self.tensors)
        except (EvaluationError, UsageError, IndexError):
            same = False
        if not same:
            self.at_once = 1


def _apart(samples: list[np.ndarray]) -> np.ndarray:
    """Return arrays of any shapes as the elements of an array."""
    found = np.empty(len(samples), object)
    for place, one in enumerate(samples):
        found[place] = one
    return found


def _array(value: Any, name: str) -> np.ndarray:
    if isinstance(value, list):
        raise UsageError(f"{name} is a sequence, not a tensor; name one of the tensors that it is made of")
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        try:
            return array.astype(np.float32)  # bfloat16 and similar types
        except (TypeError, ValueError):
            raise UsageError(f"{name} holds {array.dtype}, not numbers; name a tensor of numbers") from None
    return array


def _same(alone: np.ndarray, together: np.ndarray) -> bool:
    if alone.shape != together.shape:
        return False
    if not alone.size:
        return True
    first, second = np.asarray(alone, np.float64), np.asarray(together, np.float64)
    span = float(np.abs(first[np.isfinite(first)]).max(initial=0.0)) or 1.0
    return bool(np.allclose(first, second, rtol=0, atol=_TOLERANCE * span, equal_nan=True))
