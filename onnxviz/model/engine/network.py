"""The model as torch runs it: differentiable, weights frozen, keyed by ONNX tensor names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError, UnsupportedOperators, UsageError
from onnxviz.model.engine.conversion import MISSING, Conversion
from onnxviz.model.engine.packed_convolutions import packed
from onnxviz.model.engine.plan import Plan, Redirect
from onnxviz.model.engine.segments import Segments
from onnxviz.model.graph.constants import from_proto
from onnxviz.model.operators.declaration import Declaration
from onnxviz.model.operators.numbers.element_types import carrier, from_numpy
from onnxviz.model.tensors.support import reach

if TYPE_CHECKING:
    from onnxviz.model.graph.graph import Graph


class Network:
    """A function from named tensors to named tensors, through which gradients pass.

    Parameters
    ----------
    model : Graph
        The model, whole.
    tensors : sequence of str
        What to compute; what lies behind them is not converted.
    wrt : sequence of str
        Tensors inside the graph that are fed instead of computed; what lies before them alone is not converted.
    device : str or torch.device
        Where the weights lie and the work is done.
    straight_through : bool
        Whether gradients pass through Round, Floor, Ceil and Sign as if nothing were rounded; else they are zero there, which is
        the derivative. Through quantization they pass straight in any case.

    Attributes
    ----------
    inputs : tuple of str
        What must be fed.

    Raises
    ------
    TargetError
        If one of the names is not a tensor of the model.
    UnsupportedOperators
        If some nodes cannot be converted: all of them are listed.

    Notes
    -----
    float16 and bfloat16 values are carried as float32; `torch.float64` stays.
    """

    def __init__(
        self,
        model: Graph,
        tensors: Sequence[str],
        wrt: Sequence[str] = (),
        *,
        device: str | torch.device = "cpu",
        straight_through: bool = False,
    ) -> None:
        part = model.cut(tensors, wrt)
        self.model = model
        self.tensors = tuple(tensors)
        self.inputs = tuple(part.inputs)
        self.device = torch.device(device)
        self.straight_through = straight_through
        self._types = {name: part.tensors[name].element_type for name in self.inputs}
        self._ranks = {
            name: (None if info.shape is None else len(info.shape))
            for name, info in part.tensors.items()
            if name in self._types
        }
        fed = set(self.inputs)
        values: dict[str, Tensor] = {}

        def constant(name: str) -> Any:
            if name in fed or name not in part.constants:
                return MISSING
            # Read when asked for and kept by the steps alone: at most one copy of the weights is made.
            if name not in values:
                values[name] = from_numpy(part.weight(name))
            return values[name]

        conversion = Conversion(part.opsets, model.source.folder, straight_through, model.fake_quantized)
        self.plan = conversion.plan(part.nodes, self.inputs, list(dict.fromkeys(tensors)), constant, dict(part.types))
        if conversion.unsupported:
            raise UnsupportedOperators(list(conversion.unsupported.values()))
        _order_channels_last(self.plan)
        if self.device.type != "cpu":
            self.plan.to(self.device)
        # What stands in for an operator is called in the plan as it was written.
        self._written = Segments(self.plan).run
        self._fastest = Segments(packed(self.plan)).run if self.device.type == "cpu" else self._written

    def replacing(
        self, functions: Mapping[str, Callable[..., Any]]
    ) -> Callable[[Mapping[str, Any]], dict[str, Tensor]]:
        """Return the same network with other functions for some operators: another gradient, say.

        Parameters
        ----------
        functions : mapping of str to callable
            By operator of the ONNX domain; each takes what the operator takes.
        """

        def substitute(declaration: Declaration) -> Callable[..., Any] | None:
            return functions.get(declaration.operator) if declaration.domain == "" else None

        return lambda inputs: self._run(inputs, substitute)

    def obstacle(self, name: str | Sequence[str], tensors: Sequence[str] | None = None) -> str:
        """Return what keeps every gradient of some tensors from another one, in words; "" if nothing is known to.

        Parameters
        ----------
        name : str or sequence of str
            What should move: an input of the network, or several together.
        tensors : sequence of str, optional
            Of those that the network computes; by default all.

        Examples
        --------
        "ArgMax at best passes no gradient".
        """
        found = reach(self.model, [name] if isinstance(name, str) else name, straight_through=self.straight_through)
        states = [found[one] for one in (self.tensors if tensors is None else tensors)]
        if any(state.differentiable for state in states):
            return ""
        return next((state.reason for state in states if state.stopped), states[0].reason if states else "")

    def __call__(self, inputs: Mapping[str, Tensor | np.ndarray]) -> dict[str, Tensor]:
        """Compute the tensors.

        Parameters
        ----------
        inputs : mapping of str to Tensor or ndarray
            At least what `inputs` names; a TensorProto or SequenceProto, as ONNX's test data hold them, will do.

        Returns
        -------
        dict of str to Tensor
            By name; lists for sequences.

        Raises
        ------
        UsageError
            If an input is missing.
        EvaluationError
            If an operator refuses the values; the message names it.
        """
        return self._run(inputs, None)

    def _run(self, inputs: Mapping[str, Tensor | np.ndarray], redirect: Redirect | None) -> dict[str, Tensor]:
        fed = [self._feed(name, inputs) for name in self.inputs]
        run = self._fastest if redirect is None else self._written
        answer = dict(zip(self.plan.outputs, run(fed, redirect), strict=True))
        return {name: answer[name] for name in self.tensors}

    def _feed(self, name: str, inputs: Mapping[str, Any]) -> Any:
        if name not in inputs:
            raise UsageError(f"{self.model.name} needs the input '{name}'; give its value")
        value = from_proto(inputs[name], f"the value of '{name}'")
        if isinstance(value, (list, tuple)):
            return [self._tensor(name, part) for part in value]
        return self._tensor(name, value) if value is not None else None

    def _tensor(self, name: str, value: Any) -> Tensor:
        value = from_proto(value, f"the value of '{name}'")
        if not isinstance(value, Tensor):
            value = from_numpy(np.asarray(value))
        rank = self._ranks[name]
        if rank is not None and value.ndim != rank:
            shape = self.model.tensors[name].shape
            raise EvaluationError(
                f"{name} takes {rank} axes ({_written(shape)}), but was given {value.ndim} ({_written(tuple(value.shape))})"
            )
        kind = self._types[name]
        if kind:
            wanted = carrier(kind)
            if value.dtype != wanted and not (wanted.is_floating_point is False and value.is_floating_point()):
                value = value.to(wanted)
        on_device: Tensor = value.to(self.device)
        return on_device


def _written(shape: tuple[Any, ...] | None) -> str:
    return "x".join("?" if size is None else str(size) for size in shape or ()) or "none"


def _order_channels_last(plan: Plan) -> None:
    """Keep the kernels of 2-D convolutions channels-last; torch's convolutions then keep pictures so, without being asked.

    Forward and backward take 0.7 to 0.95 of the time so on a CPU (`benchmarks/memory_format.py`); no value changes.
    """
    for step in plan.every_step():
        if step.declaration.operator != "Conv" or step.declaration.domain or len(step.arguments) < 2:
            continue
        kernels = step.arguments[1]
        if isinstance(kernels, Tensor) and kernels.ndim == 4:
            step.arguments[1] = kernels.contiguous(memory_format=torch.channels_last)
