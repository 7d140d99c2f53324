"""The model as a torch network: differentiable, with frozen weights, keyed by ONNX tensor names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from onnxviz.errors import EvaluationError, UnsupportedOperators, UsageError
from onnxviz.model.engine.conversion import MISSING, Conversion
from onnxviz.model.engine.passes import CHECKPOINT, PACK, WRITTEN, rewritten
from onnxviz.model.engine.plan import Plan, Redirect
from onnxviz.model.graph.constants import from_proto
from onnxviz.model.graph.folding import computes_sizes, folded
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
        The model. The network cuts it itself.
    tensors : sequence of str
        Tensors to compute. Nodes after them are not converted.
    wrt : sequence of str
        Tensors inside the graph that are fed instead of computed. Nodes that only they need are not converted.
    device : str or torch.device
        Device of the weights and of the computation.
    straight_through : bool
        Whether gradients pass through Round, Floor, Ceil and Sign as if nothing were rounded; else they are zero there,
        as the derivative is. Through quantization they always pass straight.

    Attributes
    ----------
    inputs : tuple of str
        Names of the inputs that must be fed.

    Raises
    ------
    TargetError
        If one of the names is not a tensor of the model.
    UnsupportedOperators
        If some nodes cannot be converted. The message lists all of them.

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
        self._part = part
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
        # The plan is for any batch and for the sizes in the file. A plan for other sizes is converted when they come.
        self._settled = {name: part.tensors[name].shape for name in self.inputs}
        batches = {name: (None, *shape[1:]) for name, shape in self._settled.items() if shape}
        self._folded = folded(part, batches) if computes_sizes(part) else part
        self.plan = self._plan(self._folded)
        # A function that replaces an operator is called in this plan, whose operators are as written.
        self._written = rewritten(self.plan, (CHECKPOINT,))
        self._fastest = rewritten(self.plan, (PACK, CHECKPOINT))

    def _plan(self, part: Graph) -> Plan:
        """Return the plan of a graph on the device. Other functions can still replace its operators."""
        values: dict[str, Tensor] = {}

        def constant(name: str) -> Any:
            if name in part.inputs or name not in part.constants:
                return MISSING
            # Read when needed and kept only by the steps: at most one copy of the weights is made.
            if name not in values:
                values[name] = from_numpy(part.weight(name))
            return values[name]

        folder, passing = self.model.source.folder, self.model.fake_quantized
        conversion = Conversion(part.opsets, folder, self.straight_through, passing, extensions=self.model.extensions)
        outputs = list(dict.fromkeys(self.tensors))
        plan = conversion.plan(part.nodes, self.inputs, outputs, constant, dict(part.types))
        if conversion.unsupported:
            raise UnsupportedOperators(list(conversion.unsupported.values()))
        plan = rewritten(plan, WRITTEN)
        if self.device.type != "cpu":
            plan.to(self.device)
        return plan

    @cached_property
    def _of_any_size(self) -> tuple[Plan, Plan]:
        """The plans, as written and the fastest, for sizes other than those in the file."""
        plan = self._plan(self._part)
        return rewritten(plan, (CHECKPOINT,)), rewritten(plan, (PACK, CHECKPOINT))

    def replacing(
        self, functions: Mapping[str, Callable[..., Any]]
    ) -> Callable[[Mapping[str, Any]], dict[str, Tensor]]:
        """Return the same network with other functions for some operators, such as functions with other gradients.

        Parameters
        ----------
        functions : mapping of str to callable
            Functions by operator of the ONNX domain. Each takes the operator's arguments.
        """

        def substitute(declaration: Declaration) -> Callable[..., Any] | None:
            return functions.get(declaration.operator) if declaration.domain == "" else None

        return lambda inputs: self._run(inputs, substitute)

    def obstacle(self, name: str | Sequence[str], tensors: Sequence[str] | None = None) -> str:
        """Return, in words, why no gradient of some tensors reaches an input; "" if no obstacle is known.

        Parameters
        ----------
        name : str or sequence of str
            The input of the network that should move, or several together.
        tensors : sequence of str, optional
            Tensors that the network computes. Default: all.

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
        """Return the values of the tensors.

        Parameters
        ----------
        inputs : mapping of str to Tensor or ndarray
            Values of at least all `inputs`. TensorProto and SequenceProto, as in ONNX's test data, are accepted.

        Returns
        -------
        dict of str to Tensor
            The tensors, by name; lists for sequences.

        Raises
        ------
        UsageError
            If an input is missing.
        EvaluationError
            If an operator refuses the values. The message names the operator.
        """
        return self._run(inputs, None)

    def _run(self, inputs: Mapping[str, Tensor | np.ndarray], redirect: Redirect | None) -> dict[str, Tensor]:
        fed = [self._feed(name, inputs) for name in self.inputs]
        written, fastest = (self._written, self._fastest) if self._fits(fed) else self._of_any_size
        plan = fastest if redirect is None else written
        answer = dict(zip(plan.outputs, plan.run(fed, (), redirect), strict=True))
        return {name: answer[name] for name in self.tensors}

    def _fits(self, fed: list[Any]) -> bool:
        """Return whether values have the sizes that the graph was folded for."""
        return self._folded is self._part or all(
            shape is None
            or not isinstance(value, Tensor)
            or all(
                not isinstance(size, int) or size == own for size, own in zip(shape[1:], value.shape[1:], strict=False)
            )
            for shape, value in zip(self._settled.values(), fed, strict=True)
        )

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
