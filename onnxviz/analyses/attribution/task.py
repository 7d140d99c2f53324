"""What `attribute` has settled before it explains: the input, the targets, the methods, and what stands for absence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Fed
    from onnxviz.analyses.attribution.request import AttributionRequest
    from onnxviz.analyses.inputs.features import Features
    from onnxviz.methods.objectives.objectives import Objective
    from onnxviz.model.model import Model

BY_GRADIENT = (
    "gradient",
    "input-x-gradient",
    "integrated-gradients",
    "smoothgrad",
    "guided-backprop",
    "grad-cam",
)
BY_SAMPLING = ("occlusion", "rise", "shapley")
METHODS = (*BY_GRADIENT, *BY_SAMPLING)


@dataclass(frozen=True)
class Aim:
    """One target, and how it is explained.

    Attributes
    ----------
    objective : Objective
        What was asked for; its score is shown.
    explained : Objective
        What the methods look at: the logit behind a probability.
    label : str
        The class's name, where the file tells it.
    methods : tuple of str
        In the order of the command line.
    layers : tuple of str
        The tensors that Grad-CAM may look at; it takes the first that a gradient reaches.
    """

    objective: Objective
    explained: Objective
    label: str
    methods: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Everything that is settled before the first gradient.

    Attributes
    ----------
    model : Model
        The model.
    request : AttributionRequest
        What was asked for.
    fed : Fed
        What the model is fed, and what of it is explained.
    aims : tuple of Aim
        The targets.
    baselines : tuple of ndarray
        (1, *shape) for each explained tensor.
    baseline_text : str
        What they are, in words.
    features : Features
        Of a vector.
    vocabulary : tuple of str
        The tokens' names; empty where they are not known.
    device : str
        Where torch computes.
    """

    model: Model
    request: AttributionRequest
    fed: Fed
    aims: tuple[Aim, ...]
    baselines: tuple[np.ndarray, ...]
    baseline_text: str
    features: Features
    vocabulary: tuple[str, ...]
    device: str

    def token_name(self, token: int) -> str:
        """Return a token's name: from the vocabulary, as the byte's character, or its number."""
        if 0 <= token < len(self.vocabulary):
            return self.vocabulary[token]
        return f"{token}"
