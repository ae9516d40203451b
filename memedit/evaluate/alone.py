"""A sample of cases asked one query at a time, the way a user asks.

It shows what a run of batches cannot: that off scope the answer is the base model's byte for byte,
how long one answer takes, and that answering together changed nothing but the time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage

from memedit.evaluate.answering import can_score, spaced
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.methods.contract import Method, Plan
from memedit.evaluate.metrics import Figure, mean_figure, share_figure
from memedit.evaluate.outcome import Outcome, Output
from memedit.evaluate.suite import Suite
from memedit.models.local import LocalChatModel


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
    """

    case: str
    query: int
    seconds: float
    text: str | None
    route: str | None
    edits: tuple[str, ...]
    base_text: str | None = None
    kl: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Alone:
        """What :meth:`to_dict` gave."""
        return cls(**{**data, "edits": tuple(data["edits"])})


def sampled(
    groups: Sequence[Sequence[Case]], n: int, seed: int
) -> list[tuple[Sequence[Case], list[Case]]]:
    """``n`` random cases of as few groups as possible: ``(group, its chosen cases)``."""
    rng = random.Random(seed)
    chosen = []
    for group in rng.sample(list(groups), len(groups)):
        if n <= 0:
            break
        cases = rng.sample(list(group), min(n, len(group)))
        chosen.append((group, cases))
        n -= len(cases)
    return chosen


def ask_alone(method: Method, base: BaseChatModel, case: Case, suite: Suite) -> Iterator[Alone]:
    """Every query of a case asked by itself; its edits and those of its group are live.

    Args:
        method: The method, its edits applied.
        base: The unedited model.
        case: The case.
        suite: What is asked of it.
    """
    for i, query in enumerate(suite.queries(case)):
        started = time.perf_counter()
        if suite.generate:
            text, plan = method.ask(query.prompt, suite.tokens(query))
        else:
            text, [plan] = None, method.plan([query.prompt])
        if suite.score and can_score(plan.model):
            _score(plan, query)
        seconds = time.perf_counter() - started
        base_text = kl = None
        if query.fires is False and suite.generate:
            asked: list[BaseMessage] = [HumanMessage(query.prompt)]
            base_text = str(base.invoke(asked, max_tokens=suite.tokens(query)).text)
            kl = _kl(base, asked, plan)
        yield Alone(
            case.id, i, seconds, text, plan.route, tuple(e.id for e in plan.edits), base_text, kl
        )


def alone_figures(answers: Sequence[Alone], outcomes: Iterable[Outcome]) -> dict[str, Figure]:
    """What the sample shows, beside the same queries' outcomes in batches.

    ``byte_identical``: share of off-scope queries (of a router: those it sent to the base model)
    whose text is the base model's, byte for byte. ``kl``: mean KL divergence on them, nats.
    ``batch.texts_differ`` and ``batch.routes_differ``: shares of queries that got another text, or
    went elsewhere, in the batch. ``batch.speedup``: seconds of a query alone over its seconds in
    the run. ``seconds_per_query.alone``: seconds of a query by itself.
    """
    by_case = {outcome.case: outcome for outcome in outcomes if outcome.failed is None}
    pairs: list[tuple[Alone, Output]] = [
        (answer, by_case[answer.case].outputs[answer.query])
        for answer in answers
        if answer.case in by_case
    ]
    off = [
        a
        for a, o in pairs
        if a.base_text is not None and a.route in (None, "base") and not o.contested
    ]
    kls = [a.kl for a in off if a.kl is not None]
    found: dict[str, Figure] = {}
    if off:
        found["byte_identical"] = share_figure(a.text == a.base_text for a in off)
    if kls:
        found["kl"] = mean_figure(kls)
    if pairs:
        together = sum(o.seconds for outcome in by_case.values() for o in outcome.outputs)
        together /= sum(len(outcome.outputs) for outcome in by_case.values())
        seconds = [a.seconds for a, _ in pairs]
        found["seconds_per_query.alone"] = mean_figure(seconds)
        found["batch.texts_differ"] = share_figure(a.text != o.text for a, o in pairs)
        found["batch.routes_differ"] = share_figure(_elsewhere(a, o) for a, o in pairs)
        if together > 0:
            found["batch.speedup"] = mean_figure([s / together for s in seconds])
    return found


def _elsewhere(alone: Alone, output: Output) -> bool:
    return alone.route != output.route or list(alone.edits) != output.trace.get("edit_ids", [])


def _score(plan: Plan, query: Query) -> None:
    assert isinstance(plan.model, LocalChatModel)
    prompt = plan.context + query.prompt
    for end in (query.new, query.true):
        if end:
            plan.model.score([prompt], [spaced(prompt, end)])


def _kl(base: BaseChatModel, asked: list[BaseMessage], plan: Plan) -> float | None:
    """KL(base || method) of the distributions over the answer's first token, nats."""
    if not (isinstance(base, LocalChatModel) and isinstance(plan.model, LocalChatModel)):
        return None
    before = _first_token(base, asked)
    after = _first_token(plan.model, plan.messages)
    return float((before.exp() * (before - after)).sum())


def _first_token(model: LocalChatModel, messages: list[BaseMessage]) -> Any:
    _, logits = model.token_ids_and_scores(messages, max_tokens=1)
    return logits[0].double().log_softmax(-1)
