"""Where the values of an operator lie: together, those of a sequence as well."""

from __future__ import annotations

import torch

from onnxviz.model.plan import _together


def test_tensors_of_sequences_are_brought_together_too() -> None:
    here, there = torch.ones(2), torch.ones(3, device="meta")
    mixed = [[here, [there]], None, 2.0]
    (first, (second,)), nothing, number = _together(mixed, torch.device("meta"))
    assert (first.device.type, second.device.type) == ("meta", "meta")
    assert (nothing, number) == (None, 2.0)
    both = _together([[there], here], torch.device("meta"))
    assert both[1].device.type == "meta"


def test_what_lies_together_stays() -> None:
    arguments = [[torch.ones(2)], torch.ones(2), None]
    assert _together(arguments, torch.device("meta")) is arguments
