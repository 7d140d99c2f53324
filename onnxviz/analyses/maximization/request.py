"""What is asked of a maximization, as data: the keywords of `onnxviz.maximize`, with the command line's defaults."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from onnxviz.analyses.inputs.classes import Classes
from onnxviz.analyses.inputs.features import Kept, Names, pairs
from onnxviz.analyses.inputs.moving import Named
from onnxviz.analyses.inputs.request import InputRequest

Sample = str | os.PathLike[str] | np.ndarray
"""A path, or an array in the model's own units."""


@dataclass(frozen=True, kw_only=True)
class MaximizationRequest:
    """What a person asks of a maximization; what is left out is read from the model and from the kind of its input.

    Attributes
    ----------
    targets : tuple of str
        What is maximized, such as "logits[281]", "conv1[*]" or "logits[2] - 0.5*logits[5]".
    inputs : InputRequest
        What the person says of the model's inputs.
    wrt : str or sequence of str, optional
        The tensor that moves: an input, or any float tensor inside the graph. Several inputs move together as one vector.
    bounds : (low, high), path or (feature, 2) array, optional
        A vector's bounds: two numbers for all features, or a table with a row for each feature.
    names : path or sequence of str, optional
        A vector's feature names, or a file with a name in each line.
    data : path or array, optional
        Real samples: a table, an array with the samples along its first axis, or a folder.
    near_data : bool
        Whether inputs are kept where the best samples of `data` are: the score is raised to at most twice the best real score, and
        the means and deviations of the channels of all layers stay as those of the best samples.
    kept : mapping or pairs
        Features that keep a value, by name or number; of tokens, positions that keep a token.
    vocab : path or sequence of str, optional
        The names of tokens, or a file of names.
    classes : path, sequence of str or mapping, optional
        The names of the classes, or a file of names. They replace the names in the model's file.
    sample_rate : float, optional
        A signal's samples per second.
    norm : float, optional
        The norm of an unbounded input, in standardized units.
    like : path or array, optional
        The real input that the terms like(TENSOR) and inversion(TENSOR) follow.
    parameterization : {"fourier", "pixel", "maco"}, optional
        What the optimizer changes: a spectrum, each element, or the phases of a natural spectrum.
    start : path, array or str, optional
        The input from which the search starts; for tokens also a text.
    keep_near : bool
        Whether the input of `start` is only accented: three changes of growing strength, where the target cares.
    size : int or tuple of int, optional
        The size at which a picture or signal is rendered: one number for all spatial axes, or one for each.
    steps, restarts : int, optional
        Steps of each ascent, and random starts of each target.
    rate : float, optional
        The step size of Adam.
    optimizer : {"adam", "nadam", "lbfgs", "cma"}, optional
        The optimizer.
    no_transforms : bool
        Whether pictures and signals are climbed without random moves.
    save_every : int, optional
        Keep a picture of the input after every so many steps.
    straight_through : bool
        Whether gradients pass Round, Floor, Ceil and Sign.
    literal : bool
        Whether a probability itself is climbed, and not the logit before it.
    seed : int
        The same seed gives the same result.
    device : str
        "auto", "cpu", "cuda" or "cuda:N".
    """

    targets: tuple[str, ...] = ()
    inputs: InputRequest = field(default_factory=InputRequest)
    wrt: Named | None = None
    bounds: str | os.PathLike[str] | Sequence[float] | np.ndarray | None = None
    names: Names | None = None
    data: Sample | None = None
    near_data: bool = False
    kept: Kept = ()
    vocab: Names | None = None
    classes: Classes | None = None
    sample_rate: float | None = None
    norm: float | None = None
    like: Sample | None = None
    parameterization: str | None = None
    start: Sample | None = None
    keep_near: bool = False
    size: int | tuple[int, ...] | None = None
    steps: int | None = None
    restarts: int | None = None
    rate: float | None = None
    optimizer: str | None = None
    no_transforms: bool = False
    save_every: int | None = None
    straight_through: bool = False
    literal: bool = False
    seed: int = 0
    device: str = "auto"

    @property
    def kept_pairs(self) -> tuple[tuple[str, str], ...]:
        """The kept features or positions, each with its value, as text."""
        return tuple((str(name), str(value)) for name, value in pairs(self.kept))

    @property
    def searched(self) -> dict[str, str]:
        """What a result depends on besides the model, the sizes and the settings of the search, as text.

        A folder that is resumed must not mix two searches.
        """
        told = {name: getattr(self, name) for name in _SEARCHED}
        told |= {name: getattr(self.inputs, name) for name in _SEARCHED_INPUTS}
        sizes = (self.size,) if isinstance(self.size, int) else self.size or ()
        told |= {"kept": self.kept_pairs, "bounds": self._bounds, "size": "x".join(map(str, sizes))}
        return {name: _text(value) for name, value in told.items() if isinstance(value, np.ndarray) or value}

    @property
    def _bounds(self) -> str | np.ndarray | None:
        """The bounds, two numbers as text."""
        if self.bounds is None or isinstance(self.bounds, np.ndarray):
            return self.bounds
        if isinstance(self.bounds, str | os.PathLike):
            return os.fspath(self.bounds)
        return ",".join(f"{end:.17g}" for end in self.bounds)


_SEARCHED = (
    *("names", "data", "near_data", "vocab", "classes", "sample_rate", "norm", "literal", "like", "straight_through"),
    *("parameterization", "start", "keep_near"),
)
_SEARCHED_INPUTS = ("held", "value_range", "mean", "std", "layout", "channels", "kind", "letters")


def _text(value: Any) -> str:
    """Return a value as text; of an array what tells it from others."""
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
        return f"array of {value.dtype}, {'x'.join(map(str, value.shape))}, SHA-256 {digest}"
    if isinstance(value, Mapping):
        return str({name: _text(one) for name, one in value.items()})
    return str(value)


def source_text(sample: Sample) -> str:
    """Return how a message names a sample: by its path, or as an array."""
    from onnxviz.analyses.inputs.one_sample import ARRAY

    return ARRAY if isinstance(sample, np.ndarray) else os.fspath(sample)


def is_folder(sample: Sample) -> bool:
    """Return whether a sample is a folder."""
    return not isinstance(sample, np.ndarray) and Path(sample).is_dir()
