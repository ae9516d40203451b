"""A run as one HTML page that needs nothing but itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from memedit.evaluate.outcome import Outcome
from memedit.evaluate.report import plots, tables
from memedit.evaluate.report.failures import failures, selection
from memedit.evaluate.report.result import Result
from memedit.evaluate.report.svg import require_matplotlib

MOST_FAILURES = 500


def html_report(
    result: Result, outcomes: Sequence[Outcome] = (), base: Sequence[Outcome] = ()
) -> str:
    """The page: what ran, tables, plots, and the failures with their traces.

    Args:
        result: The run's result.
        outcomes: The method's outcomes at the largest k.
        base: The unedited model's outcomes of the same cases.

    Raises:
        ReportError: matplotlib is not installed.
    """
    require_matplotlib()
    found = failures(outcomes, base)
    shown = selection(found, MOST_FAILURES)
    script = read_asset("report.js")
    return page_template("report.html.j2").render(
        result=result,
        facts=tables.facts(result),
        sections=tables.sections(result),
        counted=tables.counted(result),
        against_k=plots.against_k(result),
        reliability=plots.reliability_diagram(result.reliability_diagram),
        latency=plots.latency(result.latency),
        relations=plots.relations(result.by_relation),
        failures=shown,
        failure_count=len(found),
        kinds=sorted({failure.kind for failure in shown}),
        faults=sorted({fault for f in shown if f.prompt for fault in f.faults}),
        judged=bool(outcomes),
        style=Markup(read_asset("report.css")),  # our own words, not data
        script=Markup(script),
        script_hash=_hash(script),
    )


@cache
def page_template(name: str) -> jinja2.Template:
    """A page's template, from its file beside this module."""
    # Prompts, answers and names come from data and models, so everything is escaped.
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["figure"] = tables.as_shown
    environment.filters["interval"] = tables.interval
    return environment.from_string(read_asset(name))


def read_asset(name: str) -> str:
    """A template, style or script beside this module."""
    return resources.files("memedit.evaluate.report").joinpath(name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    """The script's hash for the page's content security policy: no other script may run."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
