"""A result, or a comparison of two, for the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from memedit.evaluate.metrics import Figure
from memedit.evaluate.report import tables
from memedit.evaluate.report.result import Result

if TYPE_CHECKING:
    from memedit.evaluate.compare import Difference

_MOST_FAILED = 10


def terminal_report(result: Result) -> RenderableType:
    """What ran, the figures by the way they are measured, and what failed or was dropped."""
    parts: list[RenderableType] = [_text(f"{result.method} on {result.suite}", "bold")]
    about = (
        f"{result.model.name} in {result.model.form} form, {result.data.name} "
        f"({result.data.path}), {result.way}, seed {result.seed}, "
        f"{tables.duration(result.seconds)}"
    )
    parts.append(_text(about, "dim"))
    parts += [_section(section) for section in tables.sections(result)]
    parts.append(_text(tables.counted(result)))
    parts += _failed(result)
    parts += [
        _text(f"  {drop.count:,} dropped: {reason}", "dim")
        for reason, drop in result.cases.dropped.items()
    ]
    parts.append(_text(f"Run it again: {result.command}", "dim"))
    return Group(*parts)


def terminal_comparison(differences: Sequence[Difference], *, a: str, b: str) -> RenderableType:
    """The differences of two runs, one metric a row.

    To fit a terminal it leaves out which test was made and its unadjusted p; Markdown has both.

    Args:
        differences: What :func:`memedit.evaluate.compare.compare` found.
        a: What the first run is called.
        b: What the second is called.
    """
    columns, rows = tables.comparison(differences, a=a, b=b)
    shown = [place for place, column in enumerate(columns) if column not in ("p", "test")]
    short = {f"{a} - {b}": "difference", "no difference shown": "none shown"}
    table = _table(f"{a} against {b}", [short.get(columns[i], columns[i]) for i in shown])
    for row in rows:
        table.add_row(*(_text(short.get(row[i], row[i])) for i in shown))
    return table


def _section(section: tables.Section) -> RenderableType:
    table = _table(section.title, ["metric", *(f"k = {k}" for k in section.columns), "base", "n"])
    for row in section.rows:
        cells = [_cell(figure, row.about.unit) for figure in row.figures]
        table.add_row(_text(row.name), *cells, _text(row.base), _text(row.n))
    if not section.note:
        return table
    return Group(table, _text(section.note, "dim italic"), _text(""))


def _cell(figure: Figure | None, unit: str) -> Text:
    value = tables.as_shown(figure.value if figure else None, unit)
    return Text.assemble(value, (f" {tables.interval(figure, unit)}".rstrip(), "dim"))


def _failed(result: Result) -> list[RenderableType]:
    failures = result.cases.failures
    shown: list[RenderableType] = [
        _text(f"  {one.case} failed: {one.reason}", "red") for one in failures[:_MOST_FAILED]
    ]
    if len(failures) > _MOST_FAILED:
        shown.append(_text(f"  and {len(failures) - _MOST_FAILED:,} more failed", "red"))
    return shown


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=_text(title, "bold"), title_justify="left", box=box.SIMPLE, pad_edge=False)
    for place, column in enumerate(columns):
        # Where it is narrow, figures wrap before the names that say what they are are cut.
        table.add_column(
            _text(column), justify="left" if place == 0 else "right", no_wrap=place == 0
        )
    return table


def _text(words: str, style: str = "") -> Text:
    """Words as they are: no markup, and no control characters that steer the terminal."""
    return Text("".join(ch for ch in words if unicodedata.category(ch) != "Cc"), style=style)
