"""Comparisons and counts over edited facts: answered where the edits say enough, else declined.

"Do A and B play the same sport?" and "How many of A, B and C play chess?" are answered where the
memory knows the sport of all of them. Which of two is older no chain tells: where an edit has a
part in it, the base model's answer would be from before the edit, so it is honest to say that
nothing can be told. Counts over everybody are left alone, since one edit hardly changes them.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memedit.forms import SLOT
from memedit.multihop.hops import Chain, Hop
from memedit.multihop.walk.graph import Edge, FactGraph, by_relation
from memedit.multihop.walk.ranking import LIKELY, Ranker
from memedit.scope.names import Mention
from memedit.scope.phrases import masked
from memedit.text import name_key

_SAME = re.compile(r"\b(?:the same|both|shares?|in common)\b", re.I)
_YES_OR_NO = re.compile(r"^\W*(?:is|are|was|were|do|does|did|has|have)\b", re.I)
_MORE = re.compile(r"\b(?:\w{2,}er|more|less|fewer|earlier|first)\b.*\b(?:than|or)\b", re.I)
# Words between which two things stand, so that one is compared even if only one name is known.
_BESIDE = re.compile(r"\b(?:\w{2,}er|more|less|fewer)\b.*\bthan\b|\bthe same\b.*\bas\b", re.I)
_COUNT = re.compile(r"\bhow many\b|\bthe number of\b", re.I)
UNLIKE = "It compares facts, and nothing tells which of them is more."


@dataclass(frozen=True)
class Comparison:
    """A question about several names at once.

    Attributes:
        masked: The question with every name masked.
        edges: The edges of each name.
        same: Whether it asks if they are the same.
        count: Whether it asks how many of them there are.
        named: The names of objects in it, which tell what is counted.
    """

    masked: str
    edges: tuple[tuple[Edge, ...], ...]
    same: bool
    count: bool
    named: frozenset[str]


def comparison_in(question: str, graph: FactGraph, day: dt.date) -> Comparison | None:
    """What a question compares or counts; None where it does neither or no edit has a part."""
    same = bool(_SAME.search(question) and _YES_OR_NO.match(question))
    count = bool(_COUNT.search(question))
    if not (same or count or _MORE.search(question)):
        return None
    mentions = graph.subjects_in(question)
    edges = tuple(tuple(graph.edges_of(mention.edit_ids, day)) for mention in mentions)
    beside = not count and _YES_OR_NO.match(question) and _BESIDE.search(question)
    names = {name_key(mention.name) for mention in mentions}
    if len(names) < (1 if beside else 2) or not any(edges):
        return None
    named = frozenset(name_key(mention.name) for mention in graph.objects_in(question))
    return Comparison(_masked(question, mentions), edges, same, count, named)


def compared(comparison: Comparison, ranker: Ranker) -> Chain | None:
    """The answer or the abstention; None where no edit is about what is compared."""
    [asked] = ranker.read([comparison.masked])
    groups = by_relation([edge for edges in comparison.edges for edge in edges])
    relations = list(groups)
    [likeness] = ranker.wording([asked], [[(groups[name][0].phrases,) for name in relations]])
    best = int(np.argmax(likeness))
    if likeness[best] < LIKELY:
        return None
    sure = min(1.0, float(likeness[best]))
    found = [[e for e in edges if e.relation == relations[best]] for edges in comparison.edges]
    hops = tuple(_hop(edges[0], sure) for edges in found if edges)
    if not (comparison.same or comparison.count):
        return Chain.abstention(UNLIKE, hops, confident=True)
    if not all(found) or len(found) < 2 or (comparison.count and not comparison.named):
        return Chain.abstention("The memory knows not all that is compared.", hops, confident=True)
    answers = [name_key(hop.answer) for hop in hops]
    if comparison.count:
        answer = str(sum(name in comparison.named for name in answers))
    else:
        answer = "Yes" if len(set(answers)) == 1 else "No"
    told = " and ".join(dict.fromkeys(hop.answer for hop in hops))
    return Chain(hops, answer, True, f"What is compared: {told}.")


def _hop(edge: Edge, score: float) -> Hop:
    return Hop(edge.question, None, edge.source, edge.edit, edge.end, score)


def _masked(question: str, mentions: Sequence[Mention]) -> str:
    for mention in sorted(mentions, key=lambda m: -m.start):
        question = f"{question[: mention.start]}{SLOT}{question[mention.end :]}"
    return masked(question)
