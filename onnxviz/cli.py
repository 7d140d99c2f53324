"""The command line's door: the verbs, and the one place where an error becomes a message and an exit code."""

from __future__ import annotations

import faulthandler
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from onnxviz.commands.termination import Termination
from onnxviz.errors import OnnxvizError
from onnxviz.supervision import supervised
from onnxviz.version import __version__

_VERBS = {
    "inspect": "what is in this file, and which tensors can be aimed at",
    "verify": "is the differentiable copy the shipped model?",
    "filters": "the first layer's weights, read straight from the file",
    "maximize": "an input that drives a target as high as it will go",
    "activations": "how a real input activates a tensor",
    "examples": "the samples of a data set that drive a target most, and least",
    "embed": "how a data set lies in the space of a tensor, on a plane",
    "attribute": "which parts of a real input drive a target",
    "report": "everything above in one page, offline, resumable",
}


class _Verbs(click.Group):
    """Imports a verb when it is asked for, so that ``--help`` costs nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = getattr(importlib.import_module(f"onnxviz.commands.{cmd_name}"), cmd_name)
        if not isinstance(command, click.Command):
            return None
        from onnxviz.commands.options import VERB

        ctx.meta[VERB] = command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(_VERBS.items()))


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-v", "--verbose", is_flag=True, help="Say more on stderr; show tracebacks of unexpected errors.")
@click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
@click.version_option(__version__, prog_name="onnxviz")
@click.pass_context
def onnxviz(ctx: click.Context, verbose: bool, quiet: bool) -> None:
    """Show what an exported neural network has learned, from its ONNX file alone.

    \b
    Example:
      onnxviz maximize sample_models/digits.onnx -t 'logits[7]' -o seven
    """
    from onnxviz.commands.terminal import Terminal

    if verbose and quiet:
        raise click.UsageError("-v and -q contradict each other")
    ctx.obj = Terminal(verbose=verbose, quiet=quiet)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    Exit codes: 0 done, 1 the model or the data cannot be handled, 2 wrong usage, 3 a check failed, 130 interrupted (Ctrl-C),
    143 terminated (SIGTERM).
    """
    sys.exit(command_line(sys.argv[1:] if arguments is None else arguments))


def command_line(words: Sequence[str]) -> int:
    """Run the command line in a process of its own, whose death is told of, and return its exit code."""

    def work() -> int:
        if _verbose(words):
            faulthandler.enable()
        keep_freed_memory()
        return run(words)

    return supervised(work, lambda sentence: _fail(sentence, 1))


def keep_freed_memory() -> None:
    """Have the process keep what it frees for what it needs next, where the C library is GNU's.

    A pass through a network frees and wants the same hundreds of megabytes over and over. Given back to the system each time they
    come anew page by page: a sheet of 64 units took 31 s so, and 27 s without, at a tenth more memory.
    """
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    allocator = getattr(ctypes.CDLL(None), "mallopt", None)
    if allocator is not None:
        # <malloc.h>: what is large comes from the heap as well (M_MMAP_MAX), whose end is not given back (M_TRIM_THRESHOLD).
        allocator(-4, 0)
        allocator(-1, 2**31 - 1)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    In the main thread, SIGTERM ends a run as Ctrl-C does, with exit code 143. Afterwards the former handler is back.
    """
    with Termination() as termination:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        except (KeyboardInterrupt, click.Abort):
            return _fail("terminated", 143) if termination.came else _fail("interrupted", 130)


def _run(words: list[str]) -> int:
    """Run the command line; every error but an interruption becomes a message and an exit code."""
    context: click.Context | None = None
    try:
        # Not `onnxviz.main`: it would turn a closed pipe into a failure before it could be told from one.
        with onnxviz.make_context("onnxviz", list(words)) as context:
            result: Any = onnxviz.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except OnnxvizError as error:
        return _fail(str(error), error.exit_code, context)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        raise
    except BrokenPipeError:
        # The reader of a pipe has gone (head, say): nothing is left to be said, not even at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except MemoryError:
        return _fail("out of memory: aim at fewer tensors or a smaller input", 1)
    except OSError as error:
        return _fail(f"{error.filename or 'a file'}: {error.strerror or error}", 1)
    except Exception as error:
        if _verbose(words):
            raise
        what = (str(error).strip().splitlines() or [""])[0]
        return _fail(
            f"unexpected {type(error).__name__}: {what}\nThis is a fault of onnxviz, not yours; 'onnxviz -v …' shows where.",
            1,
        )
    return result if isinstance(result, int) else 0


def _verbose(words: Sequence[str]) -> bool:
    return "-v" in words[:2] or "--verbose" in words[:2]


def _fail(message: str, code: int, context: click.Context | None = None) -> int:
    from onnxviz.commands.options import spelled
    from onnxviz.commands.terminal import visible

    lines = spelled(message, context).splitlines()
    click.echo("onnxviz: " + "\n".join(visible(line) for line in lines), err=True)
    return code
