"""The task of `attribute`, settled before it explains: the input, the targets, the methods and the baselines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onnxviz.analyses.attribution.explained_inputs import Explained, Fed
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
    """One target, and the methods that explain it.

    Attributes
    ----------
    objective : Objective
        The requested target. Its score is shown.
    explained : Objective
        The target of the methods: for a probability, the logit before it.
    label : str
        The class's name, if the file tells it; else "".
    methods : tuple of str
        The methods, in the order of the request.
    layers : tuple of str
        The tensors that Grad-CAM may use. It uses the first with a gradient that is not zero.
    """

    objective: Objective
    explained: Objective
    label: str
    methods: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """All settings and inputs, settled before the first gradient.

    Attributes
    ----------
    model : Model
        The model.
    request : AttributionRequest
        The user's request.
    fed : Fed
        The inputs of the model, and the tensors that are explained.
    aims : tuple of Aim
        The targets.
    baselines : tuple of ndarray
        A baseline, (1, *shape), for each explained tensor.
    baseline_text : str
        A description of the baselines.
    features : Features
        The features of a vector.
    vocabulary : tuple of str
        The tokens' names, by id; empty if they are not known.
    device : str
        The device of torch.
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
        """Return a token's name from the vocabulary, or its id if it has no name."""
        name = self.vocabulary[token] if 0 <= token < len(self.vocabulary) else ""
        return name or f"{token}"

    def token_names(self, one: Explained) -> list[str]:
        """Return the name of each token of an explained tensor: its characters in the text, else its name or id."""
        if self.fed.encoded is not None and one.tokens is not None and len(one.tokens) == len(self.fed.encoded):
            return [self.fed.encoded.shown(place) for place in range(len(one.tokens))]
        return [self.token_name(int(token)) for token in one.tokens] if one.tokens is not None else []
