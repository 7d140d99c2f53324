"""The options that several verbs share, and the types that read their text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from onnxviz.analyses.listener import Listener
from onnxviz.analyses.output import Output
from onnxviz.errors import UsageError

Function = TypeVar("Function", bound=Callable[..., Any])


VERB = "onnxviz.verb"
"""The key under which a click context keeps the verb that runs."""

ASKED_OF_THE_SHELL = ("model_path", "plugins", "custom_ops", "output", "overwrite", "resume", "as_json")
"""Parameters outside a verb's request: the model with what belongs to it, and the output. All others are fields of the request with the
same name."""


def flags(verb: click.Command) -> dict[str, str]:
    """Return the flag (or the argument's name) for each field of a verb's request.

    A parameter's own name is the field's: ``--set`` is declared as `held`, ``--range`` as `value_range`.
    """
    return {
        parameter.name: parameter.human_readable_name if isinstance(parameter, click.Argument) else parameter.opts[0]
        for parameter in verb.params
        if parameter.name
    }


def spelled(text: str, context: click.Context | None = None) -> str:
    """Return a message of the library with flags in place of the parameters in backticks.

    Parameters
    ----------
    text : str
        The message, such as "`wrt` ids: holds int64".
    context : click.Context, optional
        The context that holds the verb. Default: the current context.
    """
    import re

    context = context or click.get_current_context(silent=True)
    verb = context.meta.get(VERB) if context is not None else None
    known = flags(verb) if isinstance(verb, click.Command) else {}
    return re.sub(r"`([a-z_]+)`", lambda found: known.get(found[1], found[0]), text)


def output_of(options: dict[str, Any]) -> Output:
    """Return the output folder and what happens if it exists, as -o, --overwrite and --resume say.

    Raises
    ------
    UsageError
        If the options contradict each other.
    """
    return Output(options["output"], options["overwrite"], options["resume"])


def model_of(options: dict[str, Any], listener: Listener) -> Any:
    """Return the model that a command line names: its path; if plugins or libraries are named, the loaded model.

    A note says which operators ONNX Runtime does not know.

    Raises
    ------
    UsageError, ModelError
        As `onnxviz.load` does.
    """
    path, plugins, custom_ops = (options[name] for name in ("model_path", "plugins", "custom_ops"))
    if not plugins and not custom_ops:
        return path
    import onnxviz

    model = onnxviz.load(path, plugins=plugins, custom_ops=custom_ops)
    for one in model.unconfirmed:
        name = f"{one.domain}.{one.operator}" if one.domain else one.operator
        times = "once" if one.count == 1 else f"{one.count} times"
        listener.note(f"not confirmed: {name} ({times}, first at {one.first_tensor}): {one.reason}")
    return model


def request_options(options: dict[str, Any], *data: str) -> dict[str, Any]:
    """Return the options that are fields of a verb's request: all except the model, the data and the output folder."""
    return {name: value for name, value in options.items() if name not in (*ASKED_OF_THE_SHELL, *data)}


class NamedText(click.ParamType):
    """``NAME=TEXT``; the name may contain ``=``."""

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


class Bounds(click.ParamType):
    """Two numbers for all features, or the path of a table."""

    name = "bounds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...] | str:
        """Return two numbers; if the text is anything else, return the text."""
        try:
            ends = tuple(float(part) for part in str(value).split(","))
        except ValueError:
            return str(value)
        return ends if len(ends) == 2 else str(value)


class Size(click.ParamType):
    """``224``, or ``300x400``."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        """Return the numbers, or fail with a sentence."""
        parts = str(value).lower().replace("×", "x").split("x")
        if not all(part.isdecimal() for part in parts):
            self.fail(f"'{value}' is neither a number nor a size such as 300x400", param, ctx)
        return tuple(int(part) for part in parts)


class Device(click.ParamType):
    """``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""

    name = "device"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the value, or fail with a sentence."""
        import re

        if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", str(value)):
            self.fail(f"'{value}' is none of auto, cpu, cuda, cuda:N", param, ctx)
        return str(value)


def named(names: tuple[str, ...]) -> str | tuple[str, ...] | None:
    """Return the names that an option was given: None without one, a single name as it is."""
    return (names[0] if len(names) == 1 else names) if names else None


def _size(name: str, text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--dim {name}={text}: write a whole number above 0")
    return int(text)


def _sizes(name: str, text: str) -> tuple[int, ...]:
    parts = text.lower().replace("×", "x").split("x")
    if not all(part.isdecimal() for part in parts):  # 0 is allowed: the size of an empty cache
        raise UsageError(f"--shape {name}={text}: write sizes such as 1x3x224x224")
    return tuple(int(part) for part in parts)


model_argument = click.argument("model_path", metavar="MODEL", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as a JSON document on stdout.")
_EXTENSIONS = (
    click.option(
        "--plugin",
        "plugins",
        metavar="MODULE|FILE.py",
        multiple=True,
        help="A Python module with torch functions for custom operators; may be given several times. Its code is run.",
    ),
    click.option(
        "--custom-ops",
        "custom_ops",
        metavar="LIBRARY",
        multiple=True,
        type=click.Path(path_type=Path),
        help="A shared library with which ONNX Runtime computes custom operators; may be given several times. Its code is run.",
    ),
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The seed of all random numbers. The same seed gives the same result.",
)
device_option = click.option(
    "--device",
    type=Device(),
    default="auto",
    show_default=True,
    help="auto, cpu, cuda or cuda:N; auto takes a GPU if there is one.",
)
wrt_option = click.option(
    "--wrt",
    metavar="NAME",
    multiple=True,
    callback=lambda context, parameter, names: named(names),
    help="The tensor to change: an input, or a float tensor inside the graph; given several times, inputs of shape (batch, width) "
    "that change together. [default: the first input that the targets depend on]",
)
set_option = click.option(
    "--set",
    "held",
    metavar="NAME=FILE|NUMBER|TEXT",
    multiple=True,
    type=NamedText("NAME=FILE.npy or NAME=0.5"),
    callback=lambda context, parameter, pairs: dict(pairs),
    help="Set another input to a value: a number, a text for an input of texts, or a file; may be given several times.",
)
dim_option = click.option(
    "--dim",
    "dims",
    metavar="N=SIZE",
    multiple=True,
    type=NamedText("batch=1"),
    callback=lambda context, parameter, pairs: {name: _size(name, text) for name, text in pairs},
    help="The size of a symbolic dimension; may be given several times.",
)
shape_option = click.option(
    "--shape",
    "shapes",
    metavar="NAME=1x3x224x224",
    multiple=True,
    type=NamedText("NAME=1x3x224x224"),
    callback=lambda context, parameter, pairs: {name: _sizes(name, text) for name, text in pairs},
    help="The shape of an input; may be given several times.",
)

_CONTRACT = (
    click.option(
        "--range",
        "value_range",
        metavar="LO,HI",
        type=Numbers(),
        help="The lowest and highest value of the input, in the model's own units.",
    ),
    click.option("--mean", type=Numbers(), help="The mean of the normalization, for pictures in 0 to 1."),
    click.option("--std", type=Numbers(), help="The standard deviation of the normalization, for pictures in 0 to 1."),
    click.option(
        "--layout",
        metavar="nchw|nhwc|hw",
        type=click.Choice(["nchw", "nhwc", "hw"], case_sensitive=False),
        help="The order of the axes of a picture; hw is a gray picture without an axis for channels.",
    ),
    click.option("--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="The color order of a picture."),
    click.option(
        "--kind",
        metavar="KIND",
        type=click.Choice(["image", "clip", "volume", "signal", "sequence", "points", "letters", "array"]),
        help="What the input is: image, clip (frames over time), volume, signal, sequence, points (a point cloud), letters (one-hot "
        "codes of DNA, RNA or proteins) or array. [default: read from MODEL]",
    ),
    click.option(
        "--letters",
        metavar="ACGT",
        help="The letters of one-hot codes, in the order of their axis. [default: ACGT for 4, the amino acids for 20]",
    ),
)

_OUTPUT = (
    click.option(
        "-o",
        "--output",
        "output",
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="The folder for pictures, arrays and results.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace an existing folder when the work is done."),
    click.option("--resume", is_flag=True, help="Keep the finished results in the folder and do the rest."),
)


label_option = click.option(
    "--label",
    "--color",
    "label",
    metavar="COLUMN",
    help="The column of a table, or the array of an archive, with the class of each sample; it is not a feature.",
)

classes_option = click.option(
    "--classes",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The names of the classes: a name in each line, a JSON list or object, or a table (.csv). They replace the names in MODEL.",
)

text_option = click.option(
    "--text",
    "text",
    metavar="TEXT",
    multiple=True,
    help="A text for a model of tokens, in place of a file; may be given several times. Needs pip install 'onnxviz[text]'.",
)
vocab_option = click.option(
    "--vocab",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The tokenizer of a model of tokens: tokenizer.json, vocab.txt, or a name in each line. [default: the file beside MODEL]",
)
text_column_option = click.option(
    "--text-column",
    "text_column",
    metavar="COLUMN",
    help="The column of a table that holds texts. [default: a column named like text, or the only column of text]",
)

_DATA = (
    click.option(
        "--input", "input_name", metavar="NAME", help="The input that takes the data, if the model has several."
    ),
    label_option,
    classes_option,
    text_option,
    text_column_option,
    vocab_option,
    click.option(
        "--strict",
        is_flag=True,
        help="Stop at the first sample that cannot be read. Without it, such samples are skipped.",
    ),
)


def target_option(help_text: str, required: bool = False) -> Callable[[Function], Function]:
    """Return the option -t, with this help text."""
    return click.option("-t", "--target", "targets", metavar="TARGET", multiple=True, required=required, help=help_text)


def plugin_options(function: Function) -> Function:
    """Add --plugin and --custom-ops."""
    for option in reversed(_EXTENSIONS):
        function = option(function)
    return function


def contract_options(function: Function) -> Function:
    """Add the options for the range, normalization and layout of an input."""
    for option in reversed(_CONTRACT):
        function = option(function)
    return function


def data_options(function: Function) -> Function:
    """Add --input, --label, --strict, and the options for the range, sizes and values of inputs."""
    for option in reversed((*_DATA, *_CONTRACT, set_option, dim_option, shape_option)):
        function = option(function)
    return function


def output_options(function: Function) -> Function:
    """Add -o, --overwrite and --resume."""
    for option in reversed(_OUTPUT):
        function = option(function)
    return function
