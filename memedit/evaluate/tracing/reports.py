"""A trace, or averages of many, as files: numbers as JSON, a page, and a picture."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from typing import Any

from markupsafe import Markup

from memedit.errors import TraceError
from memedit.evaluate.report.html import page_template, read_asset
from memedit.evaluate.report.svg import require_matplotlib
from memedit.evaluate.tracing.averages import Averages
from memedit.evaluate.tracing.drawing import (
    HeatMap,
    average_maps,
    curve_plots,
    map_plots,
    maps_of,
    png,
)
from memedit.evaluate.tracing.traced import to_dict
from memedit.files import write_atomically
from memedit.trace import Trace

Facts = Sequence[tuple[str, str]]


def write_trace(folder: Path, trace: Trace, facts: Facts) -> list[Path]:
    """One prompt's ``trace.json``, ``trace.html`` and ``trace.png``.

    Args:
        folder: Made where it does not exist.
        trace: What was found.
        facts: Names and words of what is told beside the maps.

    Returns:
        The paths, the page first.

    Raises:
        ReportError: matplotlib is not installed; the JSON is written all the same.
        TraceError: The folder cannot be written.
    """
    return _write(
        folder, trace.prompt.text, facts, trace.window, maps_of(trace), to_dict(trace), None
    )


def write_averages(
    folder: Path, title: str, came: Averages, window: int, facts: Facts
) -> list[Path]:
    """The same of many prompts, with curves and the published shape's claims."""
    return _write(folder, title, facts, window, average_maps(came), numbers(came), came)


def numbers(came: Averages) -> dict[str, Any]:
    """Averages as JSON knows them: null for what was not tried."""
    found = _known(dataclasses.asdict(came))
    assert isinstance(found, dict)
    return found


def _write(
    folder: Path,
    title: str,
    facts: Facts,
    window: int,
    maps: Sequence[HeatMap],
    kept: dict[str, Any],
    came: Averages | None,
) -> list[Path]:
    paths = [folder / f"trace.{kind}" for kind in ("html", "png", "json")]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(kept, ensure_ascii=False, indent=1, allow_nan=False)
        write_atomically(paths[2], [text.encode(errors="surrogatepass")])
        require_matplotlib()
        page = page_template("trace.html.j2").render(
            title=title,
            facts=list(facts),
            window=window,
            maps=map_plots(maps, title),
            curves=curve_plots(came) if came else [],
            contrasts=list(came.contrasts.items()) if came else [],
            style=Markup(read_asset("report.css")),  # our own words, not data
        )
        write_atomically(paths[0], [page.encode(errors="replace")])
        write_atomically(paths[1], [png(maps, title)])
    except OSError as error:
        raise TraceError(
            f"out: {str(folder)!r} cannot be written ({error.strerror}).",
            hint="Choose another folder.",
        ) from error
    return paths


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _known(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_known(item) for item in value]
    return None if isinstance(value, float) and isnan(value) else value
