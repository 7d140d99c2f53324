"""The model as functions for attribution methods: scores by ONNX Runtime and by torch, made once for all targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.attribution.task import BY_GRADIENT, Aim, Task
from onnxviz.analyses.inputs.sample_first import sample_first

if TYPE_CHECKING:
    from torch import Tensor

    from onnxviz.methods.ascent.batching import Run
    from onnxviz.methods.attribution.result import Attribution
    from onnxviz.methods.attribution.scores import Scores
    from onnxviz.methods.objectives.objectives import Objective

_SAMPLES = {"smoothgrad": 32, "rise": 1000, "shapley": 25}


def _unwatched() -> None:
    """Do nothing, so that the work goes on."""


@dataclass
class ScoredModel:
    """The functions that explain the targets of a model, made once for all targets.

    Attributes
    ----------
    task : Task
        The settled task.
    watch : callable
        Called before every run of the model. An exception that it raises ends the work.
    """

    task: Task
    watch: Callable[[], None] = _unwatched
    _networks: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _layers: dict[Objective, str] = field(default_factory=dict)

    def measured(self, objective: Objective) -> Scores:
        """Return an objective as a function that ONNX Runtime computes on the untouched model."""
        from onnxviz.methods.attribution.scores import Scores, through_arrays

        fed = self.task.fed
        session = self._laid(self.task.model.session(list(objective.tensors), fed.stops), objective.tensors)
        names = [one.name for one in fed.explained]
        return Scores(
            self._watched(through_arrays(session)),
            objective,
            names,
            self.tensors("cpu"),
            _held({name: value for name, value in fed.held.items() if name in session.inputs}),
            fed.copies,
            self.at_once(objective),
        )

    def differentiable(self, objective: Objective) -> Scores:
        """Return an objective as a function that torch computes."""
        from onnxviz.methods.attribution.scores import Scores

        fed = self.task.fed
        network = self.network(objective, tuple(fed.stops))
        held = _held({name: value for name, value in fed.held.items() if name in network.inputs})
        names = [one.name for one in fed.explained]
        run, at_once = self._watched(network), self.at_once(objective)
        return Scores(run, objective, names, self.tensors(self.task.device), held, fed.copies, at_once)

    def _watched(self, run: Run) -> Run:
        def watched(inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
            self.watch()
            return run(inputs)

        return watched

    def above(self, objective: Objective, layer: str) -> tuple[Scores, Tensor]:
        """Return an objective as a function of an inner tensor, and that tensor's value by ONNX Runtime."""
        import torch

        from onnxviz.methods.attribution.scores import Scores

        fed, model = self.task.fed, self.task.model
        feeds = {**fed.feeds, **{one.name: np.repeat(one.sample, fed.copies, axis=0) for one in fed.explained}}
        values = np.asarray(self._laid(model.session([layer], fed.stops), [layer])(feeds)[layer], np.float32)
        network = self.network(objective, (layer, *fed.stops))
        held = _held({name: value for name, value in feeds.items() if name in network.inputs and name != layer})
        sample = torch.as_tensor(values[:1], device=self.task.device)
        return Scores(network, objective, [layer], [sample], held, fed.copies, self.at_once(objective)), sample

    def layer(self, aim: Aim) -> str:
        """Return the tensor for Grad-CAM: the first of the aim's layers where the target's gradient is not zero."""
        import torch

        if len(aim.layers) == 1:
            return aim.layers[0]
        if aim.explained not in self._layers:
            fed = self.task.fed
            names = [*aim.explained.tensors, *aim.layers]
            network = self._laid(self.task.model.network(names, fed.stops, device=self.task.device), names)
            moving = [value.requires_grad_() for value in self.tensors(self.task.device)]
            feeds = dict(_held({name: value for name, value in fed.held.items() if name in network.inputs}))
            for one, value in zip(fed.explained, moving, strict=True):
                feeds[one.name] = value.expand(fed.copies, *value.shape[1:])
            answer = network(feeds)
            score = aim.explained(answer)[:1].sum()
            # A tensor of a differentiable operator may be constant here: a mask that is drawn in training alone.
            shown = [name for name in aim.layers if answer[name].requires_grad]
            slopes = torch.autograd.grad(score, [answer[name] for name in shown], allow_unused=True) if shown else ()
            reached = [
                name for name, slope in zip(shown, slopes, strict=True) if slope is not None and bool(slope.any())
            ]
            self._layers[aim.explained] = (*reached, aim.layers[0])[0]
        return self._layers[aim.explained]

    def network(self, objective: Objective, stops: tuple[str, ...]) -> Any:
        """Return the torch network from the inputs, or from `stops`, to an objective's tensors."""
        key = (*objective.tensors, "", *stops)
        if key not in self._networks:
            network = self.task.model.network(list(objective.tensors), stops, device=self.task.device)
            self._networks[key] = self._laid(network, objective.tensors)
        return self._networks[key]

    def _laid(self, run: Any, tensors: Iterable[str]) -> Any:
        """Return a network or a session that takes and gives samples along the first axis."""
        explained = self.task.fed.explained
        contracts = {one.name: one.expected for one in explained if not one.inside}
        return sample_first(self.task.model, run, tensors, contracts)

    def tensors(self, device: str) -> list[Tensor]:
        """Return the values of the explained tensors, for torch."""
        import torch

        return [torch.as_tensor(one.sample, device=device) for one in self.task.fed.explained]

    def absent(self, device: str) -> list[Tensor]:
        """Return the baselines, for torch."""
        import torch

        return [torch.as_tensor(one, device=device) for one in self.task.baselines]

    def at_once(self, objective: Objective) -> int:
        """Return how many samples are computed at once: as many as fit into memory, but at most 64."""
        from onnxviz.model.probing.measured_sizes import samples_at_once

        fed = self.task.fed
        largest = max(fed.explained, key=lambda one: one.sample.size)
        others = {name: value for name, value in fed.feeds.items() if name != largest.name}
        tensors, shape = list(objective.tensors), largest.expected.fed(largest.sample).shape
        return min(64, samples_at_once(self.task.model, tensors, fed.stops, shape, others))

    def attribute(self, aim: Aim, method: str, difference: float) -> Attribution:
        """Return the attribution of one method.

        Parameters
        ----------
        aim : Aim
        method : str
        difference : float
            The explained score of the input minus that of the baseline, by ONNX Runtime.
        """
        from onnxviz.methods.attribution import gradients, guided
        from onnxviz.methods.attribution.grad_cam import grad_cam
        from onnxviz.methods.attribution.occlusion import occlusion
        from onnxviz.methods.attribution.rise import rise
        from onnxviz.methods.attribution.shapley import shapley_sampling

        places = [one.places for one in self.task.fed.explained]
        samples = self.task.request.samples or _SAMPLES.get(method, 0)
        if method in BY_GRADIENT:
            score, device = self.differentiable(aim.explained), self.task.device
            inputs, absent = self.tensors(device), self.absent(device)
            if method == "gradient":
                return gradients.gradient(score, inputs)
            if method == "input-x-gradient":
                return gradients.input_times_gradient(score, inputs, absent)
            if method == "smoothgrad":
                return gradients.smooth_gradient(score, inputs, self.spreads(), samples, self.task.request.seed)
            if method == "guided-backprop":
                network = self.network(aim.explained, tuple(self.task.fed.stops))
                return guided.guided_backpropagation(score.running(network.replacing(guided.GUIDED)), inputs)
            if method == "grad-cam":
                found = grad_cam(*self.above(aim.explained, self.layer(aim)), places[0])
                return replace(found, unit=f"{found.unit}, at {self.layer(aim)}")
            return gradients.integrated_gradients(
                score, inputs, absent, difference, score.at_once, self.task.request.steps
            )
        score = self.measured(aim.explained)
        inputs, absent = self.tensors("cpu"), self.absent("cpu")
        if method == "occlusion":
            return occlusion(score, inputs, absent, places, score.at_once, self.task.request.window)
        if method == "rise":
            return rise(score, inputs, absent, places, samples, score.at_once, self.task.request.seed)
        return shapley_sampling(
            score, inputs, absent, places, difference, samples, score.at_once, self.task.request.seed
        )

    def spreads(self) -> list[float]:
        """Return the width of each explained tensor's range, from its contract or else from its values."""
        found = []
        for one in self.task.fed.explained:
            expected = one.expected
            own = float(np.max(expected.high) - np.min(expected.low)) if expected.bounded else float(np.ptp(one.sample))
            found.append(own if own > 0 else 1.0)
        return found


def _held(values: dict[str, np.ndarray]) -> dict[str, Tensor]:
    import torch

    return {name: torch.as_tensor(np.asarray(value)) for name, value in values.items()}
