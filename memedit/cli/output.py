"""Printing: results on stdout, as tables or JSON; everything else on stderr."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

# Tables in a pipe are for reading too; they are not squeezed into 80 columns.
_PIPE_WIDTH = 160


def stdout() -> Console:
    """The console of results."""
    from rich.console import Console

    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(width=wide, highlight=False, soft_wrap=False)


def stderr() -> Console:
    """The console of messages and progress."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def printable(text: str) -> str:
    """The text without control characters, which could steer the terminal."""
    return "".join(ch for ch in text if ch in "\n\t" or unicodedata.category(ch) != "Cc")


def say(text: str) -> None:
    """A result as plain text on stdout."""
    typer.echo(printable(text))


def note(text: str) -> None:
    """A message on stderr."""
    stderr().print(printable(text), style="dim", markup=False, soft_wrap=True)


def fail(text: str) -> None:
    """What went wrong, on stderr."""
    stderr().print(printable(text), style="red", markup=False, soft_wrap=True)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None
) -> None:
    """Rows on stdout; cells are shown as they are, never read as markup."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    made = Table(*columns, title=title, box=box.SIMPLE, title_justify="left", pad_edge=False)
    for row in rows:
        made.add_row(*(Text("" if cell is None else printable(str(cell))) for cell in row))
    stdout().print(made)


def as_json(value: object) -> None:
    """A value on stdout as JSON."""
    typer.echo(json.dumps(jsonable(value), ensure_ascii=False, indent=2))


def jsonable(value: Any) -> Any:
    """Records, edits, times and paths as what JSON knows."""
    if hasattr(value, "to_dict"):
        return jsonable(value.to_dict())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: jsonable(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [jsonable(item) for item in value]
    if isinstance(value, (dt.date, dt.datetime)):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


@contextmanager
def working(text: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; silent where stderr is no terminal."""
    with stderr().status(text):
        yield


@contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress bar on stderr; gives the function to call with the number of items done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = stderr()
    with Progress(
        *columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(text, total=total)
        yield lambda done: bar.advance(task, done)
