"""Batch normalizations after convolutions: an affine map per channel, which goes into the convolution's weights."""

from __future__ import annotations

from collections import Counter

import torch

from onnxviz.model.engine.plan import Plan, Slot, Step


def absorb_batch_norms(plan: Plan) -> Plan:
    """Return the plan with batch normalizations folded into the convolutions before them, if nothing else reads those.

    Parameters
    ----------
    plan : Plan
        Changed in place, its bodies too.
    """
    readers = Counter(position for step in plan.steps for position in step.positions())
    readers.update(result.position for result in plan.results if isinstance(result, Slot))
    makers: dict[int, Step] = {}
    steps = []
    for step in plan.steps:
        for body in step.inner:
            body.plan = absorb_batch_norms(body.plan)
        source = step.arguments[0] if step.arguments else None
        if (
            step.declaration.operator == "BatchNormalization"
            and not step.declaration.domain
            and isinstance(source, Slot)
            and source.position in makers
            and readers[source.position] == 1
            and not any(position >= 0 for position in step.outputs[1:])
            and _absorb(makers[source.position], step)
        ):
            makers[source.position].outputs = step.outputs[:1]
            makers[step.outputs[0]] = makers[source.position]
            continue
        makers.update((position, step) for position in step.outputs)
        steps.append(step)
    plan.steps = steps
    return plan


def _absorb(convolution: Step, normalization: Step) -> bool:
    """Fold a batch normalization into the convolution that makes its input.

    Parameters
    ----------
    convolution : Step
        Changed in place if the fold is possible.
    normalization : Step
        The batch normalization. Only inference mode with constant statistics can be folded.

    Returns
    -------
    bool
        Whether the fold was possible.
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
