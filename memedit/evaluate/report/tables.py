"""A result's figures as sections, rows and columns, before they become text, Markdown or HTML."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from memedit.evaluate.metrics import METRICS, Figure
from memedit.evaluate.report.result import Result

if TYPE_CHECKING:
    from memedit.evaluate.compare import Difference

# How a metric is measured decides its section; figures of different sections do not compare.
_TITLES = {
    "generation": "Headline: what the model says (greedy generation)",
    "teacher-forced": "Teacher-forced: the right answer is shown to the model",
    "routing": "Routing",
    "neutral": "Neutral texts: what edits in the weights do besides",
    "efficiency": "Efficiency",
    "other": "Other figures",
}
_NOTES = {
    "generation": "The model writes its answer by itself, and that text is judged.",
    "teacher-forced": "The model is given the right answer and asked how likely each of its tokens "
    "is, so these figures flatter it. They compare with published teacher-forced figures only.",
}


@dataclass(frozen=True)
class About:
    """What is known about a metric.

    Attributes:
        measured: Its section: ``generation``, ``teacher-forced``, ``routing``, ``neutral``,
            ``efficiency`` or ``other``.
        unit: ``share``, or a unit to print behind the figure; may be empty.
        definition: One sentence; empty where unknown.
        source: Where the definition comes from.
        better: ``higher``, ``lower`` or ``none``.
    """

    measured: str
    unit: str = ""
    definition: str = ""
    source: str = ""
    better: str = "none"


# Units that go without saying behind a number.
_BARE = ("probability", "cosine")
# Figures that the runner measures itself, without a metric of outcomes.
_RUNNER = {
    "byte_identical": About(
        "generation", "share", "Queries off scope whose answer is the base model's byte for byte.",
        better="higher",
    ),
    "byte_identical.unfired": About(
        "generation", "share", "The same of those under which no edit fired.", better="higher"
    ),
    "kl": About(
        "teacher-forced", "nats", "KL divergence of the edited from the base model's next-token "
        "distribution, off scope.", better="lower",
    ),
    "neutral.perplexity": About(
        "neutral", "", "Perplexity of the shipped neutral texts, at most 64 tokens of each.",
        better="lower",
    ),
    "neutral.kl": About(
        "neutral", "nats", "KL divergence of the edited from the base model's next-token "
        "distribution on these texts.", better="lower",
    ),
    "seconds_per_query.alone": About(
        "efficiency", "s", "Mean time of a query asked by itself.", better="lower"
    ),
    "batch.speedup": About(
        "efficiency", "x", "Time of a query by itself over its time in the run."
    ),
    "batch.texts_differ": About(
        "efficiency", "share", "Queries that got another text in a batch than alone.",
        better="lower",
    ),
    "batch.routes_differ": About(
        "efficiency", "share", "Queries that went elsewhere in a batch than alone.", better="lower"
    ),
    "peak_rss_mb": About("efficiency", "MB", "Peak memory of the process.", better="lower"),
    "peak_gpu_mb": About("efficiency", "MB", "Peak memory on the GPU.", better="lower"),
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One metric's figures, one for each column; None where it was not measured."""

    name: str
    about: About
    figures: tuple[Figure | None, ...]

    @property
    def n(self) -> str:
        """Numbers of observations; one number where all columns have the same."""
        return _joined(f"{figure.n:,}" for figure in self.figures if figure)

    @property
    def base(self) -> str:
        """The unedited model's figures, likewise; a dash where they have no meaning."""
        return _joined(as_shown(f.base, self.about.unit) for f in self.figures if f)


@dataclass(frozen=True)
class Section:
    """Metrics that are measured alike.

    Attributes:
        title: A heading.
        note: What to know before reading the figures; may be empty.
        columns: The k of each column.
        rows: The metrics, in the result's order.
    """

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def sections(result: Result) -> list[Section]:
    """The result's figures by the way they are measured; sections without a figure are left out."""
    columns = tuple(k for k in result.k if result.at(k)) or (result.largest_k,)
    names = list(dict.fromkeys(name for k in reversed(columns) for name in result.at(k)))
    rows = [
        Row(name, describe(name), tuple(result.at(k).get(name) for k in columns)) for name in names
    ]
    made = []
    for measured, title in _TITLES.items():
        own = tuple(row for row in rows if row.about.measured == measured)
        if own:
            made.append(Section(title, _NOTES.get(measured, ""), columns, own))
    return made


def describe(name: str) -> About:
    """What is known about a metric; of an unknown one, that it is among the other figures."""
    if name in _RUNNER:
        return _RUNNER[name]
    metric = METRICS.get(name)
    if metric is None:
        return About("other")
    return About(metric.measured, metric.unit, metric.definition, metric.source, metric.better)


def as_shown(value: float | None, unit: str) -> str:
    """A figure in its unit for reading; a share as percentage, None as a dash."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{100 * value:.1f} %"
    return f"{_number(value)} {'' if unit in _BARE else unit}".rstrip()


def interval(figure: Figure | None, unit: str) -> str:
    """The figure's interval in square brackets; empty where it has no width (one value)."""
    if figure is None or figure.low == figure.high:
        return ""
    if unit == "share":
        return f"[{100 * figure.low:.1f}, {100 * figure.high:.1f}]"
    return f"[{_number(figure.low)}, {_number(figure.high)}]"


def facts(result: Result) -> list[tuple[str, str]]:
    """What ran on what, as names and words; what is empty is left out."""
    found = [
        ("suite", result.suite),
        ("about", result.description),
        ("method", _with_settings(result.method, result.method_settings)),
        ("model", result.model.name),
        ("model hash", result.model.hash),
        ("weights", " on ".join(filter(None, (result.model.dtype, result.model.device)))),
        ("asked in", f"{result.model.form} form"),
        ("data", f"{result.data.name}: {result.data.path}"),
        ("data SHA-256", result.data.sha256),
        ("data source", result.data.source),
        ("live edits (k)", ", ".join(result.k)),
        ("protocol", result.way),
        ("limit", f"the first {result.limit:,} cases" if result.limit is not None else ""),
        ("seed", str(result.seed)),
        ("code", result.code),
        ("key", result.key),
        ("machine", _settings(result.machine)),
        ("started", result.started),
        ("finished", result.finished),
        ("took", duration(result.seconds)),
    ]
    return [(name, words) for name, words in found if words]


def counted(result: Result) -> str:
    """How many cases count, failed and were dropped, in sentences."""
    cases = result.cases
    dropped = sum(drop.count for drop in cases.dropped.values())
    told = [
        f"{cases.evaluated:,} cases count, {cases.failed:,} of them failed (they count as wrong); "
        f"{dropped:,} records or queries were dropped on purpose (they do not count)."
    ]
    if cases.contested:
        told.append(
            f"{cases.contested:,} queries may rightly be answered by another live edit (they do "
            "not count for what must stay)."
        )
    if cases.base_failed:
        told.append(f"{cases.base_failed:,} cases failed on the base model alone.")
    return " ".join(told)


def comparison(
    differences: Sequence[Difference], *, a: str, b: str
) -> tuple[list[str], list[list[str]]]:
    """Two runs' differences as column names and rows; shares differ in percentage points.

    Args:
        differences: What :func:`memedit.evaluate.compare.compare` found.
        a: What the first run is called.
        b: What the second is called.
    """
    columns = ["metric", a, b, f"{a} - {b}", "95 % interval", "p", "p (Holm)", "test", "cases",
               "verdict"]  # fmt: skip
    verdicts = {"a better": f"{a} better", "b better": f"{b} better"}
    rows = []
    for one in differences:
        unit = describe(one.name).unit
        scale, points = (100.0, " pp") if unit == "share" else (1.0, "")
        rows.append([
            one.name,
            as_shown(one.a, unit),
            as_shown(one.b, unit),
            f"{_signed(one.difference * scale, unit)}{points}",
            f"[{_signed(one.low * scale, unit)}, {_signed(one.high * scale, unit)}]",
            _p(one.p),
            _p(one.p_adjusted),
            one.test,
            _shared_cases(one),
            verdicts.get(one.verdict, one.verdict),
        ])  # fmt: skip
    return columns, rows


def duration(seconds: float) -> str:
    """A time span in hours, minutes and seconds."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def _shared_cases(one: Difference) -> str:
    """How many cases both runs have, and how many only one of them, if any."""
    alone = one.only_a + one.only_b
    return f"{one.n:,} ({alone:,} unpaired)" if alone else f"{one.n:,}"


def _signed(value: float, unit: str) -> str:
    return f"{value:+.1f}" if unit == "share" else f"{'+' * (value >= 0)}{_number(value)}"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float) -> str:
    """Three significant digits, and never fewer than the whole part has."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _joined(words: Iterable[str]) -> str:
    """The words divided by slashes, or the only one where all are the same."""
    all_words = list(words)
    return all_words[0] if len(set(all_words)) == 1 else " / ".join(all_words)


def _with_settings(name: str, settings: dict[str, Any]) -> str:
    return f"{name} ({_settings(settings)})" if settings else name


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_setting(value)}" for name, value in settings.items())


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
