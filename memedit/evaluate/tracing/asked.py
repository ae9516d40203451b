"""What is traced of a data set: a prompt, its subject, and the answer it had before any edit."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from memedit.errors import TraceError
from memedit.evaluate.cases import Case, Malformed
from memedit.trace.prompts import template_of


@dataclass(frozen=True)
class Asked:
    """One prompt of a data set.

    Attributes:
        id: The case's id.
        template: The prompt with ``{}`` in its subject's place.
        subject: The subject; of commonsense, the event.
        answer: What the data set says follows.
        relation: The relation's name or id.
    """

    id: str
    template: str
    subject: str
    answer: str
    relation: str


def asked_of(case: Case) -> Asked:
    """What a case asks before anything is edited.

    Facts are asked for what was true (CounterFact, known_1000). Commonsense has nothing that was
    true before, so it is asked for the target, which is no part of its prompt (CKEBench, ATOMIC).

    Raises:
        TraceError: It has no subject, or its subject is not in its prompt once.
    """
    if case.edits:
        edit = case.edits[0]
        answer = edit.target_new if edit.kind == "free_text" else edit.target_true
        prompt, subject = edit.prompt, edit.subject
    else:
        query = case.queries[0]
        prompt, answer = query.prompt, query.true
        subject = str(query.meta.get("subject") or "")
    if not answer:
        raise TraceError(
            f"answer: case {case.id!r} does not say what was true.",
            hint="Trace a data set that does, such as known_1000.",
        )
    return Asked(case.id, template_of(prompt or "", subject or ""), subject or "", answer,
                 case.relation)  # fmt: skip


def all_asked(cases: Iterable[Case | Malformed], seed: int) -> tuple[list[Asked], dict[str, str]]:
    """What a data set asks, in an order that the seed decides.

    Returns:
        What can be traced; and why by case what cannot.
    """
    found, refused = [], {}
    for case in cases:
        if isinstance(case, Malformed):
            refused[case.id] = case.reason
            continue
        try:
            found.append(asked_of(case))
        except TraceError as error:
            refused[case.id] = reason_of(error)
    random.Random(seed).shuffle(found)
    return found, refused


def reason_of(error: TraceError) -> str:
    """What is wrong with a prompt and what to do, without its own words, so that it is counted."""
    return f"{error.message.partition(':')[0]}: {error.hint}"
