"""What the HTML report draws: score against k, calibration, latency, relations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from memedit.evaluate.report import svg
from memedit.evaluate.report.result import Bin, Result
from memedit.evaluate.report.tables import as_shown, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_RELATIONS = 40
RELATION_METRICS = ("reliability", "generalization", "locality")
_MOST_PANELS = 6
_PANELS_FIRST = (
    "reliability", "generalization", "locality", "score", "portability", "multihop.any",
    "scope.recall", "scope.false_fire", "seconds_per_query",
)  # fmt: skip
_LONGEST_NAME = 24  # characters of a relation's name


@dataclass(frozen=True)
class Plot:
    """A drawing with its heading.

    Attributes:
        title: The heading.
        svg: The ``<svg>`` element.
        note: How the figure is measured; may be empty.
    """

    title: str
    svg: str
    note: str = ""


def against_k(result: Result) -> list[Plot]:
    """One drawing a metric: its figure and interval at each k, and the unedited model's.

    Empty where fewer than two k were run.
    """
    ks = [k for k in result.k if result.at(k)]
    if len(ks) < 2:
        return []
    names = [name for name in result.at(ks[-1]) if all(name in result.at(k) for k in ks)]
    order = {name: place for place, name in enumerate(_PANELS_FIRST)}
    names = sorted(names, key=lambda name: order.get(name, len(order)))[:_MOST_PANELS]
    return [_against_k(result, ks, name, f"k{place}") for place, name in enumerate(names)]


def reliability_diagram(bins: Sequence[Bin]) -> Plot | None:
    """Accuracy against scope probability over a histogram; None without a routed query.

    Guo et al. 2017 (arXiv 1706.04599, figure 1).
    """
    bins = [b for b in bins if b.n]
    if not bins:
        return None

    def draw(figure: Figure) -> None:
        top, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.plot([0, 1], [0, 1], color=svg.BASE, linestyle="--", linewidth=1)
        confidence, accuracy = [b.confidence for b in bins], [b.accuracy for b in bins]
        top.plot(confidence, accuracy, color=svg.ACCENT, marker="o", markersize=5)
        top.set_ylim(-0.03, 1.03)
        top.set_ylabel("right edit ought to fire")
        edges, counts = [b.low for b in bins], [b.n for b in bins]
        widths = [b.high - b.low for b in bins]
        below.bar(edges, counts, widths, align="edge", color=svg.ACCENT, alpha=0.45)
        below.set_yscale("log")
        below.set_ylim(0.7, max(counts) * 6)
        for one in bins:
            place = ((one.low + one.high) / 2, one.n)
            below.annotate(f"{one.n:,}", place, (0, 2), textcoords="offset points", ha="center",
                           fontsize=7)  # fmt: skip
        below.set_ylabel("queries")
        below.tick_params(axis="y", which="both", left=False, labelleft=False)
        below.grid(False, axis="y")
        below.set_xlabel("scope probability")
        below.set_xlim(-0.02, 1.02)

    label = "Share of queries where the surest edit ought to fire, by scope probability."
    return Plot("Calibration of the scope probability", svg.inline_svg(
        draw, size=(4.2, 3.8), name="reliability", label=label))  # fmt: skip


def latency(seconds: Sequence[float]) -> Plot | None:
    """Histogram of what single queries took; None without one."""
    if not seconds:
        return None
    svg.require_matplotlib()
    from matplotlib.ticker import LogLocator, NullFormatter

    unit, scale = ("ms", 1000.0) if np.median(seconds) < 1 else ("s", 1.0)
    times = np.asarray(seconds, float) * scale
    median, late = np.percentile(times, (50, 95))
    least = max(times.min(), times.max() / 1e6)
    wide = times.max() > 20 * least
    edges = np.geomspace(least, times.max(), 31).tolist() if wide else 30

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.hist(np.maximum(times, least), bins=edges, color=svg.ACCENT, alpha=0.6)
        if wide:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.xaxis.set_major_formatter("{x:,g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        for value, style, words in ((median, "-", "median"), (late, "--", "95th percentile")):
            text = f"{words} {value:.3g} {unit}"
            axes.axvline(value, color=svg.INK, linestyle=style, linewidth=1, label=text)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), fontsize=8)
        axes.set_xlabel(f"time of a query, {unit}")
        axes.set_ylabel("queries")

    label = f"Histogram of query times; median {median:.3g} {unit}."
    return Plot("Latency", svg.inline_svg(draw, size=(4.2, 3.2), name="latency", label=label))


def relations(by_relation: Mapping[str, Mapping[str, tuple[float, int]]]) -> Plot | None:
    """Heat map of relations by metric, the most frequent first; None without one.

    At most :data:`MOST_RELATIONS` have a row; the others share the last one.
    """
    names = [n for n in RELATION_METRICS if any(n in row for row in by_relation.values())]
    if not names:
        return None
    rows = relation_rows(by_relation)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for y, (_, values) in enumerate(rows):
            for x, name in enumerate(names):
                _cell(axes, x, y, values.get(name))
        axes.set_xlim(-0.5, len(names) - 0.5)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xticks(range(len(names)), names)
        axes.set_yticks(range(len(rows)), [_short(name) for name, _ in rows])
        axes.xaxis.tick_top()
        axes.grid(False)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)

    size = (4.4, 0.55 + 0.24 * len(rows))
    label = f"Heat map of {len(by_relation)} relations by {', '.join(names)}."
    return Plot("Relations", svg.inline_svg(draw, size=size, name="relations", label=label))


def relation_rows(
    by_relation: Mapping[str, Mapping[str, tuple[float, int]]],
) -> list[tuple[str, dict[str, tuple[float, int]]]]:
    """The heat map's rows: a name, and each metric's mean and number of observations."""

    def frequency(name: str) -> int:
        return max((n for _, n in by_relation[name].values()), default=0)

    names = sorted(by_relation, key=lambda name: (-frequency(name), name))
    shown, rest = names[:MOST_RELATIONS], names[MOST_RELATIONS:]
    rows = [(name or "(no relation)", dict(by_relation[name])) for name in shown]
    if rest:
        rows.append((f"{len(rest)} others", _pooled([by_relation[name] for name in rest])))
    return rows


def _pooled(rows: Sequence[Mapping[str, tuple[float, int]]]) -> dict[str, tuple[float, int]]:
    """Each metric's mean over all observations of several relations."""
    pooled = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        cells = [row[name] for row in rows if name in row]
        n = sum(count for _, count in cells)
        if n:
            pooled[name] = (sum(value * count for value, count in cells) / n, n)
    return pooled


def _against_k(result: Result, ks: Sequence[str], name: str, prefix: str) -> Plot:
    figures = [result.at(k)[name] for k in ks]
    about = describe(name)
    unit = about.unit
    scale = 100.0 if unit == "share" else 1.0

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        places = range(len(ks))
        values = np.array([f.value for f in figures]) * scale
        low = np.array([f.low for f in figures]) * scale
        high = np.array([f.high for f in figures]) * scale
        axes.fill_between(places, low, high, color=svg.ACCENT, alpha=0.2, linewidth=0)
        reach = np.maximum([values - low, high - values], 0)
        axes.errorbar(places, values, reach, color=svg.ACCENT, marker="o", markersize=4, capsize=3)
        based = [(x, f.base * scale) for x, f in zip(places, figures, strict=True)
                 if f.base is not None]  # fmt: skip
        if based:
            axes.plot(*zip(*based, strict=True), color=svg.BASE, linestyle="--", linewidth=1.5)
        if about.better == "lower":  # what ought to be small is best seen at its own scale
            axes.set_ylim(bottom=0)
        elif unit == "share":
            axes.set_ylim(-3, 103)
        axes.set_xticks(places, ks)
        axes.set_xlim(-0.3, len(ks) - 0.7)
        axes.set_xlabel("live edits (k)")
        axes.set_ylabel("%" if unit == "share" else unit)

    points = ", ".join(f"k={k}: {as_shown(f.value, unit)}"
                       for k, f in zip(ks, figures, strict=True))  # fmt: skip
    drawn = svg.inline_svg(draw, size=(2.9, 2.2), name=prefix, label=f"{name} by k: {points}.")
    return Plot(name, drawn, about.measured)


def _cell(axes: Axes, x: int, y: int, value: tuple[float, int] | None) -> None:
    from matplotlib.patches import Rectangle

    if value is None:
        axes.text(x, y, "–", ha="center", va="center", color=svg.MUTED, fontsize=8)
        return
    share, n = value
    # The page's text color stays legible on at most this much of its accent color.
    strength = 0.6 * min(max(share, 0.0), 1.0)
    box = Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, facecolor=svg.ACCENT, alpha=strength)
    axes.add_patch(box)
    axes.text(x, y, f"{100 * share:.1f} % ({n:,})", ha="center", va="center", fontsize=8)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
