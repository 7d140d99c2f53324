"""Operator sets that are older than ONNX Runtime runs, and what a person can do about them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from onnx import ModelProto, NodeProto

from onnxviz.model.graph.schema_contract import breach, schema_at
from onnxviz.model.graph.structure import every_node

LEAST = 7
"""The oldest operator set of the ONNX domain that ONNX Runtime promises to run."""

_RAISED = 17
"""The operator set that onnx's converter is asked for."""

_WIDENED = frozenset(
    {"LSTM", "GRU", "RNN", "Add", "Sub", "Mul", "Div", "Pow", "And", "Or", "Xor", "Gemm", "AveragePool"}
)
"""Operators that set 7 has with the same results for every node without the attributes that it dropped."""

_PLAIN = re.compile(r"[\w./ -]+")
"""File names that may stand in a command without quotation marks of their own."""


def too_old(model: ModelProto, version: int, path: Path | None) -> str:
    """Return a sentence on an operator set that ONNX Runtime does not promise to run, with the way on; "" for a newer one.

    Parameters
    ----------
    model : ModelProto
        The file.
    version : int
        The version of the ONNX domain that counts for the file.
    path : Path, optional
        The file's path, which the command in the sentence reads.
    """
    if version >= LEAST:
        return ""
    place = next((at for at, entry in enumerate(model.opset_import) if entry.domain in ("", "ai.onnx")), None)
    said = f"is so old that operator set {version} counts" if place is None else f"imports operator set {version}"
    file, stem = ("model.onnx", "model")
    if path is not None and _PLAIN.fullmatch(str(path)):
        file, stem = str(path), path.stem
    nodes = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    if _unchanged(nodes, version):
        number = f"m.opset_import[{place}].version = {LEAST}"
        if place is None:
            number = f"m.ir_version = 4; m.opset_import.add(version={LEAST})"
        code = f"import onnx; m = onnx.load('{file}'); {number}; onnx.save(m, '{stem}-{LEAST}.onnx')"
        how = f'Set {LEAST} computes the same with these operators, so raise the number: python -c "{code}"'
    else:
        code = (
            f"import onnx, onnx.version_converter as v; m = onnx.load('{file}'); m.ir_version = 8; "
            f"m = v.convert_version(m, {_RAISED}); del m.graph.value_info[:]; onnx.save(m, '{stem}-{_RAISED}.onnx')"
        )
        how = (
            f"Export it again with operator set {LEAST} or newer; or try onnx's converter, whose result must be checked "
            f'against known outputs: python -c "{code}"'
        )
    return f"The file {said}; ONNX Runtime runs {LEAST} and newer. {how}"


def _unchanged(nodes: Iterable[NodeProto], version: int) -> bool:
    """Return whether every node gives the same under the least operator set that ONNX Runtime runs."""
    for node in every_node(nodes):
        if node.domain not in ("", "ai.onnx"):
            continue
        before, after = (schema_at("", node.op_type, one) for one in (version, LEAST))
        if before is None or after is None or after.deprecated or breach(node, LEAST) is not None:
            return False
        if before.since_version == after.since_version:
            continue
        if node.op_type not in _WIDENED or any(one.name not in after.attributes for one in node.attribute):
            return False
    return True
