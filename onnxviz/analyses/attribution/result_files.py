"""What `attribute` does for one target: every method, its faithfulness by ONNX Runtime, its picture and its files."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.attribution.task import BY_GRADIENT, Aim, Task
from onnxviz.errors import OnnxvizError

if TYPE_CHECKING:
    from torch import Tensor

    from onnxviz.formats.output_folder import OutputFolder
    from onnxviz.methods.ascent.batching import Run
    from onnxviz.methods.attribution.faithfulness import Faithfulness
    from onnxviz.methods.attribution.result import Attribution
    from onnxviz.methods.attribution.scores import Scores
    from onnxviz.methods.objectives.objectives import Objective

_STRONGEST = 5
_SAMPLES = {"smoothgrad": 32, "rise": 1000, "shapley": 25}


def _unwatched() -> None:
    """Let the work go on."""


@dataclass(frozen=True)
class Found:
    """One method's attribution, and how true it is."""

    attribution: Attribution
    maps: tuple[np.ndarray, ...]
    faithfulness: Faithfulness
    seconds: float


@dataclass
class Workshop:
    """The functions that explain a model's targets, made once and used for all of them.

    Attributes
    ----------
    task : Task
    samples, steps, side : int or None
        As --samples, --steps and --window say.
    seed : int
    """

    task: Task
    samples: int | None
    steps: int | None
    side: int | None
    seed: int
    watch: Callable[[], None] = _unwatched
    """Called before every run of the model; what it raises ends the work."""
    _networks: dict[tuple[str, ...], Any] = field(default_factory=dict)
    _layers: dict[Objective, str] = field(default_factory=dict)

    def measured(self, objective: Objective) -> Scores:
        """Return an objective as ONNX Runtime measures it on the untouched model."""
        from onnxviz.methods.attribution.scores import Scores, through_arrays

        fed = self.task.fed
        session = self.task.model.session(list(objective.tensors), fed.stops)
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
        """Return an objective as torch computes it."""
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
        values = np.asarray(model.session([layer], fed.stops)(feeds)[layer], np.float32)
        network = self.network(objective, (layer, *fed.stops))
        held = _held({name: value for name, value in feeds.items() if name in network.inputs and name != layer})
        sample = torch.as_tensor(values[:1], device=self.task.device)
        return Scores(network, objective, [layer], [sample], held, fed.copies, self.at_once(objective)), sample

    def layer(self, aim: Aim) -> str:
        """Return the tensor that Grad-CAM looks at: of those that may be, the first that the target's gradient is not zero at."""
        import torch

        if len(aim.layers) == 1:
            return aim.layers[0]
        if aim.explained not in self._layers:
            fed = self.task.fed
            network = self.task.model.network([*aim.explained.tensors, *aim.layers], fed.stops, device=self.task.device)
            moving = [value.requires_grad_() for value in self.tensors(self.task.device)]
            feeds = dict(_held({name: value for name, value in fed.held.items() if name in network.inputs}))
            for one, value in zip(fed.explained, moving, strict=True):
                feeds[one.name] = value.expand(fed.copies, *value.shape[1:])
            answer = network(feeds)
            score = aim.explained(answer)[:1].sum()
            # What ONNX calls differentiable may still be constant here: a mask that training alone would draw.
            names = [name for name in aim.layers if answer[name].requires_grad]
            slopes = torch.autograd.grad(score, [answer[name] for name in names], allow_unused=True) if names else ()
            reached = [
                name for name, slope in zip(names, slopes, strict=True) if slope is not None and bool(slope.any())
            ]
            self._layers[aim.explained] = (*reached, aim.layers[0])[0]
        return self._layers[aim.explained]

    def network(self, objective: Objective, stops: tuple[str, ...]) -> Any:
        """Return the network up to an objective's tensors."""
        key = (*objective.tensors, "", *stops)
        if key not in self._networks:
            self._networks[key] = self.task.model.network(list(objective.tensors), stops, device=self.task.device)
        return self._networks[key]

    def tensors(self, device: str) -> list[Tensor]:
        """Return what is explained, as tensors."""
        import torch

        return [torch.as_tensor(one.sample, device=device) for one in self.task.fed.explained]

    def absent(self, device: str) -> list[Tensor]:
        """Return the baselines, as tensors."""
        import torch

        return [torch.as_tensor(one, device=device) for one in self.task.baselines]

    def at_once(self, objective: Objective) -> int:
        """Return how many samples fit into memory."""
        from onnxviz.model.probing.measured_sizes import samples_at_once

        fed = self.task.fed
        largest = max(fed.explained, key=lambda one: one.sample.size)
        others = {name: value for name, value in fed.feeds.items() if name != largest.name}
        tensors = list(objective.tensors)
        return min(64, samples_at_once(self.task.model, tensors, fed.stops, largest.sample.shape, others))

    def attribute(self, aim: Aim, method: str, difference: float) -> Attribution:
        """Run one method.

        Parameters
        ----------
        aim : Aim
        method : str
        difference : float
            What is explained, of the input less that of the baseline, by ONNX Runtime.
        """
        from onnxviz.methods.attribution import gradients, guided
        from onnxviz.methods.attribution.grad_cam import grad_cam
        from onnxviz.methods.attribution.occlusion import occlusion
        from onnxviz.methods.attribution.rise import rise
        from onnxviz.methods.attribution.shapley import shapley_sampling

        places = [one.places for one in self.task.fed.explained]
        samples = self.samples or _SAMPLES.get(method, 0)
        if method in BY_GRADIENT:
            score, device = self.differentiable(aim.explained), self.task.device
            inputs, absent = self.tensors(device), self.absent(device)
            if method == "gradient":
                return gradients.gradient(score, inputs)
            if method == "input-x-gradient":
                return gradients.input_times_gradient(score, inputs, absent)
            if method == "smoothgrad":
                return gradients.smooth_gradient(score, inputs, self.spreads(), samples, self.seed)
            if method == "guided-backprop":
                network = self.network(aim.explained, tuple(self.task.fed.stops))
                return guided.guided_backpropagation(score.running(network.replacing(guided.GUIDED)), inputs)
            if method == "grad-cam":
                found = grad_cam(*self.above(aim.explained, self.layer(aim)), places[0])
                return replace(found, unit=f"{found.unit}, at {self.layer(aim)}")
            return gradients.integrated_gradients(score, inputs, absent, difference, score.at_once, self.steps)
        score = self.measured(aim.explained)
        inputs, absent = self.tensors("cpu"), self.absent("cpu")
        if method == "occlusion":
            return occlusion(score, inputs, absent, places, score.at_once, self.side)
        if method == "rise":
            return rise(score, inputs, absent, places, samples, score.at_once, self.seed)
        return shapley_sampling(score, inputs, absent, places, difference, samples, score.at_once, self.seed)

    def spreads(self) -> list[float]:
        """Return the range of each explained tensor: that which the file tells, or that of its values."""
        found = []
        for one in self.task.fed.explained:
            expected = one.expected
            own = float(np.max(expected.high) - np.min(expected.low)) if expected.bounded else float(np.ptp(one.sample))
            found.append(own if own > 0 else 1.0)
        return found


def explain(
    workshop: Workshop, aim: Aim, folder: OutputFolder | None, name: str, progress: Callable[[int, str], None]
) -> dict[str, Any]:
    """Explain one target by all of its methods, write what was found, and return its row."""
    row, found = explained(workshop, aim, progress)
    if folder is not None:
        _write(workshop, aim, found, row, folder, name)
    return row


def explained(workshop: Workshop, aim: Aim, progress: Callable[[int, str], None]) -> tuple[dict[str, Any], list[Found]]:
    """Explain one target by all of its methods; return its row, and what each method found."""
    import torch

    from onnxviz.methods.attribution.faithfulness import faithfulness

    task = workshop.task
    measured = workshop.measured(aim.objective)
    same = aim.explained == aim.objective
    looked_at = measured if same else workshop.measured(aim.explained)
    inputs, absent = workshop.tensors("cpu"), workshop.absent("cpu")
    with torch.no_grad():
        score, start = float(measured(*inputs)), float(measured(*absent))
        inner = (score, start) if same else (float(looked_at(*inputs)), float(looked_at(*absent)))
    found = []
    for number, method in enumerate(aim.methods):
        progress(number, f"{aim.objective}: {method}")
        began = time.monotonic()
        attribution = workshop.attribute(aim, method, inner[0] - inner[1])
        maps = attribution.maps([one.places for one in task.fed.explained])
        curves = faithfulness(
            measured, inputs, absent, [one.places for one in task.fed.explained], maps, measured.at_once, workshop.seed
        )
        found.append(Found(attribution, maps, curves, time.monotonic() - began))
    row: dict[str, Any] = {
        "target": str(aim.objective),
        "explained": str(aim.explained),
        "label": aim.label,
        "wrt": [one.name for one in task.fed.explained],
        "score": _by_torch(workshop, aim.objective),
        "ort_score": score,
        "baseline": task.baseline_text,
        "ort_baseline_score": start,
        "explained_score": inner[0],
        "explained_baseline_score": inner[1],
        "layer": workshop.layer(aim) if "grad-cam" in aim.methods else None,
        "message": _contradiction(aim, score - start, inner[0] - inner[1]),
        "methods": [_method_row(task, one) for one in found],
        "files": [],
    }
    return row, found


def _contradiction(aim: Aim, asked: float, explained: float) -> str:
    """Say so where the logit moves against the probability: it is the other classes then that decide."""
    if asked * explained >= 0:
        return ""
    ways = ("rises", "falls") if asked > 0 else ("falls", "rises")
    return (
        f"{aim.objective} {ways[0]} from the baseline to the input while {aim.explained} {ways[1]}: other classes move further; "
        f"explain a difference, as in '{aim.explained} - …', or the probability itself with --literal"
    )


def _by_torch(workshop: Workshop, objective: Objective) -> float | None:
    """Return the score by torch; None where it cannot compute it."""
    import torch

    try:
        with torch.no_grad():
            return float(workshop.differentiable(objective)(*workshop.tensors(workshop.task.device)))
    except OnnxvizError:
        return None


def _method_row(task: Task, one: Found) -> dict[str, Any]:
    attribution, curves = one.attribution, one.faithfulness
    whole = attribution.completeness
    return {
        "method": attribution.method,
        "signed": attribution.signed,
        "unit": attribution.unit,
        "evaluations": attribution.evaluations,
        "completeness": None if whole is None else {**asdict(whole), "gap": whole.gap},
        "faithfulness": {**curves.summary, "curves": asdict(curves)},
        "strongest": _strongest(task, one),
        "message": attribution.message,
        "seconds": round(one.seconds, 3),
    }


def _strongest(task: Task, one: Found) -> list[dict[str, Any]]:
    """Return the places of largest magnitude: of which input, where, by name where there is one, and how much."""
    rows: list[dict[str, Any]] = []
    for explained, values in zip(task.fed.explained, one.maps, strict=True):
        flat = np.asarray(values).reshape(-1)
        for place in np.argsort(-np.abs(flat), kind="stable")[:_STRONGEST].tolist():
            index = [int(part) for part in np.unravel_index(place, values.shape)]
            rows.append(
                {
                    "input": explained.name,
                    "place": index,
                    "name": place_name(task, explained.name, place),
                    "value": float(flat[place]),
                }
            )
    rows.sort(key=lambda row: -abs(row["value"]))
    return rows[:_STRONGEST]


def place_name(task: Task, name: str, place: int) -> str:
    """Return a feature's or a token's name; "" where places have none."""
    first = task.fed.explained[0]
    if name == first.name and task.features.names:
        return task.features.names[place]
    explained = next(one for one in task.fed.explained if one.name == name)
    if explained.tokens is not None and len(explained.tokens) == explained.places.count:
        return task.token_name(int(explained.tokens[place]))
    return ""


def _write(
    workshop: Workshop, aim: Aim, found: list[Found], row: dict[str, Any], folder: OutputFolder, name: str
) -> None:
    from onnxviz.analyses.attribution.pictures import draw
    from onnxviz.drawing.pictures import save_picture
    from onnxviz.formats.results import Result

    task = workshop.task
    arrays: dict[str, np.ndarray] = {}
    axes: dict[str, str] = {}
    several = len(task.fed.explained) > 1
    for place, one in enumerate(task.fed.explained):
        end = f"/{one.name}" if several else ""
        own = " ".join(axis.replace(" ", "_") for axis in one.places.axes)
        arrays[f"input{end}"], arrays[f"baseline{end}"] = one.sample, task.baselines[place]
        axes[f"input{end}"] = axes[f"baseline{end}"] = f"batch {own}"
        for each in found:
            arrays[f"{each.attribution.method}{end}"] = np.asarray(each.attribution.values[place], np.float32)
            axes[f"{each.attribution.method}{end}"] = own
    names = ["picture.png" if not place else f"picture_{place + 1}.png" for place in range(len(task.fed.explained))]
    row["files"] = [str(folder.path / name / file) for file in (*names, "arrays.npz", "result.json")]
    messages = [row["message"]] if row["message"] else []
    messages += [each.attribution.message for each in found if each.attribution.message]
    with folder.item(name) as item:
        for place, file in enumerate(names):
            save_picture(item / file, draw(task, aim, place, found, row))
        provenance = {"model": task.model.name, "sha256": task.model.digest, "seed": workshop.seed}
        Result(arrays, axes, row, "ok", "; ".join(messages), provenance).save(item)


def _held(values: dict[str, np.ndarray]) -> dict[str, Tensor]:
    import torch

    return {name: torch.as_tensor(np.asarray(value)) for name, value in values.items()}
