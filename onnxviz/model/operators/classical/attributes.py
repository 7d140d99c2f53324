"""Attributes of ai.onnx.ml nodes as tensors: made once, though a node runs many times."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import wraps
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError

DOMAIN = "ai.onnx.ml"

_MOST_REMEMBERED = 64

Value = TypeVar("Value")


def remembered(build: Callable[..., Value]) -> Callable[..., Value]:
    """Keep what a function builds out of attribute values while it is called with the very same objects.

    The attributes of a forest hold millions of numbers: to hash them costs as much as it would save. A call is
    therefore recognized by the identity of its lists, tuples, arrays and tensors, which are held so that no identity is
    given away twice.
    """
    entries: OrderedDict[tuple[Any, ...], tuple[tuple[Any, ...], Value]] = OrderedDict()
    lock = Lock()

    @wraps(build)
    def recall(*arguments: Any) -> Value:
        key = tuple(id(a) if isinstance(a, (list, tuple, np.ndarray, Tensor)) else a for a in arguments)
        with lock:
            if key in entries:
                entries.move_to_end(key)
                return entries[key][1]
        # A tensor made in inference mode could never take part in a later backward pass.
        with torch.inference_mode(False), torch.no_grad():
            value = build(*arguments)
        with lock:
            entries[key] = (arguments, value)
            if len(entries) > _MOST_REMEMBERED:
                entries.popitem(last=False)
        return value

    return recall


@remembered
def constant(values: Any, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return an attribute's numbers as a tensor on a device."""
    return torch.as_tensor(array(values), dtype=dtype, device=device)


def array(values: Any, tensor: Any = None) -> np.ndarray:
    """Return an attribute's numbers in one row: from a list, or from the tensor that may be given in its place.

    Parameters
    ----------
    values : sequence of numbers, ndarray or Tensor
        The attribute; its numbers come as int64 or float64.
    tensor : Tensor, optional
        Its variant ``..._as_tensor``.
    """
    chosen = values if tensor is None or len(tensor) == 0 else tensor
    if isinstance(chosen, Tensor):
        chosen = chosen.detach().cpu().numpy()
    plain = np.asarray(chosen).reshape(-1)
    return plain.astype(np.float64 if plain.dtype.kind == "f" or plain.size == 0 else np.int64)


def rows(X: Tensor, operator: str) -> Tensor:
    """Return an input as floating-point rows: (batch, feature); a vector is a batch of one.

    Raises
    ------
    EvaluationError
        If the input has neither one nor two axes.
    """
    if X.ndim not in (1, 2):
        raise EvaluationError(
            f"{operator} takes (batch, feature) or (feature,); it was given the shape {list(X.shape)}"
        )
    values = X if X.is_floating_point() else X.float()
    return values if X.ndim == 2 else values.unsqueeze(0)


def class_labels(index: Tensor, ints: Sequence[int], strings: Sequence[str]) -> Tensor:
    """Return the labels of classes; torch holds no strings, so where labels are strings their index stands for them.

    Parameters
    ----------
    index : (batch,) int64
        Positions in the list of labels.
    ints, strings : sequence
        The node's labels; one of the two is empty.
    """
    return index if strings else constant(ints, torch.int64, index.device)[index]


def label_count(ints: Sequence[int], strings: Sequence[str], operator: str) -> int:
    """Return how many classes a node names.

    Raises
    ------
    EvaluationError
        If it names none, or names them twice.
    """
    if bool(ints) == bool(strings):
        met = "both" if ints else "neither"
        raise EvaluationError(f"{operator} needs its classes named by integers or by strings; the node has {met}")
    return len(ints) or len(strings)
