"""Closed forms of what roughness and contrast cost."""

from __future__ import annotations

import torch

from onnxviz.methods.penalties import Penalty


def test_closed_forms() -> None:
    x = torch.tensor([[[0.5, -0.5], [0.25, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert Penalty(l1=2.0)(x).tolist() == [2.5, 0.0]
    assert Penalty(l2=4.0)(x).tolist() == [2.25, 0.0]
    # Down: .25 and .5; across: 1 and .25.
    assert Penalty(total_variation=1.0)(x, (1, 2)).tolist() == [2.0, 0.0]
    assert Penalty(total_variation=1.0)(x, (2,)).tolist() == [1.25, 0.0]


def test_weights_add_and_nothing_is_the_default() -> None:
    x = torch.randn(4, 3, 5, generator=torch.Generator().manual_seed(0))
    total = Penalty(1.0, 2.0, 3.0)(x, (2,))
    parts = Penalty(1.0)(x, (2,)) + Penalty(0.0, 2.0)(x) + Penalty(0.0, 0.0, 3.0)(x)
    assert torch.allclose(total, parts)
    assert not Penalty()(x, (2,)).any()
