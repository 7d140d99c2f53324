"""A batch normalization after a convolution is an affine map per channel: it goes into the convolution's weights."""

from __future__ import annotations

import torch

from onnxviz.model.engine.plan import Step


def absorb(convolution: Step, normalization: Step) -> bool:
    """Fold a batch normalization into the convolution that makes its input.

    Parameters
    ----------
    convolution : Step
        Changed in place if the fold is possible.
    normalization : Step
        In inference mode, with constant statistics.

    Returns
    -------
    bool
        Whether it was done.
    """
    if convolution.declaration.operator != "Conv" or convolution.declaration.domain:
        return False
    if (
        normalization.keywords.get("training_mode")
        or normalization.keywords.get("spatial", 1) != 1
        or normalization.node.version < 7
    ):
        return False
    statistics = normalization.arguments[1:5]
    weight = convolution.arguments[1]
    bias = convolution.arguments[2] if len(convolution.arguments) > 2 else None
    if not isinstance(weight, torch.Tensor) or not all(isinstance(value, torch.Tensor) for value in statistics):
        return False
    if not (bias is None or isinstance(bias, torch.Tensor)) or any(
        value.shape != weight.shape[:1] for value in statistics
    ):
        return False
    scale, shift, mean, variance = (value.double() for value in statistics)
    factor = scale / torch.sqrt(variance + normalization.keywords["epsilon"])
    offset = mean.new_zeros(()) if bias is None else bias.double()
    scaled = weight.double() * factor.reshape(-1, *[1] * (weight.ndim - 1))
    convolution.arguments = [
        convolution.arguments[0],
        scaled.to(weight.dtype),
        (shift + (offset - mean) * factor).to(weight.dtype),
    ]
    return True
