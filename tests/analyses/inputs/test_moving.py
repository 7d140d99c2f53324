"""The input that is searched by default: one that the targets depend on, states last."""

from __future__ import annotations

import onnx.parser
import pytest

import onnxviz
from onnxviz.analyses.inputs.moving import choose_moving
from onnxviz.errors import TargetError, UsageError

MODEL = onnxviz.load(
    onnx.parser.parse_model(
        """<ir_version: 8, opset_import: ["" : 17]>
        g (float[N, 4] state, float[N, 3] obs, float[N, 3] goal, float[N] step) => (float[N, 3] y, float[N, 4] next, float[N] later)
        { d = Sub(obs, goal)
          m = ReduceMean<axes = [1], keepdims = 1>(state)
          y = Mul(d, m)
          e = Neg(obs)
          next = Neg(state)
          later = Neg(step) }"""
    )
)


@pytest.mark.parametrize(
    ("targets", "name", "others"),
    [
        (["e[1]"], "obs", ""),
        (["y[0]"], "obs", "state, goal"),
        (["next[0]"], "state", ""),
        (["e[0] - next[1]"], "obs", "state"),
        (["y[0] - 0.1*l2(input)"], "obs", "state, goal"),
    ],
)
def test_the_first_input_that_the_targets_depend_on_moves(targets: list[str], name: str, others: str) -> None:
    moving = choose_moving(MODEL, None, targets)
    assert moving.inputs == (name,)
    assert f"choose another with `wrt`: {others}" in moving.remark if others else "only input" in moving.remark
    assert choose_moving(MODEL, "goal", targets).inputs == ("goal",)


def test_a_target_that_is_none_is_told_first() -> None:
    with pytest.raises(TargetError, match=r"none\[3\]: no tensor of that name"):
        choose_moving(MODEL, None, ["none[3]"])


def test_where_nothing_tells_the_choice_is_left_to_the_user() -> None:
    with pytest.raises(UsageError, match="choose one with `wrt`"):
        choose_moving(MODEL, None, ["later"])


def test_without_targets_every_output_counts_and_held_inputs_are_passed_over() -> None:
    assert choose_moving(MODEL, None).inputs == ("obs",)
    assert choose_moving(MODEL, None, held={"obs"}).inputs == ("goal",)
    assert choose_moving(MODEL, None, held={"obs", "goal", "step"}).inputs == ("state",)
