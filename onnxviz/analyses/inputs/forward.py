"""Forward passes of ONNX Runtime over samples: batched where the model allows it, one by one where it does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.errors import EvaluationError, UsageError

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
        from onnxviz.model.tensors.sample_view import sample_view

        self.feed = feed
        self.tensors = tuple(dict.fromkeys(tensors))
        share = max(1, cores() // runs) if runs > 1 else None
        self.session: Session = feed.model.session(self.tensors, threads=threads or share)
        self._fixed = feed.fixed
        self._views = {name: sample_view(feed.model, name) for name in self.tensors}
        self._loose = loose
        self._checked = self._fixed is not None or at_once is not None
        if at_once is not None:
            self.at_once = at_once
            return
        sample = (1, *(size or 256 for size in feed.shapes[feed.main]))
        shape = feed.contracts[feed.main].fed(np.broadcast_to(np.float32(0), sample)).shape
        room = samples_at_once(feed.model, list(self.tensors), [], shape, feed.held)
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

        Raises
        ------
        UsageError
            If a tensor has no axis for the samples.
        EvaluationError
            If ONNX Runtime refuses the values.
        """
        count = len(next(iter(arrays.values())))
        if not self._checked and count > 1:
            self._check(arrays)
        parts = [
            self._run({name: array[start : start + self.at_once] for name, array in arrays.items()})
            for start in range(0, count, self.at_once)
        ]
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in self.tensors}

    def _run(self, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        count = len(next(iter(arrays.values())))
        size = self._fixed or count
        fed: dict[str, np.ndarray] = {name: self._held(array, name, size) for name, array in self.feed.held.items()}
        for name, array in arrays.items():
            # A batch that the file fixes is filled up with the last sample.
            whole = array if len(array) == size else np.concatenate([array, np.repeat(array[-1:], size - count, 0)])
            fed[name] = self.feed.contracts[name].fed(whole)
        answers = self.session(fed)
        found = {}
        for name in self.tensors:
            value = self._views[name](_array(answers[name], name))
            if size == 1 and (value.ndim == 0 or (self._loose and len(value) != 1)):
                value = value[None]
            if value.ndim == 0 or len(value) != size:
                raise UsageError(
                    f"{name} has the shape {value.shape} for {size} samples: the first axis does not count them, "
                    "so it cannot be looked at sample by sample"
                )
            found[name] = value[:count]
        return found

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
