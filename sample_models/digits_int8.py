"""The digit classifier as quantization tools leave it: 8-bit weights and activations between Q/DQ pairs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import digits
import numpy as np
import onnx
from accuracy import accuracy
from graph import write
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static


class TrainingPictures(CalibrationDataReader):
    """Feeds the training pictures to the calibration, 100 at a time."""

    def __init__(self) -> None:
        pictures = digits.split()[0]
        self._batches = iter(np.array_split(pictures, len(pictures) // 100))

    def get_next(self) -> dict[str, np.ndarray] | None:
        """Return the next batch by input name, or None when there is no more."""
        batch = next(self._batches, None)
        return None if batch is None else {"image": batch}


def build(folder: Path) -> str:
    """Write digits_int8.onnx; return the accuracy."""
    with tempfile.TemporaryDirectory() as scratch:
        source, target = Path(scratch, "digits.onnx"), Path(scratch, "digits_int8.onnx")
        onnx.save(digits.model(), source)
        quantize_static(
            source,
            target,
            TrainingPictures(),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            # Weights of 7 bits: with 8, ONNX Runtime's kernels for processors without VNNI instructions overflow, and the
            # same file gives other logits there.
            reduce_range=True,
            nodes_to_exclude=["scaled", "probabilities"],
        )
        model = onnx.load(target)
    model.graph.name = "digits_int8"
    model.graph.doc_string = "Tells handwritten digits of 8 x 8 pixels apart, in 8-bit integers between Q/DQ pairs."
    model.producer_name, model.producer_version = "onnxviz", ""
    _, pictures, _, labels = digits.split()
    score = accuracy(model, pictures, labels)
    write(model, folder, {**digits.METADATA, "test_accuracy": score})
    return score
