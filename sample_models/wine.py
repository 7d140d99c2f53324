"""Wine: a small network that tells three cultivars apart by thirteen chemical measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accuracy import accuracy, run
from graph import Graph, write
from samples import write_table
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn
from training import fit, parameter_arrays


def rounded(module: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Return the weight and the bias to 1/1024, so that the last bits of the training do not reach the file."""
    weight, bias = parameter_arrays(module)
    return np.rint(weight * 1024) / 1024, np.rint(bias * 1024) / 1024


def build(folder: Path) -> str:
    """Write wine.onnx, all wines and one held-out bottle; return the accuracy."""
    wine = load_wine()
    names, classes = list(wine.feature_names), [str(name) for name in wine.target_names]
    rows = wine.data.astype(np.float32)
    train, test, train_labels, test_labels = train_test_split(
        rows, wine.target, test_size=0.3, stratify=wine.target, random_state=0
    )
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    deviation = train.std(axis=0, dtype=np.float64).astype(np.float32)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 3)).double()
    standard = (train.astype(np.float64) - mean) / deviation
    fit(network, standard, train_labels, epochs=100, batch=len(train), rate=0.02, decay=0.1)

    graph = Graph("wine", "Tells three cultivars of wine apart by thirteen chemical measurements.")
    graph.input(
        "features", ["batch", 13], "one bottle per row: " + ", ".join(names), axes=["DATA_BATCH", "DATA_FEATURE"]
    )
    graph.node("Sub", ["features", graph.weight("mean", mean)], "centered")
    graph.node("Div", ["centered", graph.weight("deviation", deviation)], "standardized")
    graph.linear("standardized", "hidden1", *rounded(network[0]))
    graph.node("Relu", ["hidden1"], "relu1")
    graph.linear("relu1", "hidden2", *rounded(network[2]))
    graph.node("Relu", ["hidden2"], "relu2")
    graph.linear("relu2", "logits", *rounded(network[4]))
    graph.node("Softmax", ["logits"], "probabilities", axis=1)
    graph.output("logits", ["batch", 3])
    graph.output("probabilities", ["batch", 3])

    model = graph.model()
    score = accuracy(model, test, test_labels)
    metadata = {
        "feature_names": names,
        "class_names": classes,
        "training_data": "Wine, S. Aeberhard and M. Forina, UCI, CC BY 4.0",
        "test_accuracy": score,
        "license": "Apache-2.0",
    }
    write(model, folder, metadata)
    write_table(folder / "wine.csv", names, rows)
    right = run(model, test, "logits").argmax(axis=1) == test_labels
    write_table(folder / "wine_class_1.csv", names, test[right & (test_labels == 1)][:1])
    return score
