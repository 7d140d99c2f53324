"""Functions with a kink, such as a clamp at its bounds, and the gradient at the kink: stated here, whatever torch's version is.

torch's versions differ: at a bound the gradient of its clamp is 1 up to torch 2.13, and 0 or 1/2 in 2.14. Here both bounds have the
gradient of the inside, and equal operands of a minimum or a maximum share theirs equally. Where a value is NaN, the gradient may be
anything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, reduce
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

# (gradient, values, bounds) -> the gradient where the values lie above a bound, or between two; bounds themselves are outside. Each
# is one pass over the memory: a CPU chooses by a mask of bools in ten times as long.
_where_above: Callable[..., Tensor] = torch.ops.aten.threshold_backward.default
_where_between: Callable[..., Tensor] = torch.ops.aten.hardtanh_backward.default

Bound = Tensor | float | None


def clamped(values: Tensor, low: Bound = None, high: Bound = None) -> Tensor:
    """Return the values, limited to an interval; where it is empty, its upper bound.

    The gradient goes to the values inside the interval and at both of its ends. Outside it goes to the bound that decides, if
    that is a tensor.

    Parameters
    ----------
    values : Tensor
        float32 or float64 where a gradient is wanted.
    low, high : Tensor or float, optional
        Both tensors that broadcast to the values, or both numbers; None for no bound.

    Examples
    --------
    >>> x = torch.tensor([-1.0, 0.0, 3.0, 6.0, 7.0], requires_grad=True)
    >>> clamped(x, 0, 6).sum().backward()
    >>> x.grad
    tensor([0., 1., 1., 1., 0.])
    """
    if isinstance(low, Tensor) or isinstance(high, Tensor):
        return cast(Tensor, _ToTensors.apply(values, low, high))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on
    low, high = None if low == -math.inf else low, None if high == math.inf else high
    if low is None and high is None:
        return values
    if not (torch.is_grad_enabled() and values.requires_grad):
        return torch.clamp(values, low, high)
    return cast(Tensor, _ToNumbers.apply(values, low, high))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


def minimum(*tensors: Tensor) -> Tensor:
    """Return the smallest of tensors that broadcast, element by element; those that are equal share the gradient equally."""
    return _extreme(torch.minimum, tensors)


def maximum(*tensors: Tensor) -> Tensor:
    """Return the largest of tensors that broadcast, element by element; those that are equal share the gradient equally.

    Examples
    --------
    >>> a, b, c = (torch.tensor(1.0, requires_grad=True) for _ in range(3))
    >>> maximum(a, b, c).backward()
    >>> print(f"{a.grad:.3f} {b.grad:.3f} {c.grad:.3f}")
    0.333 0.333 0.333
    """
    return _extreme(torch.maximum, tensors)


def hard_sigmoid(values: Tensor) -> Tensor:
    """Return ``clamped(values / 6 + 1 / 2, 0, 1)`` in one pass."""
    if not (torch.is_grad_enabled() and values.requires_grad):
        return F.hardsigmoid(values)
    return cast(Tensor, _HardSigmoid.apply(values))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


def hard_swish(values: Tensor) -> Tensor:
    """Return ``values * hard_sigmoid(values)`` in one pass; the gradient is 0 at -3 and 1 at 3.

    Those are the slopes of the outside. Newer versions of torch have them, and torch's own gradient takes a quarter of the time
    of one that is put together.
    """
    if not (torch.is_grad_enabled() and values.requires_grad) or _settled(values.device, values.dtype):
        return F.hardswish(values)
    return cast(Tensor, _HardSwish.apply(values))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


@lru_cache(maxsize=256)
def _beyond(bound: float, outward: int, dtype: torch.dtype) -> float:
    """Return the number next to a bound on its outer side: below it for -1, above it for 1."""
    kept = torch.tensor(float(bound), dtype=dtype)
    if kept == 0:
        # The numbers next to 0 are subnormal, and a processor may be told to take those for 0.
        return math.copysign(torch.finfo(dtype).tiny, outward)
    return torch.nextafter(kept, torch.tensor(outward * math.inf, dtype=dtype)).item()


@lru_cache(maxsize=16)
def _settled(device: torch.device, dtype: torch.dtype) -> bool:
    """Tell whether torch's own hardswish has the slopes 0 and 1 at -3 and 3, in a short row and in a long one, which it computes apart."""
    gradient = torch.ops.aten.hardswish_backward.default
    rows = (torch.tensor([-3.0, 3.0] * count, dtype=dtype, device=device) for count in (1, 64))
    return all(gradient(torch.ones_like(row), row).tolist() == [0.0, 1.0] * (len(row) // 2) for row in rows)


class _ToNumbers(torch.autograd.Function):
    """Clamp to an interval whose ends are numbers."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: float | None, high: float | None) -> Tensor:
        """Clamp."""
        ctx.save_for_backward(values)
        ctx.ends = low, high
        return torch.clamp(values, low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Pass the gradient inside."""
        (values,), (low, high) = ctx.saved_tensors, ctx.ends
        if high is None:
            return _where_above(gradients[0], values, _beyond(low, -1, values.dtype)), None, None
        if low is None:
            return _where_not_negative(gradients[0], high - values), None, None
        lower, upper = _beyond(low, -1, values.dtype), _beyond(high, 1, values.dtype)
        return _where_between(gradients[0], values, lower, upper), None, None


class _ToTensors(torch.autograd.Function):
    """Clamp to intervals whose ends are tensors."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, low: Tensor | None, high: Tensor | None) -> Tensor:
        """Clamp."""
        ctx.save_for_backward(values, low, high)
        return torch.clamp(values, low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Give the gradient to what decided each value."""
        gradient, (values, low, high) = gradients[0], ctx.saved_tensors
        found: list[Tensor | None] = [None, None, None]
        if ctx.needs_input_grad[0]:
            # How far inside a value is; below zero outside. No value is inside an empty interval.
            depths = ([] if low is None else [values - low]) + ([] if high is None else [high - values])
            found[0] = _where_not_negative(gradient, reduce(torch.minimum, depths)).sum_to_size(values.shape)
        if ctx.needs_input_grad[1]:
            decides = values < low if high is None else (values < low) & (low <= high)
            found[1] = torch.where(decides, gradient, 0.0).sum_to_size(low.shape)
        if ctx.needs_input_grad[2]:
            decides = values > high if low is None else torch.maximum(values, low) > high
            found[2] = torch.where(decides, gradient, 0.0).sum_to_size(high.shape)
        return found[0], found[1], found[2]


def _where_not_negative(gradient: Tensor, depth: Tensor) -> Tensor:
    passed: Tensor = _where_above(gradient, depth, -torch.finfo(depth.dtype).tiny)
    return passed


def _extreme(function: Callable[[Tensor, Tensor], Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    if len(tensors) == 1 or not (torch.is_grad_enabled() and any(one.requires_grad for one in tensors)):
        return reduce(function, tensors)
    return cast(Tensor, _Extreme.apply(function, *tensors))  # type: ignore[no-untyped-call, unused-ignore]  # typed from torch 2.14 on


class _Extreme(torch.autograd.Function):
    """The smallest or the largest of at least two tensors."""

    @staticmethod
    def forward(ctx: Any, function: Callable[[Tensor, Tensor], Tensor], *tensors: Tensor) -> Tensor:
        """Choose."""
        found = reduce(function, tensors)
        ctx.save_for_backward(found, *tensors)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Share the gradient among the equal."""
        found, *tensors = (one.detach() for one in ctx.saved_tensors)
        # 1 where an operand is the extreme, else 0: as floats from the start, for a CPU takes long over bools.
        won = [torch.eq(one, found, out=torch.empty_like(found)) for one in tensors]
        share = gradients[0] / reduce(torch.add, won)
        return None, *(
            _where_above(share, wins, 0.5).sum_to_size(one.shape) if wanted else None
            for one, wins, wanted in zip(tensors, won, ctx.needs_input_grad[1:], strict=True)
        )


class _HardSigmoid(torch.autograd.Function):
    """torch's own, with the slope of the inside at -3 and 3."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Compute the values."""
        ctx.save_for_backward(values)
        return F.hardsigmoid(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Pass the gradient from -3 to 3."""
        (values,) = ctx.saved_tensors
        ends = _beyond(-3.0, -1, values.dtype), _beyond(3.0, 1, values.dtype)
        return _where_between(gradients[0], values, *ends).div_(6)


class _HardSwish(torch.autograd.Function):
    """torch's own, with the slope of the outside at -3 and 3."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Compute the values."""
        ctx.save_for_backward(values)
        return F.hardswish(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """Apply the product rule."""
        (values,) = ctx.saved_tensors
        return F.hardsigmoid(values) * gradients[0] + _where_between(gradients[0] * values, values, -3.0, 3.0) / 6
