"""A sample of cases asked one query at a time, the way a user asks.

It shows what a run of batches cannot: that off scope the answer is the base model's byte for byte,
how long one answer takes, and that answering together changed nothing but the time.
"""

from __future__ import annotations

import logging
import math
import random
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage

from memedit.evaluate.answering import can_score
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.judging import reason_of
from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.metrics import Figure, mean_figure, share_figure
from memedit.evaluate.outcome import Outcome, Output
from memedit.evaluate.suite import Suite
from memedit.models.local import LocalChatModel
from memedit.text import spaced

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Untouched:
    """What the unedited model makes of a query.

    Attributes:
        text: Its answer.
        first: Log-probabilities of the answer's first token, float64 ``[vocabulary]``; None for
            a model that does not give them.
    """

    text: str
    first: torch.Tensor | None


@dataclass(frozen=True)
class Alone:
    """One query asked by itself.

    Attributes:
        case: The case's id.
        query: The query's place among those the suite asks.
        seconds: Routing, generation and scoring.
        text: The method's answer.
        route: The method's route.
        edits: Ids of the edits it followed.
        base_text: The unedited model's answer; asked of off-scope queries only.
        kl: KL divergence of the answer's first token, base from method, in nats; off scope only.
        failed: Why there is no answer; None where there is.
    """

    case: str
    query: int
    seconds: float
    text: str | None
    route: str | None
    edits: tuple[str, ...]
    base_text: str | None = None
    kl: float | None = None
    failed: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Alone:
        """What :meth:`to_dict` gave."""
        return cls(**{**data, "edits": tuple(data["edits"])})


def sampled(
    groups: Sequence[Sequence[Case]], n: int, seed: int, *, without: Container[str] = ()
) -> list[tuple[Sequence[Case], list[Case]]]:
    """``n`` random cases of as few groups as possible: ``(group, its chosen cases)``.

    Args:
        groups: Cases whose edits are live together.
        n: How many cases.
        seed: Decides which.
        without: Ids of cases that are not chosen.
    """
    rng = random.Random(seed)
    chosen = []
    for group in rng.sample(list(groups), len(groups)):
        if n <= 0:
            break
        open_ = [case for case in group if case.id not in without]
        cases = rng.sample(open_, min(n, len(open_)))
        if cases:
            chosen.append((group, cases))
        n -= len(cases)
    return chosen


def ask_unedited(base: BaseChatModel, case: Case, suite: Suite) -> dict[int, Untouched]:
    """The unedited model's answers to a case's off-scope queries, by the query's place.

    To be asked before the first edit: a method may change the very weights. A query that the
    unedited model cannot answer is left out, since nothing can be compared with it.
    """
    found: dict[int, Untouched] = {}
    for i, query in enumerate(suite.queries(case)):
        if query.fires is not False or not suite.generate:
            continue
        asked: list[BaseMessage] = [HumanMessage(query.prompt)]
        try:
            text = str(base.invoke(asked, max_tokens=suite.tokens(query)).text)
            found[i] = Untouched(text, _first_token(base, asked))
        except Exception as error:  # noqa: BLE001 - what a model raises is a result, not the end
            log.warning("case %s, asked alone of the base: %s", case.id, reason_of(error))
    return found


def ask_alone(
    method: Method,
    case: Case,
    suite: Suite,
    *,
    places: Iterable[int],
    unedited: Mapping[int, Untouched],
    refusal: str | None = None,
) -> Iterator[Alone]:
    """Queries of a case asked by themselves; the case's edits and those of its group are live.

    A query that raises is recorded as failed.

    Args:
        method: The method, its edits applied.
        case: The case.
        suite: What is asked of it.
        places: Which queries, by their place among those the suite asks.
        unedited: What :func:`ask_unedited` gave.
        refusal: Why the case's edits are not live; None where they are.
    """
    queries = suite.queries(case)
    for i in places:
        before = unedited.get(i)
        base_text = before.text if before else None
        failed = Alone(case.id, i, 0.0, None, None, (), base_text, failed=refusal)
        try:
            yield failed if refusal else _asked(method, failed, queries[i], suite, before)
        except Exception as error:  # noqa: BLE001 - what a method raises is a result, not the end
            yield replace(failed, failed=reason_of(error))


def _asked(
    method: Method, blank: Alone, query: Query, suite: Suite, before: Untouched | None
) -> Alone:
    """``blank`` filled in with the method's answer."""
    started = time.perf_counter()
    if suite.generate:
        text, plan = method.ask(query.prompt, suite.tokens(query))
    else:
        text, [plan] = None, method.plan([query.prompt])
    if suite.score and can_score(plan.model):
        _score(plan, query)
    return replace(
        blank,
        seconds=time.perf_counter() - started,
        text=text,
        route=plan.route,
        edits=tuple(edit.id for edit in plan.edits),
        kl=_kl(before, plan) if before else None,
    )


def alone_figures(answers: Sequence[Alone], outcomes: Iterable[Outcome]) -> dict[str, Figure]:
    """What the sample shows, beside the same queries' outcomes in batches.

    ``byte_identical``: share of off-scope queries whose text is the base model's, byte for byte; a
    query that failed or under which an edit fired is not. ``byte_identical.unfired``: the same of
    those that a router sent to the base model, where it has to be 1. ``kl``: mean KL divergence
    of the first token off scope, nats. ``batch.texts_differ`` and ``batch.routes_differ``: shares
    of queries that got another text, or went elsewhere, in the batch. ``batch.speedup``: seconds
    of a query alone over its seconds in the run. ``seconds_per_query.alone``: seconds of a query
    by itself.
    """
    by_case = {outcome.case: outcome for outcome in outcomes if outcome.outputs}
    pairs: list[tuple[Alone, Output]] = [
        (answer, by_case[answer.case].outputs[answer.query])
        for answer in answers
        if answer.case in by_case
    ]
    off = [a for a, o in pairs if a.base_text is not None and not o.contested]
    left_alone = [a for a in off if a.failed is None and _unrouted(a.route)]
    found: dict[str, Figure] = {}
    if off:
        found["byte_identical"] = _by_case(off, _identical, share=True)
    if any(a.route is not None for a in left_alone):
        found["byte_identical.unfired"] = _by_case(left_alone, _identical, share=True)
    known = [a for a in off if a.kl is not None]
    if known:
        found["kl"] = _by_case(known, lambda a: a.kl or 0.0, share=False)
    answered = [(a, o) for a, o in pairs if a.failed is None and by_case[a.case].failed is None]
    if answered:
        costs = [o.seconds for c in by_case.values() if c.failed is None for o in c.outputs]
        together = sum(costs) / len(costs)
        seconds = [a.seconds for a, _ in answered]
        found["seconds_per_query.alone"] = mean_figure(seconds)
        found["batch.texts_differ"] = share_figure(a.text != o.text for a, o in answered)
        found["batch.routes_differ"] = share_figure(_elsewhere(a, o) for a, o in answered)
        if together > 0:
            found["batch.speedup"] = mean_figure([s / together for s in seconds])
    return found


def _by_case(answers: Sequence[Alone], value: Callable[[Alone], float], *, share: bool) -> Figure:
    """The mean over cases of a case's mean: queries of one case are not independent.

    A share that is the same in every case gets Wilson's interval for as many cases.
    """
    cases: dict[str, list[float]] = {}
    for answer in answers:
        cases.setdefault(answer.case, []).append(value(answer))
    means = [sum(values) / len(values) for values in cases.values()]
    if share and all(mean in (0.0, 1.0) for mean in means):
        return replace(share_figure(mean == 1.0 for mean in means), n=len(answers))
    return replace(mean_figure(means), n=len(answers))


def _identical(answer: Alone) -> float:
    return float(answer.text == answer.base_text)


def _unrouted(route: str | None) -> bool:
    """Whether the base model is to answer, or the method does not route."""
    return route in (None, "base")


def _elsewhere(alone: Alone, output: Output) -> bool:
    return alone.route != output.route or list(alone.edits) != output.trace.get("edit_ids", [])


def _score(plan: Plan, query: Query) -> None:
    assert isinstance(plan.model, LocalChatModel)
    prompt = plan.context + query.prompt
    for end in (query.new, query.true):
        if end:
            plan.model.score([prompt], [spaced(prompt, end)])


def _kl(before: Untouched, plan: Plan) -> float | None:
    """KL(base || method) of the distributions over the answer's first token, nats."""
    after = _first_token(plan.model, plan.messages)
    if before.first is None or after is None:
        return None
    value = float((before.first.exp() * (before.first - after)).sum())
    return value if math.isfinite(value) else None


def _first_token(model: BaseChatModel, messages: list[BaseMessage]) -> torch.Tensor | None:
    if not isinstance(model, LocalChatModel):
        return None
    _, logits = model.token_ids_and_scores(messages, max_tokens=1)
    return logits[0].double().log_softmax(-1)
