"""Operators that give roles to axes: convolutions, matrices, recurrent layers, normalization, attention, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from onnx import NodeProto

from onnxviz.model.tensors.axes.evidence import BATCH, HEIGHT, SPACE, TIME, UNIT, WIDTH, Evidence, several, whole
from onnxviz.model.tensors.axes.layout import elementwise

Rule = Callable[[Evidence, NodeProto], None]


def _rank_of(evidence: Evidence, names: Iterable[str]) -> int | None:
    """Return the number of axes that the first tensor with known axes has."""
    return next((rank for rank in (evidence.rank(name) for name in names if name) if rank is not None), None)


def _data(node: NodeProto) -> list[str]:
    """Return the first input and the first output of a node."""
    return [*list(node.input)[:1], *list(node.output)[:1]]


def sliding(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a convolution or a pool: batch, channels, then space."""
    rank = _rank_of(evidence, [*_data(node), *list(node.input)[1:2]])
    for name in _data(node):
        evidence.give(node, name, 0, BATCH)
        evidence.give(node, name, 1, UNIT)
        for place, role in enumerate(SPACE.get((rank or 0) - 2, ()), 2):
            evidence.give(node, name, place, role)


def sliding_last(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a convolution or a pool with the channels last."""
    for name in _data(node):
        for place, role in enumerate((BATCH, HEIGHT, WIDTH, UNIT)):
            evidence.give(node, name, place, role)


def normalized(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a normalization by channel: batch and channels."""
    elementwise(evidence, node)
    for name in _data(node):
        evidence.give(node, name, 0, BATCH)
        evidence.give(node, name, 1, UNIT)


def normalized_last(evidence: Evidence, node: NodeProto) -> None:
    """Give the role of a normalization over the last axis: features."""
    elementwise(evidence, node)
    if whole(node, "axis", -1) in (-1, (evidence.rank(node.input[0]) or 0) - 1):
        for name in _data(node):
            evidence.give(node, name, -1, UNIT)


def product(evidence: Evidence, node: NodeProto) -> None:
    """Link the rows of a matrix product. The columns are features."""
    first, second, made = node.input[0], _second(node), node.output[0]
    one, two, rank = evidence.rank(first), evidence.rank(second), evidence.rank(made)
    evidence.give(node, made, -1, UNIT)
    if evidence.computed(first) and not evidence.computed(second):
        evidence.give(node, first, -1, UNIT)
        if two in (1, 2) or two is None:
            shift = 1 if two == 1 else 0
            for axis in range(2, (one or 4) + 1):
                evidence.link(first, -axis, made, shift - axis)
        return
    if evidence.computed(second) and not evidence.computed(first):
        # A constant matrix before the tensor mixes the last axis but one.
        evidence.seeds.pop() if evidence.at(made, -1) else None
        evidence.give(node, made, -2, UNIT)
        evidence.give(node, second, -2, UNIT)
        evidence.link(second, -1, made, -1)
        for axis in range(3, (two or 4) + 1):
            evidence.link(second, -axis, made, -axis)
        return
    if one is not None and two is not None and rank is not None and min(one, two) > 1:
        evidence.link(first, -2, made, -2)
        for name, own in ((first, one), (second, two)):
            sizes, found = evidence.shape(name) or (), evidence.shape(made) or ()
            for axis in range(3, own + 1):
                if axis <= rank and sizes[-axis] == found[-axis]:
                    evidence.link(name, -axis, made, -axis)


def _second(node: NodeProto) -> str:
    """Return the matrix of a product; of a quantized product it is not the second input."""
    place = 3 if node.op_type == "QLinearMatMul" else 1
    return str(node.input[place]) if len(node.input) > place else ""


def general_product(evidence: Evidence, node: NodeProto) -> None:
    """Link the rows of a Gemm. The columns are features."""
    first, made = node.input[0], node.output[0]
    turned = whole(node, "transA", 0)
    evidence.link(first, 1 if turned else 0, made, 0)
    evidence.give(node, first, 0 if turned else 1, UNIT)
    evidence.give(node, made, 1, UNIT)


def einsum(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes of an Einsum that have the same letter."""
    equation = next((one.s.decode() for one in node.attribute if one.name == "equation"), "").replace(" ", "")
    read, arrow, made = equation.partition("->")
    if not arrow or "." in equation:
        return
    parts = read.split(",")
    weights = {
        letter for name, part in zip(node.input, parts, strict=False) if not evidence.computed(name) for letter in part
    }
    for name, part in zip(node.input, parts, strict=False):
        for axis, letter in enumerate(part):
            if letter in weights:
                evidence.give(node, name, axis, UNIT)
            elif letter in made:
                evidence.link(name, axis, node.output[0], made.index(letter))
    for axis, letter in enumerate(made):
        if letter in weights or (not weights and axis == len(made) - 1):
            evidence.give(node, node.output[0], axis, UNIT)


def recurrent(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a recurrent layer: without `layout` the steps come first, then the batch."""
    swapped = whole(node, "layout", 0) == 1
    read, written = list(node.input), list(node.output)
    steps = (BATCH, TIME, UNIT) if swapped else (TIME, BATCH, UNIT)
    every = (BATCH, TIME, "", UNIT) if swapped else (TIME, "", BATCH, UNIT)
    state = (BATCH, "", UNIT) if swapped else ("", BATCH, UNIT)
    named = [
        *((name, steps) for name in read[:1]),
        *((name, (BATCH,)) for name in read[4:5]),
        *((name, state) for name in read[5:7]),
        *((name, every) for name in written[:1]),
        *((name, state) for name in written[1:3]),
    ]
    for name, roles in named:
        for axis, role in enumerate(roles):
            if role and name:
                evidence.give(node, name, axis, role)


def scan(evidence: Evidence, node: NodeProto) -> None:
    """Give the steps of a Scan (revision 9 on) their role."""
    count = whole(node, "num_scan_inputs", 0)
    along = several(node, "scan_input_axes") or [0] * count
    for name, axis in zip(list(node.input)[len(node.input) - count :], along, strict=False):
        evidence.give(node, name, axis, TIME)
    made = list(node.output)[len(node.input) - count :]
    for name, axis in zip(made, several(node, "scan_output_axes") or [0] * len(made), strict=False):
        evidence.give(node, name, axis, TIME)


def attention(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of attention: batch first, features last, steps before the features."""
    for name in [*list(node.input)[:3], *list(node.output)[:1]]:
        if name and (evidence.rank(name) in (3, 4) or name == node.output[0]):
            evidence.give(node, name, 0, BATCH)
            evidence.give(node, name, -2, TIME)
            evidence.give(node, name, -1, UNIT)


def tokens(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of an embedding layer of token ids."""
    for name in list(node.input)[:2]:
        evidence.give(node, name, 0, BATCH)
        evidence.give(node, name, 1, TIME)
    for axis, role in enumerate((BATCH, TIME, UNIT)):
        evidence.give(node, node.output[0], axis, role)


def table(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a classical model: a row for each sample, a column for each feature."""
    if evidence.rank(node.input[0]) == 2:
        evidence.give(node, node.input[0], 0, BATCH)
        evidence.give(node, node.input[0], 1, UNIT)
    for name in node.output:
        if name:
            evidence.give(node, name, 0, BATCH)
            evidence.give(node, name, 1, UNIT)


def reversed_steps(evidence: Evidence, node: NodeProto) -> None:
    """Give the roles of a ReverseSequence: it names the axes of the batch and of the steps."""
    elementwise(evidence, node)
    for name in _data(node):
        evidence.give(node, name, whole(node, "batch_axis", 1), BATCH)
        evidence.give(node, name, whole(node, "time_axis", 0), TIME)


def scaled(evidence: Evidence, node: NodeProto) -> None:
    """Link an arithmetic operator's axes. A constant with a number for each place of one axis marks channels."""
    elementwise(evidence, node)
    for name in node.input:
        shape = evidence.shape(name) if name in evidence.graph.constants else None
        long = [axis - len(shape) for axis, size in enumerate(shape) if size != 1] if shape else []
        # Along the last axis, or as a column for channels; a column at the end of a constant that has a batch of steps is neither.
        if len(long) == 1 and shape is not None and (long[0] == -1 or (len(shape) > 1 and long[0] in (-3, -4))):
            for other in [*node.input, *node.output]:
                sizes = evidence.shape(other)
                if other != name and (
                    sizes is None or (len(sizes) >= -long[0] and sizes[long[0]] in (None, shape[long[0]]))
                ):
                    evidence.give(node, other, long[0], UNIT)


def one_hot(evidence: Evidence, node: NodeProto) -> None:
    """Link the axes of ids to those of their codes; the codes lie along a new axis."""
    rank = evidence.rank(node.output[0])
    if rank is None:
        return
    axis = whole(node, "axis", -1) % rank
    evidence.give(node, node.output[0], axis, UNIT)
    for place in range(rank - 1):
        evidence.link(node.input[0], place, node.output[0], place + (place >= axis))


_SLIDING = (
    *("Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv", "DeformConv", "LRN", "Upsample"),
    *("MaxPool", "AveragePool", "LpPool", "MaxUnpool", "QLinearAveragePool", "QLinearGlobalAveragePool"),
    *(
        "GlobalAveragePool",
        "GlobalMaxPool",
        "GlobalLpPool",
        "DepthToSpace",
        "SpaceToDepth",
        "GridSample",
        "ImageScaler",
    ),
)
_TABLES = (
    *("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble", "LinearClassifier", "LinearRegressor"),
    *("SVMClassifier", "SVMRegressor", "Scaler", "Normalizer", "Imputer", "FeatureVectorizer", "ArrayFeatureExtractor"),
)
RULES: dict[str, Rule] = {
    **dict.fromkeys(_SLIDING, sliding),
    **dict.fromkeys(("NhwcConv", "NhwcMaxPool"), sliding_last),
    **dict.fromkeys(("BatchNormalization", "InstanceNormalization", "GroupNormalization"), normalized),
    **dict.fromkeys(
        (
            *("LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization"),
            *("SkipLayerNormalization", "SkipSimplifiedLayerNormalization"),
        ),
        normalized_last,
    ),
    **dict.fromkeys(
        ("MatMul", "MatMulInteger", "QLinearMatMul", "FusedMatMul", "MatMulNBits", "MatMulIntegerToFloat"), product
    ),
    **dict.fromkeys(("Gemm", "FusedGemm", "QGemm"), general_product),
    "Einsum": einsum,
    **dict.fromkeys(("LSTM", "GRU", "RNN", "DynamicQuantizeLSTM"), recurrent),
    "Scan": scan,
    **dict.fromkeys(("Attention", "MultiHeadAttention", "GroupQueryAttention", "QAttention"), attention),
    "EmbedLayerNormalization": tokens,
    **dict.fromkeys(_TABLES, table),
    "ReverseSequence": reversed_steps,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), scaled),
    "OneHot": one_hot,
}
"""The rules of the operators that give roles."""
