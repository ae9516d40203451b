"""Comparing two runs case by case, with a test of the difference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from memedit.evaluate.metrics.base import Mean, Metric, MetricError, View
from memedit.evaluate.metrics.figures import chosen, observed, paired, rows, split, total
from memedit.evaluate.metrics.statistics import (
    FloatArray,
    holm,
    mcnemar,
    percentile_interval,
    permutation_p,
    resampled_sums,
    swapped_sums,
)
from memedit.evaluate.outcome import Outcome


@dataclass(frozen=True)
class Difference:
    """One metric of two runs, on the cases that both have.

    Attributes:
        name: The metric's.
        a: The first run's value on the shared cases.
        b: The second's.
        difference: ``a - b``.
        low: Lower end of the difference's 95 % bootstrap interval over cases.
        high: Upper end.
        p: Two-sided p-value of the paired test.
        p_adjusted: The same after Holm's adjustment over all metrics compared.
        test: ``McNemar`` where every case is right or wrong once, else ``permutation``.
        n: How many cases both runs have an observation of.
        only_a: How many only the first has one of; they are left out.
        only_b: How many only the second has one of.
        verdict: ``a better``, ``b better`` or ``no difference shown``.
    """

    name: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    test: str
    n: int
    only_a: int
    only_b: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True)
class _Pair:
    """A metric's rows of the shared cases, zero where not both runs have an observation."""

    metric: Metric
    a: FloatArray
    b: FloatArray
    n: int
    only_a: int
    only_b: int


def compare(
    a: Iterable[Outcome],
    b: Iterable[Outcome],
    *,
    base: Iterable[Outcome] = (),
    names: Iterable[str] | None = None,
    seed: int = 0,
    resamples: int = 2000,
    exchanges: int = 10_000,
    alpha: float = 0.05,
) -> list[Difference]:
    """Every metric that both runs have, compared on the cases that both have.

    The difference's interval resamples cases, both runs' alike. The permutation test exchanges the
    two runs' results of randomly chosen cases, which holds for means as for composite figures such
    as ``score``. Failed cases count as in :func:`memedit.evaluate.metrics.figures`. Where every
    case differs by the same amount the interval has no width; p tells what that is worth.

    Args:
        a: The first run's outcomes.
        b: The second's, on the same data.
        base: The unedited model's, which ``locality`` compares with.
        names: Which metrics; all that both have if None.
        seed: Of the bootstrap and of the exchanges.
        resamples: How many bootstrap samples.
        exchanges: How many random exchanges; the least p-value is ``1 / (1 + exchanges)``.
        alpha: At or below which adjusted p-value a difference counts as shown.

    Returns:
        The differences, in the order of the metrics.

    Raises:
        MetricError: The runs have no case in common, or a case was asked other queries.
    """
    bases = list(base)
    views_a, views_b = paired(a, bases)[0], paired(b, bases)[0]
    shared = _shared(views_a, views_b)
    pairs = [
        pair
        for metric in chosen(names)
        if (pair := _pair(metric, shared, views_a, views_b)) is not None
    ]
    if not pairs:
        return []
    intervals = _intervals(pairs, resamples, seed)
    tests = _tests(pairs, exchanges, seed)
    adjusted = holm([p for p, _ in tests])
    return [
        _difference(*items, alpha) for items in zip(pairs, intervals, tests, adjusted, strict=True)
    ]


def _shared(views_a: Sequence[View], views_b: Sequence[View]) -> list[tuple[int, int]]:
    """Where the cases of both stand in each, after making sure that they were asked the same."""
    places = {view.outcome.case: i for i, view in enumerate(views_b)}
    shared = [
        (i, places[view.outcome.case])
        for i, view in enumerate(views_a)
        if view.outcome.case in places
    ]
    if not shared:
        raise MetricError(
            f"the runs share no case: {len(views_a)} and {len(views_b)} cases, no id in both.",
            hint="Compare two runs of one suite on the same data.",
        )
    for i, j in shared:
        _check_queries(views_a[i].outcome, views_b[j].outcome)
    return shared


def _check_queries(a: Outcome, b: Outcome) -> None:
    asked, also = ([output.prompt for output in outcome.outputs] for outcome in (a, b))
    # A record that could not be read has no queries.
    if asked and also and asked != also:
        raise MetricError(
            f"case {a.case!r} has other queries in the second run.",
            hint="Compare two runs of one suite on the same data.",
        )


def _pair(
    metric: Metric,
    shared: Sequence[tuple[int, int]],
    views_a: Sequence[View],
    views_b: Sequence[View],
) -> _Pair | None:
    """A metric's rows, or None where the runs have no case in common that it can judge."""
    metric = metric.fitted(views_a[i].outcome for i, _ in shared)
    all_a, all_b = rows(metric, views_a), rows(metric, views_b)
    if not (_measures(all_a, views_a) and _measures(all_b, views_b)):
        return None
    a, b = all_a[[i for i, _ in shared]], all_b[[j for _, j in shared]]
    both = (a[:, 0] > 0) & (b[:, 0] > 0)
    if not both.any():
        return None
    return _Pair(
        metric,
        np.where(both[:, None], a, 0.0),
        np.where(both[:, None], b, 0.0),
        n=int(both.sum()),
        only_a=int(np.count_nonzero(all_a[:, 0]) - both.sum()),
        only_b=int(np.count_nonzero(all_b[:, 0]) - both.sum()),
    )


def _measures(table: FloatArray, views: Sequence[View]) -> bool:
    """Whether a run measures the metric, or failed altogether and so is wrong wherever asked."""
    return observed(table, views) or all(view.outcome.failed is not None for view in views)


def _intervals(pairs: Sequence[_Pair], resamples: int, seed: int) -> list[tuple[float, float]]:
    """Bootstrap intervals of the differences; both runs are resampled alike."""
    tables = [table for pair in pairs for table in (pair.a, pair.b)]
    draws = split(resampled_sums(np.hstack(tables), resamples, seed), tables)
    return [
        percentile_interval(
            pair.metric.combine(draws[2 * i]) - pair.metric.combine(draws[2 * i + 1])
        )
        for i, pair in enumerate(pairs)
    ]


def _tests(pairs: Sequence[_Pair], exchanges: int, seed: int) -> list[tuple[float, str]]:
    """For each pair the p-value and the test it is from."""
    a, b = (np.hstack([getattr(pair, side) for pair in pairs]) for side in ("a", "b"))
    swapped = swapped_sums(a, b, exchanges, seed)
    draws_a, draws_b = (split(sums, [pair.a for pair in pairs]) for sums in swapped)
    return [
        (mcnemar(*_discordant(pair)), "McNemar")
        if _is_binary(pair)
        else (
            permutation_p(
                total(pair.metric, pair.a) - total(pair.metric, pair.b),
                pair.metric.combine(draw_a) - pair.metric.combine(draw_b),
            ),
            "permutation",
        )
        for pair, draw_a, draw_b in zip(pairs, draws_a, draws_b, strict=True)
    ]


def _is_binary(pair: _Pair) -> bool:
    """Whether every case has one observation that is 0 or 1, in both runs."""
    return isinstance(pair.metric, Mean) and all(
        bool(np.all(table[:, 0] <= 1) and np.all(np.isin(table[:, 1], (0.0, 1.0))))
        for table in (pair.a, pair.b)
    )


def _discordant(pair: _Pair) -> tuple[int, int]:
    """How many cases only the first and only the second run has at 1."""
    a, b = pair.a[:, 1], pair.b[:, 1]
    return int(np.sum(a > b)), int(np.sum(b > a))


def _difference(
    pair: _Pair,
    interval: tuple[float, float],
    test: tuple[float, str],
    p_adjusted: float,
    alpha: float,
) -> Difference:
    a, b = total(pair.metric, pair.a), total(pair.metric, pair.b)
    return Difference(
        name=pair.metric.name,
        a=a,
        b=b,
        difference=a - b,
        low=min(interval[0], a - b),
        high=max(interval[1], a - b),
        p=test[0],
        p_adjusted=p_adjusted,
        test=test[1],
        n=pair.n,
        only_a=pair.only_a,
        only_b=pair.only_b,
        verdict=_verdict(pair.metric, a - b, p_adjusted <= alpha),
    )


def _verdict(metric: Metric, difference: float, shown: bool) -> str:
    if not shown or difference == 0:
        return "no difference shown"
    a_better = (difference > 0) == (metric.better == "higher")
    return "a better" if a_better else "b better"
