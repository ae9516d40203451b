"""From a run's outcomes to its figures: value, interval, number of observations, base value."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np

from memedit.evaluate.metrics.base import Metric, MetricError, View
from memedit.evaluate.metrics.commonsense import COMMONSENSE
from memedit.evaluate.metrics.counterfact import COUNTERFACT
from memedit.evaluate.metrics.editing import EDITING, SEQUENTIAL
from memedit.evaluate.metrics.efficiency import EFFICIENCY
from memedit.evaluate.metrics.multihop import MULTIHOP
from memedit.evaluate.metrics.ripple import RIPPLE
from memedit.evaluate.metrics.scope import SCOPE
from memedit.evaluate.metrics.statistics import (
    FloatArray,
    percentile_interval,
    resampled_sums,
    wilson,
)
from memedit.evaluate.metrics.text import TEXT
from memedit.evaluate.metrics.zsre import ZSRE
from memedit.evaluate.outcome import Outcome

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *EDITING,
        *SEQUENTIAL,
        *COUNTERFACT,
        *ZSRE,
        *RIPPLE,
        *MULTIHOP,
        *SCOPE,
        *TEXT,
        *COMMONSENSE,
        *EFFICIENCY,
    )
}


@dataclass(frozen=True)
class Figure:
    """A metric's figure for a run.

    Attributes:
        value: In the metric's unit.
        low: Lower end of the 95 % interval over cases.
        high: Upper end.
        n: How many observations it rests on (queries, tests or texts, worst ones of failed cases
            among them).
        base: The unedited model's figure on the same cases; None where it has no meaning.
    """

    value: float
    low: float
    high: float
    n: int
    base: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def figures(
    outcomes: Iterable[Outcome],
    base_outcomes: Iterable[Outcome] = (),
    *,
    names: Iterable[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Figure]:
    """Every metric that the outcomes hold an observation of.

    Intervals are percentile bootstrap intervals over cases, 95 %, widened to the value where it
    lies outside (the calibration error is biased upwards under resampling). Where every case gives
    the same, a share gets Wilson's interval for as many observations as there are cases, and any
    other figure an interval without width: one value shows no spread.

    A failed case counts with the metric's worst value for each of its queries, and as one such
    observation where not even its queries are known; see :class:`Mean`.

    Args:
        outcomes: A method's, one a case; of sequential editing with both tests. All metrics but
            ``sequential.*`` take only the test at the end.
        base_outcomes: The unedited model's on the same data, paired by case.
        names: Which metrics; all if None.
        resamples: How many bootstrap samples.
        seed: Of the bootstrap; the order of the outcomes does not matter.

    Returns:
        Figures by metric name, in the order of :data:`METRICS` or of ``names``.

    Raises:
        MetricError: A name is unknown, or the base outcomes are to other queries.
    """
    views, base_views = paired(outcomes, base_outcomes)
    if not views:
        return {}
    measured = [
        item
        for metric in chosen(names)
        if (item := _measured(metric, views, base_views)) is not None
    ]
    if not measured:
        return {}
    tables = [table for _, table, _ in measured]
    draws = split(resampled_sums(np.hstack(tables), resamples, seed), tables)
    return {
        metric.name: _figure(metric, table, drawn, base)
        for (metric, table, base), drawn in zip(measured, draws, strict=True)
    }


def by_relation(
    outcomes: Iterable[Outcome], metric: Metric | str, base_outcomes: Iterable[Outcome] = ()
) -> dict[str, tuple[float, int]]:
    """A metric for each relation: ``{relation: (value, observations)}``, most observations first.

    Args:
        outcomes: A method's; cases without a relation are left out.
        metric: One of :data:`METRICS` or its name.
        base_outcomes: The unedited model's, which ``locality`` compares with.
    """
    if isinstance(metric, str):
        metric = chosen([metric])[0]
    views, _ = paired(outcomes, base_outcomes)
    metric = metric.fitted(view.outcome for view in views)
    table = rows(metric, views)
    if not observed(table, views):
        return {}
    parts: dict[str, list[int]] = defaultdict(list)
    for i, view in enumerate(views):
        if view.outcome.relation and table[i, 0]:
            parts[view.outcome.relation].append(i)
    found = {
        relation: (total(metric, table[part]), int(table[part, 0].sum()))
        for relation, part in parts.items()
    }
    return dict(sorted(found.items(), key=lambda item: (-item[1][1], item[0])))


def share_figure(hits: Iterable[bool], base: float | None = None) -> Figure:
    """The figure of a plain share, with Wilson's interval.

    Args:
        hits: One for each independent observation, at least one.
        base: The unedited model's share.
    """
    values = list(hits)
    if not values:
        raise MetricError(
            "a share of no observations is undefined.", hint="Leave the figure out instead."
        )
    share = sum(values) / len(values)
    return Figure(share, *wilson(share, len(values)), len(values), base)


def mean_figure(
    values: Iterable[float], base: float | None = None, *, resamples: int = 2000, seed: int = 0
) -> Figure:
    """The figure of a plain mean, with a percentile bootstrap interval.

    Args:
        values: One for each independent observation, at least one. A single one, such as a peak,
            gives an interval without width.
        base: The unedited model's mean.
        resamples: How many bootstrap samples.
        seed: Of the bootstrap.
    """
    table = np.asarray(list(values), dtype=np.float64)[:, None]
    if not len(table):
        raise MetricError(
            "a mean of no observations is undefined.", hint="Leave the figure out instead."
        )
    value = float(table.mean())
    low, high = percentile_interval(resampled_sums(table, resamples, seed)[:, 0] / len(table))
    return Figure(value, min(low, value), max(high, value), len(table), base)


def chosen(names: Iterable[str] | None) -> list[Metric]:
    """The metrics of these names, all if None.

    Raises:
        MetricError: There is none of a name.
    """
    if names is None:
        return list(METRICS.values())
    found = []
    for name in dict.fromkeys(names):
        if name not in METRICS:
            near = ", ".join(get_close_matches(name, METRICS)) or ", ".join(sorted(METRICS))
            raise MetricError(f"there is no metric {name!r}.", hint=f"Choose one of: {near}.")
        found.append(METRICS[name])
    return found


def paired(
    outcomes: Iterable[Outcome], base_outcomes: Iterable[Outcome] = ()
) -> tuple[list[View], list[View]]:
    """The cases as metrics see them, by case id: the method's, and the unedited model's."""
    tests: dict[str, dict[str, Outcome]] = {"end": {}, "own": {}}
    for outcome in outcomes:
        tests.setdefault(outcome.after, {})[outcome.case] = outcome
    bases = {base.case: base for base in base_outcomes if base.after == "end"}
    views, base_views = [], []
    for case, outcome in sorted(tests["end"].items()):
        base = bases.get(case)
        views.append(View(outcome, base, tests["own"].get(case)))
        if base is not None:
            same_queries = _as_contested(base, outcome)
            base_views.append(View(same_queries, same_queries))
    return views, base_views


def observed(table: FloatArray, views: Sequence[View]) -> bool:
    """Whether any case that did not fail holds an observation; a row of ``table`` for each."""
    return any(
        bool(row[0]) and view.outcome.failed is None for row, view in zip(table, views, strict=True)
    )


def rows(metric: Metric, views: Sequence[View]) -> FloatArray:
    """The cases' summands, shape (cases, columns)."""
    return np.asarray([metric.row(view) for view in views], dtype=np.float64)


def total(metric: Metric, table: FloatArray) -> float:
    """The figure of all cases; NaN without an observation."""
    return float(metric.combine(table.sum(axis=0)))


def split(sums: FloatArray, tables: Sequence[FloatArray]) -> list[FloatArray]:
    """Sums over tables that were put side by side, taken apart again."""
    return np.split(sums, np.cumsum([table.shape[1] for table in tables])[:-1], axis=1)


def _figure(metric: Metric, table: FloatArray, drawn: FloatArray, base: float | None) -> Figure:
    value = total(metric, table)
    low, high = percentile_interval(metric.combine(drawn))
    if math.isnan(low) or high - low < 1e-12:
        cases = int(np.count_nonzero(table[:, 0]))
        low, high = wilson(value, cases) if metric.unit == "share" else (value, value)
    return Figure(value, min(low, value), max(high, value), int(table[:, 0].sum()), base)


def _measured(
    metric: Metric, views: Sequence[View], base_views: Sequence[View]
) -> tuple[Metric, FloatArray, float | None] | None:
    """The metric ready for these cases, its rows and its base value; None if it has no figure.

    Where every case of the method failed, the base model's answers tell what there was to measure.
    """
    metric = metric.fitted(view.outcome for view in views)
    table, base_table = rows(metric, views), rows(metric, base_views)
    on_base = observed(base_table, base_views)
    if not (observed(table, views) or on_base) or math.isnan(total(metric, table)):
        return None
    base = total(metric, base_table) if on_base else math.nan
    return metric, table, None if math.isnan(base) else base


def _as_contested(base: Outcome, outcome: Outcome) -> Outcome:
    """``base`` with the method's contested queries, so that both are judged on the same ones."""
    if not any(output.contested for output in outcome.outputs):
        return base
    return replace(
        base,
        outputs=tuple(
            replace(output, contested=i < len(outcome.outputs) and outcome.outputs[i].contested)
            for i, output in enumerate(base.outputs)
        ),
    )
