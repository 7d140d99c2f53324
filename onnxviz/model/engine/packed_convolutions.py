"""Fast 2-D convolutions on a CPU: kernels packed once, the rectifier in the same step, the gradient by a convolution.

A network's kernels never change. torch's convolution reorders them at every call, keeps its input for a gradient of the
kernels that is not needed, and computes the gradient of a picture's three channels at a sixth of the speed of other
layers.
"""

from __future__ import annotations

import platform
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from onnxviz import kinks
from onnxviz.errors import OnnxvizError
from onnxviz.model.engine.convolution_gradients import Gradient, PackedKernels, gradient_of
from onnxviz.model.engine.plan import Plan, Slot, Step
from onnxviz.model.operators.convolution import conv, margins
from onnxviz.model.operators.shapes.windows import around

_KEPT = 512 * 2**20
"""Most bytes of a network's packed kernels; further convolutions are left to torch."""

_WIDEST = 64
"""Most padding on a side; more is left to `conv`, which checks whether it is sane."""

_PLACING = ("strides", "pads", "dilations", "auto_pad")

Margin = tuple[int, int]

Limits = tuple[float | None, float | None]
"""The bounds of a Clip."""


def packed(plan: Plan) -> Plan:
    """Return a plan that gives the same values and gradients faster on a CPU.

    Parameters
    ----------
    plan : Plan
        A finished plan. It is not changed and shares its constants with the new plan.

    Returns
    -------
    Plan
        The new plan; the same plan if there is nothing to gain, as on a GPU.
    """
    if plan.device.type != "cpu" or not _available():
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
        after, clip = graph.only(step, "Relu"), graph.only(step, "Clip")
        limits = _limits(clip) if clip is not None else None
        if size and 2 * size <= room:
            room -= 2 * size
            pool = graph.only(after, "MaxPool") if after is not None else None
            outputs = step.outputs
            if after is not None:
                instead[id(after)] = None
            if pool is not None and _within(pool):
                # After the pool only a quarter of the values is rectified, and the maximum is the same.
                instead[id(pool)] = _rectified(pool, step.outputs[0])
            elif after is not None:
                outputs = after.outputs
            rectified = outputs is not step.outputs
            if clip is not None and limits is not None:
                instead[id(clip)] = None
                outputs = clip.outputs
            steps.append(_packed(chosen, outputs, rectified, limits))
            continue
        if after is not None and _plain(step, "Add"):
            instead[id(after)] = replace(after, declaration=replace(after.declaration, function=torch.relu_))
        steps.append(replace(chosen))
    if room == _KEPT:
        return plan
    return replace(plan, steps=steps)


class _Readers:
    """The readers of each step's outputs."""

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


def _packed(step: Step, outputs: list[int], rectified: bool, limits: Limits | None) -> Step:
    """Return the step of a convolution by packed kernels, with the rectifier or the clip after it."""
    x, kernels, *rest = step.arguments
    function = PackedConvolution(kernels, rest[0] if rest else None, step.keywords, rectified, limits)
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


def _limits(clip: Step) -> Limits | None:
    """Return the bounds of a Clip; None if it has no bound, or a computed bound."""
    given = (*clip.arguments[1:], clip.keywords.get("min"), clip.keywords.get("max"))[:2]
    low, high = (bound.item() if isinstance(bound, Tensor) and bound.numel() == 1 else bound for bound in given)
    if low is high is None or not all(bound is None or isinstance(bound, (int, float)) for bound in (low, high)):
        return None
    return low, high


def _within(pool: Step) -> bool:
    """Return whether all windows of a pool reach the input: a maximum of padding alone must not be rectified."""
    pads, sizes = pool.keywords.get("pads") or (), pool.keywords["kernel_shape"]
    return all(len(name) == 0 for name in pool.node.outputs[1:]) and max(pads, default=0) < min(sizes)


def _available() -> bool:
    """Return whether torch offers oneDNN's packed kernels; only x86 was measured."""
    return (
        platform.machine().lower() in ("x86_64", "amd64")
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch has no types here
        and all(hasattr(torch.ops.mkldnn, name) for name in ("_reorder_convolution_weight", "_convolution_pointwise"))
    )


def _plain(step: Step, operator: str) -> bool:
    """Return whether a step is an ONNX operator as written, with values that are not rounded."""
    return (
        step.node.operator == operator
        and not step.node.domain
        and step.declaration.operator == operator
        and not step.rounded
    )


def _size(step: Step) -> int:
    """Return the bytes of a convolution's kernels, if it can be packed; 0 for other steps."""
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
    """A convolution with constant kernels, and the rectifier or the clip after it, if there is one.

    Parameters
    ----------
    kernels : (filter, channel / group, height, width) Tensor
        The kernels.
    bias : (filter,) Tensor or None
        The bias of each filter.
    attributes : dict of str to object
        The node's attributes, as keywords of `conv`.
    rectified : bool
        Whether a ReLU follows.
    limits : (float or None, float or None), optional
        Bounds of a Clip that follows.
    """

    def __init__(
        self,
        kernels: Tensor,
        bias: Tensor | None,
        attributes: dict[str, Any],
        rectified: bool,
        limits: Limits | None = None,
    ) -> None:
        self._kernels, self._bias, self._attributes = kernels, bias, attributes
        self._rectified, self._limits = rectified, limits
        strides, dilations = (tuple(attributes.get(name) or (1, 1)) for name in ("strides", "dilations"))
        self._strides, self._dilations, self._group = strides, dilations, attributes.get("group", 1)
        self._settled: tuple[Margin, PackedKernels, Gradient] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Return the convolution, from (batch, channel, height, width) to (batch, filter, height, width).

        Raises
        ------
        EvaluationError, AllocationError, RuntimeError
            As in `conv`.
        """
        given = self._margins(x)
        if given is None:
            y = conv(x, self._kernels, self._bias, **self._attributes)
            y = torch.relu(y) if self._rectified else y
            return y if self._limits is None else kinks.clamped(y, *self._limits)
        before, after = given
        if before != after or min(before) < 0:
            x, before = F.pad(x, around(before, after)), (0, 0)
        kernels, gradient = self._at(before)
        if torch.is_grad_enabled() and x.requires_grad:
            rising: Tensor = _Convolve.apply(x, kernels, gradient, self._rectified, self._limits)  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
            return rising
        y = kernels(x)
        y = y.relu_() if self._rectified else y
        return y if self._limits is None else y.clamp_(*self._limits)

    def _margins(self, x: Tensor) -> tuple[Margin, Margin] | None:
        """Return the padding before and after; None for an input that is left to `conv`, which may refuse it."""
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
        return before, after  # type: ignore[return-value]  # two numbers each, as checked above

    def _at(self, margin: Margin) -> tuple[PackedKernels, Gradient]:
        """Return the kernels and the gradient for a padding; in most networks it never changes."""
        if self._settled is None or self._settled[0] != margin:
            given = self._strides, margin, self._dilations, self._group
            kernels = PackedKernels(lambda: self._kernels, self._bias, *given)
            self._settled = margin, kernels, gradient_of(self._kernels, *given)
        return self._settled[1:]


class _Convolve(torch.autograd.Function):
    """The convolution, rectified, clipped or neither, and the gradient of its input."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernels: PackedKernels, gradient: Gradient, rectified: bool, limits: Limits | None
    ) -> Tensor:
        """Return the convolution. For the gradient only the rectified values are kept, or the values before a clip."""
        y = kernels(x)
        if rectified:
            # Not oneDNN's own rectifier, which turns NaN into 0.
            ctx.save_for_backward(y.relu_())
        ctx.given = gradient, x.shape[2:], rectified, limits
        if limits is not None:
            ctx.save_for_backward(y)
            return torch.clamp(y, *limits)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None]:
        """Return the gradient of the input; none passes where the rectifier or the clip stops it."""
        gradient, size, rectified, limits = ctx.given
        passed = gradients[0] if limits is None else kinks.passed(gradients[0], ctx.saved_tensors[0], *limits)
        return gradient(passed, ctx.saved_tensors[0] if rectified else None, size), None, None, None, None
