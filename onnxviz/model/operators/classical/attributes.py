"""Attributes of ai.onnx.ml nodes as tensors. They are made once and cached, because a node runs many times."""

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
    """Return a function that caches its results by the identity of its arguments.

    The attributes of a forest hold millions of numbers. To hash them would cost as much as the cache saves. So a call is recognized by the
    identity of its lists, tuples, arrays and tensors. The cache holds them, so that no other object gets the same identity.
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
        # A tensor made in inference mode cannot take part in a later backward pass.
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
    """Return the numbers of an attribute as a tensor on a device."""
    return torch.as_tensor(array(values), dtype=dtype, device=device)


def array(values: Any, tensor: Any = None) -> np.ndarray:
    """Return the numbers of an attribute as a vector. They stand in a list, or in a tensor that may take its place.

    Parameters
    ----------
    values : sequence of numbers, ndarray or Tensor
        The attribute.
    tensor : Tensor, optional
        The attribute with the suffix ``_as_tensor``.

    Returns
    -------
    (number,) int64 or float64
    """
    chosen = values if tensor is None or len(tensor) == 0 else tensor
    if isinstance(chosen, Tensor):
        chosen = chosen.detach().cpu().numpy()
    plain = np.asarray(chosen).reshape(-1)
    return plain.astype(np.float64 if plain.dtype.kind == "f" or plain.size == 0 else np.int64)


def rows(X: Tensor, operator: str) -> Tensor:
    """Return an input as rows of floats, (batch, feature). A vector is a single row.

    Raises
    ------
    EvaluationError
        If the input has neither one nor two axes.
    """
    if X.ndim not in (1, 2):
        raise EvaluationError(f"{operator} has an input of shape {list(X.shape)}; give (batch, feature) or (feature,)")
    values = X if X.is_floating_point() else X.float()
    return values if X.ndim == 2 else values.unsqueeze(0)


def class_labels(index: Tensor, ints: Sequence[int], strings: Sequence[str]) -> Tensor:
    """Return the labels of classes. If the labels are strings, which torch cannot hold, return their positions.

    Parameters
    ----------
    index : (batch,) int64
        Positions in the list of labels.
    ints, strings : sequence
        The labels of the node. Only one of the two lists is filled.
    """
    return index if strings else constant(ints, torch.int64, index.device)[index]


def label_count(ints: Sequence[int], strings: Sequence[str], operator: str) -> int:
    """Return the number of classes of a node.

    Raises
    ------
    EvaluationError
        If the node has no labels, or labels of both types.
    """
    if bool(ints) == bool(strings):
        met = "both" if ints else "neither"
        raise EvaluationError(f"{operator} needs its classes named by integers or by strings; the node has {met}")
    return len(ints) or len(strings)
