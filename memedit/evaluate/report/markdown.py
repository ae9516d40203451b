"""A result, or a comparison of two, as Markdown for a repository."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from memedit.evaluate.metrics import Figure
from memedit.evaluate.report import tables
from memedit.evaluate.report.result import Result

if TYPE_CHECKING:
    from memedit.evaluate.compare import Difference

# What would be read as markup inside a line: characters that always are, an underscore at a word's
# edge, a bracket that makes a link, an ampersand that makes an entity.
_MARKUP = re.compile(r"[\\`*<>|~$]|(?<!\w)_|_(?!\w)|\](?=[(\[:])|&(?=\w+;|#)")


def markdown_report(result: Result) -> str:
    """The result with what is needed to reproduce it."""
    parts = [f"# {_plain(result.method)} on {_plain(result.suite)}"]
    if result.description:
        parts.append(_plain(result.description))
    parts += ["Run it again:", _code(result.command)]
    for section in tables.sections(result):
        parts += [f"## {section.title}", section.note, _section(section), _definitions(section)]
    parts += ["## Cases", tables.counted(result), *_left_out(result)]
    parts += ["## What ran on what", _table(["what", "value"], tables.facts(result))]
    return "\n\n".join(part for part in parts if part) + "\n"


def markdown_comparison(differences: Sequence[Difference], *, a: str, b: str) -> str:
    """The differences of two runs as a table, one metric a row.

    Args:
        differences: What :func:`memedit.evaluate.compare.compare` found.
        a: What the first run is called.
        b: What the second is called.
    """
    columns, rows = tables.comparison(differences, a=a, b=b)
    return _table(columns, rows) + "\n"


def _section(section: tables.Section) -> str:
    columns = ["metric", *(f"k = {k}" for k in section.columns), "base", "n"]
    rows = [
        [row.name, *(_cell(one, row.about.unit) for one in row.figures), row.base, row.n]
        for row in section.rows
    ]
    return _table(columns, rows)


def _cell(figure: Figure | None, unit: str) -> str:
    value = tables.as_shown(figure.value if figure else None, unit)
    return f"{value} {tables.interval(figure, unit)}".rstrip()


def _definitions(section: tables.Section) -> str:
    """A footnote for each metric with a known definition."""
    lines = []
    for row in section.rows:
        if row.about.definition:
            words = f"{row.name}: {row.about.definition} {row.about.source}"
            lines.append(f"- {_plain(words)}")
    return "\n".join(lines)


def _left_out(result: Result) -> list[str]:
    """Tables of the failed cases and of what was dropped."""
    failed = [(one.case, one.reason) for one in result.cases.failures]
    dropped = [
        (reason, f"{drop.count:,}", ", ".join(drop.examples))
        for reason, drop in result.cases.dropped.items()
    ]
    return [
        _table(["failed case", "reason"], failed) if failed else "",
        _table(["dropped because", "count", "such as"], dropped) if dropped else "",
    ]


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    if columns[1:] in (["value"], ["reason"]):
        lines[1] = ["---"] * len(columns)
    return "\n".join(
        f"| {' | '.join(cells if cells is lines[1] else map(_plain, cells))} |" for cells in lines
    )


def _plain(words: str) -> str:
    """Words on one line that Markdown shows as they are."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(words.split()))


def _code(words: str) -> str:
    """A block of code, fenced by more backticks than the words hold in a row."""
    longest = max((len(run) for run in re.findall("`+", words)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}console\n{words}\n{fence}"
