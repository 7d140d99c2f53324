"""A network or a session of ONNX Runtime whose samples lie along the first axis of every tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnxviz.contract import InputContract
    from onnxviz.model.model import Model
    from onnxviz.model.tensors.sample_view import SampleView


@dataclass(frozen=True, slots=True)
class SampleFirst:
    """Runs a network on samples, whatever the layout of its tensors.

    Attributes
    ----------
    run : callable
        A function from named tensors to named tensors; a `Network` or a `Session`.
    views : dict of str to SampleView
        The tensors whose samples do not lie along the first axis.
    contracts : dict of str to InputContract
        The inputs that are fed as samples, in the order of the contract's axes.
    """

    run: Any
    views: Mapping[str, SampleView]
    contracts: Mapping[str, InputContract] = field(default_factory=dict)

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the tensors of the network, each with the samples along its first axis."""
        fed = {name: self.contracts[name].fed(one) if name in self.contracts else one for name, one in inputs.items()}
        answers = self.run(fed)
        return {name: self.views[name](one) if name in self.views else one for name, one in answers.items()}

    @property
    def inputs(self) -> Any:
        """The network's inputs."""
        return self.run.inputs

    def replacing(self, functions: Mapping[str, Callable[..., Any]]) -> SampleFirst:
        """Return the same network with other functions for some operators."""
        return SampleFirst(self.run.replacing(functions), self.views, self.contracts)

    def obstacle(self, *given: Any) -> str:
        """Return what stops all gradients, as the network tells it."""
        return str(self.run.obstacle(*given))


def sample_first(
    model: Model, run: Any, tensors: Iterable[str], contracts: Mapping[str, InputContract] | None = None
) -> Any:
    """Return a network or a session with the samples first; itself if they are first already.

    Parameters
    ----------
    model : Model
        The model.
    run : callable
        As in `SampleFirst`.
    tensors : iterable of str
        The tensors that it computes.
    contracts : mapping of str to InputContract, optional
        The inputs that are fed as samples.
    """
    from onnxviz.model.tensors.sample_view import sample_view

    views = {name: view for name in tensors if not (view := sample_view(model, name)).plain}
    laid = {name: one for name, one in (contracts or {}).items() if one.whole or one.spare}
    return SampleFirst(run, views, laid) if views or laid else run
