"""A contact sheet names a tensor once if all targets are its units."""

from __future__ import annotations

import pytest

from onnxviz.analyses.maximization.maxima import common_tensor
from onnxviz.methods.objectives.objectives import Objective


@pytest.mark.parametrize(
    ("texts", "tensor"),
    [
        (["a[1]", "a[2]"], "a"),
        (["a", "a[2]"], "a"),
        (["a[1]", "b[1]"], ""),
        (["a[1]", "-a[2]"], ""),
        (["a[1]", "a[1] - a[2]"], ""),
    ],
)
def test_a_tensor_is_named_once_where_all_targets_are_its_units(texts: list[str], tensor: str) -> None:
    objectives = [Objective.parse(text, {"a", "b"}) for text in texts]
    assert common_tensor(objectives, [str(one) for one in objectives]) == tensor
