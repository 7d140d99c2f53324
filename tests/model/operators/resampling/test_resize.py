"""Resize and Upsample: against ONNX Runtime, torch's way against our own, gradients against finite differences."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from runtime_oracle import Compare
from single_node import outputs_of, written

from onnxviz.errors import AllocationError, EvaluationError, UnsupportedOperators
from onnxviz.model.operators.resampling.axes import Kernel, resampled_axis
from onnxviz.model.operators.resampling.resize import resample
from onnxviz.model.operators.resampling.resize_plan import Request, plan

RANDOM = np.random.default_rng(6)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


LINE, PLANE, VOLUME = normal(2, 1, 10), normal(1, 2, 5, 6), normal(1, 1, 3, 4, 5)
CROP = floats(0, 0, -0.1, 0.2, 1, 1, 0.7, 1.3)

TRANSFORMATIONS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners", "half_pixel_symmetric"]
ROUNDINGS = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SIZES = [np.array([1, 2, 10, 3]), np.array([1, 2, 1, 13]), np.array([1, 2, 10, 18])]


def sized(
    attributes: str, sizes: np.ndarray, x: np.ndarray = PLANE, opset: int = 19
) -> tuple[str, dict[str, np.ndarray], int]:
    return f"y = Resize<{attributes}>(x, , , s)", {"x": x, "s": sizes}, opset


def scaled(
    attributes: str, scales: np.ndarray, x: np.ndarray = PLANE, opset: int = 19
) -> tuple[str, dict[str, np.ndarray], int]:
    return f"y = Resize<{attributes}>(x, , s)", {"x": x, "s": scales}, opset


CASES = [
    *[
        sized(f'mode="nearest", coordinate_transformation_mode="{t}", nearest_mode="{r}"', SIZES[k % 3])
        for k, (t, r) in enumerate(product(TRANSFORMATIONS, ROUNDINGS))
    ],
    *[sized(f'mode="linear", coordinate_transformation_mode="{t}"', s) for t, s in product(TRANSFORMATIONS, SIZES)],
    *[sized(f'mode="cubic", coordinate_transformation_mode="{t}"', SIZES[1]) for t in TRANSFORMATIONS],
    *[
        sized(f'mode="cubic", cubic_coeff_a={a}, exclude_outside={e}', s)
        for a, e, s in product([-0.5, -0.75], [0, 1], SIZES[1:])
    ],
    *[
        sized(f'mode="{m}", antialias=1, exclude_outside={e}', np.array([1, 2, 3, 9]))
        for m, e in product(["linear", "cubic"], [0, 1])
    ],
    sized('mode="cubic", antialias=1, exclude_outside=1, cubic_coeff_a=-0.5', np.array([1, 2, 3, 4])),
    sized('mode="linear", antialias=1, coordinate_transformation_mode="align_corners"', np.array([1, 2, 3, 4])),
    *[
        scaled(f'mode="{m}", coordinate_transformation_mode="{t}"', floats(1, 1, 0.7, 1.4))
        for m, t in product(["nearest", "linear", "cubic"], ["half_pixel", "asymmetric", "half_pixel_symmetric"])
    ],
    scaled('mode="linear"', floats(1, 1, 1, 1.1)),  # 6 * 1.1 is truncated to 6, so the size does not change
    scaled('mode="linear", antialias=1', floats(1, 1, 0.5, 1.1)),
    scaled('mode="linear", coordinate_transformation_mode="align_corners"', floats(1, 1, 1.5, 1.7)),
    scaled('mode="linear"', floats(1, 1, 0.7), LINE),
    sized('mode="linear"', np.array([1, 1, 6, 4, 7]), VOLUME),
    scaled('mode="linear", coordinate_transformation_mode="align_corners"', floats(1, 1, 2, 2, 2), VOLUME),
    sized('mode="nearest"', np.array([1, 1, 6, 8, 5]), VOLUME),
    scaled('mode="nearest"', floats(2, 3), normal(3, 2)),
    sized('mode="linear", axes=[3, 2]', np.array([8, 9])),
    sized('mode="linear", axes=[2, 3], keep_aspect_ratio_policy="not_larger"', np.array([8, 9])),
    sized('mode="nearest", axes=[2, 3], keep_aspect_ratio_policy="not_smaller"', np.array([8, 9]), opset=18),
    scaled('mode="cubic", axes=[-1, -2]', floats(1.5, 2), opset=18),
    sized('mode="nearest"', np.array([1, 2, 10, 12]), opset=13),
    ('y = Resize<mode="nearest">(x, s)', {"x": PLANE, "s": floats(1, 1, 0.6, 2)}, 10),
    ('y = Resize<mode="linear">(x, s)', {"x": PLANE, "s": floats(1, 1, 0.6, 2.5)}, 10),
    ('y = Resize<mode="cubic">(x, r, s)', {"x": PLANE, "r": floats(), "s": floats(1, 1, 0.6, 2)}, 11),
    ('y = Resize<mode="linear">(x, r, s, n)', {"x": PLANE, "r": floats(), "s": floats(), "n": SIZES[0]}, 11),
    (
        'y = Resize<coordinate_transformation_mode="tf_half_pixel_for_nn", nearest_mode="floor">(x, r, s)',
        {"x": PLANE, "r": floats(), "s": floats(1, 1, 0.6, 1.6)},
        11,
    ),
    *[
        (
            f'y = Resize<mode="{m}", coordinate_transformation_mode="tf_crop_and_resize", extrapolation_value=7.5>(x, r, , s)',
            {"x": PLANE, "r": CROP, "s": s},
            13,
        )
        for m, s in product(["nearest", "linear", "cubic"], SIZES)
    ],
    (
        'y = Resize<mode="linear", axes=[3], coordinate_transformation_mode="tf_crop_and_resize">(x, r, s)',
        {"x": PLANE, "r": floats(0.1, 0.8), "s": floats(2)},
        18,
    ),
    ('y = Upsample<mode="nearest", scales=[1.0, 1.0, 2.0, 3.0]>(x)', {"x": PLANE}, 7),
    ('y = Upsample<mode="linear", scales=[1.0, 1.0, 2.5, 3.0]>(x)', {"x": PLANE}, 7),
    ('y = Upsample<mode="nearest">(x, s)', {"x": PLANE, "s": floats(1, 1, 1.5, 2)}, 9),
    ('y = Upsample<mode="linear">(x, s)', {"x": PLANE, "s": floats(1, 1, 1.5, 2)}, 9),
]


@pytest.mark.parametrize(("call", "inputs", "opset"), CASES)
def test_resize_is_that_of_onnx_runtime(call: str, inputs: dict[str, np.ndarray], opset: int, compare: Compare) -> None:
    compare(written(call, inputs, opset, [name for name in inputs if name != "x"]), inputs)


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize(("length", "size"), [(14, 19), (14, 39), (26, 37), (26, 7), (20, 6), (7, 2)])
def test_rounding_edges_fall_where_onnx_runtime_has_them(
    length: int, size: int, rounding: str, compare: Compare
) -> None:
    # Coordinates that are halves in exact arithmetic, and almost halves in float32.
    inputs = {"x": np.arange(length, dtype=np.float32).reshape(1, 1, -1), "s": np.array([1, 1, size])}
    for transformation in ("half_pixel", "asymmetric"):
        attributes = f'coordinate_transformation_mode="{transformation}", nearest_mode="{rounding}"'
        compare(written(f"y = Resize<{attributes}>(x, , , s)", inputs, 19, ["s"]), inputs)


@pytest.mark.parametrize("attributes", ['mode="nearest"', 'mode="linear"', 'mode="linear", antialias=1'])
def test_bytes_stay_bytes(attributes: str, compare: Compare) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 6, 7)).astype(np.uint8)
    call, inputs, opset = sized(attributes, np.array([1, 3, 4, 10]), picture)
    # With antialiasing ONNX Runtime computes bytes in fixed point and may be one off.
    compare(written(call, inputs, opset, ["s"]), inputs, rtol=0, atol=1 if "antialias" in attributes else 0)


def test_upsample_of_the_oldest_files_is_todays() -> None:
    for old, new in (("nearest", "nearest"), ("bilinear", "linear")):
        (ours,) = outputs_of(f'y = Upsample<mode="{old}", height_scale=2.0, width_scale=1.5>(x)', {"x": PLANE}, 1)
        call = f'y = Upsample<mode="{new}">(x, s)'
        (wanted,) = outputs_of(call, {"x": PLANE, "s": floats(1, 1, 2, 1.5)}, 9)
        assert torch.equal(ours, wanted)


NATIVE = [
    (Kernel("nearest", "asymmetric", "floor"), (2, 1, 10, 18), "nearest"),
    (Kernel("nearest", "half_pixel"), (2, 1, 10, 18), "nearest"),
    (Kernel("nearest", "half_pixel", "round_prefer_ceil"), (2, 1, 7, 9), "nearest-exact"),
    (Kernel("linear"), (2, 1, 7, 9), "bilinear"),
    (Kernel("linear", "align_corners"), (2, 1, 7, 9), "bilinear"),
    (Kernel("linear", "pytorch_half_pixel"), (2, 1, 3, 12), "bilinear"),
    (Kernel("cubic"), (2, 1, 7, 9), "bicubic"),
    (Kernel("cubic", "align_corners"), (2, 1, 7, 9), "bicubic"),
    (Kernel("linear", exclude_outside=True, antialias=True), (2, 1, 3, 4), "bilinear"),
    (Kernel("cubic", cubic_coefficient=-0.5, exclude_outside=True, antialias=True), (2, 1, 3, 4), "bicubic"),
]


@pytest.mark.parametrize(("kernel", "sizes", "mode"), NATIVE)
def test_torchs_own_way_is_taken_where_it_means_the_same(kernel: Kernel, sizes: tuple[int, ...], mode: str) -> None:
    x = torch.randn(2, 1, 5, 6, dtype=torch.float64)
    planned = plan((2, 1, 5, 6), Request(kernel, sizes=sizes))
    assert planned.native is not None
    assert planned.native.mode == mode
    own = x
    for axis in planned.axes:
        own = axis.apply(own)
    assert torch.allclose(resample(x, Request(kernel, sizes=sizes)), own, atol=1e-5)


FOREIGN = [
    Kernel("nearest", "half_pixel", "ceil"),
    Kernel("linear", "asymmetric"),
    Kernel("linear", antialias=True),
    Kernel("cubic", cubic_coefficient=-0.5),
    Kernel("cubic", exclude_outside=True),
    Kernel("cubic", antialias=True, exclude_outside=True),
    Kernel("linear", "align_corners", exclude_outside=True, antialias=True),
]


@pytest.mark.parametrize("kernel", FOREIGN)
def test_torchs_own_way_is_not_taken_where_it_means_something_else(kernel: Kernel) -> None:
    assert plan((2, 1, 5, 6), Request(kernel, sizes=(2, 1, 7, 4))).native is None


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gathered_taps_and_the_dense_matrix_agree(axis: int, mode: str) -> None:
    x = torch.randn(4, 4, 4).repeat_interleave(300, axis).cumsum(axis) / 100
    long = resampled_axis(axis, 1200, 900, 0.75, (0, 1), Kernel(mode))
    dense = np.zeros((900, 1200))
    np.add.at(dense, (np.arange(900)[:, None], long.positions), long.weights)
    wanted = np.moveaxis(np.tensordot(dense, x.numpy(), (1, axis)), 0, axis)
    np.testing.assert_allclose(long.apply(x), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("antialias", [False, True])
def test_a_constant_stays_constant(mode: str, antialias: bool) -> None:
    request = Request(Kernel(mode, antialias=antialias), sizes=(1, 1, 4, 17))
    assert torch.allclose(resample(torch.ones(1, 1, 9, 9), request), torch.ones(1, 1, 4, 17), atol=1e-6)


def test_nothing_is_remembered_in_a_form_that_autograd_refuses() -> None:
    request = Request(Kernel("cubic", cubic_coefficient=-0.3), sizes=(1, 1, 7, 8))
    with torch.inference_mode():
        resample(torch.ones(1, 1, 4, 4), request)
    x = torch.ones(1, 1, 4, 4, requires_grad=True)
    resample(x, request).sum().backward()
    assert torch.allclose(x.grad.sum(), torch.tensor(56.0), atol=1e-4)


def test_requests_differ_by_every_attribute() -> None:
    # A resize is planned once per node: nodes with different sizes must not share a plan.
    first = {"x": PLANE, "s": floats(1, 1, 2, 2)}
    attributes = [
        'mode="cubic"',
        'mode="cubic", cubic_coeff_a=-0.5',
        'mode="cubic", exclude_outside=1',
        'mode="linear"',
    ]
    answers = [outputs_of(f"y = Resize<{a}>(x, , s)", first)[0] for a in attributes]
    for number, answer in enumerate(answers):
        assert not any(torch.equal(answer, other) for other in answers[:number])


SMALL = normal(1, 1, 3, 4)
SLOPES = [
    Request(Kernel("nearest"), (1, 1, 1.7, 0.6)),
    Request(Kernel("linear"), (1, 1, 2, 2)),
    Request(Kernel("linear", "asymmetric"), (1, 1, 0.7, 2.2)),
    Request(Kernel("cubic", exclude_outside=True), (1, 1, 0.7, 2.2)),
    Request(Kernel("linear", antialias=True), sizes=(1, 1, 2, 2)),
    Request(Kernel("linear", "tf_crop_and_resize"), sizes=(1, 1, 2, 5), roi=(0, 0, 0.1, -0.2, 1, 1, 0.8, 0.9)),
]


@pytest.mark.parametrize("request_", SLOPES)
def test_gradients_agree_with_finite_differences(request_: Request) -> None:
    x = torch.randn(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: resample(value, request_), x)


REFUSALS = [
    (
        *scaled('mode="linear", coordinate_transformation_mode="align_corners"', floats(1, 1, 0.7, 1)),
        "give sizes in place",
    ),
    (*scaled('mode="spline"', floats(1, 1, 2, 2)), "mode 'spline'; nearest, linear and cubic"),
    (
        *scaled('coordinate_transformation_mode="corner"', floats(1, 1, 2, 2)),
        "'corner'; ONNX knows half_pixel, half_pixel_symmetric",
    ),
    (*scaled('nearest_mode="up"', floats(1, 1, 2, 2)), "nearest_mode 'up'; ONNX knows round_prefer_floor"),
    (*scaled('mode="linear"', floats(1, 1, 0, 2)), "they must be positive"),
    (*scaled('mode="linear"', floats(1, 1, 0.1, 2)), "from 5 to 0; give a larger input"),
    (*scaled('mode="linear"', floats(2, 2)), "2 scales or sizes, .*, for 4 axes"),
    (*sized('keep_aspect_ratio_policy="fit"', SIZES[0]), "keep_aspect_ratio_policy 'fit'"),
    (
        *scaled('coordinate_transformation_mode="tf_crop_and_resize"', floats(1, 1, 2, 2)),
        "0 numbers in roi; 4 axes need 8",
    ),
    ("y = Resize(x)", {"x": PLANE}, 13, "0 scales and 0 sizes; exactly one"),
    (*sized("", np.array([0, 2, 5, 6]), PLANE[:0]), "has an empty tensor with lengths"),
]


@pytest.mark.parametrize(("call", "inputs", "opset", "sentence"), REFUSALS)
def test_refusals_say_what_would_do(call: str, inputs: dict[str, np.ndarray], opset: int, sentence: str) -> None:
    with pytest.raises((EvaluationError, UnsupportedOperators), match=sentence):
        outputs_of(call.replace("<>", ""), inputs, opset)


def test_an_absurd_size_is_refused() -> None:
    with pytest.raises(AllocationError, match="Resize asks for"):
        outputs_of("y = Resize(x, , , s)", {"x": PLANE, "s": np.array([1, 2, 10**6, 10**6])}, 13)
