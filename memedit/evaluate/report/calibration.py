"""A namespace's calibration: the reliability diagram, and a page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup

from memedit.evaluate.metrics.scope import BINS
from memedit.evaluate.report import plots
from memedit.evaluate.report.html import page_template, read_asset
from memedit.evaluate.report.result import Bin

Row = Sequence[object]


def reliability(judged: Iterable[tuple[float, bool]]) -> tuple[Bin, ...]:
    """The bins of the reliability diagram that hold a query (Guo et al. 2017, arXiv 1706.04599).

    Args:
        judged: Probabilities, each with whether the surest edit is right to answer.
    """
    rows = np.array([(p, right) for p, right in judged], dtype=np.float64).reshape(-1, 2)
    edges = np.arange(BINS + 1) / BINS
    place = np.clip(np.searchsorted(edges, rows[:, 0], side="left") - 1, 0, BINS - 1)
    return tuple(
        Bin(
            low=float(edges[i]),
            high=float(edges[i + 1]),
            n=len(inside),
            confidence=float(inside[:, 0].mean()),
            accuracy=float(inside[:, 1].mean()),
        )
        for i in range(BINS)
        if len(inside := rows[place == i])
    )


def calibration_page(
    title: str, facts: Iterable[tuple[str, str]], bins: Sequence[Bin], likely: Sequence[Row]
) -> str:
    """The calibration as HTML.

    Args:
        title: The heading.
        facts: Names and words of the figures.
        bins: From :func:`reliability`.
        likely: Queries of the traffic that are probably in scope: probability, query, edit.

    Raises:
        ReportError: matplotlib is not installed.
    """
    return page_template("calibration.html.j2").render(
        title=title,
        facts=list(facts),
        reliability=plots.reliability_diagram(bins),
        likely=likely,
        style=Markup(read_asset("report.css")),  # our own words, not data
    )
