"""Experimental operators of ONNX before opset 10: Crop and the first MeanVarianceNormalization. ONNX Runtime runs them."""

from __future__ import annotations

from torch import Tensor

from onnxviz.errors import EvaluationError
from onnxviz.model.operators.declaration import operator
from onnxviz.model.operators.normalization import mean_variance_normalization


@operator("Crop", until=9)
def crop(input: Tensor, *, border: tuple[int, ...] = (0, 0, 0, 0), scale: tuple[int, ...] = ()) -> Tensor:
    """Return a picture without its border (experimental ONNX Crop 1).

    Parameters
    ----------
    input : (batch, channel, height, width)
    border : (int, int, int, int)
        The widths of the border at the left, the top, the right and the bottom.
    scale : (int, int), optional
        The height and width that are kept from the left and top border on. They take the place of the right and bottom border.

    Raises
    ------
    EvaluationError
        If the border or the scale does not fit the picture.
    """
    height, width = input.shape[2:]
    if len(border) != 4 or len(scale) not in (0, 2):
        raise EvaluationError(
            f"Crop has border {list(border)} and scale {list(scale)}; the border is left, top, right, bottom, the scale height, width"
        )
    left, top, right, bottom = border
    end_row, end_column = (top + scale[0], left + scale[1]) if scale else (height - bottom, width - right)
    if not (0 <= top < end_row <= height and 0 <= left < end_column <= width):
        raise EvaluationError(
            f"Crop keeps rows {top} to {end_row} and columns {left} to {end_column} of a picture of {height}x{width}; "
            "nothing may lie outside it"
        )
    return input[:, :, top:end_row, left:end_column]


@operator("MeanVarianceNormalization", until=8)
def mean_variance_normalization_1(X: Tensor, *, across_channels: int = 0, normalize_variance: int = 1) -> Tensor:
    """Return the input minus its mean, divided by its standard deviation (experimental ONNX MeanVarianceNormalization 1).

    Parameters
    ----------
    X : (batch, channel, height, width)
    across_channels : int
        Whether all channels share the mean and the deviation. All samples of a batch always share them.
    normalize_variance : int
        Whether to divide by the standard deviation.
    """
    axes = (0, 1, 2, 3) if across_channels else (0, 2, 3)
    if normalize_variance:
        return mean_variance_normalization(X, axes=axes)
    return X - X.mean(axes, keepdim=True)
