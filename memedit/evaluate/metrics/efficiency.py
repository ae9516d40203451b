"""What edits and answers cost. Failed cases are not counted: they cost nothing and gave nothing."""

from __future__ import annotations

from memedit.evaluate.metrics.base import Mean, Metric, Observe, View

_YAO = "Yao et al. 2023, arXiv 2305.13172 (efficiency)"


def _seconds(view: View) -> list[float | None]:
    return [output.seconds for output in view.outcome.outputs]


def _tokens(view: View) -> list[float | None]:
    # A method that counts no tokens (a remote model, say) leaves both at 0.
    totals = [output.prompt_tokens + output.answer_tokens for output in view.outcome.outputs]
    return [float(total) if total else None for total in totals]


def _edit_seconds(view: View) -> list[float | None]:
    if view.outcome.edit_seconds <= 0:
        return []
    edits = max(1, view.outcome.edits)
    return [view.outcome.edit_seconds / edits] * edits


def _live(view: View) -> list[float | None]:
    return [float(view.outcome.live)] if view.outcome.live else []


def _cost(name: str, definition: str, unit: str, observe: Observe) -> Mean:
    return Mean(
        name=name,
        definition=definition,
        source=_YAO,
        measured="efficiency",
        better="lower",
        unit=unit,
        pooled=True,
        worst=None,
        observe=observe,
    )


EFFICIENCY: tuple[Metric, ...] = (
    _cost(
        "seconds_per_query",
        "Mean time of a query: routing, generation and scoring, its share of a batch.",
        "s",
        _seconds,
    ),
    _cost("seconds_per_edit", "Mean time it takes to apply an edit.", "s", _edit_seconds),
    _cost(
        "tokens_per_query", "Mean number of tokens read and written for a query.", "tokens", _tokens
    ),
    _cost(
        "edits_live",
        "Mean number of edits that were live when a case was asked.",
        "edits",
        _live,
    ),
)
