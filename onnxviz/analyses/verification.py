"""The comparison of torch with ONNX Runtime, tensor by tensor, as `verify` and the report show it."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from onnxviz.analyses.inputs.request import InputRequest
from onnxviz.analyses.inputs.settled import settle
from onnxviz.analyses.keywords import requested
from onnxviz.analyses.listener import SILENT, Listener
from onnxviz.analyses.opening import opened
from onnxviz.errors import TargetError, UnsupportedOperators, UsageError

if TYPE_CHECKING:
    from onnxviz.errors import Unsupported
    from onnxviz.methods.verification import Agreement, Run
    from onnxviz.model.model import Model
    from onnxviz.model.tensors.randomness import Draw


_AT_ONCE = 1 << 28
"""Bytes of tensors that are compared at once; torch and ONNX Runtime hold so many each."""


@dataclass(frozen=True, kw_only=True)
class VerificationRequest:
    """The tensors to compare, and the tolerance.

    Attributes
    ----------
    inputs : InputRequest
        Settings of the model's inputs.
    targets : tuple of str
        Names of tensors. Default: every float tensor.
    tolerance : float, optional
        The largest accepted error, relative to each tensor's own range. Default: 0.001; 0.02 for float16 and
        quantized models.
    seed : int
        Same seed, same inputs.
    device : str
        "auto", "cpu", "cuda" or "cuda:1".
    engine : {"onnxviz", "onnx2torch"}
        The converter whose torch module is compared.
    """

    inputs: InputRequest = field(default_factory=InputRequest)
    targets: tuple[str, ...] = ()
    tolerance: float | None = None
    seed: int = 0
    device: str = "auto"
    engine: str = "onnxviz"


@dataclass(frozen=True, eq=False)
class Verification:
    """A comparison of torch with ONNX Runtime, tensor by tensor.

    Attributes
    ----------
    model : Model
        The model.
    rows : tuple of Agreement
        One Agreement for each compared tensor.
    unsupported : tuple of Unsupported
        The unsupported operators; tensors behind them are not compared.
    tolerance : float
        The largest accepted error, relative to each tensor's own range.
    engine : str
        The converter whose torch module was compared: "onnxviz" or "onnx2torch".
    random : mapping of str to Draw
        The tensors that depend on random operators, each with the draw. Two runs of ONNX Runtime itself differ in them, so they
        are not compared.
    """

    model: Model
    rows: tuple[Agreement, ...]
    unsupported: tuple[Unsupported, ...]
    tolerance: float
    engine: str = "onnxviz"
    random: Mapping[str, Draw] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every float tensor that is not random agrees, and every operator could be converted."""
        return self.first_divergence is None and not self.unsupported

    @property
    def unconfirmed(self) -> tuple[Unsupported, ...]:
        """The custom operators that a plugin alone computes: ONNX Runtime does not know them, so nothing was compared."""
        return self.model.unconfirmed

    @property
    def first_divergence(self) -> str | None:
        """The first tensor, in graph order, that diverges."""
        return next((row.name for row in self.rows if row.diverges), None)

    def document(self) -> dict[str, Any]:
        """Return the comparison as `verify --json` prints it."""
        return {
            "model": self.model.provenance,
            "engine": self.engine,
            "ok": self.ok,
            "tolerance": self.tolerance,
            "tensors": [self._row(row) for row in self.rows],
            "unsupported": [asdict(one) for one in self.unsupported],
            "unconfirmed": [asdict(one) for one in self.unconfirmed],
            "random": [
                {"name": name, "operator": self.model.tensors[name].operator, "drawn_by": str(draw)}
                for name, draw in self.random.items()
            ],
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
    """Compare torch with ONNX Runtime on every float tensor of a model.

    Parameters
    ----------
    model : Model, path or bytes
        The model.
    targets : str or sequence of str
        Names of tensors. Default: every float tensor.
    listener : Listener
        Receives notes about sizes that were found.
    request : VerificationRequest, optional
        A ready-made request, in place of keywords.
    **keywords
        Fields of `VerificationRequest` and `InputRequest`: tolerance, seed, device, engine, held, dims, shapes.

    Raises
    ------
    UsageError
        If the tolerance is not a number, a target is no float tensor of the model, or the engine is unknown or not installed.
    EvaluationError
        If ONNX Runtime or torch refuses the inputs.
    """
    from onnxviz.methods.devices import choose_device

    if request is None:
        chosen = (targets,) if isinstance(targets, str) else tuple(targets)
        request = requested(VerificationRequest, {**keywords, "targets": chosen})
    if request.tolerance is not None and math.isnan(request.tolerance):
        raise UsageError("`tolerance` nan: write a number of 0 or more, such as 0.001")
    if request.engine not in ENGINES:
        raise UsageError(f"`engine` {request.engine}: write {' or '.join(ENGINES)}")
    model = opened(model)
    settled = settle(model, request.inputs, running=True)
    for sentence in (*settled.notes, *settled.chosen_texts()):
        listener.note(sentence)
    limit = default_tolerance(model) if request.tolerance is None else request.tolerance
    device = choose_device(request.device)
    rows, unsupported, random = agreements(
        model, settled.feed(request.seed), request.targets, limit, device, request.engine
    )
    return Verification(model, tuple(rows), unsupported, limit, request.engine, random)


class _Engine(Protocol):
    """A converter: what it can compute of a model, and the torch function that computes it."""

    def network(self, names: Sequence[str], wrt: Sequence[str] = ()) -> Run:
        """Return the function from `wrt` and the model's inputs to some tensors."""

    def computable(self, names: list[str]) -> tuple[list[str], tuple[Unsupported, ...]]:
        """Return those of some tensors that it computes, and the unsupported operators before the others."""


class _Own:
    """The converter of onnxviz."""

    def __init__(self, model: Model, device: Any, encoded: Sequence[str] = ()) -> None:
        self.model, self.device, self.encoded = model, device, encoded

    def network(self, names: Sequence[str], wrt: Sequence[str] = ()) -> Run:
        return self.model.network(names, wrt or self.encoded, device=self.device)

    def computable(self, names: list[str]) -> tuple[list[str], tuple[Unsupported, ...]]:
        from onnxviz.model.tensors.support import reach

        try:
            self.model.network(names, self.encoded)
        except UnsupportedOperators as error:
            reached = reach(self.model)
            return [name for name in names if reached[name].converted], error.operators
        return names, ()


class _Onnx2torch:
    """The converter onnx2torch."""

    def __init__(self, model: Model, device: Any, inputs: dict[str, Any]) -> None:
        from onnxviz.model.onnx2torch.network import Onnx2torchModule

        self.module = Onnx2torchModule(model, device)
        self.module.try_out(inputs)

    def network(self, names: Sequence[str], wrt: Sequence[str] = ()) -> Run:
        return self.module.network(names, wrt)

    def computable(self, names: list[str]) -> tuple[list[str], tuple[Unsupported, ...]]:
        from onnxviz.model.onnx2torch.network import merged

        return self.module.known(names), merged(self.module.unsupported.values())


ENGINES = ("onnxviz", "onnx2torch")
"""The converters whose torch modules can be compared with ONNX Runtime."""


def agreements(
    model: Model, inputs: dict[str, Any], targets: tuple[str, ...], limit: float, place: Any, engine: str = ENGINES[0]
) -> tuple[list[Agreement], tuple[Unsupported, ...], dict[str, Draw]]:
    """Compare float tensors, and tell amplified rounding from operators that differ.

    Parameters
    ----------
    model : Model
        The whole model.
    inputs : dict of str to ndarray
        The values of the inputs, for torch and ONNX Runtime.
    targets : tuple of str
        Names of tensors. If empty, all tensors that can be compared.
    limit : float
        The largest accepted error, relative to each tensor's own range.
    place : device
        The device of torch.
    engine : {"onnxviz", "onnx2torch"}
        The converter whose torch module is compared.

    Returns
    -------
    rows : list of Agreement
        One Agreement for each tensor.
    unsupported : tuple
        The unsupported operators; tensors behind them are not compared.
    random : dict of str to Draw
        The tensors that depend on random operators, which are not compared.

    Raises
    ------
    TargetError
        If a target is no float tensor of the model.
    EvaluationError
        If ONNX Runtime or torch refuses the inputs.
    """
    from onnxviz.methods.verification import verify as compare
    from onnxviz.model.tensors.encoded_texts import encoded_texts
    from onnxviz.model.tensors.randomness import random_tensors

    # Torch has no texts: what the graph makes of them is computed by ONNX Runtime, and torch goes on from there.
    encoded = encoded_texts(model)
    own = engine == ENGINES[0]
    torch_of: _Engine = _Own(model, place, encoded) if own else _Onnx2torch(model, place, inputs)
    asked, unsupported = _names(model, torch_of, targets, encoded)
    drawn = random_tensors(model, inputs)
    names = [name for name in asked if name not in drawn]
    random = {name: drawn[name] for name in asked if name in drawn}
    rows: list[Agreement] = []
    if encoded:
        inputs = {**inputs, **model.session(encoded)(inputs)}
    if names:
        # Few portions, because each portion runs the model anew, in torch and in ONNX Runtime.
        for part in _portions(model, names, inputs):
            rows += compare(torch_of.network(part), model.session(part), inputs, part, limit)
            if len(part) < len(names):
                model.close_sessions()
        if not all(row.ok for row in rows):
            rows = _explain(model, torch_of, rows, inputs, limit, encoded, whole=not targets)
        if not targets:
            # Compare the outputs alone once more: with no inner tensor as an output, operators are fused as in use.
            outputs = [name for name in model.outputs if name in names]
            whole_rows = (
                compare(torch_of.network(outputs), model.session(outputs), inputs, outputs, limit) if outputs else []
            )
            fine = {row.name for row in rows if row.ok}
            rows += [
                replace(row, note=row.note or "differs only with no inner tensor as an output, as in use")
                for row in whole_rows
                if not row.ok and row.name in fine
            ]
    return rows, unsupported, random


def _portions(model: Model, names: list[str], inputs: dict[str, Any]) -> list[list[str]]:
    """Return the tensors, in order, in portions whose values fit into memory."""
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
    model: Model,
    torch_of: _Engine,
    rows: list[Agreement],
    inputs: dict[str, Any],
    limit: float,
    encoded: tuple[str, ...] = (),
    *,
    whole: bool,
) -> list[Agreement]:
    """Return the rows, each failure explained as amplified rounding or as an operator that differs.

    `whole` says that the rows are all tensors that can be compared.
    """
    from functools import partial

    from onnxviz.methods.verification import explain, suspects
    from onnxviz.methods.verification import verify as compare
    from onnxviz.model.isolation import Isolation, sources
    from onnxviz.model.tensors.randomness import random_tensors

    every = rows
    if not whole:
        # An error may come from the tensors before the requested tensors, so those are compared too.
        part = model.cut([row.name for row in rows], encoded)
        drawn = random_tensors(model, inputs)
        names = [
            name
            for name, info in part.tensors.items()
            if info.is_float and name in part.producers and name not in drawn
        ]
        every = compare(torch_of.network(names), model.session(names), inputs, names, limit)
    reads = partial(sources, model)
    alone = Isolation(model, suspects(every, reads, limit), inputs, torch_of.network)
    explained = {row.name: row for row in explain(every, alone, reads, limit) if not row.ok}
    return [explained.get(row.name, row) for row in rows]


def _names(
    model: Model, torch_of: _Engine, targets: tuple[str, ...], encoded: tuple[str, ...] = ()
) -> tuple[list[str], tuple[Unsupported, ...]]:
    """Return the tensors to compare, in graph order, and the unsupported operators before other tensors.

    `encoded` are tensors that ONNX Runtime computes for torch, so they are not compared.
    """
    from onnxviz.analyses.inputs.class_targets import with_class_numbers
    from onnxviz.model.staged_session import lacking_nodes
    from onnxviz.target import Target

    # What a plugin alone computes would be compared with itself.
    alone = {name: node for node in lacking_nodes(model) for name in node.output}
    if targets:
        wanted = []
        for text in with_class_numbers(model, targets):
            name = Target.parse(text, model.tensors).tensor
            info = model.require(name, text)
            if not info.is_float:
                raise TargetError(f"{text}: it holds {info.dtype}; verify compares only floating-point tensors")
            if name in alone:
                raise TargetError(
                    f"{text}: ONNX Runtime does not know {alone[name].op_type}, so there is nothing to compare the plugin "
                    "with; `custom_ops` names a library that has it"
                )
            if name in encoded:
                raise TargetError(f"{text}: it is computed from text, which torch has no type for; name a later tensor")
            wanted.append(name)
        chosen = list(dict.fromkeys(wanted))
        known, unsupported = torch_of.computable(chosen)
        if len(known) < len(chosen):
            raise UnsupportedOperators(unsupported)
        return chosen, ()
    later = model if not encoded else model.cut(model.outputs, encoded)
    floats = [
        name for name, info in later.tensors.items() if info.is_float and name in later.producers and name not in alone
    ]
    return torch_of.computable(floats)


def default_tolerance(model: Model) -> float:
    """Return the default tolerance, relative to a tensor's range: 0.001, or 0.02 for float16 and quantized models."""
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
