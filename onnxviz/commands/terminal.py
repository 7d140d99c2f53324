"""All printing: data to stdout, progress and notes to stderr, with control characters from a file escaped."""

from __future__ import annotations

import contextlib
import json
import sys
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console


def visible(text: str) -> str:
    r"""Return a text with control and formatting characters escaped, since tensor names come from the file.

    Examples
    --------
    >>> visible("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(
        character
        if not unicodedata.category(character).startswith("C")
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


@dataclass(frozen=True)
class Terminal:
    """Prints the results, notes and progress of a verb.

    Attributes
    ----------
    verbose, quiet : bool
        The options -v and -q.
    """

    verbose: bool = False
    quiet: bool = False

    def emit(self, document: dict[str, Any], as_json: bool, show: Callable[[Console], None]) -> None:
        """Print the result of a verb: as a JSON document, or as `show` prints it."""
        if as_json:
            click.echo(json.dumps(_plain(document), ensure_ascii=False, allow_nan=False))
            return
        from rich.console import Console

        class Page(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # rich would exit with code 1; `cli.main` handles a closed pipe

        # A file or a pipe has no width: there, names stay whole.
        width = None if sys.stdout.isatty() else 1000
        show(Page(highlight=False, markup=False, emoji=False, soft_wrap=True, width=width))

    def note(self, text: str) -> None:
        """Print a note on stderr, unless -q is given."""
        if not self.quiet:
            from onnxviz.commands.options import spelled

            click.echo(visible(spelled(text)), err=True)

    @contextlib.contextmanager
    def progress(self, what: str, total: int) -> Iterator[Callable[[int, str], None]]:
        """Show a progress bar on stderr, if stderr is a terminal.

        Yields
        ------
        callable
            Takes the amount of finished work and a few words about it.
        """
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, markup=False, highlight=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[words]}", markup=False),
        )
        bar = Progress(*columns, console=console, transient=True, disable=self.quiet or not console.is_terminal)
        with bar:
            task = bar.add_task(visible(what), total=total, words="")
            yield lambda done, words: bar.update(task, completed=done, words=visible(words))


def grid(columns: Sequence[str], rows: Sequence[Sequence[Any]], numeric: Sequence[int] = ()) -> Any:
    """Return a table of `rich` without lines between rows; its cells are escaped."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for place, column in enumerate(columns):
        table.add_column(column, justify="right" if place in numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(str(cell))) for cell in row))
    return table


def _plain(value: Any) -> Any:
    """Return a value for strict JSON: numbers that are not finite become null."""
    from onnxviz.formats.json_documents import plain

    return plain(value)
