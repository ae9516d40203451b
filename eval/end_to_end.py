"""Multi-hop questions where a model answers the hops that no edit covers, from its weights."""

from __future__ import annotations

import time
from collections.abc import Sequence

from langchain_core.messages import BaseMessage, HumanMessage
from record import Figure, share

from memedit import EditedModel
from memedit.evaluate.cases import Case, Query
from memedit.match import states
from memedit.models.local import LocalChatModel
from memedit.models.prompts import render

TOKENS = 32  # of an answer
BATCH = 64


def figures(model: EditedModel, cases: Sequence[Case], named: str) -> list[Figure]:
    """Any phrasing right and every one, with the edits live and of the base model's closed book.

    An answer is right where it states the gold answer or an alias. The closed book is asked the
    same questions without edits, once for what is right after the edits and once for what was right
    before, in the words that single hops are asked in, which suit it better than the bare question;
    what it knows of the hops that no edit covers bounds what can be reached.

    Args:
        model: The edited model, on a local base.
        cases: The cases that are asked.
        named: What the figures are called.
    """
    asked = [[q for q in case.queries if q.kind == "multi_hop"] for case in cases]
    flat = [query for some in asked for query in some]
    started = time.perf_counter()
    edited = [
        answer.text
        for start in range(0, len(flat), BATCH)
        for answer in model.ask_many(
            [q.prompt for q in flat[start : start + BATCH]], exact=False, max_tokens=TOKENS
        )
    ]
    seconds = (time.perf_counter() - started) / len(flat)
    closed = closed_book(model, [query.prompt for query in flat])
    hops = {q.prompt: q for case in cases for q in case.queries if q.kind == "hop" and not q.fires}
    known = closed_book(model, list(hops))
    right = [states(text, q.answers) for text, q in zip(known, hops.values(), strict=True)]
    after = [states(text, q.answers) for text, q in zip(edited, flat, strict=True)]
    before = [states(text, q.answers) for text, q in zip(closed, flat, strict=True)]
    original = [states(text, q.old) for text, q in zip(closed, flat, strict=True)]
    return [
        *_by_case(f"{named}: edited", after, asked),
        *_by_case(f"{named}: closed book, answers after the edits", before, asked),
        *_by_case(f"{named}: closed book, answers before the edits", original, asked),
        share(f"{named}: single hops without an edit that the base knows", right),
        Figure(f"{named}: seconds a question", seconds),
    ]


def closed_book(model: EditedModel, questions: Sequence[str]) -> list[str]:
    """The base model's own answers."""
    base = model.base
    assert isinstance(base, LocalChatModel)
    prompts: list[list[BaseMessage]] = [
        [HumanMessage(render("hop", question=question))] for question in questions
    ]
    return [
        str(message.text)
        for start in range(0, len(prompts), BATCH)
        for message in base.generate_many(prompts[start : start + BATCH], max_tokens=TOKENS)
    ]


def _by_case(name: str, right: Sequence[bool], asked: Sequence[Sequence[Query]]) -> list[Figure]:
    found = iter(right)
    cases = [[next(found) for _ in some] for some in asked]
    return [
        share(f"{name}, any phrasing", [any(some) for some in cases]),
        share(f"{name}, every phrasing", [all(some) for some in cases]),
    ]
