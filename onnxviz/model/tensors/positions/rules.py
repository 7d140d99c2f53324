"""The rules of receptive fields: how each operator passes tracks on. Here: operators that do not move values.

An operator without a rule is assumed to mix all positions: the receptive field is then never too small.
"""

from __future__ import annotations

from collections.abc import Callable

from onnxviz.model.tensors.positions.layout_rules import LAYOUT_RULES
from onnxviz.model.tensors.positions.step import Rule, Step
from onnxviz.model.tensors.positions.tracks import Track
from onnxviz.model.tensors.positions.window_rules import WINDOW_RULES


def track_through(step: Step, place: int, output: int, track: Track) -> Track | None:
    """Return the track of a node's output through one operand.

    Parameters
    ----------
    step : Step
        The node.
    place, output : int
        Position of the input, and of the output.
    track : Track
        The operand's track.

    Returns
    -------
    Track or None
        None if the output's values do not depend on the operand's values.
    """
    if step.node.op_type in ("Shape", "Size", "ConstantOfShape"):
        return None
    if track.axis is None:
        return track
    rule = _RULES.get(step.node.op_type)
    try:
        found = rule(step, place, output, track) if rule is not None else None
    except (LookupError, ValueError, TypeError, ArithmeticError):  # sizes of a damaged file contradict each other
        found = None
    return track.hull if found is None else found


def _elementwise(step: Step, place: int, output: int, track: Track) -> Track | None:
    """Return the track through an element-wise operator. It broadcasts as numpy does: the last axes are aligned."""
    ranks = [step.rank(other) for other, name in enumerate(step.node.input) if name]
    own = step.rank(place)
    if track.axis is None or own is None or any(rank is None for rank in ranks):
        return track if sum(bool(name) for name in step.node.input) == 1 else None
    axis = track.axis + max(rank for rank in ranks if rank is not None) - own
    made = step.shape(step.node.output[output])
    length = made[axis] if made is not None and axis < len(made) else None
    if len(track.low) == 1 and length != 1:
        return None
    return track.moved(axis)


def _first_elementwise(step: Step, place: int, output: int, track: Track) -> Track | None:
    return track if place == 0 else None


def _mixing(axes: Callable[[Step, int], set[int]]) -> Rule:
    """Return the rule of an operator that mixes positions along some axes, and keeps the axes."""

    def rule(step: Step, place: int, output: int, track: Track) -> Track | None:
        rank = step.rank(0)
        return None if place or rank is None or track.axis in axes(step, rank) else track

    return rule


def _softmax_axes(step: Step, rank: int) -> set[int]:
    axis = step.attribute("axis", -1 if step.version >= 13 else 1) % rank
    return {axis} if step.version >= 13 else set(range(axis, rank))


def _last_axes(default: int) -> Callable[[Step, int], set[int]]:
    return lambda step, rank: set(range(step.attribute("axis", default) % rank, rank))


def _one_axis(default: int) -> Callable[[Step, int], set[int]]:
    return lambda step, rank: {step.attribute("axis", default) % rank}


def _spatial_axes(step: Step, rank: int) -> set[int]:
    return set(range(2, rank))


def _normalized_axes(step: Step, rank: int) -> set[int]:
    return {axis % rank for axis in step.attribute("axes", (0, 2, 3))}


def _cumulated_axes(step: Step, rank: int) -> set[int]:
    axes = step.numbers(1)
    return set(range(rank)) if axes is None else {axis % rank for axis in axes}


def _reduction(step: Step, place: int, output: int, track: Track) -> Track | None:
    rank = step.rank(0)
    if place or rank is None or track.axis is None:
        return None
    arg = step.node.op_type.startswith("Arg")
    axes = [step.attribute("axis", 0)] if arg else step.numbers(1, "axes")
    if axes is None and len(step.node.input) > 1 and step.node.input[1]:
        return None
    if not axes:
        return track if step.attribute("noop_with_empty_axes", 0) else None
    reduced = {axis % rank for axis in axes}
    if track.axis in reduced:
        return None
    return (
        track if step.attribute("keepdims", 1) else track.moved(track.axis - sum(axis < track.axis for axis in reduced))
    )


def _matrix_product(step: Step, place: int, output: int, track: Track) -> Track | None:
    second = {"QLinearMatMul": 3, "MatMulNBits": -1}.get(step.node.op_type, 1)
    if place not in (0, second) or track.axis is None:
        return None
    own, other = step.rank(place), step.rank(second if place == 0 else 0) if second >= 0 else 2
    if own is None or other is None or min(own, other) < 2:
        return None
    inner = own - 1 if place == 0 else own - 2
    return None if track.axis == inner else track.moved(track.axis + max(own, other) - own)


# Operators whose output at a position depends on the operands at that position alone; LRN looks only across channels.
# fmt: off
_POINTWISE = (
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BiasGelu", "BitShift", "BitwiseAnd",
    "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "Cosh",
    "DequantizeLinear", "Div", "Elu", "Equal", "Erf", "Exp", "FastGelu", "Floor", "Gelu", "Greater", "GreaterOrEqual",
    "HardSigmoid", "HardSwish", "Identity", "ImageScaler", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "QLinearAdd", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid", "QuantizeLinear", "QuickGelu", "Reciprocal",
    "Relu", "Round", "ScaledTanh", "Scaler", "Selu", "Shrink", "Sigmoid", "Sign", "Silu", "Sin", "Sinh", "Softplus",
    "Softsign", "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
)
# fmt: on

_RULES: dict[str, Rule] = {
    **WINDOW_RULES,
    **LAYOUT_RULES,
    **dict.fromkeys(_POINTWISE, _elementwise),
    **dict.fromkeys(("BatchNormalization", "SpatialBN", "Dropout", "Trilu"), _first_elementwise),
    **dict.fromkeys(("Softmax", "LogSoftmax", "Hardmax"), _mixing(_softmax_axes)),
    **dict.fromkeys(
        ("LayerNormalization", "SimplifiedLayerNormalization", "RMSNormalization"), _mixing(_last_axes(-1))
    ),
    **dict.fromkeys(("LpNormalization", "TopK"), _mixing(_one_axis(-1))),
    "CumSum": _mixing(_cumulated_axes),
    "MeanVarianceNormalization": _mixing(_normalized_axes),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _mixing(_spatial_axes)),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1"), _reduction),
    **dict.fromkeys(("ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ArgMax", "ArgMin"), _reduction),
    **dict.fromkeys(("MatMul", "MatMulInteger", "QLinearMatMul", "MatMulNBits"), _matrix_product),
}
