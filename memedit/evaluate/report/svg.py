"""Matplotlib drawings as SVG that can stand inside a page, several of them, in light and dark."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

from memedit.errors import MemEditError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colors that stand for one of the page's own, which depend on its light or dark mode: each is
# replaced by the CSS variable of that name. None of them is used for anything else.
INK, MUTED, LINE, ACCENT, BASE = "#010101", "#020202", "#030303", "#040404", "#050505"
_VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", ACCENT: "accent", BASE: "base"}

_STYLE: Any = {  # matplotlib types its keys as one long list of literals
    "svg.fonttype": "none",  # text stays text: it can be searched, copied and read aloud
    "text.parse_math": False,  # names from data may hold dollar signs
    "font.size": 9,
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "grid.color": LINE,
    "text.color": INK,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
}
_TAG = re.compile(r"<[a-zA-Z][^<>]*>")
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_FONT = re.compile(r"font-family: [^;\"]*;? ?")
_OWN_STYLE = re.compile(r"\s*<defs>\s*<style.*?</style>\s*</defs>", re.DOTALL)


class ReportError(MemEditError):
    """A report cannot be made."""


def require_matplotlib() -> None:
    """Raises where matplotlib, an optional requirement, is not installed.

    Raises:
        ReportError: It is not; the hint says how to install it.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ReportError(
            "The HTML report draws its plots with matplotlib, which is not installed.",
            hint="Run: pip install 'memedit[report]'",
        ) from error


def inline_svg(
    draw: Callable[[Figure], None], *, size: tuple[float, float], name: str, label: str
) -> str:
    """A drawing as an ``<svg>`` element.

    Args:
        draw: Draws into an empty figure, in the colors of this module.
        size: Width and height in inches.
        name: Unique in the page; every id in the element begins with it.
        label: What the drawing shows, for readers who cannot see it.

    Raises:
        ReportError: matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    written = io.StringIO()
    with _style(name):
        figure = Figure(figsize=size)
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(written, format="svg", transparent=True, metadata=nothing)
    return _as_element(written.getvalue(), name, label)


@contextmanager
def _style(name: str) -> Iterator[None]:
    """Matplotlib's defaults and ours, whatever the user has set; all as before afterwards."""
    import matplotlib

    with matplotlib.rc_context(), warnings.catch_warnings():
        # The browser chooses the font, so a script that matplotlib's own lacks is no fault.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**_STYLE, "svg.hashsalt": name})
        yield


def _as_element(document: str, name: str, label: str) -> str:
    """The document's root element: ids made unique, colors and fonts left to the page."""
    element = _OWN_STYLE.sub("", document[document.index("<svg") :], count=1)

    def own(tag: re.Match[str]) -> str:
        words = _FONT.sub("", _ID.sub(rf"\g<1>{name}-", tag[0]))
        for color, variable in _VARIABLES.items():
            words = words.replace(color, f"var(--{variable})")
        return words

    # Text content cannot hold a raw "<" or ">", so only markup is touched.
    element = _TAG.sub(own, element)
    return element.replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1).strip()
