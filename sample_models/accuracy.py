"""How often a finished model is right, measured by ONNX Runtime on the model as it is written."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime


def run(model: onnx.ModelProto, inputs: np.ndarray, output: str) -> np.ndarray:
    """Compute one output of a model with one input, on one core."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run([output], {session.get_inputs()[0].name: inputs.astype(np.float32)})[0]


def accuracy(model: onnx.ModelProto, inputs: np.ndarray, labels: np.ndarray) -> str:
    """Count the samples whose highest probability is that of their label.

    Parameters
    ----------
    model : onnx.ModelProto
        With one input and an output `probabilities`, (batch, class).
    inputs : (sample, ...) array
        In the model's own units.
    labels : (sample,) int array
        The right class indices.

    Returns
    -------
    str
        Such as "355 of 360 (98.6 %)".
    """
    right = int((run(model, inputs, "probabilities").argmax(axis=1) == labels).sum())
    return f"{right} of {len(labels)} ({100 * right / len(labels):.1f} %)"
