"""zsRE's figures as MEMIT reports them: shares of tokens under teacher forcing.

Meng et al. 2023 (MEMIT, arXiv 2210.07229, zsRE). Every token of a target is predicted
after the prompt and the target's own earlier tokens, and a prompt's figure is the share of tokens
that are the model's first choice. Specificity is that share for the gold answer of an unrelated
question: an unedited 6B model has about 27 % there, so "unchanged" is far from 100 %.
"""

from __future__ import annotations

from memedit.evaluate.metrics.base import (
    Judge,
    Mean,
    Metric,
    Select,
    of_kind,
    queries,
    uncontested,
)
from memedit.evaluate.metrics.editing import new_hits
from memedit.evaluate.outcome import Output


def _true_hits(output: Output, base: Output | None) -> float | None:
    return None if output.true is None else output.true.hits / output.true.tokens


def _accuracy(name: str, what: str, select: Select, judge: Judge) -> Mean:
    return Mean(
        name=name,
        definition=f"Share of tokens of {what} that are the first choice after the prompt and the "
        "answer's own earlier tokens.",
        source="Meng et al. 2023, arXiv 2210.07229, zsRE",
        measured="teacher-forced",
        observe=queries(select, judge),
    )


ZSRE: tuple[Metric, ...] = (
    _accuracy("zsre.efficacy", "the new answer to the edited question", of_kind("edit"), new_hits),
    _accuracy(
        "zsre.paraphrase", "the new answer to a rephrased question", of_kind("rephrase"), new_hits
    ),
    _accuracy(
        "zsre.specificity",
        "the gold answer to an unrelated question",
        uncontested(of_kind("locality")),
        _true_hits,
    ),
)
