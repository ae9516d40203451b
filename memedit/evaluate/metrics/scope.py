"""Scope decisions: did the right edit fire, did one fire that ought not, is the probability true.

Only outputs of a method that routes are counted (``Output.route`` is not None). A failed case has
missed the edits that ought to have fired, and its queries out of scope count as false fires.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from memedit.evaluate.metrics.base import Mean, Metric, View, queries
from memedit.evaluate.metrics.statistics import FloatArray, ratio
from memedit.evaluate.outcome import Outcome, Output

BINS = 10
_GUO = "Guo et al. 2017, arXiv 1706.04599, section 2"
_EDGES = np.arange(BINS + 1) / BINS


class Bin(TypedDict):
    """One bin of a reliability diagram: ``low < probability <= high``, the first with 0."""

    low: float
    high: float
    n: int
    confidence: float  # mean probability
    accuracy: float  # share of queries under which the right edit ought to fire


def reliability_bins(outcomes: Iterable[Outcome]) -> list[Bin]:
    """The reliability diagram of the scope probability in ten equal bins (Guo et al. 2017).

    Args:
        outcomes: A run's outcomes; failed ones and those of the test after each own edit do not
            count.

    Returns:
        The bins that hold a query, in order.
    """
    sums = np.sum(
        [_binned(View(outcome)) for outcome in outcomes if outcome.after == "end"]
        or np.zeros((1, 3, BINS)),
        axis=0,
    )
    return [
        Bin(
            low=float(_EDGES[i]),
            high=float(_EDGES[i + 1]),
            n=int(n),
            confidence=float(confidence / n),
            accuracy=float(accuracy / n),
        )
        for i, (n, confidence, accuracy) in enumerate(sums.T)
        if n
    ]


@dataclass(frozen=True, kw_only=True)
class CalibrationError(Metric):
    """Expected calibration error: ``Σ_b n_b / N · |accuracy_b − confidence_b|``."""

    def row(self, view: View) -> list[float]:
        """``[queries, then n, summed confidence and summed accuracy of every bin]``."""
        binned = _binned(view)
        return [float(binned[0].sum()), *(float(x) for x in binned.ravel())]

    def combine(self, sums: FloatArray) -> FloatArray:
        """The error, 0…1."""
        confidence = sums[..., 1 + BINS : 1 + 2 * BINS]
        accuracy = sums[..., 1 + 2 * BINS :]
        return ratio(np.abs(accuracy - confidence).sum(axis=-1), sums[..., 0])


def _binned(view: View) -> FloatArray:
    """Shape (3, bins): how many queries, their summed probability and their summed truth."""
    binned = np.zeros((3, BINS))
    if view.outcome.failed is None:
        for output in view.outcome.outputs:
            judged = _forecast(output)
            if judged is not None:
                probability, truth = judged
                place = max(0, int(np.searchsorted(_EDGES, probability, side="left")) - 1)
                binned[:, min(place, BINS - 1)] += (1.0, probability, truth)
    return binned


def _forecast(output: Output) -> tuple[float, float] | None:
    """The scope probability, and whether it ought to be 1.

    It ought to where an edit has to fire and the one that fired is not a wrong one. Where none
    fired the surest edit is not known to be wrong, and a low probability is the error.
    """
    if output.route is None or output.probability is None or output.fires is None:
        return None
    if not output.fires and output.contested:
        return None
    return output.probability, float(output.fires and output.right_edit is not False)


def _ought_to_fire(output: Output) -> bool:
    return output.fires is True


def _ought_not_to_fire(output: Output) -> bool:
    return output.fires is False and not output.contested


def _fired_right(output: Output, base: Output | None) -> float | None:
    return None if output.route is None else float(output.right_edit is True)


def _fired_wrong(output: Output, base: Output | None) -> float | None:
    if output.route is None:
        return None
    return float(output.route != "base" and output.right_edit is not True)


def _fired(output: Output, base: Output | None) -> float | None:
    return None if output.route is None else float(output.route != "base")


def _squared_error(output: Output, base: Output | None) -> float | None:
    judged = _forecast(output)
    return None if judged is None else (judged[0] - judged[1]) ** 2


SCOPE: tuple[Metric, ...] = (
    Mean(
        name="scope.recall",
        definition="Share of queries in scope under which the right edit fired.",
        source="Mitchell et al. 2022, arXiv 2206.06520 (scope classifier)",
        measured="routing",
        pooled=True,
        owed=False,
        observe=queries(_ought_to_fire, _fired_right),
    ),
    Mean(
        name="scope.wrong_edit",
        definition="Share of queries in scope under which an edit fired that is not the right one.",
        source="This project",
        measured="routing",
        better="lower",
        pooled=True,
        worst=None,
        observe=queries(_ought_to_fire, _fired_wrong),
    ),
    Mean(
        name="scope.false_fire",
        definition="Share of queries out of scope under which an edit fired.",
        source="This project",
        measured="routing",
        better="lower",
        pooled=True,
        worst=1.0,
        owed=False,
        observe=queries(_ought_not_to_fire, _fired),
    ),
    CalibrationError(
        name="scope.ece",
        definition="Expected calibration error of the scope probability in ten equal bins, against "
        "whether an edit ought to fire and no wrong one did.",
        source=_GUO,
        measured="routing",
        better="lower",
        unit="probability",
    ),
    Mean(
        name="scope.brier",
        definition="Mean squared difference of the scope probability from whether an edit ought to "
        "fire and no wrong one did.",
        source="Brier 1950, Monthly Weather Review 78",
        measured="routing",
        better="lower",
        unit="probability",
        pooled=True,
        worst=None,
        observe=queries(lambda output: output.fires is not None, _squared_error),
    ),
)
