"""The comparison of torch with ONNX Runtime, tensor by tensor, as `verify` and the report show it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from onnxviz.errors import TargetError, UnsupportedOperators

if TYPE_CHECKING:
    from onnxviz.methods.verification import Agreement
    from onnxviz.model.model import Model


_AT_ONCE = 1 << 28
"""Bytes of tensors that are compared at once; both sides hold as many."""


def agreements(
    model: Model, inputs: dict[str, Any], targets: tuple[str, ...], limit: float, place: Any
) -> tuple[list[Agreement], tuple[Any, ...]]:
    """Compare float tensors, and tell rounding that was amplified from operators that differ.

    Parameters
    ----------
    model : Model
        The model, whole.
    inputs : dict of str to ndarray
        What both are fed.
    targets : tuple of str
        Tensors; all that can be compared where there are none.
    limit : float
        The largest error, relative to each tensor's own range.
    place : device
        Where torch computes.

    Returns
    -------
    rows : list of Agreement
        One for each tensor.
    unsupported : tuple
        The operators that stand in the way of other tensors.

    Raises
    ------
    TargetError
        If a target is no float tensor of the model.
    EvaluationError
        If ONNX Runtime or torch refuses the inputs.
    """
    from onnxviz.methods.verification import verify as compare

    names, unsupported = _names(model, targets)
    rows: list[Agreement] = []
    if names:
        # All at once as long as that is little: each portion runs the model anew, on both sides.
        for part in _portions(model, names, inputs):
            rows += compare(model.network(part, device=place), model.session(part), inputs, part, limit)
            if len(part) < len(names):
                model.close_sessions()
        if not all(row.ok for row in rows):
            rows = _explain(model, rows, inputs, limit, place, whole=not targets)
        if not targets:
            # Once more as it ships: with no inner tensor marked, both sides fuse what they fuse in use.
            outputs = [name for name in model.outputs if name in names]
            whole_rows = (
                compare(model.network(outputs, device=place), model.session(outputs), inputs, outputs, limit)
                if outputs
                else []
            )
            fine = {row.name for row in rows if row.ok}
            rows += [
                replace(row, note=row.note or "only with nothing inside marked, as ONNX Runtime fuses it")
                for row in whole_rows
                if not row.ok and row.name in fine
            ]
    return rows, unsupported


def agreement_document(
    model: Model, rows: list[Agreement], unsupported: tuple[Any, ...], limit: float
) -> dict[str, Any]:
    """Return a comparison as `verify --json` prints it."""
    first = next((row.name for row in rows if row.diverges), None)
    return {
        "model": {"path": str(model.path), "sha256": model.digest},
        "ok": first is None and not unsupported,
        "tolerance": limit,
        "tensors": [
            {
                "name": row.name,
                "operator": model.tensors[row.name].operator,
                "shape": list(row.shape),
                "dtype": row.dtype,
                "max_abs_error": row.max_abs_error,
                "max_rel_error": row.max_rel_error,
                "ok": row.ok,
                "amplified": row.amplified,
                "note": row.note,
            }
            for row in rows
        ],
        "unsupported": [
            {
                "domain": one.domain,
                "operator": one.operator,
                "version": one.version,
                "count": one.count,
                "first_tensor": one.first_tensor,
                "reason": one.reason,
            }
            for one in unsupported
        ],
        "first_divergence": first,
    }


def _portions(model: Model, names: list[str], inputs: dict[str, Any]) -> list[list[str]]:
    """Divide tensors, in order, so that the values of those that are compared at once do not fill the memory."""
    from onnxviz.model.probing.measured_sizes import tensor_elements

    elements = tensor_elements(model, names, inputs)
    portions: list[list[str]] = []
    room = 0
    for name in names:
        size = elements[name] * 4
        if not portions or size > room:
            portions.append([])
            room = _AT_ONCE
        portions[-1].append(name)
        room -= size
    return portions


def _explain(
    model: Model, rows: list[Agreement], inputs: dict[str, Any], limit: float, device: Any, *, whole: bool
) -> list[Agreement]:
    """Tell rounding that was amplified from operators that differ; `whole` says that the rows are all that can be compared."""
    from functools import partial

    from onnxviz.methods.verification import explain, suspects
    from onnxviz.methods.verification import verify as compare
    from onnxviz.model.isolation import Isolation, sources

    every = rows
    if not whole:
        # The tensors asked for are judged by what lies before them as well.
        part = model.cut([row.name for row in rows])
        names = [name for name, info in part.tensors.items() if info.is_float and name in part.producers]
        every = compare(model.network(names, device=device), model.session(names), inputs, names, limit)
    reads = partial(sources, model)
    alone = Isolation(model, suspects(every, reads, limit), inputs, device)
    explained = {row.name: row for row in explain(every, alone, reads, limit) if not row.ok}
    return [explained.get(row.name, row) for row in rows]


def _names(model: Model, targets: tuple[str, ...]) -> tuple[list[str], tuple[Any, ...]]:
    """Return the tensors to compare, in graph order, and the operators that stand in the way of others."""
    from onnxviz.model.tensors.support import reach
    from onnxviz.target import Target

    if targets:
        wanted = []
        for text in targets:
            name = Target.parse(text, model.tensors).tensor
            info = model.require(name, text)
            if not info.is_float:
                raise TargetError(f"{text}: it holds {info.dtype}; verify compares floating-point tensors")
            wanted.append(name)
        return list(dict.fromkeys(wanted)), ()
    floats = [name for name, info in model.tensors.items() if info.is_float and name in model.producers]
    try:
        model.network(floats)
    except UnsupportedOperators as error:
        reached = reach(model)
        return [name for name in floats if reached[name].converted], error.operators
    return floats, ()


def default_tolerance(model: Model) -> float:
    """Return 0.001 of a tensor's range; a step of a coarse type where the model has one."""
    coarse = {
        "QuantizeLinear",
        "DynamicQuantizeLinear",
        "QLinearConv",
        "QLinearMatMul",
        "ConvInteger",
        "MatMulInteger",
        "QGemm",
        "QLinearAdd",
    }
    if any(node.op_type in coarse for node in model.nodes) or any(
        info.dtype in ("float16", "bfloat16") for info in model.tensors.values()
    ):
        return 2e-2
    return 1e-3
