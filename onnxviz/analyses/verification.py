"""The comparison of torch with ONNX Runtime, tensor by tensor, as `verify` and the report show it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.inputs.settled import settle
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.errors import TargetError, UnsupportedOperators, UsageError

if TYPE_CHECKING:
    from onnxviz.errors import Unsupported
    from onnxviz.methods.verification import Agreement
    from onnxviz.model.model import Model


_AT_ONCE = 1 << 28
"""Bytes of tensors that are compared at once; both sides hold as many."""


@dataclass(frozen=True, kw_only=True)
class VerificationRequest:
    """What is compared, and how closely.

    Attributes
    ----------
    inputs : InputRequest
        What is said of the model's inputs.
    targets : tuple of str
        Tensors; by default every tensor of floats.
    tolerance : float, optional
        The largest error, relative to each tensor's own range; by default 0.001, and 0.02 for float16 and quantized models.
    seed : int
        Same seed, same inputs.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    targets: tuple[str, ...] = ()
    tolerance: float | None = None
    seed: int = 0
    device: str = "auto"


@dataclass(frozen=True, eq=False)
class Verification:
    """A comparison of torch with ONNX Runtime, tensor by tensor.

    Attributes
    ----------
    model : Model
        The model.
    rows : tuple of Agreement
        One for each tensor that was compared.
    unsupported : tuple of Unsupported
        The operators that stand in the way of other tensors.
    tolerance : float
        The largest error that is taken for agreement, relative to each tensor's own range.
    """

    model: Model
    rows: tuple[Agreement, ...]
    unsupported: tuple[Unsupported, ...]
    tolerance: float

    @property
    def ok(self) -> bool:
        """Whether every float tensor agrees, and every operator could be converted."""
        return self.first_divergence is None and not self.unsupported

    @property
    def first_divergence(self) -> str | None:
        """The first tensor, in graph order, that diverges."""
        return next((row.name for row in self.rows if row.diverges), None)

    def document(self) -> dict[str, Any]:
        """Return the comparison as `verify --json` prints it."""
        return {
            "model": {"path": str(self.model.path), "sha256": self.model.digest},
            "ok": self.ok,
            "tolerance": self.tolerance,
            "tensors": [self._row(row) for row in self.rows],
            "unsupported": [asdict(one) for one in self.unsupported],
            "first_divergence": self.first_divergence,
        }

    row = document

    def _row(self, row: Agreement) -> dict[str, Any]:
        return {
            "name": row.name,
            "operator": self.model.tensors[row.name].operator,
            "shape": list(row.shape),
            "dtype": row.dtype,
            "max_abs_error": row.max_abs_error,
            "max_rel_error": row.max_rel_error,
            "ok": row.ok,
            "amplified": row.amplified,
            "note": row.note,
        }


def verify(
    model: Model | str | os.PathLike[str] | bytes,
    targets: str | Sequence[str] = (),
    *,
    listener: Listener = SILENT,
    request: VerificationRequest | None = None,
    **keywords: Any,
) -> Verification:
    """Compare every float tensor of a model as torch and as ONNX Runtime compute it.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    targets : str or sequence of str
        Tensors; by default every tensor of floats.
    listener : Listener
        Told of sizes that were found.
    request : VerificationRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `VerificationRequest` and `InputRequest`: tolerance, seed, device, held, dims, shapes.

    Raises
    ------
    UsageError
        If the tolerance is no number, or a target is no float tensor of the model.
    EvaluationError
        If ONNX Runtime or torch refuses the inputs.
    """
    from onnxviz.methods.devices import choose_device

    if request is None:
        chosen = (targets,) if isinstance(targets, str) else tuple(targets)
        request = requested(VerificationRequest, {**keywords, "targets": chosen})
    if request.tolerance is not None and math.isnan(request.tolerance):
        raise UsageError("`tolerance` nan: write a number of 0 or more, such as 0.001")
    model = opened(model)
    settled = settle(model, request.inputs, running=True)
    for sentence in settled.notes:
        listener.note(sentence)
    limit = default_tolerance(model) if request.tolerance is None else request.tolerance
    device = choose_device(request.device)
    rows, unsupported = agreements(model, settled.feed(request.seed), request.targets, limit, device)
    return Verification(model, tuple(rows), unsupported, limit)


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


def _portions(model: Model, names: list[str], inputs: dict[str, Any]) -> list[list[str]]:
    """Divide tensors, in order, so that the values of those that are compared at once do not fill the memory."""
    from onnxviz.model.expectations.resting import elements

    sizes = [size for value in inputs.values() for size in value.shape[1:]]
    batch = max((value.shape[0] for value in inputs.values() if value.ndim), default=1)
    portions: list[list[str]] = []
    room = 0
    for name in names:
        size = elements(model.tensors[name], max(sizes, default=1)) * batch * 4
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
