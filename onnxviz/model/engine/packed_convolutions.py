"""2-D convolutions as a CPU runs them fastest: kernels packed once, the rectifier in place, the gradient a convolution too.

A network's kernels never change. torch's convolution reorders them at every call, keeps its input for a gradient of the
kernels that nobody wants, and finds the gradient of a picture's three channels at a sixth of the speed of other layers.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from onnxviz.errors import OnnxvizError
from onnxviz.model.engine.convolution_gradients import Gradient, PackedKernels, gradient_of
from onnxviz.model.engine.plan import Plan, Slot, Step
from onnxviz.model.operators.convolution import conv, margins
from onnxviz.model.operators.shapes.windows import around

_KEPT = 512 * 2**20
"""Packed kernels of one network take at most so many bytes; convolutions beyond them are left to torch."""

_WIDEST = 64
"""Padding of more than this on a side is left to `conv`, which looks whether it is sane."""

_PLACING = ("strides", "pads", "dilations", "auto_pad")

Margin = tuple[int, int]


def packed(plan: Plan) -> Plan:
    """Return a plan that gives the same values and gradients faster on a CPU.

    Parameters
    ----------
    plan : Plan
        Finished. It is left as it is and shares its constants with the new one.

    Returns
    -------
    Plan
        The same where there is nothing to gain.
    """
    if not _available():
        return plan
    graph = _Readers(plan)
    instead: dict[int, Step | None] = {}
    steps: list[Step] = []
    room = _KEPT
    for step in plan.steps:
        chosen = instead.get(id(step), step)
        if chosen is None:
            continue
        size = _size(chosen)
        after = graph.only(step, "Relu")
        if size and 2 * size <= room:
            room -= 2 * size
            pool = graph.only(after, "MaxPool") if after is not None else None
            outputs = step.outputs
            if after is not None:
                instead[id(after)] = None
            if pool is not None and _within(pool):
                # What is rectified after the pool is a quarter, and the maximum is the same.
                instead[id(pool)] = _rectified(pool, step.outputs[0])
            elif after is not None:
                outputs = after.outputs
            steps.append(_packed(chosen, outputs, rectified=outputs is not step.outputs))
            continue
        if after is not None and _plain(step, "Add"):
            instead[id(after)] = replace(after, declaration=replace(after.declaration, function=torch.relu_))
        steps.append(replace(chosen))
    if room == _KEPT:
        return plan
    faster = replace(plan, steps=steps)
    faster.finish()
    return faster


class _Readers:
    """Who reads what a step makes."""

    def __init__(self, plan: Plan) -> None:
        self._readers: dict[int, list[Step | None]] = {}
        for step in plan.steps:
            for position in step.positions():
                self._readers.setdefault(position, []).append(step)
        for result in plan.results:
            if isinstance(result, Slot):
                self._readers.setdefault(result.position, []).append(None)

    def only(self, step: Step, operator: str) -> Step | None:
        """Return the only reader of a step's only output, if it is this operator."""
        if any(position >= 0 for position in step.outputs[1:]):
            return None
        readers = self._readers.get(step.outputs[0], [])
        reader = readers[0] if len(readers) == 1 else None
        return reader if reader is not None and not step.rounded and _plain(reader, operator) else None


def _packed(step: Step, outputs: list[int], rectified: bool) -> Step:
    """Return a convolution by packed kernels, and the rectifier after it."""
    x, kernels, *rest = step.arguments
    function = PackedConvolution(kernels, rest[0] if rest else None, step.keywords, rectified)
    declaration = replace(step.declaration, function=function)
    return replace(step, declaration=declaration, arguments=[x], keywords={}, outputs=outputs)


def _rectified(pool: Step, source: int) -> Step:
    """Return a pool that reads from another place and whose maxima are rectified."""
    function = pool.declaration.function

    def rectified_pool(x: Tensor, **keywords: Any) -> Tensor:
        maxima: Tensor = function(x, **keywords)
        return torch.relu_(maxima)

    declaration = replace(pool.declaration, function=rectified_pool)
    return replace(pool, declaration=declaration, arguments=[Slot(source)])


def _within(pool: Step) -> bool:
    """Tell whether no window of a pool lies in its padding alone, whose maximum no rectifier may touch."""
    pads, sizes = pool.keywords.get("pads") or (), pool.keywords["kernel_shape"]
    return all(len(name) == 0 for name in pool.node.outputs[1:]) and max(pads, default=0) < min(sizes)


def _available() -> bool:
    """Tell whether torch offers oneDNN's packed kernels; only x86 was measured."""
    return (
        platform.machine().lower() in ("x86_64", "amd64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch has no types here
        and all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_convolution_weight", "_convolution_pointwise"))
    )


def _plain(step: Step, operator: str) -> bool:
    """Tell whether a step is an ONNX operator as it was written, its values not rounded."""
    return (
        step.node.operator == operator
        and not step.node.domain
        and step.declaration.operator == operator
        and not step.rounded
    )


def _size(step: Step) -> int:
    """Return how many bytes the kernels take of a convolution that can be packed; 0 for anything else."""
    if not _plain(step, "Conv") or step.outputs[0] < 0 or len(step.arguments) < 2:
        return 0
    x, kernels, *rest = step.arguments
    bias = rest[0] if rest else None
    if (
        not isinstance(x, Slot)
        or not isinstance(kernels, Tensor)
        or kernels.ndim != 4
        or kernels.dtype != torch.float32
    ):
        return 0
    if bias is not None and not (isinstance(bias, Tensor) and bias.dtype == torch.float32):
        return 0
    return kernels.numel() * kernels.element_size()


class PackedConvolution:
    """A convolution by kernels that stay, with the rectifier after it or without.

    Parameters
    ----------
    kernels : (filter, channel / group, height, width) Tensor
        The kernels.
    bias : (filter,) Tensor or None
        Added to what each gives.
    attributes : dict of str to object
        The node's, as `conv` takes them.
    rectified : bool
        Whether a ReLU follows.
    """

    def __init__(self, kernels: Tensor, bias: Tensor | None, attributes: dict[str, Any], rectified: bool) -> None:
        self._kernels, self._bias, self._attributes, self._rectified = kernels, bias, attributes, rectified
        strides, dilations = (tuple(attributes.get(name) or (1, 1)) for name in ("strides", "dilations"))
        self._strides, self._dilations, self._group = strides, dilations, attributes.get("group", 1)
        self._settled: tuple[Margin, PackedKernels, Gradient] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Convolve, (batch, channel, height, width) to (batch, filter, height, width).

        Raises
        ------
        EvaluationError, AllocationError, RuntimeError
            As `conv` does.
        """
        given = self._margins(x)
        if given is None:
            y = conv(x, self._kernels, self._bias, **self._attributes)
            return torch.relu(y) if self._rectified else y
        before, after = given
        if before != after or min(before) < 0:
            x, before = F.pad(x, around(before, after)), (0, 0)
        kernels, gradient = self._at(before)
        if torch.is_grad_enabled() and x.requires_grad:
            rising: Tensor = _Convolve.apply(x, kernels, gradient, self._rectified)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
            return rising
        y = kernels(x)
        return y.relu_() if self._rectified else y

    def _margins(self, x: Tensor) -> tuple[Margin, Margin] | None:
        """Return the padding before and after; None for an input that `conv` should look at, and perhaps refuse."""
        kernels = self._kernels
        if type(x) is not Tensor or x.ndim != 4 or x.dtype != torch.float32 or x.device.type != "cpu" or not x.numel():
            return None
        try:
            begins, ends = margins(
                x, kernels, **{key: self._attributes[key] for key in _PLACING if key in self._attributes}
            )
        except OnnxvizError:
            return None
        before, after = begins or (0, 0), ends or (0, 0)
        if x.shape[1] != kernels.shape[1] * self._group or len(before) != 2 or max(*before, *after) > _WIDEST:
            return None
        sizes = zip(x.shape[2:], before, after, kernels.shape[2:], self._dilations, strict=True)
        if any(size + begin + end <= (kernel - 1) * dilation for size, begin, end, kernel, dilation in sizes):
            return None
        return before, after  # type: ignore[return-value]  # two numbers each, as was seen

    def _at(self, margin: Margin) -> tuple[PackedKernels, Gradient]:
        """Return the kernels and the gradient for a padding, which most networks keep for good."""
        if self._settled is None or self._settled[0] != margin:
            given = self._strides, margin, self._dilations, self._group
            kernels = PackedKernels(lambda: self._kernels, self._bias, *given)
            self._settled = margin, kernels, gradient_of(self._kernels, *given)
        return self._settled[1:]


class _Convolve(torch.autograd.Function):
    """The convolution, rectified or not, and the gradient of its input."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernels: PackedKernels, gradient: Gradient, rectified: bool) -> Tensor:
        """Convolve; of all values only the rectified ones are kept."""
        y = kernels(x)
        if rectified:
            # Not oneDNN's own rectifier, which makes 0 of what is not a number.
            ctx.save_for_backward(y.relu_())
        ctx.given = gradient, x.shape[2:], rectified
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        """Convolve the gradient, where the rectifier lets it pass."""
        gradient, size, rectified = ctx.given
        return gradient(gradients[0], ctx.saved_tensors[0] if rectified else None, size), None, None, None
