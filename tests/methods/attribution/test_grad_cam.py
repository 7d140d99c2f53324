"""Grad-CAM: its closed form for a linear head, captum's map of the same module, and tensors without positions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn

from onnxviz.errors import UsageError
from onnxviz.methods.attribution.grad_cam import channel_map, grad_cam, suits
from onnxviz.methods.attribution.places import Places

PICTURE = Places((3, 12, 8), ("channel", "height", "width"))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_after_global_pooling_the_map_is_the_weighted_sum_of_channels() -> None:
    activation, weights = drawn(1, 5, 3, 2), drawn(5, seed=1)
    found = channel_map(lambda a: (a.mean((2, 3)) * weights).sum(1), activation)
    exact = torch.relu((weights.reshape(5, 1, 1) * activation[0]).sum(0) / 6)
    torch.testing.assert_close(found, exact)


def test_the_map_is_laid_over_the_places_of_the_input() -> None:
    found = grad_cam(lambda a: a.sum((1, 2, 3)), drawn(1, 4, 3, 2).abs(), PICTURE)
    assert found.values[0].shape == (1, 12, 8)
    assert not found.signed
    assert found.maps([PICTURE])[0].shape == (12, 8)


def test_it_is_captums_on_the_same_module() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(24, 3)
    )
    with torch.no_grad():
        for place, one in enumerate(module.parameters()):
            one.copy_(0.3 * drawn(*one.shape, seed=place))
    x = drawn(1, 3, 12, 10)
    wanted = LayerGradCam(module, module[4]).attribute(x, target=2, relu_attributions=True)[0, 0].detach()
    found = channel_map(lambda a: module[5:](a)[:, 2], module[:5](x))
    assert float(wanted.max()) > 0
    torch.testing.assert_close(found, wanted)


def test_an_empty_map_says_so() -> None:
    assert "empty" in grad_cam(lambda a: -a.sum((1, 2, 3)), drawn(1, 4, 3, 2).abs(), PICTURE).message


def test_a_layer_without_the_inputs_axes_is_refused() -> None:
    assert suits((1, 4, 3, 2), PICTURE)
    assert not suits((1, 4, 1, 1), PICTURE)
    assert not suits((1, 4, 7), PICTURE)
    with pytest.raises(UsageError, match="`layer`"):
        grad_cam(lambda a: a.sum((1, 2)), drawn(1, 4, 7), PICTURE)


def test_one_dimension_is_laid_over_as_well() -> None:
    sound = Places((1, 16), ("channel", "time"))
    found = grad_cam(lambda a: a.sum((1, 2)), torch.ones(1, 2, 4), sound)
    np.testing.assert_allclose(found.values[0], np.full((1, 16), 2.0))
