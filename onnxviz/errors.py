"""Every error that onnxviz raises on purpose.

::

    OnnxvizError                    one clear sentence for a person; exit code 1
    ├── ModelError                  the file cannot be read, or is no valid ONNX model
    │   └── ExternalDataError       weights outside the model's folder, missing or too short
    ├── UnsupportedOperators        nodes that no differentiable operator exists for, all of them
    ├── DifferentiationError        no gradient can reach the tensor that should move
    ├── EvaluationError             an operator or ONNX Runtime refuses these values
    │   └── EmptyTargetError        the target holds no numbers at this input
    ├── AllocationError             a declared size is larger than is allowed
    ├── ClusterError                other machines cannot be reached, or were lost
    ├── DataError                   a sample, a table or a result cannot be read, or does not fit the model
    └── UsageError                  what was asked for does not exist or contradicts itself; exit code 2
        └── TargetError             no such tensor, or an index outside it

This module imports nothing of onnxviz, so that every floor can raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class OnnxvizError(Exception):
    """The root of the tree: a message for a person, without a traceback."""

    exit_code = 1


class ModelError(OnnxvizError):
    """The file cannot be read, or is no valid ONNX model."""


class ExternalDataError(ModelError):
    """The model's external data is missing, too short, or lies outside the model's folder."""


class DifferentiationError(OnnxvizError):
    """No gradient can reach the tensor that should move."""


class EvaluationError(OnnxvizError):
    """An operator, or ONNX Runtime, refuses the values it was given."""


class EmptyTargetError(EvaluationError):
    """The target holds no numbers at this input, as the boxes of a detector where nothing is detected."""


class AllocationError(OnnxvizError):
    """The model asks for a tensor larger than is allowed."""


class DataError(OnnxvizError):
    """A sample, a table or a result cannot be read, or does not fit the model."""


class ClusterError(OnnxvizError):
    """Other machines cannot be reached, do not fit, or were lost."""


class UsageError(OnnxvizError):
    """What was asked for does not exist, or contradicts itself."""

    exit_code = 2


class TargetError(UsageError):
    """The model has no such tensor, or the index lies outside it."""


@dataclass(frozen=True)
class Unsupported:
    """One kind of node that cannot be converted.

    Attributes
    ----------
    domain, operator : str
        As the model has them; the ONNX domain is "".
    version : int
        The opset version that the model imports for the domain.
    count : int
        How many nodes of this kind stand in the way.
    first_tensor : str
        The first output of the first such node.
    reason : str
        Why it cannot be converted.
    """

    domain: str
    operator: str
    version: int
    count: int
    first_tensor: str
    reason: str

    def __str__(self) -> str:
        name = f"{self.domain}.{self.operator}" if self.domain else self.operator
        times = "once" if self.count == 1 else f"{self.count} times"
        return f"{name} (opset {self.version}, {times}, first at {self.first_tensor}): {self.reason}"


class UnsupportedOperators(OnnxvizError):
    """Some nodes cannot be converted; all of them are listed, not the first.

    Attributes
    ----------
    operators : tuple of Unsupported
        One entry per domain, operator and version, in graph order.
    """

    def __init__(self, operators: Sequence[Unsupported]) -> None:
        self.operators = tuple(operators)
        super().__init__("cannot make this part of the model differentiable: " + "; ".join(map(str, self.operators)))
