"""Feature operators of ai.onnx.ml: scaling, normalizing, imputing and encoding. Strings and maps are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.classical.attributes import DOMAIN, array, constant, remembered, rows
from onnxviz.model.operators.declaration import Gradient, Node, operator
from onnxviz.model.operators.shapes.allocation import allowed


def _floating(X: Tensor) -> Tensor:
    return X if X.is_floating_point() else X.float()


def _per_feature(X: Tensor, lengths: Sequence[int], operator: str) -> Tensor:
    """Return the input as rows with a column per feature.

    As in ONNX Runtime, the second axis counts the features, or the only axis of a vector. Later axes are taken in the order of memory.

    Raises
    ------
    EvaluationError
        If the number of values is neither 1 nor the number of features.
    """
    if X.ndim == 0:
        raise EvaluationError(f"{operator} has a scalar as input; give (batch, feature) or (feature,)")
    features = X.shape[min(1, X.ndim - 1)]
    for length in lengths:
        if length not in (1, features):
            raise EvaluationError(
                f"{operator} has {length} values for an input of {features} features; give a single value or a value for each feature"
            )
    return X.reshape(-1, features) if features else X


@operator("Scaler", domain=DOMAIN)
def scaler(X: Tensor, *, offset: Sequence[float] = (), scale: Sequence[float] = ()) -> Tensor:
    """Return ``(X - offset) * scale`` in float32 (ai.onnx.ml Scaler 1)."""
    values = _per_feature(_floating(X), (len(offset), len(scale)), "Scaler")
    shift, factor = constant(offset, values.dtype, values.device), constant(scale, values.dtype, values.device)
    return ((values - shift) * factor).reshape(X.shape).float()


@operator("Normalizer", domain=DOMAIN)
def normalizer(X: Tensor, *, norm: str = "MAX") -> Tensor:
    """Return each row divided by its largest element, its L1 norm or its L2 norm, in float32 (ai.onnx.ml Normalizer 1).

    A row whose norm is zero is unchanged. The largest element may be negative, because ONNX and ONNX Runtime take no absolute value.

    Raises
    ------
    EvaluationError
        If the norm has another name.
    """
    values = rows(X, "Normalizer")
    if norm == "MAX":
        size = values.amax(-1, keepdim=True)
    elif norm == "L1":
        size = values.abs().sum(-1, keepdim=True)
    elif norm == "L2":
        square = values.square().sum(-1, keepdim=True)
        # The slope of the root is infinite at zero. Where the norm is zero its value is not used.
        size = torch.where(square == 0, square, square.masked_fill(square == 0, 1).sqrt())
    else:
        raise EvaluationError(f"Normalizer has norm {norm!r}; ONNX knows MAX, L1 and L2")
    return (values / size.masked_fill(size == 0, 1)).reshape(X.shape).float()


@operator("Imputer", domain=DOMAIN)
def imputer(
    X: Tensor,
    *,
    imputed_value_floats: Sequence[float] = (),
    imputed_value_int64s: Sequence[int] = (),
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Tensor:
    """Return the input with a value, which may be NaN, replaced by another (ai.onnx.ml Imputer 1).

    The new value is the same for all features, or each feature has its own.
    """
    floating = X.is_floating_point()
    imputed: Sequence[float] = imputed_value_floats if floating else imputed_value_int64s
    if not imputed:
        kind, attribute = ("float", "imputed_value_floats") if floating else ("integer", "imputed_value_int64s")
        raise EvaluationError(f"Imputer has {kind} values but no {attribute}; give this attribute")
    values = _per_feature(X, (len(imputed),), "Imputer")
    old = replaced_value_float if floating else replaced_value_int64
    found = values.isnan() if old != old else values == old
    return torch.where(found, constant(imputed, X.dtype, X.device), values).reshape(X.shape)


@operator("Binarizer", domain=DOMAIN, gradient=Gradient.ZERO)
def binarizer(X: Tensor, *, threshold: float = 0.0) -> Tensor:
    """Return 1 where the input is above the threshold, and 0 elsewhere, in the type of the input (ai.onnx.ml Binarizer 1)."""
    return (threshold < X).to(X.dtype)


@operator("FeatureVectorizer", domain=DOMAIN)
def feature_vectorizer(*X: Tensor, inputdimensions: Sequence[int] = ()) -> Tensor:
    """Return the inputs joined along their rows in float32 (ai.onnx.ml FeatureVectorizer 1).

    Each input is cut to its width in `inputdimensions`, or filled with zeros.
    """
    if inputdimensions and len(inputdimensions) != len(X):
        raise EvaluationError(
            f"FeatureVectorizer has {len(X)} inputs and {len(inputdimensions)} inputdimensions; give each input a dimension"
        )
    parts = [part.reshape(1, -1) if part.ndim == 1 else part.flatten(1) for part in X]
    if inputdimensions:
        allowed((len(parts[0]), sum(inputdimensions)), "FeatureVectorizer")
        # A negative padding cuts columns off.
        parts = [
            torch.nn.functional.pad(p, (0, width - p.shape[1])) for p, width in zip(parts, inputdimensions, strict=True)
        ]
    return torch.cat([part.float() for part in parts], 1)


@operator("ArrayFeatureExtractor", domain=DOMAIN)
def array_feature_extractor(X: Tensor, Y: Tensor) -> Tensor:
    """Return elements selected along the last axis (ai.onnx.ml ArrayFeatureExtractor 1).

    As in ONNX Runtime, a vector gives a matrix with a single row.
    """
    if X.ndim == 0:
        raise EvaluationError("ArrayFeatureExtractor has a scalar as input; give an input with at least one axis")
    index = Y.reshape(-1).to(X.device)
    if bool(((index < 0) | (index >= X.shape[-1])).any()):
        raise EvaluationError(
            f"ArrayFeatureExtractor has an index outside the last axis; give indices from 0 to {X.shape[-1] - 1}"
        )
    return torch.index_select(X if X.ndim > 1 else X.unsqueeze(0), -1, index)


@remembered
def _last_of_each(categories: Sequence[int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the categories, and whether each is the last among equal categories. ONNX Runtime sets the last."""
    values = array(categories)
    last = np.array([value not in values[place + 1 :] for place, value in enumerate(values)])
    return torch.as_tensor(values, device=device), torch.as_tensor(last, device=device)


@operator("OneHotEncoder", domain=DOMAIN, gradient=Gradient.ZERO)
def one_hot_encoder(
    X: Tensor, *, cats_int64s: Sequence[int] = (), cats_strings: Sequence[str] = (), zeros: int = 1
) -> Tensor:
    """Return ones and zeros along a new last axis with a position for each category (ai.onnx.ml OneHotEncoder 1).

    The output is float32. Numbers are first cut to integers. A value without a category gives only zeros. If `zeros` is 0, such a value
    is refused.

    Raises
    ------
    EvaluationError
        If the categories are strings, or such a value is refused.
    """
    if cats_strings or not cats_int64s:
        raise EvaluationError(
            "OneHotEncoder has no integer categories; give cats_int64s, because strings have no counterpart in torch"
        )
    allowed((*X.shape, len(cats_int64s)), "OneHotEncoder")
    categories, last = _last_of_each(cats_int64s, X.device)
    same = (X.to(torch.int64).unsqueeze(-1) == categories) & last
    if not zeros and not bool(same.any(-1).all()):
        raise EvaluationError(
            "OneHotEncoder has an input value without a category, and its attribute zeros is 0; give values with a category"
        )
    return same.float()


@operator("LabelEncoder", domain=DOMAIN, until=1, ignored=("classes_strings", "default_int64", "default_string"))
def label_encoder_1(X: Tensor) -> Tensor:
    """Raise an error: this revision always maps from or to strings (ai.onnx.ml LabelEncoder 1)."""
    raise EvaluationError(_STRINGS)


# String attributes are read only to be refused. `default_string` belongs to them.
@operator("LabelEncoder", domain=DOMAIN, since=2, until=3, gradient=Gradient.ZERO, ignored=("default_string",))
def label_encoder_2(
    X: Tensor,
    *,
    default_float: float = -0.0,
    default_int64: int = -1,
    keys_floats: Sequence[float] = (),
    keys_int64s: Sequence[int] = (),
    keys_strings: Sequence[str] = (),
    values_floats: Sequence[float] = (),
    values_int64s: Sequence[int] = (),
    values_strings: Sequence[str] = (),
) -> Tensor:
    """Return numbers mapped to numbers (ai.onnx.ml LabelEncoder 2).

    As in ONNX Runtime, NaN is not a key in these revisions.
    """
    if keys_strings or values_strings:
        raise EvaluationError(_STRINGS)
    floats = bool(values_floats)
    values: Sequence[float] = values_floats if floats else values_int64s
    default = default_float if floats else default_int64
    return _looked_up(
        X, keys_floats or keys_int64s, values, default, torch.float32 if floats else torch.int64, nan_is_a_key=False
    )


# `default_string` belongs to the string attributes, which are refused.
@operator("LabelEncoder", domain=DOMAIN, since=4, gradient=Gradient.ZERO, ignored=("default_string",))
def label_encoder_4(
    X: Tensor,
    *,
    default_float: float = -0.0,
    default_int64: int = -1,
    default_tensor: Any = None,
    keys_floats: Sequence[float] = (),
    keys_int64s: Sequence[int] = (),
    keys_strings: Sequence[str] = (),
    keys_tensor: Any = None,
    values_floats: Sequence[float] = (),
    values_int64s: Sequence[int] = (),
    values_strings: Sequence[str] = (),
    values_tensor: Any = None,
) -> Tensor:
    """Return numbers mapped to numbers (ai.onnx.ml LabelEncoder 4).

    A key that is NaN matches every NaN.
    """
    keys = keys_tensor if keys_tensor is not None else keys_floats or keys_int64s
    values = values_tensor if values_tensor is not None else values_floats or values_int64s
    # A tensor of strings arrives as a tuple of str.
    if keys_strings or values_strings or isinstance(keys_tensor, tuple) or isinstance(values_tensor, tuple):
        raise EvaluationError(_STRINGS)
    plain = torch.float32 if values_floats else torch.int64
    dtype = values.dtype if isinstance(values, Tensor) else plain
    if isinstance(default_tensor, Tensor):
        default = float(default_tensor) if dtype.is_floating_point else int(default_tensor)
    else:
        default = default_float if dtype.is_floating_point else default_int64
    return _looked_up(X, keys, values, default, dtype, nan_is_a_key=True)


_STRINGS = (
    "LabelEncoder maps from or to strings, which have no counterpart in torch; aim at a tensor of numbers before it"
)


@remembered
def _dictionary(keys: Any, values: Any, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sorted keys, their values, and the value of the key NaN, which is empty without such a key."""
    key, value = array(keys), array(values)
    if len(key) != len(value):
        raise EvaluationError(f"LabelEncoder has {len(key)} keys and {len(value)} values; give each key a value")
    missing = np.isnan(key)
    # As in ONNX Runtime, the first of equal keys counts.
    ordered, place = np.unique(key[~missing], return_index=True)
    parts = (ordered, value[~missing][place], value[missing][:1])
    types = (torch.float64 if key.dtype.kind == "f" else torch.int64, dtype, dtype)
    first, second, third = (torch.as_tensor(p, dtype=t, device=device) for p, t in zip(parts, types, strict=True))
    return first, second, third


def _looked_up(X: Tensor, keys: Any, values: Any, default: float, dtype: torch.dtype, *, nan_is_a_key: bool) -> Tensor:
    ordered, answers, of_nan = _dictionary(keys, values, dtype, X.device)
    answer = torch.full_like(X, default, dtype=dtype)
    if len(ordered):
        asked = X.to(ordered.dtype).contiguous()
        place = torch.searchsorted(ordered, asked).clamp(max=len(ordered) - 1)
        answer = torch.where(ordered[place] == asked, answers[place], answer)
    if nan_is_a_key and len(of_nan) and X.is_floating_point():
        answer = torch.where(X.isnan(), of_nan, answer)
    return answer


# The labels are keys of the maps, which are refused.
@operator("ZipMap", domain=DOMAIN, ignored=("classlabels_int64s", "classlabels_strings"))
def zip_map(X: Tensor, *, node: Node) -> Tensor:
    """Raise an error: a sequence of maps is not a tensor (ai.onnx.ml ZipMap 1).

    The numbers in the maps are the input of the operator.
    """
    raise EvaluationError(
        f"'{node.outputs[0]}' is a sequence of maps, not a tensor; aim at '{node.inputs[0]}', the scores that go "
        "into it"
    )
