"""The ascent on closed forms: known maxima, isolation of samples, endings and interruptions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from onnxviz.errors import DifferentiationError, UsageError
from onnxviz.methods.ascent.fourier import Fourier
from onnxviz.methods.ascent.maximization import maximize
from onnxviz.methods.ascent.parameterizations import Direct
from onnxviz.methods.ascent.rectifiers import passing_clip
from onnxviz.methods.ascent.runs import Run
from onnxviz.methods.ascent.settings import Settings
from onnxviz.methods.ascent.status import Status
from onnxviz.methods.ascent.transforms import Affine, Fading, Shift, standard_transform
from onnxviz.methods.objectives.fixed_array import FixedArray
from onnxviz.methods.objectives.objectives import Objective
from onnxviz.methods.objectives.surroundings import Standard, Surroundings
from onnxviz.target import Target

SETTINGS = Settings(steps=256)
WEIGHTS = torch.tensor([[3.0, -4.0, 0.0], [0.1, 0.2, -0.2]])


class Constant(Settings):
    """Settings whose rate does not fall, so that an ascent walks past its maximum."""

    def rate_at(self, step: int) -> float:
        return self.rate


def linear(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {"y": (inputs["x"][:, None] * WEIGHTS).sum(2)}


def unit(index: int, tensor: str = "y") -> Objective:
    return Objective.of(Target(tensor, (index,)))


def each(count: int) -> list[Run]:
    return [Run("y", restart) for restart in range(count)]


# Maxima in closed form.


@pytest.mark.parametrize("surface", [True, False])
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_linear_target_on_a_ball_ends_along_its_weights(surface: bool, optimizer: str) -> None:
    radius = 2.5
    runs = each(4)
    ball = Direct.ball(runs, (3,), radius=radius, surface=surface)
    objectives = [unit(0), unit(1)] * 2
    for place, found in enumerate(maximize(linear, "x", objectives, ball, runs, Settings(256, optimizer=optimizer))):
        weights = WEIGHTS[place % 2].numpy()
        norm = np.linalg.norm(weights)
        np.testing.assert_allclose(found.array, radius * weights / norm, atol=2e-2)
        assert found.score == pytest.approx(radius * norm, rel=1e-4)
        assert found.status == Status.OK


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_linear_target_in_a_box_ends_in_the_corner(optimizer: str) -> None:
    runs = each(2)
    low, high = np.float32([-0.3, 1.1, 5.0]), np.float32([0.7, 1e4, 5.1])
    box = Direct.box(runs, (3,), low, high)
    found = maximize(linear, "x", [unit(0), unit(1)], box, runs, Settings(256, optimizer=optimizer))
    # The third element of the first target has no weight: it stays within its bounds.
    np.testing.assert_array_equal(found[0].array[:2], [high[0], low[1]])
    np.testing.assert_array_equal(found[1].array, [high[0], high[1], low[2]])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_quadratic_ends_at_its_top(optimizer: str) -> None:
    top = torch.tensor([1.0, -2.0, 0.5])

    def hill(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"y": 7 - ((inputs["x"] - top) * torch.tensor([1.0, 3.0, 0.2])).square().sum(1, keepdim=True)}

    runs = each(3)
    for found in maximize(hill, "x", [unit(0)] * 3, Direct.free(runs, (3,)), runs, Settings(256, optimizer=optimizer)):
        np.testing.assert_allclose(found.array, top, atol=1e-2)
        assert found.score == pytest.approx(7, abs=1e-3)
        assert found.score > found.initial_score


def test_a_minus_leads_to_the_lowest_point() -> None:
    runs = each(1)
    found = maximize(linear, "x", [-unit(0)], Direct.ball(runs, (3,), radius=1.0), runs, SETTINGS)
    np.testing.assert_allclose(found[0].array, [-0.6, 0.8, 0.0], atol=2e-2)


def test_a_regularizer_moves_the_maximum() -> None:
    # The top of w.x - |x|^2 lies at w / 2.
    runs = each(1)
    free = Direct.free(runs, (3,))
    standard = Standard(FixedArray(free.middle), FixedArray(free.span))
    objective = Objective.parse("y[1] - l2(x)", ["x", "y"]).settled(Surroundings(moving="x", standard=standard))
    (found,) = maximize(linear, "x", [objective], free, runs, SETTINGS)
    np.testing.assert_allclose(found.array, WEIGHTS[1] / 2, atol=5e-3)
    weights = WEIGHTS[1].numpy()
    assert found.score == pytest.approx(weights @ weights / 4, rel=1e-4)


@pytest.mark.parametrize("transform", [None, Shift(((2, 1), (3, 1))), Affine((2, 3), 2.0)])
def test_a_picture_grows_the_pattern_it_is_asked_for(transform) -> None:
    edge = torch.where(torch.arange(36) < 18, -1.0, 1.0).expand(36, 36)

    def match(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"y": (inputs["x"][:, 0] * edge).mean((1, 2))[:, None]}

    runs = each(2)
    picture = Fourier.start(runs, (1, 36, 36), low=-1.0, high=1.0)
    found = maximize(match, "x", [unit(0)] * 2, picture, runs, SETTINGS, transform=transform)
    for ascent in found:
        # Black beside white has the highest score, 1.
        assert 0.85 < ascent.score <= 1
        score = match({"x": torch.tensor(ascent.array[None])})["y"].item()
        assert ascent.score == pytest.approx(score, rel=1e-5)


def test_what_a_network_is_blind_to_stays_as_it_was() -> None:
    rows, columns = torch.fft.fftfreq(48)[:, None].abs(), torch.fft.rfftfreq(48)[None]
    seen = (rows < 0.2) & (columns < 0.2)
    kernels = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0))

    def shortsighted(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        low = torch.fft.irfft2(torch.fft.rfft2(inputs["x"]) * seen, s=(48, 48))
        return {"y": torch.relu(torch.nn.functional.conv2d(low, kernels)).mean((2, 3))}

    runs = each(1)
    # Without a range there is no sigmoid, and no frequency stands for another.
    picture = Fourier.start(runs, (1, 48, 48))
    before = picture.variables[0].detach().clone()
    maximize(shortsighted, "x", [unit(0)], picture, runs, Settings(48))
    moved = (picture.variables[0].detach() - before)[0, 0].square().sum(2)
    assert moved[seen].mean() > 100 * moved[~seen].mean()


# Samples do not influence each other.


def curved(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network that computes each sample by itself, to the last bit."""
    x = inputs["x"].flatten(1)
    mixed = torch.stack(
        [(x * w).sum(1) for w in torch.linspace(-1, 1, 4)[:, None] * torch.cos(torch.arange(x.shape[1]))], 1
    )
    return {"y": torch.tanh(mixed).cumsum(1), "z": x.square()}


def starts(runs: list[Run], kind: str):
    if kind == "picture":
        return Fourier.start(runs, (3, 40, 36), low=0.0, high=1.0, colors="rgb")
    if kind == "signal":
        return Fourier.start(runs, (2, 33), "channel length")
    return Direct.box(runs, (6,), -2.0, 2.0)


@pytest.mark.parametrize("kind", ["picture", "signal", "vector"])
@pytest.mark.parametrize("batch_size", [None, 2, 1])
def test_a_run_does_not_depend_on_what_stands_beside_it(kind: str, batch_size: int | None) -> None:
    def ascend(runs: list[Run], size: int | None):
        parameterization = starts(runs, kind)
        transform = standard_transform(parameterization.realize().shape, parameterization.spatial)
        objectives = [unit(int(run.key)) for run in runs]
        return maximize(
            curved, "x", objectives, parameterization, runs, Settings(20), transform=transform, batch_size=size
        )

    crowd = [Run(key, restart) for key in "321" for restart in range(2)]
    together = ascend(crowd, batch_size)
    alone = ascend([crowd[3]], None)[0]
    np.testing.assert_array_equal(together[3].array, alone.array)
    np.testing.assert_array_equal(together[3].history, alone.history)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not() -> None:
    def ascend(seed: int) -> bytes:
        runs = [Run("y[1]", restart, seed) for restart in range(2)]
        picture = Fourier.start(runs, (3, 40, 40), low=0.0, high=1.0, colors="rgb")
        found = maximize(curved, "x", [unit(1)] * 2, picture, runs, Settings(8), transform=Affine((2, 3), 2.0))
        return b"".join(one.array.tobytes() + one.history.tobytes() for one in found)

    assert ascend(0) == ascend(0)
    assert ascend(0) != ascend(1)


def test_samples_of_one_objective_are_seen_together() -> None:
    met: list[int] = []

    class Counting:
        tensors = ("y",)

        def __call__(self, tensors: Mapping[str, Tensor], samples: int | None = None) -> Tensor:
            met.append(len(tensors["y"]))
            return tensors["y"][:, 0]

    runs = each(5)
    shared, own = Counting(), Counting()
    found = maximize(linear, "x", [shared, own, shared, own, shared], Direct.ball(runs, (3,)), runs, Settings(2))
    assert set(met) == {2, 3}
    for one in found:
        assert one.score == pytest.approx(linear({"x": torch.tensor(one.array[None])})["y"][0, 0].item(), rel=1e-5)


def test_a_network_with_a_fixed_batch_is_asked_once_per_sample() -> None:
    def single(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        assert inputs["x"].shape == (1, 3)
        return linear(inputs)

    runs = each(3)
    objectives = [unit(0), unit(1), unit(0)]
    one_by_one = maximize(single, "x", objectives, Direct.ball(runs, (3,)), runs, Settings(20), batch_size=1)
    at_once = maximize(linear, "x", objectives, Direct.ball(runs, (3,)), runs, Settings(20))
    for one, other in zip(one_by_one, at_once, strict=True):
        np.testing.assert_array_equal(one.array, other.array)


def test_the_input_can_be_aimed_at() -> None:
    def scaled(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"y": inputs["x"] * 3}

    runs = each(1)
    objective = unit(0) - unit(1, "x")
    (found,) = maximize(scaled, "x", [objective], Direct.box(runs, (2,), -1.0, 1.0), runs, SETTINGS)
    np.testing.assert_array_equal(found.array, [1.0, -1.0])
    assert found.score == pytest.approx(4.0)


# The end of a run.


@pytest.mark.parametrize("in_gradient", [True, False])
def test_a_sample_that_is_not_finite_harms_no_other(in_gradient: bool) -> None:
    class Poison(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x if in_gradient else torch.where(x > 0.5, torch.nan, x)

        @staticmethod
        def backward(ctx, gradient):
            return torch.where(gradient != 0, torch.nan, 0) if in_gradient else gradient

    def network(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = inputs["x"]
        return {"y": torch.stack([Poison.apply(x[:, 0]), x[:, 1]], 1)}

    runs = each(3)
    objectives = [unit(1), unit(0), unit(1)]
    found = maximize(network, "x", objectives, Direct.box(runs, (2,), -1.0, 1.0, spread=0.01), runs, SETTINGS)
    assert [one.status for one in found] == [Status.OK, Status.NOT_FINITE, Status.OK]
    assert "not a finite number" in found[1].message
    assert ("gradient" in found[1].message) == in_gradient
    assert np.isfinite(found[1].array).all()
    assert np.isfinite(found[1].score)
    assert found[1].steps < found[0].steps
    assert len(found[1].history) == found[1].steps
    assert [one.array[1] for one in found[::2]] == [1.0, 1.0]


def test_a_start_that_is_not_finite_says_so() -> None:
    runs = each(1)
    network = lambda inputs: {"y": inputs["x"] * torch.nan}  # noqa: E731  # a network in a line
    (found,) = maximize(network, "x", [unit(0)], Direct.free(runs, (2,)), runs, SETTINGS)
    assert found.status == Status.NOT_FINITE
    assert found.steps == 1
    assert np.isfinite(found.array).all()


def rectified(inputs: Mapping[str, Tensor], clip=torch.relu) -> dict[str, Tensor]:
    """The first unit is asleep below .2, the second cannot ever wake, the third is always awake."""
    x = inputs["x"][:, 0]
    return {"y": torch.stack([clip(x[:, None] - 0.2)[:, 0], clip(-x.square()[:, None] - 1)[:, 0], x], 1)}


def test_a_dead_unit_is_called_dead() -> None:
    runs = each(2)
    found = maximize(rectified, "x", [unit(1), unit(2)], Direct.box(runs, (1,), -1.0, 1.0, spread=0.01), runs, SETTINGS)
    assert found[0].status == Status.DEAD
    assert found[0].steps < found[1].steps
    assert found[1].status == Status.OK


@pytest.mark.parametrize("transform", [None, Shift((), noise=1e-3)])
def test_a_sleeping_unit_wakes_by_the_redirected_network(transform) -> None:
    runs = each(2)

    def ascend(redirected):
        box = Direct.box(runs, (1,), -1.0, 1.0, spread=0.01)
        return maximize(
            rectified, "x", [unit(0), unit(1)], box, runs, Settings(128), redirected=redirected, transform=transform
        )

    asleep, _ = ascend(None)
    assert asleep.status == Status.DEAD
    awake, dead = ascend(lambda inputs: rectified(inputs, passing_clip))
    assert awake.status == Status.OK
    assert awake.array.item() == 1.0
    assert dead.status == Status.DEAD


def test_a_start_at_the_top_makes_no_progress_and_is_not_called_dead() -> None:
    runs = [Run("y", 1)]
    peak = lambda inputs: {"y": -inputs["x"].abs()}  # noqa: E731  # a network in a line
    (found,) = maximize(peak, "x", [unit(0)], Direct.free(runs, (1,), spread=0.0), runs, SETTINGS)
    assert found.status.reported == Status.NO_PROGRESS
    (found,) = maximize(
        linear,
        "x",
        [unit(0)],
        Direct.box(runs, (3,), 0.0, [1.0, 1.0, 0.0], mean=[1.0, 0.0, 0.0], spread=0.0),
        runs,
        SETTINGS,
    )
    assert found.status.reported == Status.NO_PROGRESS


def test_a_saturated_unit_is_done_early_and_well() -> None:
    runs = each(1)
    saturating = lambda inputs: {"y": inputs["x"].clamp(max=0.5)}  # noqa: E731  # a network in a line
    (found,) = maximize(saturating, "x", [unit(0)], Direct.box(runs, (1,), -1.0, 1.0), runs, SETTINGS)
    assert found.status == Status.OK
    assert found.score == 0.5
    assert found.steps < 256


@pytest.mark.parametrize("after", [1, 20])
@pytest.mark.parametrize("transform", [None, Shift(((1, 1),))])
def test_an_interruption_keeps_the_best_so_far(after: int, transform) -> None:
    def interrupt(step: int, scores: np.ndarray) -> None:
        assert scores.shape == (2,)
        if step == after:
            raise KeyboardInterrupt

    runs = each(2)
    box = Direct.box(runs, (3,), -1.0, 1.0)
    found = maximize(linear, "x", [unit(0), unit(1)], box, runs, SETTINGS, progress=interrupt, transform=transform)
    for one in found:
        assert one.status == Status.INTERRUPTED
        assert one.steps == after == len(one.history)
        assert one.score > one.initial_score


def test_the_best_is_kept_when_the_ascent_walks_past_it() -> None:
    # A ridge narrower than a step: the last point is not the best.
    runs = each(1)
    seen: list[float] = []

    def ridge(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = inputs["x"]
        y = x - 50 * torch.relu(x - 0.3)
        seen.append(float(y.detach()[0, 0]))
        return {"y": y}

    (found,) = maximize(ridge, "x", [unit(0)], Direct.box(runs, (1,), -1.0, 1.0), runs, Constant(40))
    assert found.score == pytest.approx(max(seen))
    assert found.history[-1] < found.score
    assert ridge({"x": torch.tensor(found.array[None])})["y"].item() == pytest.approx(found.score)


def test_under_transforms_the_still_input_is_looked_at_on_the_way() -> None:
    # The gradient leads over a cliff, and the last point lies far below.
    def cliff(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = inputs["x"]
        return {"y": torch.where(x > 0.3, -9 + x, x)}

    runs = each(1)
    box = Direct.box(runs, (1,), -1.0, 1.0, spread=0.01)
    until = Fading(Shift(()), until=0.999)
    (found,) = maximize(cliff, "x", [unit(0)], box, runs, Constant(64, rate=0.02), transform=until)
    assert found.history[-2] < -8
    assert found.status == Status.OK
    assert 0.1 < found.array.item() < 0.3


def test_under_moves_that_last_the_last_input_is_the_result() -> None:
    # The still score of an earlier input is higher. The moved scores, which the ascent raises, are not.
    def ridge(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        x = inputs["x"]
        return {"y": torch.where((x > 0.15) & (x < 0.3), x + 9, x)}

    runs = each(1)
    box = Direct.box(runs, (1,), -1.0, 1.0, spread=0.01)
    (found,) = maximize(ridge, "x", [unit(0)], box, runs, Constant(64, rate=0.02), transform=Shift(()))
    assert found.array.item() > 0.6
    assert found.score == pytest.approx(found.array.item())


# Contradictory requests.


def test_an_input_that_is_not_reached_is_named() -> None:
    runs = each(1)
    fixed = lambda inputs: {"y": torch.ones(1, 1)}  # noqa: E731  # a network in a line
    with pytest.raises(DifferentiationError, match="x: no gradient"):
        maximize(fixed, "x", [unit(0)], Direct.free(runs, (1,)), runs, SETTINGS)
    weight = torch.ones(1, 1, requires_grad=True)
    with pytest.raises(DifferentiationError, match="x: no gradient"):
        maximize(lambda inputs: {"y": weight * 1}, "x", [unit(0)], Direct.free(runs, (1,)), runs, SETTINGS)


@pytest.mark.parametrize(
    ("objectives", "settings", "options", "message"),
    [
        (1, {}, {}, "1 objectives, 2 runs and 2 inputs"),
        (2, {"steps": 0}, {}, "`steps` 0, `rate` 0.1: each must be above 0"),
        (2, {"rate": float("nan")}, {}, "`rate` nan: each must be above 0"),
        (2, {}, {"batch_size": 0}, "`batch_size` 0: must be above 0"),
        (2, {"optimizer": "lbfgs"}, {"transform": Shift((), 0.1)}, "takes no random transforms"),
        (2, {"optimizer": "cma"}, {}, "`optimizer` cma: takes no gradient"),
    ],
)
def test_contradictions_are_named(objectives: int, settings: dict, options: dict, message: str) -> None:
    runs = each(2)
    with pytest.raises(UsageError, match=message):
        maximize(linear, "x", [unit(0)] * objectives, Direct.free(runs, (3,)), runs, Settings(**settings), **options)


class Lengths:
    """A network of one sample at a time, whose output is as long as the sum of its input says, and is empty below 1."""

    def __call__(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        (values,) = inputs["x"]
        return {"y": values.sum().expand(1, max(0, int(values.sum())))}


def ascents(starts: list[list[float]], steps: int = 4, text: str = "y"):
    start = Direct.free([Run(text, place, 0) for place in range(len(starts))], (2,))
    with torch.no_grad():
        start.variables[0].copy_(torch.tensor(starts))
    objective = Objective.parse(text, ["y"])
    runs = [Run(text, place, 0) for place in range(len(starts))]
    return maximize(
        Lengths(), "x", [objective] * len(starts), start, runs, Settings(steps=steps, rate=0.5), batch_size=1
    )


def test_samples_whose_outputs_have_different_lengths_are_scored_one_by_one() -> None:
    for ascent, start in zip(ascents([[1.2, 1.0], [4.0, 3.5]]), (2.2, 7.5), strict=True):
        assert ascent.initial_score == pytest.approx(start)
        assert ascent.score == pytest.approx(float(ascent.array.sum()))
        assert ascent.score > start


def test_what_compares_samples_of_different_lengths_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="different shapes"):
        ascents([[1.2, 1.0], [4.0, 3.5]], text="y - diversity(y)")


def test_an_empty_output_has_no_score_and_stops_nothing_else() -> None:
    empty, full = ascents([[0.1, 0.2], [1.0, 1.5]])
    assert empty.status == Status.NOT_FINITE
    assert np.isnan(empty.score)
    assert full.status == Status.OK
    assert full.score > 2.5
