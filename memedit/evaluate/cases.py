"""What is evaluated: cases, each with its edits and the queries they are judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

from memedit.edit import Edit

# What a query tests. A metric picks the kinds it is about; see memedit.evaluate.metrics.
Kind = Literal[
    "edit",  # the edit's own prompt or question
    "rephrase",  # the same fact in other words
    "locality",  # another subject, or another relation of the subject: nothing may change
    "distracting",  # a locality prompt with the edit's words put in front (CounterFact+)
    "forgetting",  # an old answer that stays true beside the new one
    "alias",  # the fact asked by another name of the subject
    "reverse",  # what follows by inverting or generalising the relation
    "one_hop",  # a question whose chain of two facts starts at the edit
    "two_hop_subject",  # a chain of two facts that arrives at the edit's subject
    "multi_hop",  # a question over a chain of hops (MQuAKE); several phrasings of one question
    "hop",  # one hop of such a chain, asked by itself
    "attribute",  # another subject that already has the target (CounterFact)
    "generation",  # the beginning of a text about the subject; judged as a text
    "reasoning",  # commonsense that follows from the edit
    "knows",  # a fact asked of the model with no edit about it
]
Test = Literal["OR", "AND"]
NO_META: Mapping[str, Any] = MappingProxyType({})
# Of a query about another subject that asks for the relation of the case's own edit.
NEIGHBOUR: Mapping[str, Any] = MappingProxyType({"same_relation": True})
# Of a query that is answered in words of one's own rather than with a name.
FREE_TEXT: Mapping[str, Any] = MappingProxyType({"free_text": True})


@dataclass(frozen=True)
class Query:
    """One prompt put to a method, and what is right.

    Args:
        prompt: A question, or a text to complete; exactly what the method gets.
        kind: What it tests.
        answers: Right answers once the edits hold, aliases included. Empty where only "as
            before" can be judged.
        old: Right answers before the edits, aliases included, where known.
        fires: Whether one of the case's edits ought to fire: True, False, or None where that is
            a matter of the method (compositional questions).
        edit: Which of the case's edits ought to fire, counted from 0.
        new: The continuation whose likelihood is compared with ``true`` (CounterFact, zsRE): the
            target of the edit. No leading space.
        true: The continuation that was true before the edit. No leading space.
        group: Queries of one case with one group belong to one test: the phrasings of a question,
            the queries of one RippleEdits test. Empty: the query stands for itself.
        test: How the queries of a group make one result: any right, or all.
        conditions: What the unedited model must answer for the group to count (RippleEdits).
        label: The data set's own name of the test, such as ``"Compositionality_I"``.
        meta: Whatever else is needed: ``hop`` (place in the chain), ``edited`` (bool),
            ``subject`` and ``relation`` (of a hop), ``chain`` (the relations of a chain),
            ``same_relation`` (whether it asks for the case's own relation), ``free_text``
            (whether it is answered in words of one's own).
    """

    prompt: str
    kind: Kind
    answers: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    fires: bool | None = None
    edit: int = 0
    new: str | None = None
    true: str | None = None
    group: str = ""
    test: Test = "OR"
    conditions: tuple[Condition, ...] = ()
    label: str = ""
    meta: Mapping[str, Any] = field(default_factory=lambda: NO_META, hash=False)


@dataclass(frozen=True)
class Condition:
    """A prompt that the unedited model must answer right for a test to count."""

    prompt: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """One record of a data set.

    Args:
        id: The record's own id, or its place; unique in the data set.
        edits: The edits it makes; none where a model's knowledge alone is tested.
        queries: What is asked once they are live.
        relation: The relation's name or id, for tables by relation.
        facts: What the data set says is true beside the edits, tagged ``fact``. No method is given
            them unless the setting says so.
        references: Texts about things that have the target, for consistency (ROME, appendix).
        language: BCP 47 tag of the queries.
    """

    id: str
    edits: tuple[Edit, ...]
    queries: tuple[Query, ...]
    relation: str = ""
    facts: tuple[Edit, ...] = ()
    references: tuple[str, ...] = ()
    language: str = "en"


@dataclass(frozen=True)
class Malformed:
    """A record that cannot be read. It counts as a failed case and lowers the score."""

    id: str
    reason: str


@dataclass
class Dropped:
    """Records and queries left out on purpose, by reason; they do not lower the score.

    Args:
        reasons: How many for each reason, such as "the target is already true".
        examples: The first ids for each reason.
    """

    reasons: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, case_id: str) -> None:
        """Counts one."""
        self.reasons[reason] += 1
        ids = self.examples.setdefault(reason, [])
        if len(ids) < 5:
            ids.append(case_id)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: ``{reason: {"count": n, "examples": [ids]}}``."""
        return {
            reason: {"count": count, "examples": self.examples[reason]}
            for reason, count in self.reasons.most_common()
        }
