"""An array inside immutable data: a read-only copy, equal to another by its content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FixedArray:
    """Numbers that never change.

    Attributes
    ----------
    values : ndarray
        float32 or float64; a copy of what was given, and read-only.

    Examples
    --------
    >>> FixedArray(np.ones(3)) == FixedArray(np.ones(3))
    True
    """

    values: NDArray[Any]

    def __post_init__(self) -> None:
        given = np.asarray(self.values)
        copied = np.array(given, np.float64 if given.dtype.itemsize >= 8 else np.float32, order="C")
        copied.setflags(write=False)
        object.__setattr__(self, "values", copied)

    @property
    def shape(self) -> tuple[int, ...]:
        """The array's shape."""
        return self.values.shape

    def beside(self, tensor: Tensor) -> Tensor:
        """Return the numbers as a tensor of another's type, on its device."""
        return torch.tensor(self.values).to(tensor)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, FixedArray):
            return NotImplemented
        return self.values.dtype == other.values.dtype and np.array_equal(self.values, other.values, equal_nan=True)

    def __hash__(self) -> int:
        return hash((self.shape, hashlib.sha256(self.values.tobytes()).digest()))

    def __repr__(self) -> str:
        return f"FixedArray({'x'.join(map(str, self.shape))} {self.values.dtype})"
