"""The answers of targets to one sample."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onnxviz.analyses.activations.answers import UNIT_AXES, Answer, answer_row
from onnxviz.analyses.activations.pictures import answer_picture

if TYPE_CHECKING:
    from onnxviz.drawing.input_drawing import Drawing
    from onnxviz.drawing.pictures import Picture
    from onnxviz.formats.tokenizers import Encoded


@dataclass(frozen=True, eq=False)
class SeenSample:
    """The answers of targets to one sample, by ONNX Runtime on the untouched file.

    Attributes
    ----------
    identity : str
        The sample: its file, or its file and row.
    label : str
        The class's name, if the data gives a class; else "".
    inputs : dict of str to ndarray
        The value of each input that the sample feeds, without the batch.
    answers : tuple of Answer
        The answer of each target.
    tensors : tuple of str
        The tensor of each target.
    values : dict of str to ndarray
        The values of the whole tensors, without the batch.
    drawing : Drawing
        Draws the sample.
    main : str
        The input that is drawn.
    rate : int or None
        The sample rate of sound, in samples per second.
    top : int
        The number of strongest units that are listed.
    classes : tuple of str
        For each target the class that its value, a single whole number, names; else "".
    encoded : Encoded or None
        The sample's text and its tokens, if it is a text.
    files : tuple of tuple of str
        The pictures that were written, for each target.
    """

    identity: str
    label: str
    inputs: dict[str, np.ndarray]
    answers: tuple[Answer, ...]
    tensors: tuple[str, ...]
    values: dict[str, np.ndarray]
    drawing: Drawing
    main: str
    rate: int | None
    top: int
    classes: tuple[str, ...]
    encoded: Encoded | None = None
    files: tuple[tuple[str, ...], ...] = ()

    def __getitem__(self, target: str) -> np.ndarray:
        """Return the values that a target picks."""
        for answer in self.answers:
            if answer.target == target:
                return answer.values
        raise KeyError(target)

    @property
    def name(self) -> str:
        """What the pictures call the sample: its text, or its identity."""
        return self.identity if self.encoded is None else f'"{self.encoded.text}"'

    def row(self) -> dict[str, Any]:
        """Return the sample as `activations --json` prints it."""
        row: dict[str, Any] = {"id": self.identity, "targets": []}
        if self.label:
            row["label"] = self.label
        if self.encoded is not None:
            row |= {"text": self.encoded.text, "tokens": self.encoded.rows()}
        for place, answer in enumerate(self.answers):
            told = answer_row(answer, self.tensors[place], self.top)
            if not answer.values.size or self.values[self.tensors[place]].ndim == 0:
                told["label"] = self.classes[place]
            if self.encoded is not None:
                _name_positions(told, answer, self.encoded)
            if self.files:
                told["files"] = list(self.files[place])
            row["targets"].append(told)
        return row

    def picture(self, target: str | None = None) -> Picture | None:
        """Return the picture of one target's answer, by default the first; None for a single number.

        Raises
        ------
        KeyError
            If there is no answer of this target.
        """
        chosen = [one for one in self.answers if target is None or one.target == target]
        if not chosen:
            raise KeyError(target)
        return answer_picture(
            chosen[0], self.drawing, self.inputs[self.main], self.rate, self.name, encoded=self.encoded
        )

    def save(self, folder: str | os.PathLike[str]) -> SeenSample:
        """Write a picture for each target into a folder, and return the sample with its files.

        Raises
        ------
        OSError
            If the folder cannot be written to.
        """
        from onnxviz.drawing.pictures import save_picture
        from onnxviz.formats.file_names import safe_names

        names = safe_names([one.target for one in self.answers])
        Path(folder).mkdir(parents=True, exist_ok=True)
        files = []
        for answer in self.answers:
            picture = self.picture(answer.target)
            place = Path(folder, f"{names[answer.target]}.png")
            if picture is not None:
                save_picture(place, picture)
            files.append(() if picture is None else (str(place),))
        return replace(self, files=tuple(files))

    def _repr_png_(self) -> bytes | None:
        """Show the first picture in a notebook."""
        from PIL import Image

        pictures = [picture for one in self.answers if (picture := self.picture(one.target)) is not None]
        if not pictures:
            return None
        content = BytesIO()
        Image.fromarray(pictures[0]).save(content, "PNG")
        return content.getvalue()


def _name_positions(told: dict[str, Any], answer: Answer, encoded: Encoded) -> None:
    """Add the token at each unit's position, if the positions of an answer are the tokens."""
    places = [size for size, axis in zip(answer.values.shape, answer.axes, strict=True) if axis not in UNIT_AXES]
    if places != [len(encoded)]:
        return
    for one in told["strongest"]:
        if len(one["position"]) == 1:
            one["token"] = encoded.shown(one["position"][0])
