"""CounterFact's figures: ES, EM, PS, PM, NS, NM and their Score.

Meng et al. 2022 (ROME, arXiv 2202.05262, section 3.4). For a prompt, P(o) is
``exp(mean log-probability of o's tokens)``; o* is the new target, oᶜ the true one. Success is
P(o*) > P(oᶜ) on edit prompts (ES) and paraphrases (PS), and P(oᶜ) > P(o*) on neighbourhood prompts
(NS); magnitude is the difference of the two. A tie is no success.

As in ROME's summary (experiments/summarize.py) a record's figure is the mean over its prompts, and
the figure of the run the mean over its records. All are measured by likelihood, which tells a model
what the two candidates are; they say nothing about what it would write.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from memedit.evaluate.metrics.base import (
    Judge,
    Mean,
    Metric,
    Select,
    View,
    of_kind,
    queries,
    uncontested,
)
from memedit.evaluate.metrics.statistics import FloatArray, ratio
from memedit.evaluate.outcome import Output

_SOURCE = "Meng et al. 2022, arXiv 2202.05262, section 3.4"


@dataclass(frozen=True, kw_only=True)
class HarmonicMean(Metric):
    """The harmonic mean of several means; 0 where one of them is 0.

    Attributes:
        parts: The means.
    """

    parts: tuple[Mean, ...]

    def row(self, view: View) -> list[float]:
        """``[observations, mean, weight, mean, weight, ...]``, one pair for each part.

        A case counts where every part observes it: other data sets have some of the parts too.
        """
        rows = [part.row(view) for part in self.parts]
        return [min(row[0] for row in rows), *(x for row in rows for x in row[1:])]

    def combine(self, sums: FloatArray) -> FloatArray:
        """The k parts' ``k / (1/m₁ + … + 1/mₖ)``; NaN where a part has no observation."""
        means = ratio(sums[..., 1::2], sums[..., 2::2])
        with np.errstate(divide="ignore"):
            inverse: FloatArray = (1.0 / means).sum(axis=-1)
        return len(self.parts) / inverse


def _prefers_new(output: Output, base: Output | None) -> float | None:
    if output.new is None or output.true is None:
        return None
    return float(output.new.mean > output.true.mean)


def _prefers_true(output: Output, base: Output | None) -> float | None:
    if output.new is None or output.true is None:
        return None
    return float(output.true.mean > output.new.mean)


def _margin(output: Output, base: Output | None) -> float | None:
    """P(o*) − P(oᶜ), −1…1."""
    if output.new is None or output.true is None:
        return None
    return exp(output.new.mean) - exp(output.true.mean)


def _reverse_margin(output: Output, base: Output | None) -> float | None:
    margin = _margin(output, base)
    return None if margin is None else -margin


def _of(kind: str) -> Select:
    # A neighbour that another live edit may rightly answer says nothing about the neighbourhood.
    return uncontested(of_kind(kind)) if kind == "locality" else of_kind(kind)


def _success(name: str, what: str, kind: str, judge: Judge) -> Mean:
    return Mean(
        name=name,
        definition=f"{what}: share of prompts on which the right target is the likelier of the "
        "two, per token.",
        source=_SOURCE,
        measured="teacher-forced",
        observe=queries(_of(kind), judge),
    )


def _magnitude(name: str, what: str, kind: str, judge: Judge) -> Mean:
    return Mean(
        name=name,
        definition=f"{what}: mean probability of the right target less that of the other, each the "
        "geometric mean over its tokens.",
        source=_SOURCE,
        measured="teacher-forced",
        unit="probability",
        worst=-1.0,
        observe=queries(_of(kind), judge),
    )


_ES = _success("es", "Efficacy score", "edit", _prefers_new)
_PS = _success("ps", "Paraphrase score", "rephrase", _prefers_new)
_NS = _success("ns", "Neighbourhood score", "locality", _prefers_true)


def _own(metric: Mean) -> Mean:
    """The metric in sequential editing, right after a case's own edits."""
    return replace(
        metric,
        name=f"{metric.name}.own",
        definition=f"{metric.definition} Right after the case's own edits.",
        at="own",
    )


COUNTERFACT: tuple[Metric, ...] = (
    _ES,
    _magnitude("em", "Efficacy magnitude", "edit", _margin),
    _PS,
    _magnitude("pm", "Paraphrase magnitude", "rephrase", _margin),
    _NS,
    _magnitude("nm", "Neighbourhood magnitude", "locality", _reverse_margin),
    HarmonicMean(
        name="score",
        definition="Harmonic mean of es, ps and ns.",
        source=_SOURCE,
        measured="teacher-forced",
        parts=(_ES, _PS, _NS),
    ),
    _own(_ES),
    _own(_PS),
)
