"""Following a plan where the graph ends: hops that no edit covers are asked of the base model.

Every hop is looked for among the live edits first; what no edit answers is asked in natural words.
Relations follow each other only where what one leads to can have the next, a name that is no
answer is asked for once more in other words, and a chain that finds no way on is given up with
what it has. Questions advance together: the base model is asked once a hop for all of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from memedit.forms import fill
from memedit.multihop.hops import Chain, Hop
from memedit.multihop.walk.answers import listed, short_answer
from memedit.multihop.walk.graph import Edge, FactGraph, by_relation
from memedit.multihop.walk.inventory import Kinds, Relation, fits
from memedit.multihop.walk.planner import Plan

# A base model's answers to questions, in order; None where it has none.
Ask = Callable[[Sequence[str]], Sequence[str | None]]

NEAR = 2.0  # logits by which an edge may fit a hop less well than the best relation known
SURE = 0.5  # probability from which a plan's length is believed
TRIES = 2  # wordings in which one hop is asked


@dataclass(frozen=True)
class Start:
    """A question with the entity its chain begins at.

    Attributes:
        plan: Read from the question with the entity masked.
        name: The entity's name.
        edges: The edges that leave it; none where no edit is about it.
    """

    plan: Plan
    name: str
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class _Draft:
    """A chain under way.

    Attributes:
        start: Where it began.
        names: Where it stands.
        kinds: What kind of thing that is; empty where unknown.
        hops: How it came there.
        stuck: Why it cannot go on; empty where it can.
    """

    start: Start
    names: tuple[str, ...]
    kinds: Kinds = frozenset()
    hops: tuple[Hop, ...] = ()
    stuck: str = ""

    @property
    def open(self) -> bool:
        """Whether there is a hop to go."""
        return not self.stuck and len(self.hops) < self.start.plan.length


@dataclass(frozen=True)
class _Wish:
    """A hop that the base model is to answer."""

    relation: Relation
    score: float

    def question(self, name: str, attempt: int) -> str:
        """How it is asked, the first time or another."""
        return fill(self.relation.questions[attempt % len(self.relation.questions)], name)


class Resolver:
    """Follows plans over the live edits and, between them, the base model.

    Args:
        graph: The live edits.
        ask: Asks the base model.
        day: The day whose facts count.
    """

    def __init__(self, graph: FactGraph, ask: Ask, day: dt.date) -> None:
        self.graph = graph
        self.ask = ask
        self.day = day

    def chains(self, starts: Sequence[Start]) -> list[Chain]:
        """The chain of each question, in order."""
        drafts = [_Draft(start, (start.name,)) for start in starts]
        while any(draft.open for draft in drafts):
            drafts = self._round(drafts)
        return [_chain(draft) for draft in drafts]

    def _round(self, drafts: Sequence[_Draft]) -> list[_Draft]:
        """Every draft that is open one hop further."""
        found = [self._by_edit(draft) if draft.open else draft for draft in drafts]
        wishes = {i: _wish(draft) for i, draft in enumerate(found) if draft is drafts[i]}
        open_ = {i: wish for i, wish in wishes.items() if wish and drafts[i].open}
        for i, wish in wishes.items():
            if wish is None and drafts[i].open:
                found[i] = replace(drafts[i], stuck="No relation that is known fits the next hop.")
        for attempt in range(TRIES):
            for i, draft in self._asked(found, open_, attempt).items():
                found[i] = draft
                del open_[i]
        for i, wish in open_.items():
            question = wish.question(found[i].names[0], 0)
            found[i] = replace(found[i], stuck=f"The base model has no answer to {question!r}.")
        return found

    def _by_edit(self, draft: _Draft) -> _Draft:
        """The draft one hop further where an edit covers the hop, else the draft itself."""
        place, plan = len(draft.hops), draft.start.plan
        edges: Sequence[Edge] = draft.start.edges
        if place:
            edges = [e for name in draft.names for e in self.graph.leaving(name, self.day)]
        used = {hop.edit.id for hop in draft.hops if hop.edit}
        groups = list(by_relation([e for e in edges if e.edit.id not in used]).values())
        if not groups:
            return draft
        scores = plan.steps([group[0].phrases for group in groups], place)
        best = int(np.argmax(scores))
        if scores[best] < -NEAR:
            return draft
        first = groups[best][0]
        ends = dict.fromkeys(n for e in groups[best] for n in self.graph.members(e.end))
        hop = Hop(
            first.question,
            None,
            first.source,
            first.edit,
            listed(list(dict.fromkeys(e.end for e in groups[best]))),
            float(np.exp(scores[best])),
        )
        kinds = _leads_to(plan, place)
        return replace(draft, names=tuple(ends), kinds=kinds, hops=(*draft.hops, hop))

    def _asked(
        self, drafts: Sequence[_Draft], wishes: dict[int, _Wish], attempt: int
    ) -> dict[int, _Draft]:
        """The drafts that the base model's answers lead further, by their places."""
        questions = {i: wish.question(drafts[i].names[0], attempt) for i, wish in wishes.items()}
        if not questions:
            return {}
        unique = list(dict.fromkeys(questions.values()))
        try:
            answers = dict(zip(unique, self.ask(unique), strict=True))
        except Exception as error:  # noqa: BLE001 - a model that fails ends chains, not the program
            reason = f"The base model failed: {type(error).__name__}: {error}"[:300]
            return {i: replace(drafts[i], stuck=reason) for i in wishes}
        further = {}
        for i, question in questions.items():
            told = answers[question]
            answer = None if told is None else short_answer(told, question)
            if answer is not None:
                wish = wishes[i]
                hop = Hop(question, answer, "base", None, answer, wish.score)
                further[i] = replace(
                    drafts[i],
                    names=(answer,),
                    kinds=wish.relation.object,
                    hops=(*drafts[i].hops, hop),
                )
        return further


def _wish(draft: _Draft) -> _Wish | None:
    """What the base model is to be asked next: the best relation that fits what is there."""
    plan, place = draft.start.plan, len(draft.hops)
    if place >= len(plan.hops):
        return None
    relations, logits = plan.planner.inventory.relations, plan.known[place]
    allowed = np.array([fits(draft.kinds, relation.subject) for relation in relations])
    if not allowed.any():
        return None
    masked = np.where(allowed, logits, -np.inf)
    row = int(masked.argmax())
    odds = np.exp(logits - logits.max())
    return _Wish(relations[row], float(odds[row] / odds.sum()))


def _leads_to(plan: Plan, place: int) -> Kinds:
    """What kind of thing a hop that an edit answers leads to, by the relation it is most like."""
    return plan.planner.inventory.relations[int(plan.known[place].argmax())].object


def _chain(draft: _Draft) -> Chain:
    sure = float(np.exp(draft.start.plan.lengths.max())) >= SURE
    if draft.stuck:
        edited = any(hop.source != "base" for hop in draft.hops)
        return Chain.abstention(draft.stuck, draft.hops, confident=sure and edited)
    asked = sum(hop.source == "base" for hop in draft.hops)
    reason = f"The plan has {len(draft.hops)} hops; the base model answered {asked} of them."
    return Chain(draft.hops, draft.hops[-1].answer, sure, reason)
