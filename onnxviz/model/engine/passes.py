"""The rewrites of a plan in their order: what each does, and what it takes for granted."""

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
    """One rewrite.

    Attributes
    ----------
    name : str
        What it is called.
    rewrite : callable
        From a plan, which it may change, to the plan that takes its place: the same outputs of the same inputs.
    assumes : str
        What must hold for that.
    bodies : bool
        Whether bodies are rewritten by themselves, each before the plan around it; else the rewrite sees to them.
    """

    name: str
    rewrite: Callable[[Plan], Plan]
    assumes: str
    bodies: bool = False


FOLD = Pass("fold", fold, "a deterministic operator gives the same value of the same constants at every run")
ABSORB = Pass("absorb batch norm", absorb_batch_norms, "constant statistics; nothing else reads the convolution")
FUSE = Pass("fuse", fuse, "nothing else reads the tensors inside a pattern", bodies=True)
EQUAL = Pass("equal classes", settle_equal_classes, "filters of the same numbers answer alike", bodies=True)
ORDER = Pass("channels last", order_channels_last, "an operator reads a tensor by its axes, not by its strides")
PACK = Pass("pack", packed, "kernels never change; no other function will stand in for a convolution or its rectifier")
CHECKPOINT = Pass("checkpoint", checkpointed, "a deterministic step makes the same value a second time")

WRITTEN = (FOLD, ABSORB, FUSE, EQUAL, ORDER)
"""After these another function may still stand in for an operator."""

PASSES = (*WRITTEN, PACK, CHECKPOINT)
"""All of them, in their order."""


def rewritten(plan: Plan, passes: Iterable[Pass] = PASSES) -> Plan:
    """Return a plan rewritten by some passes, ready to run.

    Parameters
    ----------
    plan : Plan
        As `Conversion` gives it, or rewritten by the passes before these.
    passes : iterable of Pass
        In their order.
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
