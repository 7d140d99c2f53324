"""Fusion: attention, Gelu, LayerNorm and linear layers that an exporter split into parts are put together again.

torch has a kernel for each of them, which needs less work and memory than the parts. A pattern is fused only if nothing
else reads the tensors inside it, so that a tensor that is asked for still exists.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from onnxviz.model.engine.plan import Plan, Slot, Step
from onnxviz.model.operators.declaration import Declaration, Gradient
from onnxviz.model.operators.layer_normalization import layer_normalization
from onnxviz.model.operators.transformers.decomposed_attention import attention_of_parts

_CUBIC = 0.044715
"""The coefficient of the cube in Gelu's tanh form (Hendrycks and Gimpel 2016)."""


def fuse(plan: Plan) -> Plan:
    """Return a plan with patterns replaced by torch's own kernels.

    Parameters
    ----------
    plan : Plan
        Complete except for `Plan.finish`; changed in place.
    """
    for pattern in (_gelu, _layer_norm, _attention, _linear):
        graph = _Graph(plan)
        fusions = [fusion for fusion in (pattern(graph, step) for step in plan.steps) if fusion is not None]
        replaced = {id(fusion.steps[-1]): fusion.step() for fusion in fusions}
        dropped = {id(step) for fusion in fusions for step in fusion.steps[:-1]}
        plan.steps = [replaced.get(id(step), step) for step in plan.steps if id(step) not in dropped]
    return plan


@dataclass
class _Fusion:
    """Steps that become one step, in the place of the last."""

    operator: str
    function: Callable[..., Any]
    steps: list[Step]
    arguments: list[Any]
    keywords: dict[str, Any]
    host_numbers: bool = False

    def step(self) -> Step:
        last = self.steps[-1]
        tensor = last.node.outputs[0]
        inputs = {name for step in self.steps for name in step.node.inputs}
        made = {name for step in self.steps for name in step.node.outputs}
        node = replace(last.node, domain="", operator=self.operator, inputs=tuple(sorted(inputs - made - {""})))
        declaration = Declaration(
            domain="onnxviz",
            operator=self.operator,
            since=1,
            until=None,
            function=self.function,
            gradient=Gradient.SMOOTH,
            deterministic=True,
            ignored=frozenset(),
            parameters=(),
            required=(),
            converters=(),
            variadic=True,
            attributes={},
            takes_node=False,
            host_numbers=self.host_numbers,
        )
        label = f"{self.operator} at {tensor}"
        return Step(declaration, node, label, self.arguments, self.keywords, {}, last.outputs)


class _Graph:
    """The maker and the readers of each value of a plan."""

    def __init__(self, plan: Plan) -> None:
        self.maker: dict[int, Step] = {}
        self.reader: dict[int, Step] = {}
        self.reads: Counter[int] = Counter()
        for step in plan.steps:
            for position in step.positions():
                self.reader[position] = step
                self.reads[position] += 1
            for position in step.outputs:
                self.maker[position] = step
        # The network's results count as read by unknown readers.
        self.reads.update(2 * [result.position for result in plan.results if isinstance(result, Slot)])

    def made(self, value: Any, *operators: str, reads: int = 1) -> Step | None:
        """Return the step that makes a value, if it is one of these operators and the value has `reads` readers."""
        if not isinstance(value, Slot) or self.reads[value.position] != reads:
            return None
        step = self.maker.get(value.position)
        return step if step is not None and _is(step, *operators) else None

    def next(self, step: Step, *operators: str) -> Step | None:
        """Return the only reader of a step's output if it is one of these operators."""
        position = step.outputs[0]
        if self.reads[position] != 1:
            return None
        reader = self.reader.get(position)
        return reader if reader is not None and _is(reader, *operators) else None


def _is(step: Step, *operators: str) -> bool:
    node = step.node
    return not node.domain and node.operator in operators and not step.rounded and step.outputs[0] >= 0


def _number(value: Any) -> float | None:
    """Return the number in a constant that broadcasts like a number, else None."""
    if isinstance(value, Tensor) and value.numel() == 1 and value.ndim <= 1 and value.is_floating_point():
        return float(value)
    return None


def _close(value: Any, wanted: float) -> bool:
    # Constants have the digits of float32, and often fewer.
    number = _number(value)
    return number is not None and math.isclose(number, wanted, rel_tol=1e-5)


def _same(one: Any, other: Any) -> bool:
    return isinstance(one, Slot) and isinstance(other, Slot) and one.position == other.position


def _orders(step: Step) -> Iterable[tuple[Any, Any]]:
    """Return the two arguments of a commutative step both ways."""
    first, second = step.arguments
    return ((first, second), (second, first))


def _other(step: Step, known: Step) -> Any:
    """Return the argument of a commutative step that the known step does not make."""
    first, second = step.arguments
    return second if isinstance(first, Slot) and first.position == known.outputs[0] else first


def _gelu(graph: _Graph, step: Step) -> _Fusion | None:
    """Match ``x (1 + erf(x / sqrt 2)) / 2`` or its tanh form, the factors in any order."""
    if _is(step, "Erf"):
        inside = _erf_argument(graph, step.arguments[0])
    elif _is(step, "Tanh"):
        inside = _tanh_argument(graph, step.arguments[0])
    else:
        return None
    plus = graph.next(step, "Add")
    if inside is None or plus is None or not _close(_other(plus, step), 1.0):
        return None
    x, steps = inside
    steps = [*steps, step, plus]
    wanted = {"x", "half"}
    while wanted:
        product = graph.next(steps[-1], "Mul")
        if product is None:
            return None
        factor = _other(product, steps[-1])
        halved = graph.made(factor, "Mul", "Div")
        if "half" in wanted and _close(factor, 0.5):
            wanted.discard("half")
        elif "x" in wanted and _same(factor, x):
            wanted.discard("x")
        elif len(wanted) == 2 and halved is not None and _scaled(halved, 0.5, x):
            steps.append(halved)
            wanted.clear()
        else:
            return None
        steps.append(product)
    approximate = "none" if step.node.operator == "Erf" else "tanh"
    axes = max(value.ndim for step in steps for value in step.arguments if isinstance(value, Tensor))
    return _Fusion("Gelu", _gelu_of_axes, steps, [x], {"approximate": approximate, "axes": axes})


def _gelu_of_axes(x: Tensor, *, approximate: str, axes: int) -> Tensor:
    """Return the Gelu, with at least as many axes as the constants had: `x` may be a scalar."""
    y = F.gelu(x, approximate=approximate)
    return y if y.ndim >= axes else y.reshape((1,) * axes)


def _scaled(step: Step, factor: float, x: Any) -> bool:
    """Return whether a step computes a factor times x."""
    if step.node.operator == "Div":
        return _same(step.arguments[0], x) and _close(step.arguments[1], 1 / factor)
    return any(_same(one, x) and _close(other, factor) for one, other in _orders(step))


def _erf_argument(graph: _Graph, value: Any) -> tuple[Slot, list[Step]] | None:
    step = graph.made(value, "Div", "Mul")
    if step is None:
        return None
    for x in step.arguments:
        if isinstance(x, Slot) and _scaled(step, math.sqrt(0.5), x):
            return x, [step]
    return None


def _tanh_argument(graph: _Graph, value: Any) -> tuple[Slot, list[Step]] | None:
    """Match ``sqrt(2 / pi) (x + 0.044715 x^3)``."""
    outer = graph.made(value, "Mul")
    for inner, factor in _orders(outer) if outer is not None else ():
        total = graph.made(inner, "Add")
        if outer is None or total is None or not _close(factor, math.sqrt(2 / math.pi)):
            continue
        for x, rest in _orders(total):
            term = graph.made(rest, "Mul")
            for cube, coefficient in _orders(term) if term is not None else ():
                steps = _cube(graph, cube, x)
                if term is not None and steps is not None and _close(coefficient, _CUBIC):
                    return x, [*steps, term, total, outer]
    return None


def _cube(graph: _Graph, value: Any, x: Any) -> list[Step] | None:
    step = graph.made(value, "Pow", "Mul")
    if step is None or not isinstance(x, Slot):
        return None
    if step.node.operator == "Pow":
        return [step] if _same(step.arguments[0], x) and _close(step.arguments[1], 3.0) else None
    for one, other in _orders(step):
        square = graph.made(other, "Mul")
        if _same(one, x) and square is not None and all(_same(factor, x) for factor in square.arguments):
            return [square, step]
    return None


def _layer_norm(graph: _Graph, step: Step) -> _Fusion | None:
    """Match ``(x - mean) / sqrt(mean((x - mean)^2) + epsilon) * scale + shift``, last axis; the shift may be missing."""
    if not _is(step, "Div"):
        return None
    root = graph.made(step.arguments[1], "Sqrt")
    shifted = graph.made(root.arguments[0], "Add") if root is not None else None
    if root is None or shifted is None:
        return None
    for value, constant in _orders(shifted):
        epsilon, variance = _number(constant), graph.made(value, "ReduceMean")
        if epsilon is None or epsilon <= 0 or variance is None or not _over_last_axis(variance):
            continue
        before = _centered(graph, step.arguments[0], variance.arguments[0])
        if before is None:
            continue
        x, steps = before
        scaling = graph.next(step, "Mul")
        scale = _other(scaling, step) if scaling is not None else None
        if scaling is None or not (isinstance(scale, Tensor) and scale.ndim == 1):
            continue
        steps = [*steps, variance, shifted, root, step, scaling]
        adding = graph.next(scaling, "Add")
        shift = _other(adding, scaling) if adding is not None else None
        if adding is not None and isinstance(shift, Tensor) and shift.shape == scale.shape:
            steps.append(adding)
        else:
            shift = None
        arguments = [x, scale, shift]
        return _Fusion("LayerNormalization", layer_normalization, steps, arguments, {"epsilon": epsilon})
    return None


def _centered(graph: _Graph, numerator: Any, squares: Any) -> tuple[Slot, list[Step]] | None:
    """Match a difference from the mean, and its square; one subtraction makes both, or two equal ones do."""
    square = graph.made(squares, "Pow", "Mul")
    if square is None:
        return None
    base, by_power = square.arguments[0], square.node.operator == "Pow"
    if not (_close(square.arguments[1], 2.0) if by_power else _same(*square.arguments)):
        return None
    once = 1 if by_power else 2
    if _same(numerator, base):
        differences = [graph.made(base, "Sub", reads=once + 1)]
    else:
        differences = [graph.made(base, "Sub", reads=once), graph.made(numerator, "Sub")]
    subtractions = [difference for difference in differences if difference is not None]
    if len(subtractions) < len(differences):
        return None
    x = subtractions[0].arguments[0]
    steps = [*subtractions, square]
    means = {id(mean): mean for mean in (graph.maker.get(_position(one.arguments[1])) for one in subtractions) if mean}
    for mean in means.values():
        readers = sum(_same(one.arguments[1], Slot(mean.outputs[0])) for one in subtractions)
        if not (_is(mean, "ReduceMean") and _over_last_axis(mean) and graph.reads[mean.outputs[0]] == readers):
            return None
        if not _same(mean.arguments[0], x):
            return None
        steps.append(mean)
    if not means or not isinstance(x, Slot) or any(not _same(one.arguments[0], x) for one in subtractions):
        return None
    return x, steps


def _position(value: Any) -> int:
    return value.position if isinstance(value, Slot) else -1


def _over_last_axis(step: Step) -> bool:
    axes = step.arguments[1] if len(step.arguments) > 1 else step.keywords.get("axes")
    return axes == (-1,) and step.keywords.get("keepdims", 1) == 1


def _attention(graph: _Graph, step: Step) -> _Fusion | None:
    """Match ``softmax(scale query key + mask) value``; the query, the key, their product or several may be scaled."""
    if not _is(step, "Softmax") or step.keywords.get("axis", 1) != -1:
        return None
    last = graph.next(step, "MatMul")
    if last is None or not _same(last.arguments[0], Slot(step.outputs[0])):
        return None
    steps = [step, last]
    scores, mask = step.arguments[0], None
    added = graph.made(scores, "Add")
    if added is not None:
        for value, other in _orders(added):
            if graph.made(value, "MatMul", "Mul", "Div") is not None:
                scores, mask = value, other
                steps.insert(0, added)
                break
    factors: list[tuple[Any, bool]] = []
    scores = _without_factor(graph, scores, factors, steps)
    product = graph.made(scores, "MatMul")
    if product is None:
        return None
    steps.insert(0, product)
    query = _without_factor(graph, product.arguments[0], factors, steps)
    key = _without_factor(graph, product.arguments[1], factors, steps)
    scale = 1.0
    for factor, divides in factors:
        number = _number(factor)
        if number is not None:
            scale = scale / number if divides else scale * number
    computed = [(factor, divides) for factor, divides in factors if isinstance(factor, Slot)]
    arguments = [query, key, last.arguments[1], mask, *(factor for factor, _ in computed)]
    divided = tuple(divides for _, divides in computed)
    keywords = {"scale": scale, "divided": divided}
    return _Fusion("Attention", attention_of_parts, steps, arguments, keywords, host_numbers=True)


def _without_factor(graph: _Graph, value: Any, factors: list[tuple[Any, bool]], steps: list[Step]) -> Any:
    """Return a value before it is scaled by a number, which joins `factors`; the value itself if it is not scaled."""
    step = graph.made(value, "Mul", "Div")
    if step is None:
        return value
    pairs = _orders(step) if step.node.operator == "Mul" else [(step.arguments[0], step.arguments[1])]
    for inner, factor in pairs:
        if isinstance(inner, Slot) and (_number(factor) is not None or _is_computed_number(graph, factor)):
            factors.append((factor, step.node.operator == "Div"))
            steps.insert(0, step)
            return inner
    return value


def _is_computed_number(graph: _Graph, value: Any) -> bool:
    """Return whether a value is the root of a number from a shape, as exporters compute the scale."""
    step = graph.maker.get(_position(value))
    while step is not None and _is(step, "Sqrt", "Div", "Cast", "Reciprocal"):
        step = graph.maker.get(_position(next((a for a in step.arguments if isinstance(a, Slot)), None)))
        if step is not None and _is(step, "Shape", "Slice", "Gather", "Squeeze"):
            return True
    return False


def _linear(graph: _Graph, step: Step) -> _Fusion | None:
    """Match ``x weight + bias`` with constants."""
    if not _is(step, "MatMul"):
        return None
    x, weight = step.arguments
    adding = graph.next(step, "Add")
    bias = _other(adding, step) if adding is not None else None
    if adding is None or not isinstance(x, Slot):
        return None
    if not (isinstance(weight, Tensor) and isinstance(bias, Tensor) and weight.ndim == 2):
        return None
    if bias.shape != weight.shape[1:] or bias.dtype != weight.dtype or not weight.is_floating_point():
        return None
    return _Fusion("Linear", F.linear, [step, adding], [x, weight.t(), bias], {})
