"""Feature operators of ai.onnx.ml: against ONNX Runtime, gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ml_nodes import FLOAT, INT64, ml_model
from onnx import TensorProto, numpy_helper

import onnxviz
from onnxviz.errors import AllocationError, EvaluationError
from onnxviz.model.operators.classical.features import imputer, normalizer, scaler

X = np.array([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0], [-3.0, -1.0, -2.0], [4.0, 2.5, 7.0]], np.float32)
NAN = float("nan")
KEYS = np.array([1.0, 2.0, NAN, 3.0, -0.0], np.float32)
INTS = np.array([[1, 2], [-1, 5]])


def tensor(values: list[float], kind: type) -> TensorProto:
    return numpy_helper.from_array(np.array(values, kind))


CASES = [
    ("Scaler", X, FLOAT, 1, {"offset": [1.0, -2.0, 0.25], "scale": [0.5, 2.0, -1.0]}),
    ("Scaler", X, FLOAT, 1, {"offset": [1.0], "scale": [0.5]}),
    ("Scaler", X.astype(np.float64), FLOAT, 1, {"offset": [1.0], "scale": [0.5]}),
    ("Scaler", INTS, FLOAT, 1, {"offset": [1.0, 0.5], "scale": [0.5, 3.0]}),
    ("Scaler", X[0], FLOAT, 1, {"offset": [1.0, -2.0, 0.25], "scale": [0.5, 2.0, -1.0]}),
    ("Scaler", X.reshape(2, 3, 2), FLOAT, 1, {"offset": [0.0, 0.0, 0.0], "scale": [1.0, 10.0, 100.0]}),
    *(
        ("Normalizer", x, FLOAT, 1, {"norm": norm})
        for norm in ("MAX", "L1", "L2")
        for x in (X, X[0], INTS, X.astype(np.float64))
    ),
    ("Imputer", X, FLOAT, 1, {"imputed_value_floats": [7.0, 8.0, 9.0], "replaced_value_float": 0.0}),
    ("Imputer", X, FLOAT, 1, {"imputed_value_floats": [7.0], "replaced_value_float": -2.0}),
    ("Imputer", KEYS[None], FLOAT, 1, {"imputed_value_floats": [7.0], "replaced_value_float": NAN}),
    ("Imputer", INTS, INT64, 1, {"imputed_value_int64s": [7, 8], "replaced_value_int64": -1}),
    ("Binarizer", X, FLOAT, 1, {"threshold": 0.5}),
    ("OneHotEncoder", INTS, FLOAT, 1, {"cats_int64s": [1, 2, -1, 5], "zeros": 0}),
    ("OneHotEncoder", INTS, FLOAT, 1, {"cats_int64s": [1, 2, -1, 1]}),
    ("OneHotEncoder", np.array([1.7, -1.7, 2.0], np.float32), FLOAT, 1, {"cats_int64s": [1, 2, -1]}),
    ("LabelEncoder", KEYS, FLOAT, 2, {"keys_floats": [1.0, 2.0, 1.0, NAN], "values_floats": [10.0, 20.0, 30.0, 40.0]}),
    ("LabelEncoder", KEYS, FLOAT, 4, {"keys_floats": [1.0, 2.0, 1.0, NAN], "values_floats": [10.0, 20.0, 30.0, 40.0]}),
    ("LabelEncoder", KEYS, INT64, 2, {"keys_floats": [2.0, 0.0], "values_int64s": [7, 8], "default_int64": -5}),
    ("LabelEncoder", INTS, FLOAT, 2, {"keys_int64s": [2, 5], "values_floats": [0.1, 0.2], "default_float": 0.5}),
    ("LabelEncoder", INTS, INT64, 4, {"keys_int64s": [2, 5, 2], "values_int64s": [7, 8, 9]}),
    (
        "LabelEncoder",
        KEYS.astype(np.float64),
        TensorProto.DOUBLE,
        4,
        {
            "keys_tensor": tensor([1, NAN], np.float64),
            "values_tensor": tensor([0.1, 0.2], np.float64),
            "default_tensor": tensor([0.3], np.float64),
        },
    ),
]


@pytest.mark.parametrize(("operator", "x", "kind", "version", "attributes"), CASES)
def test_onnx_runtime_agrees(compare, operator, x, kind, version, attributes):
    compare(ml_model(operator, {"x": x}, kind, version=version, **attributes), {"x": x})


@pytest.mark.parametrize("widths", [[3, 3], [2, 5], [1, 1]])
@pytest.mark.parametrize("parts", [(X, X + 1), (X[0], X[1]), (INTS, INTS)])
def test_feature_vectorizer_cuts_and_fills(compare, parts, widths):
    inputs = dict(zip("ab", parts, strict=True))
    compare(ml_model("FeatureVectorizer", inputs, FLOAT, inputdimensions=widths), inputs)


@pytest.mark.parametrize(("x", "index"), [(X, [[2], [0]]), (X[0], [1, 1]), (X.reshape(2, 2, 3), [0, 2, 1, 0])])
def test_array_feature_extractor(compare, x, index):
    inputs = {"x": x, "index": np.array(index)}
    compare(ml_model("ArrayFeatureExtractor", inputs, FLOAT), inputs)


def test_label_encoder_between_types_that_only_tensors_can_name():
    # ONNX Runtime has no kernel for these.
    table = {"keys_tensor": tensor([1, 5], np.int16), "values_tensor": tensor([0.1, 0.2], np.float64)}
    model = ml_model("LabelEncoder", {"x": INTS.astype(np.int16)}, TensorProto.DOUBLE, version=4, **table)
    (answer,) = onnxviz.load(model).network()({"x": INTS.astype(np.int16)}).values()
    assert answer.dtype == torch.float64
    assert answer.tolist() == [[0.1, 0.0], [0.0, 0.2]]


def test_string_categories_of_the_first_label_encoder_are_refused():
    model = ml_model("LabelEncoder", {"x": INTS}, TensorProto.STRING, classes_strings=["a", "b"])
    with pytest.raises(
        EvaluationError, match="strings, which have no counterpart in torch; aim at a tensor of numbers before it"
    ):
        onnxviz.load(model).network()({"x": INTS})


@pytest.mark.parametrize(
    "function",
    [
        lambda x: scaler(x, offset=(1.0, -2.0, 0.25), scale=(0.5, 2.0, -1.0)),
        lambda x: normalizer(x, norm="MAX"),
        lambda x: normalizer(x, norm="L1"),
        lambda x: normalizer(x, norm="L2"),
        lambda x: imputer(x, imputed_value_floats=(7.0,), replaced_value_float=123.0),
    ],
)
def test_gradients(function):
    # The outputs are float32 by definition: the step must be large against their rounding.
    rows = torch.tensor(X[[0, 2, 3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, rows, eps=1e-3, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_a_row_of_zeros_stays_and_has_a_finite_gradient(norm):
    x = torch.zeros(1, 3, requires_grad=True)
    y = normalizer(x, norm=norm)
    assert torch.equal(y, torch.zeros(1, 3))
    (slope,) = torch.autograd.grad(y.sum(), x)
    assert slope.isfinite().all()


def test_scores_that_are_nan_are_imputed_with_no_gradient():
    x = torch.tensor([[NAN, 2.0]], requires_grad=True)
    y = imputer(x, imputed_value_floats=(5.0,), replaced_value_float=NAN)
    assert y.tolist() == [[5.0, 2.0]]
    assert torch.autograd.grad(y.sum(), x)[0].tolist() == [[0.0, 1.0]]


@pytest.mark.parametrize(
    ("operator", "x", "attributes", "message"),
    [
        (
            "Scaler",
            X,
            {"offset": [1.0, 2.0], "scale": [1.0, 2.0]},
            "has 2 values for an input of 3 features; give a single value or a value for each feature",
        ),
        ("Scaler", X, {}, "has 0 values for an input of 3 features"),
        ("Normalizer", X, {"norm": "L3"}, "has norm 'L3'; ONNX knows MAX, L1 and L2"),
        ("Normalizer", X[None], {}, r"has an input of shape \[1, 4, 3\]; give \(batch, feature\) or \(feature,\)"),
        ("Imputer", X, {"imputed_value_int64s": [1]}, "has float values but no imputed_value_floats"),
        ("Imputer", INTS, {"imputed_value_floats": [1.0]}, "has integer values but no imputed_value_int64s"),
        ("FeatureVectorizer", X, {"inputdimensions": [3, 3]}, "has 1 inputs and 2 inputdimensions"),
        (
            "OneHotEncoder",
            INTS,
            {"cats_int64s": [1, 2], "zeros": 0},
            "an input value without a category, and its attribute zeros is 0",
        ),
        ("OneHotEncoder", INTS, {"cats_strings": ["a"]}, "strings have no counterpart in torch"),
    ],
)
def test_refusals(operator, x, attributes, message):
    network = onnxviz.load(ml_model(operator, {"x": x}, FLOAT, **attributes)).network()
    with pytest.raises(EvaluationError, match=message):
        network({"x": x})


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"keys_int64s": [1, 2], "values_int64s": [1]}, "has 2 keys and 1 values"),
        ({"keys_int64s": [1], "values_strings": ["a"]}, "strings, which have no counterpart in torch"),
        (
            {"keys_int64s": [1], "values_tensor": numpy_helper.from_array(np.array(["a"], object))},
            "no counterpart in torch",
        ),
    ],
)
def test_label_encoder_refusals(attributes, message):
    network = onnxviz.load(ml_model("LabelEncoder", {"x": INTS}, INT64, version=4, **attributes)).network()
    with pytest.raises(EvaluationError, match=message):
        network({"x": INTS})


@pytest.mark.parametrize("index", [3, -1])
def test_indices_outside_the_last_axis_are_refused(index):
    inputs = {"x": X, "index": np.array([index])}
    network = onnxviz.load(ml_model("ArrayFeatureExtractor", inputs, FLOAT)).network()
    with pytest.raises(EvaluationError, match="has an index outside the last axis; give indices from 0 to 2"):
        network(inputs)


def test_an_absurd_one_hot_is_refused():
    x = np.zeros((1 << 20,), np.int64)
    network = onnxviz.load(ml_model("OneHotEncoder", {"x": x}, FLOAT, cats_int64s=list(range(1000)))).network()
    with pytest.raises(AllocationError, match="elements; at most"):
        network({"x": x})


def test_a_map_is_refused_with_the_name_of_the_tensor_before_it():
    model = ml_model("ZipMap", {"probabilities": X}, FLOAT, classlabels_int64s=[0, 1, 2])
    with pytest.raises(EvaluationError, match="'y0' is a sequence of maps, not a tensor; aim at 'probabilities'"):
        onnxviz.load(model).network()({"probabilities": X})
