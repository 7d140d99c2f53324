"""The rewrites of a plan in their order, each with its assumption."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from onnxviz.model.engine.batch_norm import absorb_batch_norms
from onnxviz.model.engine.channels_last import order_channels_last
from onnxviz.model.engine.constant_steps import fold
from onnxviz.model.engine.equal_classes import settle_equal_classes
from onnxviz.model.engine.fusion import fuse
from onnxviz.model.engine.packed_convolutions import packed
from onnxviz.model.engine.plan import Plan
from onnxviz.model.engine.segments import checkpointed


@dataclass(frozen=True)
class Pass:
    """A rewrite of a plan.

    Attributes
    ----------
    name : str
        Name of the rewrite.
    rewrite : callable
        From a plan, which may be changed, to the plan that replaces it: the same outputs for the same inputs.
    assumes : str
        Condition under which the outputs are the same.
    bodies : bool
        Whether `rewritten` applies it to each body before the plan around the body; else the rewrite handles bodies
        itself.
    """

    name: str
    rewrite: Callable[[Plan], Plan]
    assumes: str
    bodies: bool = False


FOLD = Pass("fold", fold, "a deterministic operator gives the same value for the same constants at every run")
ABSORB = Pass("absorb batch norm", absorb_batch_norms, "constant statistics; nothing else reads the convolution")
FUSE = Pass("fuse", fuse, "nothing else reads the tensors inside a pattern", bodies=True)
EQUAL = Pass("equal classes", settle_equal_classes, "filters of the same numbers give the same output", bodies=True)
ORDER = Pass("channels last", order_channels_last, "an operator reads a tensor by its axes, not by its strides")
PACK = Pass("pack", packed, "kernels never change; no other function will replace a convolution or its rectifier")
CHECKPOINT = Pass("checkpoint", checkpointed, "a deterministic step makes the same value a second time")

WRITTEN = (FOLD, ABSORB, FUSE, EQUAL, ORDER)
"""After these passes another function can still replace an operator."""

PASSES = (*WRITTEN, PACK, CHECKPOINT)
"""All passes, in their order."""


def rewritten(plan: Plan, passes: Iterable[Pass] = PASSES) -> Plan:
    """Return a plan rewritten by some passes, ready to run.

    Parameters
    ----------
    plan : Plan
        From `Conversion`, or rewritten by the passes before these.
    passes : iterable of Pass
        Passes in their order.
    """
    for one in passes:
        plan = _everywhere(one, plan) if one.bodies else one.rewrite(plan)
    plan.finish()
    return plan


def _everywhere(one: Pass, plan: Plan) -> Plan:
    for step in plan.steps:
        for body in step.inner:
            body.plan = _everywhere(one, body.plan)
    return one.rewrite(plan)
