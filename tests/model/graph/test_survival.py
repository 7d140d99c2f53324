"""A crash of onnx's C++ does not end the process that called it."""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import signal
import sys
import time

import numpy as np
import pytest
from onnx import TensorProto, helper
from unchecked_models import nodes

import onnxviz
from onnxviz.errors import ModelError
from onnxviz.model.graph.survival import survive

pytestmark = [
    pytest.mark.forks,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no copy of the process is made there"),
]


def test_what_the_work_gives_comes_back_whole() -> None:
    content = os.urandom(5_000_000)
    assert survive(lambda: content, "the work") == content
    assert survive(lambda: b"", "the work") == b""


def test_a_refusal_comes_back_as_one() -> None:
    def work() -> bytes:
        raise ModelError("the file is cut short")

    with pytest.raises(ModelError, match=r"^the file is cut short$"):
        survive(work, "the work")


def _endless() -> bytes:
    while True:
        pass


def _hungry() -> bytes:
    held = []
    while True:
        held.append(bytes(1 << 28))  # untouched zeros take no memory


@pytest.mark.parametrize(
    ("work", "words"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), r"the work crashes \(SIGSEGV\) on it"),
        (lambda: os.kill(os.getpid(), signal.SIGFPE), r"the work crashes \(SIGFPE\) on it"),
        (_endless, "the work takes more than 1 s on it"),
        (_hungry, "the work takes more than 2 GiB of memory on it"),
    ],
)
def test_a_death_is_told_of_in_a_sentence(work, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        survive(work, "the work", seconds=1 if work is not _hungry else 60)


def test_a_copy_that_only_waits_counts_for_nothing() -> None:
    here = os.getpid()

    def work() -> bytes:
        if os.getpid() != here:
            time.sleep(60)
        return b"here"

    assert survive(work, "the work") == b"here"


def test_a_copy_collects_no_garbage_of_the_original() -> None:
    class Garbage:
        def __del__(self) -> None:
            if os.getpid() != here:
                time.sleep(60)

    here = os.getpid()
    assert gc.isenabled()
    for _ in range(20):
        held = Garbage()
        held.itself = held
        del held
        assert survive(lambda: bytes(len([[] for _ in range(5000)])), "the work", seconds=5)
    assert gc.isenabled()


def _negative_size():
    proto = nodes(helper.make_node("GatherND", ["x", "i"], ["y"]), weights={})
    proto.graph.input.append(helper.make_tensor_value_info("i", TensorProto.INT64, [-5, -5]))
    return proto


def _vast_axis():
    node = helper.make_node("LayerNormalization", ["x", "s"], ["y"], axis=2**63 - 1)
    return nodes(node, weights={"s": np.ones(4, np.float32)})


def _vast_list():
    proto = nodes(helper.make_node("Reshape", ["x", "s"], ["y"]))
    proto.graph.input.append(helper.make_tensor_value_info("s", TensorProto.INT64, [2**40]))
    return proto


@pytest.mark.parametrize("make", [_negative_size, _vast_axis, _vast_list])
def test_onnx_s_shape_inference_is_survived(make) -> None:
    with contextlib.suppress(ModelError):  # a later onnx may read it
        assert "y" in onnxviz.load(make()).tensors
    assert onnxviz.load(nodes(helper.make_node("Relu", ["x"], ["y"]))).tensors["y"].shape == (1, 4)


def _chain(length: int, calls: int):
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("local", 1)]
    functions = []
    for number in range(length):
        steps = itertools.pairwise(["a", *(f"m{place}" for place in range(calls - 1)), "b"])
        body = [helper.make_node(f"f{number + 1}", [before], [after], domain="local") for before, after in steps]
        functions.append(helper.make_function("local", f"f{number}", ["a"], ["b"], body, opsets))
    last = [helper.make_node("Relu", ["a"], ["b"])]
    functions.append(helper.make_function("local", f"f{length}", ["a"], ["b"], last, opsets))
    proto = nodes(helper.make_node("f0", ["x"], ["y"], domain="local"), functions=functions)
    proto.opset_import.append(opsets[1])
    return proto


def test_functions_that_call_each_other_without_end_or_measure_are_refused() -> None:
    with pytest.raises(ModelError, match=r"would have 3.3e\+12 nodes; at most 1,000,000 are allowed"):
        onnxviz.load(_chain(40, 2))
    proto = _chain(2, 1)
    proto.functions[2].node[0].op_type, proto.functions[2].node[0].domain = "f0", "local"
    with pytest.raises(ModelError, match="its function 'f2' calls itself"):
        onnxviz.load(proto)
    assert len(onnxviz.load(_chain(3, 2)).nodes) == 8
