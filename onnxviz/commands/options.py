"""Every option that more than one verb has, once, and what its text means."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from onnxviz.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

    from onnxviz.contract import InputContract
    from onnxviz.model.model import Model

Function = TypeVar("Function", bound=Callable[..., Any])


class NamedText(click.ParamType):
    """``NAME=TEXT``; the name may itself hold ``=``."""

    name = "name=value"

    def __init__(self, example: str) -> None:
        self.example = example

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the value, or fail with a sentence."""
        if isinstance(value, tuple):
            return value[0], value[1]
        name, sign, text = str(value).rpartition("=")
        if not sign or not name or not text:
            self.fail(f"'{value}' is not of the form {self.example}", param, ctx)
        return name, text


class Numbers(click.ParamType):
    """Numbers separated by commas."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Return the value, or fail with a sentence."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            self.fail(f"'{value}' is no list of numbers such as 0.485,0.456,0.406", param, ctx)


class Device(click.ParamType):
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail with a sentence."""
        import re

        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", str(value)):
            self.fail(f"'{value}' is none of auto, cpu, cuda, cuda:N", param, ctx)
        return str(value)


model_argument = click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same result."
)
device_option = click.option(
    "--device", type=Device(), default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."
)
wrt_option = click.option(
    "--wrt",
    metavar="NAME",
    help="The tensor that moves: an input, or any float tensor inside the graph. [default: the only float input]",
)
set_option = click.option(
    "--set",
    "held",
    metavar="NAME=FILE|NUMBER",
    multiple=True,
    type=NamedText("NAME=FILE.npy or NAME=0.5"),
    help="Hold another input at a value.",
)
dim_option = click.option(
    "--dim", "dims", metavar="N=SIZE", multiple=True, type=NamedText("batch=1"), help="Settle a symbolic size."
)
shape_option = click.option(
    "--shape",
    "shapes",
    metavar="NAME=1x3x224x224",
    multiple=True,
    type=NamedText("NAME=1x3x224x224"),
    help="Settle an input's whole shape.",
)

_CONTRACT = (
    click.option(
        "--range", "value_range", metavar="LO,HI", type=Numbers(), help="The input's range, in the model's own units."
    ),
    click.option(
        "--mean", type=Numbers(), help="The mean that the model's input was normalized with, of pictures in 0 to 1."
    ),
    click.option("--std", type=Numbers(), help="The standard deviation that it was normalized with."),
    click.option(
        "--layout",
        metavar="nchw|nhwc",
        type=click.Choice(["nchw", "nhwc"], case_sensitive=False),
        help="The order of a picture's axes.",
    ),
    click.option("--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="What a picture's channels are."),
)

_OUTPUT = (
    click.option(
        "-o",
        "--output",
        "output",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Write pictures, arrays and results into this folder.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace the folder if it exists, once the work is done."),
    click.option("--resume", is_flag=True, help="Keep what is finished in the folder and do the rest."),
)


label_option = click.option(
    "--label",
    "--color",
    "label",
    metavar="COLUMN",
    help="A table's column, or an archive's array, that names the samples' classes and is no feature.",
)

_DATA = (
    click.option("--input", "input_name", metavar="NAME", help="Which input the data is for, where there are several."),
    label_option,
    click.option(
        "--strict", is_flag=True, help="Stop at the first sample that cannot be read, instead of passing it over."
    ),
)


def target_option(help_text: str, required: bool = False) -> Callable[[Function], Function]:
    """Return the option -t."""
    return click.option("-t", "--target", "targets", metavar="TARGET", multiple=True, required=required, help=help_text)


def contract_options(function: Function) -> Function:
    """Add the options that say what an input expects."""
    for option in reversed(_CONTRACT):
        function = option(function)
    return function


def data_options(function: Function) -> Function:
    """Add --input, --label, --strict, and all that settles an input: range, sizes, inputs held."""
    for option in reversed((*_DATA, *_CONTRACT, set_option, dim_option, shape_option)):
        function = option(function)
    return function


def output_options(function: Function) -> Function:
    """Add -o, --overwrite and --resume."""
    for option in reversed(_OUTPUT):
        function = option(function)
    return function


def check_output(output: Path | None, overwrite: bool, resume: bool) -> None:
    """Raise if the output options contradict each other.

    Raises
    ------
    UsageError
    """
    if overwrite and resume:
        raise UsageError("--overwrite starts anew and --resume goes on: give one of them")
    if output is None and (overwrite or resume):
        raise UsageError(f"{'--overwrite' if overwrite else '--resume'} needs a folder: -o DIR")


def read_sizes(
    dims: tuple[tuple[str, str], ...], shapes: tuple[tuple[str, str], ...], model: Model
) -> tuple[dict[str, int], dict[str, tuple[int, ...]]]:
    """Return the sizes that --dim and --shape settle.

    Raises
    ------
    UsageError
        If a text is no size, or the name is unknown.
    """
    known = {size for info in model.inputs.values() for size in info.shape or () if isinstance(size, str)}
    settled: dict[str, int] = {}
    for name, text in dims:
        if not text.isdecimal() or int(text) < 1:
            raise UsageError(f"--dim {name}={text}: write a whole number above 0")
        if name not in known:
            raise UsageError(
                f"--dim {name}={text}: {model.name} has no size of that name; it has {', '.join(sorted(known)) or 'none'}"
            )
        settled[name] = int(text)
    whole: dict[str, tuple[int, ...]] = {}
    for name, text in shapes:
        parts = text.lower().replace("×", "x").split("x")
        if not all(part.isdecimal() for part in parts):  # 0 is a size too: of a cache that is still empty
            raise UsageError(f"--shape {name}={text}: write sizes such as 1x3x224x224")
        if name not in model.inputs:
            raise UsageError(
                f"--shape {name}={text}: {model.name} has no such input; its inputs are {', '.join(model.inputs)}"
            )
        whole[name] = tuple(int(part) for part in parts)
    return settled, whole


def read_held(
    held: tuple[tuple[str, str], ...], model: Model, dims: dict[str, int], shapes: dict[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Return the arrays that --set gives; a number fills the input's whole shape.

    Raises
    ------
    UsageError
        If a name is unknown or a text is neither a number nor a file.
    DataError
        If a file cannot be read.
    """
    import numpy as np

    from onnxviz.model.expectations.sample_inputs import settled_shape

    values: dict[str, np.ndarray] = {}
    for name, text in held:
        if name not in model.tensors:
            raise UsageError(
                f"--set {name}={text}: {model.name} has no such tensor; its inputs are {', '.join(model.inputs)}"
            )
        try:
            number = float(text)
        except ValueError:
            from onnxviz.formats.samples import read_sample

            if not Path(text.partition("::")[0]).exists():
                raise UsageError(f"--set {name}={text}: neither a number nor a file that exists") from None
            values[name] = np.asarray(read_sample(text).array)
            continue
        values[name] = np.full(settled_shape(model, name, dims, shapes), number)
    return values


def refine_contract(
    found: InputContract,
    value_range: tuple[float, ...] | None,
    mean: tuple[float, ...] | None,
    std: tuple[float, ...] | None,
    layout: str | None,
    channels: str | None,
) -> InputContract:
    """Put what the user says above what the file says.

    Raises
    ------
    UsageError
        If the options contradict each other.
    """
    if value_range is not None or mean is not None:
        # What the user says replaces what was assumed.
        found = replace(found, evidence=tuple(note for note in found.evidence if "assumed" not in note))
    if value_range is not None:
        if len(value_range) != 2 or not value_range[0] < value_range[1]:
            raise UsageError("--range wants two numbers, the smaller first: --range 0,255")
        found = found.with_note(
            f"--range: {value_range[0]:g} to {value_range[1]:g}", low=value_range[:1], high=value_range[1:]
        )
    if (mean is None) != (std is None):
        raise UsageError("--mean and --std belong together: give both")
    if mean is not None and std is not None:
        if value_range is not None:
            raise UsageError("--range is in the model's own units, --mean and --std make them: give one or the other")
        if len(mean) != len(std) or any(one <= 0 for one in std):
            raise UsageError("--mean and --std want as many numbers as each other, and deviations above 0")
        top = 255.0 if max(mean) > 1.5 else 1.0
        low = tuple((0 - m) / s for m, s in zip(mean, std, strict=True))
        high = tuple((top - m) / s for m, s in zip(mean, std, strict=True))
        found = found.with_note(f"--mean and --std, of pictures in 0 to {top:g}", low=low, high=high)
    if layout is not None:
        axes = ("channel", "height", "width") if layout.lower() == "nchw" else ("height", "width", "channel")
        if len(found.shape) not in (0, 4):
            raise UsageError(f"--layout {layout}: {found.name} has {len(found.shape)} axes, not 4")
        size = found.shape[1 + axes.index("channel")] if found.shape else None
        if isinstance(size, int) and len(found.low) not in (0, 1, size):
            raise UsageError(
                f"--layout {layout}: {found.name} would have {size} channels, but its range has {len(found.low)} numbers, one "
                "for each channel; check the layout, or give --range"
            )
        color = {1: "gray", 3: "rgb"}.get(size) if isinstance(size, int) else None
        found = found.with_note(f"--layout: {layout.lower()}", kind="image", axes=axes, color=color)
    if channels is not None:
        size = found.shape[1 + found.axes.index("channel")] if "channel" in found.axes and found.shape else None
        wanted = 1 if channels == "gray" else 3
        if isinstance(size, int) and size != wanted:
            raise UsageError(f"--channels {channels}: {found.name} has {size} channels, not {wanted}")
        found = found.with_note(f"--channels: {channels}", color=channels)
    return found
