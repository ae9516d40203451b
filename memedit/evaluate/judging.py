"""Planned queries of cases to outcomes: answered together, a failing case set apart."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from memedit.errors import EvaluationError
from memedit.evaluate.answering import Answerer, Scored, Text, can_score
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.methods.contract import Plan
from memedit.evaluate.outcome import Likelihood, Outcome, Output
from memedit.evaluate.suite import Suite

log = logging.getLogger(__name__)

NO_TEXT = Text("", 0.0, 0, 0)


@dataclass(frozen=True)
class Work:
    """A case and how its queries are to be answered.

    Attributes:
        case: The case.
        queries: Those of its queries that the suite asks.
        contested: Whether another live edit may rightly answer each.
        plans: One for each query.
        conditions_met: Whether the unedited model answers each query's conditions.
        after: See :class:`~memedit.evaluate.outcome.Outcome`.
        live: How many edits are live.
        edit_seconds: What applying the edits took, this case's share.
    """

    case: Case
    queries: Sequence[Query]
    contested: Sequence[bool]
    plans: Sequence[Plan] = ()
    conditions_met: Sequence[bool | None] = ()
    after: str = "end"
    live: int = 0
    edit_seconds: float = 0.0


def judge(works: Sequence[Work], suite: Suite, answerer: Answerer) -> list[Outcome]:
    """The outcome of every case, in order.

    All queries are answered together. If that raises, each half of the cases is tried by itself,
    down to the one that raises, which is recorded as failed with its reason.
    """
    try:
        return _judged(works, suite, answerer)
    except Exception as error:  # noqa: BLE001 - what a model raises is a result, not the end
        if len(works) == 1:
            log.warning("case %s failed: %s", works[0].case.id, reason_of(error))
            return [failed(works[0], reason_of(error))]
    middle = len(works) // 2
    return [*judge(works[:middle], suite, answerer), *judge(works[middle:], suite, answerer)]


def failed(work: Work, reason: str) -> Outcome:
    """The outcome of a case that has no answers; which queries are contested is known even so."""
    return Outcome(
        case=work.case.id,
        outputs=tuple(
            replace(Output.unanswered(query), contested=contested)
            for query, contested in zip(work.queries, work.contested, strict=True)
        ),
        failed=reason,
        relation=work.case.relation,
        edits=len(work.case.edits),
        live=work.live,
        after=work.after,
    )


def reason_of(error: Exception) -> str:
    """An error in one line."""
    # Half of a surrogate pair, quoted from a broken text, could not be written to a file.
    readable = str(error).encode(errors="backslashreplace").decode()
    text = " ".join(readable.split()) or "no message"
    return f"{type(error).__name__}: {text[:400]}"


def _judged(works: Sequence[Work], suite: Suite, answerer: Answerer) -> list[Outcome]:
    queries = [query for work in works for query in work.queries]
    plans = [plan for work in works for plan in work.plans]
    texts: Sequence[Text | None] = [None] * len(plans)
    if suite.generate:
        texts = answerer.texts(plans, [suite.tokens(query) for query in queries])
    new = _scores(plans, queries, suite, answerer, lambda query: query.new)
    true = _scores(plans, queries, suite, answerer, lambda query: query.true)
    outputs = iter(
        [
            _output(query, plan, text, a, b)
            for query, plan, text, a, b in zip(queries, plans, texts, new, true, strict=True)
        ]
    )
    return [
        Outcome(
            case=work.case.id,
            outputs=tuple(
                replace(next(outputs), contested=contested, conditions_met=met,
                        right_edit=_right_edit(query, plan, work.case))
                for query, plan, contested, met in zip(
                    work.queries, work.plans, work.contested, work.conditions_met, strict=True
                )
            ),
            relation=work.case.relation,
            references=work.case.references,
            edits=len(work.case.edits),
            live=work.live,
            edit_seconds=work.edit_seconds,
            after=work.after,
        )
        for work in works
    ]  # fmt: skip


def _scores(
    plans: Sequence[Plan],
    queries: Sequence[Query],
    suite: Suite,
    answerer: Answerer,
    end_of: Callable[[Query], str | None],
) -> list[Scored | None]:
    """The score of one continuation of each query that has it."""
    rows = [
        i
        for i, (plan, query) in enumerate(zip(plans, queries, strict=True))
        if suite.score and end_of(query) and can_score(plan.model)
    ]
    scored = answerer.scores(
        [plans[i] for i in rows],
        [queries[i].prompt for i in rows],
        [str(end_of(queries[i])) for i in rows],
    )
    by_row = dict(zip(rows, scored, strict=True))
    return [by_row.get(i) for i in range(len(plans))]


def _output(
    query: Query, plan: Plan, text: Text | None, new: Scored | None, true: Scored | None
) -> Output:
    cost = text or NO_TEXT
    scoring = sum(scored.seconds for scored in (new, true) if scored)
    return Output(
        prompt=query.prompt,
        kind=query.kind,
        text=text.text if text else None,
        answers=query.answers,
        old=query.old,
        fires=query.fires,
        route=plan.route,
        probability=plan.probability,
        new=_likelihood(new),
        true=_likelihood(true),
        group=query.group,
        test=query.test,
        label=query.label,
        meta=dict(query.meta),
        seconds=plan.seconds + cost.seconds + scoring,
        prompt_tokens=cost.prompt_tokens,
        answer_tokens=cost.answer_tokens,
        hops=plan.hops,
        trace=_trace(plan),
    )


def _likelihood(scored: Scored | None) -> Likelihood | None:
    """The likelihood as outcomes hold it.

    Raises:
        EvaluationError: It is not a number, which neither a file nor a figure can hold.
    """
    if scored is None:
        return None
    if not math.isfinite(scored.likelihood.log_prob):
        raise EvaluationError(
            f"score: a continuation's log-probability is {scored.likelihood.log_prob}.",
            hint="The model's numbers overflow; load it with another dtype.",
        )
    return scored.likelihood


def _trace(plan: Plan) -> dict[str, Any]:
    if not plan.edits:
        return dict(plan.trace)
    given = str(plan.messages[-1].text)
    return {
        "edits": [edit.stated for edit in plan.edits],
        "edit_ids": [edit.id for edit in plan.edits],
        "given": given,
        **plan.trace,
    }


def _right_edit(query: Query, plan: Plan, case: Case) -> bool | None:
    """Whether every edit that fired is the query's, or one that took its place."""
    if not query.fires or plan.route is None or not plan.edits or plan.hops:
        return None
    expected = case.edits[query.edit]
    return all(edit.id == expected.id or edit.key == expected.key for edit in plan.edits)
