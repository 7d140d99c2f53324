"""Sounds: a one-dimensional convolution network on an eighth of a second of synthetic sound at 8 kHz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from accuracy import accuracy, run
from graph import Graph, write
from samples import write_sound
from torch import nn
from training import fit, parameter_arrays

RATE = 8000
LENGTH = 1024
CLASS_NAMES = ("low_tone", "high_tone", "rising_chirp", "falling_chirp", "noise", "clicks")


def sound(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Make one sound of the kind, (1024,) float64 in -1..1, with a random loudness and a faint background noise.

    Tones lie at 200 to 800 Hz or 1200 to 3200 Hz; chirps run between these two bands in the time of the sound; clicks
    are one to four damped oscillations of a few milliseconds.
    """
    time = np.arange(LENGTH) / RATE
    low, high = rng.uniform(200, 800), rng.uniform(1200, 3200)
    if kind in ("low_tone", "high_tone", "rising_chirp", "falling_chirp"):
        first, last = {
            "low_tone": (low, low),
            "high_tone": (high, high),
            "rising_chirp": (low, high),
            "falling_chirp": (high, low),
        }[kind]
        turns = first * time + (last - first) * time**2 / (2 * time[-1])
        wave = np.sin(2 * np.pi * (turns + rng.uniform()))
    elif kind == "noise":
        wave = rng.normal(0, 0.4, LENGTH)
    else:
        wave = np.zeros(LENGTH)
        for start in rng.integers(0, LENGTH - 64, rng.integers(1, 5)):
            ring = time[: LENGTH - start]
            wave[start:] += np.exp(-ring * 800) * np.sin(2 * np.pi * rng.uniform(800, 3000) * ring + np.pi / 4)
    return np.clip(rng.uniform(0.2, 0.9) * wave + rng.normal(0, 0.02, LENGTH), -1, 1)


def sounds(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Make `count` sounds of every kind: (sample, 1, 1024) float32 and their (sample,) labels, kind after kind."""
    rng = np.random.default_rng(seed)
    waves = [sound(kind, rng) for kind in CLASS_NAMES for _ in range(count)]
    return np.stack(waves).astype(np.float32)[:, None], np.repeat(np.arange(len(CLASS_NAMES)), count)


def build(folder: Path) -> str:
    """Write tones.onnx, one rising chirp and eight sounds of every kind; return the accuracy."""
    train, train_labels = sounds(300, seed=1)
    test, test_labels = sounds(100, seed=2)
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv1d(1, 16, 64, stride=4),
        nn.ReLU(),
        nn.Conv1d(16, 24, 9, stride=2),
        nn.ReLU(),
        nn.Conv1d(24, 32, 9, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(32, len(CLASS_NAMES)),
    )
    fit(network, train, train_labels, epochs=12, batch=32, rate=3e-3, decay=1e-2)

    graph = Graph("tones", "Tells tones, chirps, noise and clicks apart.")
    graph.input(
        "waveform",
        ["batch", 1, LENGTH],
        f"{LENGTH} samples of sound in -1..1 at {RATE} Hz",
        denotation="AUDIO",
        axes=["DATA_BATCH", "DATA_CHANNEL", "DATA_TIME"],
    )
    graph.convolution("waveform", "conv1", *parameter_arrays(network[0]), strides=[4])
    graph.node("Relu", ["conv1"], "relu1")
    graph.convolution("relu1", "conv2", *parameter_arrays(network[2]), strides=[2])
    graph.node("Relu", ["conv2"], "relu2")
    graph.convolution("relu2", "conv3", *parameter_arrays(network[4]), strides=[2])
    graph.node("Relu", ["conv3"], "relu3")
    graph.node("GlobalAveragePool", ["relu3"], "average")
    graph.node("Flatten", ["average"], "features")
    graph.linear("features", "logits", *parameter_arrays(network[8]))
    graph.node("Softmax", ["logits"], "probabilities", axis=1)
    graph.output("logits", ["batch", len(CLASS_NAMES)])
    graph.output("probabilities", ["batch", len(CLASS_NAMES)])

    model = graph.model()
    score = accuracy(model, test, test_labels)
    metadata = {
        "input_range": [-1, 1],
        "sample_rate": RATE,
        "class_names": CLASS_NAMES,
        "training_data": "synthetic sounds",
        "test_accuracy": score,
        "license": "Apache-2.0",
    }
    write(model, folder, metadata)
    rising = test_labels == CLASS_NAMES.index("rising_chirp")
    right = run(model, test, "logits").argmax(axis=1) == test_labels
    chirp = test[np.flatnonzero(right & rising)[0]]
    np.save(folder / "tones_rising_chirp.npy", chirp[None])
    write_sound(folder / "tones_rising_chirp.wav", chirp[0], RATE)
    np.save(
        folder / "tones_held_out.npy",
        np.concatenate([test[test_labels == kind][:8] for kind in range(len(CLASS_NAMES))]),
    )
    return score
