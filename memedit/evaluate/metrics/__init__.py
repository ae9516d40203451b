"""Metrics: pure functions from outcomes to figures with intervals."""

from memedit.evaluate.metrics.base import Mean, Metric, MetricError, View
from memedit.evaluate.metrics.figures import (
    METRICS,
    Figure,
    by_relation,
    figures,
    mean_figure,
    share_figure,
)
from memedit.evaluate.metrics.scope import reliability_bins

__all__ = [
    "METRICS",
    "Figure",
    "Mean",
    "Metric",
    "MetricError",
    "View",
    "by_relation",
    "figures",
    "mean_figure",
    "reliability_bins",
    "share_figure",
]
