"""Heat maps and curves of effects by layer: as SVG for a page, and as one PNG."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from memedit.evaluate.report import svg
from memedit.evaluate.report.plots import Plot
from memedit.evaluate.tracing.averages import Averages, Curve
from memedit.trace import GROUPS, KINDS, Trace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_ON_PAPER = {svg.ACCENT: "#2467b3", svg.BASE: "#b8560b", svg.INK: "#1b1f24"}
_LONGEST = 18  # characters of a row's label


@dataclass(frozen=True)
class HeatMap:
    """Effects by row and layer.

    Attributes:
        title: What was put back.
        rows: The rows' labels.
        values: ``[rows, layers]``.
        subject: Which rows are the subject's; their labels are marked.
    """

    title: str
    rows: tuple[str, ...]
    values: npt.NDArray[np.float64]
    subject: frozenset[int] = frozenset()

    @property
    def most(self) -> float:
        """The largest value, either way."""
        return float(np.nanmax(np.abs(self.values)))


def maps_of(trace: Trace) -> list[HeatMap]:
    """A prompt's effects by token, one map a part."""
    asked = trace.prompt
    subject = frozenset(range(asked.first, asked.last + 1))
    rows = tuple(asked.tokens)
    return [HeatMap(KINDS[part], rows, trace.effects(part), subject) for part in trace.restored]


def average_maps(came: Averages) -> list[HeatMap]:
    """Average effects by group of tokens, one map a part."""
    return [
        HeatMap(
            KINDS[part],
            tuple(group for group in GROUPS if group in curves),
            np.array([curves[group].values for group in GROUPS if group in curves]),
            frozenset(i for i, group in enumerate(g for g in GROUPS if g in curves) if i < 3
                      and "subject token" in group),
        )
        for part, curves in came.effects.items()
        if curves
    ]  # fmt: skip


def map_plots(maps: Sequence[HeatMap], what: str) -> list[Plot]:
    """Each map as SVG, with its scale in words.

    Raises:
        ReportError: matplotlib is not installed.
    """
    found = []
    for place, one in enumerate(maps):
        size = (4.6, 0.75 + 0.22 * len(one.rows))
        label = f"Heat map of {what} with {one.title} put back, by token and layer."
        drawn = svg.inline_svg(
            partial(_heat_alone, one),
            size=size,
            name=f"map{place}",
            label=label,
        )
        found.append(Plot(one.title, drawn, f"full color: {one.most:.3g}"))
    return found


def curve_plots(came: Averages) -> list[Plot]:
    """Averages by layer with intervals: last subject token and last token, one drawing a part."""
    found = []
    for place, (part, curves) in enumerate(came.effects.items()):
        chosen = {
            group: curves[group]
            for group in ("last subject token", "last token")
            if group in curves
        }
        if chosen:
            label = f"Average indirect effect by layer with {KINDS[part]} put back."
            drawn = svg.inline_svg(
                partial(_curves_alone, chosen),
                size=(3.4, 2.4),
                name=f"curve{place}",
                label=label,
            )
            found.append(Plot(KINDS[part], drawn))
    return found


def png(maps: Sequence[HeatMap], title: str, *, columns: int | None = None) -> bytes:
    """All maps as a PNG, on white.

    Args:
        maps: The maps.
        title: What stands above them.
        columns: How many stand side by side; all where None.

    Raises:
        ReportError: matplotlib is not installed.
    """
    svg.require_matplotlib()
    import matplotlib
    from matplotlib.figure import Figure

    written = io.BytesIO()
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams["text.parse_math"] = False  # tokens may hold dollar signs
        across = columns or len(maps)
        down = -(-len(maps) // across)
        most = max(len(one.rows) for one in maps)
        figure = Figure(
            figsize=(4.4 * across, 0.6 + down * (0.7 + 0.22 * most)), layout="constrained"
        )
        figure.suptitle(title, fontsize=10)
        places = figure.subplots(down, across, squeeze=False).ravel()
        for axes in places[len(maps) :]:
            axes.set_axis_off()
        for axes, one in zip(places, maps, strict=False):
            _heat(axes, one, _ON_PAPER)
            axes.set_title(f"{one.title} (full color: {one.most:.3g})", fontsize=9)
        figure.savefig(written, format="png", dpi=150, metadata={"Software": None})
    return written.getvalue()


def _heat_alone(one: HeatMap, figure: Figure) -> None:
    _heat(figure.subplots(), one, {})


def _curves_alone(chosen: Mapping[str, Curve], figure: Figure) -> None:
    _curves(figure.subplots(), chosen)


def _heat(axes: Axes, one: HeatMap, palette: Mapping[str, str]) -> None:
    from matplotlib.patches import Rectangle

    rows, layers = one.values.shape
    scale = one.most or 1.0
    for (y, x), value in np.ndenumerate(one.values):
        color = svg.ACCENT if value >= 0 else svg.BASE
        strength = abs(value) / scale
        if strength > 0.01:
            box = Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=palette.get(color, color),
                            alpha=strength, linewidth=0)  # fmt: skip
            axes.add_patch(box)
    axes.set_xlim(-0.5, layers - 0.5)
    axes.set_ylim(rows - 0.5, -0.5)
    labels = [_label(row, marked=y in one.subject) for y, row in enumerate(one.rows)]
    axes.set_yticks(range(rows), labels)
    axes.tick_params(length=0, labelsize=8)
    axes.set_xlabel("layer", fontsize=8)
    axes.grid(False)


def _curves(axes: Axes, chosen: Mapping[str, Curve]) -> None:
    colors = {"last subject token": svg.ACCENT, "last token": svg.BASE}
    for group, curve in chosen.items():
        layers = range(len(curve.values))
        axes.fill_between(layers, curve.low, curve.high, color=colors[group], alpha=0.2,
                          linewidth=0)  # fmt: skip
        axes.plot(layers, curve.values, color=colors[group], label=group)
    axes.legend(frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    axes.set_xlabel("layer")
    axes.set_ylabel("probability")


def _label(row: str, *, marked: bool) -> str:
    words = " ".join(row.split()) or repr(row)
    words = words if len(words) <= _LONGEST or " " in words else f"{words[: _LONGEST - 1]}…"
    return f"{words} *" if marked else words
