"""Which questions are taken apart, and what their chains decide about the route.

Scope has decided already, as if every question asked for one fact. Here the questions are found
whose words or whose entities' edits lead further; everything else passes untouched and costs no
more than a look at its words.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from langchain_core.language_models import BaseChatModel

from memedit.edit import Edit
from memedit.forms import SLOT
from memedit.multihop.composition import MAX_WORDS, looks_composed, says_more
from memedit.multihop.decision import ChainDecision
from memedit.multihop.hops import Chain, Strategy
from memedit.multihop.mello import Mello, Retrieved
from memedit.multihop.walk import FactGraph, Walk
from memedit.multihop.walk.comparing import comparison_in
from memedit.multihop.walk.inverse import asks_backwards
from memedit.multihop.walk.kinds import ends_elsewhere
from memedit.multihop.walk.planner import Planner
from memedit.multihop.walk.ranking import ComposedRanker, Ranker, VectorsOf
from memedit.multihop.walk.resolving import Ask
from memedit.scope.classifier import unknown_name
from memedit.scope.decision import Decision
from memedit.scope.encoder import Encoder
from memedit.scope.names import Mention, NameIndex
from memedit.scope.phrases import masked, relation_phrases
from memedit.scope.reading import reading_of
from memedit.scope.segments import asking, sentence_spans

Decide = Callable[[Sequence[str], dt.date | None], Sequence[Decision]]

SURE = 0.9  # scope this sure of one edit is believed where the words ask for one fact


@dataclass(frozen=True)
class Conversing:
    """Who takes questions apart in prompts, after MeLLo, in place of the walk.

    Attributes:
        model: The model, one that can follow the protocol.
        decide: Scope's decisions about sub-questions, on a day.
    """

    model: BaseChatModel
    decide: Decide

    def strategy(self, walk: Walk) -> Mello:
        """The strategy on the walk's day; the edits on the walk's way are told it beforehand."""
        return Mello(
            self.model,
            functools.partial(self._looked_up, walk.day),
            notes=functools.partial(_noted, walk),
        )

    def _looked_up(self, day: dt.date, sub_questions: Sequence[str]) -> list[Retrieved | None]:
        return retrieved(self.decide(sub_questions, day))


def retrieved(decisions: Iterable[Decision]) -> list[Retrieved | None]:
    """What scope's decisions about sub-questions tell the protocol: the surest edit, or None."""
    return [
        Retrieved.of_edit(decision.edits[0], decision.probability) if decision.edits else None
        for decision in decisions
    ]


def _noted(walk: Walk, questions: Sequence[str]) -> list[list[str]]:
    """Sub-questions that edits answer on the way the walk would take, whether or not it is sure."""
    return [
        [hop.question for hop in chain.hops if hop.edit is not None]
        for chain in walk.answer_many(questions)
    ]


class Composer:
    """Takes composed questions apart over the live edits.

    Args:
        names: The names of the live edits' subjects, kept by the scope classifier.
        encoder: Encodes questions and paths.
        vectors_of: Unit vectors of masked relation phrases, from the store.
        ask: Asks the base model for hops that no edit covers.
        decomposer: Folder of a decomposer that ``memedit train decomposer`` wrote; the shipped one
            where None. An encoder it does not fit ranks composed paths, untrained.
        mello: Takes questions apart in prompts instead; the walk does where None.
    """

    def __init__(
        self,
        names: NameIndex,
        encoder: Encoder,
        vectors_of: VectorsOf,
        ask: Ask | None = None,
        *,
        decomposer: Path | None = None,
        mello: Conversing | None = None,
    ) -> None:
        self.graph = FactGraph(names)
        self.ask = ask
        self.mello = mello
        self.ranker = _ranker(encoder, vectors_of, decomposer)

    def put(self, edits: Iterable[tuple[Edit, int]]) -> None:
        """Makes edits live, or replaces their older versions."""
        self.graph.put(edits)

    def drop(self, edit_id: str) -> None:
        """Takes an edit out; unknown ids are ignored."""
        self.graph.drop(edit_id)

    def settle(self, decisions: Sequence[Decision], on: dt.date | None) -> list[Decision]:
        """The decisions, with those of composed questions put in their place.

        Args:
            decisions: What scope decided.
            on: The day whose facts are asked for; today where None.
        """
        day = on or dt.date.today()
        asked = {i: question_of(decision) for i, decision in enumerate(decisions)}
        rows = [
            i for i, decision in enumerate(decisions) if self._leads_on(decision, asked[i], day)
        ]
        if not rows:
            return list(decisions)
        chains = self._strategy(day).answer_many([asked[i] for i in rows])
        settled = list(decisions)
        for i, chain in zip(rows, chains, strict=True):
            settled[i] = _settled(decisions[i], chain)
        return settled

    def _strategy(self, day: dt.date) -> Strategy:
        if self.mello:
            return self.mello.strategy(Walk(self.graph, self.ranker, day=day))
        return Walk(self.graph, self.ranker, day=day, ask=self.ask)

    def _leads_on(self, decision: Decision, question: str, day: dt.date) -> bool:
        """Whether a question is worth walking for: by its words, or by where its edits lead."""
        if not len(self.graph) or not question or len(question.split()) > MAX_WORDS:
            return False
        if comparison_in(question, self.graph, day):
            return True
        subjects = self.graph.subjects_in(question)
        if not subjects and isinstance(self.ranker, Planner):
            span = unknown_name(question)
            return span is not None and looks_composed(_without(question, span))
        if any(looks_composed(_masked(question, mention)) for mention in subjects):
            return True
        if decision.edits and decision.probability >= SURE:
            if isinstance(self.ranker, Planner) and self._asks_further(question, decision, day):
                return True
            return any(self._falls_short(question, decision, m, day) for m in subjects)
        if any(self._goes_further(mention, day) for mention in subjects):
            return True
        return not decision.edits and self._may_lead_back(question, day)

    def _asks_further(self, question: str, decision: Decision, day: dt.date) -> bool:
        """Whether a question may be about what scope's edit leads to.

        Its words say more than the edit's, and other edits go on from there.
        """
        texts = [_masked(question, mention) for mention in self.graph.subjects_in(question)]
        further = [edit for edit in decision.edits if self._go_further([edit], day)]
        return any(says_more(text, relation_phrases(e)) for e in further for text in texts)

    def _falls_short(
        self, question: str, decision: Decision, mention: Mention, day: dt.date
    ) -> bool:
        """Whether scope's edit gives another kind of thing than is asked for, and others go on.

        "Which continent does its coach come from?" is not answered by the coach.
        """
        text = _masked(question, mention)
        short = any(ends_elsewhere(text, masked(edit.prompt)) for edit in decision.edits)
        return short and self._goes_further(mention, day)

    def _may_lead_back(self, question: str, day: dt.date) -> bool:
        """Whether a question asks for the subject of an edit whose object it names."""
        return any(
            self.graph.entering(
                mention.name, day, functools.partial(asks_backwards, _masked(question, mention))
            )
            for mention in self.graph.objects_in(question)
        )

    def _goes_further(self, mention: Mention, day: dt.date) -> bool:
        """Whether an edit of the subject has an object that is itself the subject of an edit."""
        edges = self.graph.edges_of(mention.edit_ids, day)
        return self._go_further([edge.edit for edge in edges], day)

    def _go_further(self, edits: Iterable[Edit], day: dt.date) -> bool:
        """Whether one of some edits has an object that is itself the subject of an edit."""
        ends = (name for edit in edits for name in self.graph.members(edit.target_new))
        return any(self.graph.leaving(name, day) for name in ends)


def question_of(decision: Decision) -> str:
    """The last sentence of a query that asks, references resolved."""
    text = decision.question
    spans = sentence_spans(text)
    chosen = asking(text, spans)
    return text[slice(*chosen[-1])].strip() if chosen else ""


def _ranker(encoder: Encoder, vectors_of: VectorsOf, decomposer: Path | None) -> Ranker:
    if decomposer is not None:
        return Planner.load(decomposer, encoder, vectors_of)
    return Planner.shipped(encoder, vectors_of) or ComposedRanker(encoder, vectors_of)


def _without(question: str, span: tuple[int, int]) -> str:
    return masked(f"{question[: span[0]]}{SLOT}{question[span[1] :]}")


def _masked(question: str, mention: Mention) -> str:
    return reading_of(question, (0, len(question)), mention).text


def _settled(decision: Decision, chain: Chain) -> Decision:
    """The decision a chain leads to; scope's own where the chain settles nothing."""
    if not chain.confident or (chain.answer is not None and not _is_composed(chain)):
        return decision
    told = {field.name: getattr(decision, field.name) for field in fields(Decision)}
    count = len(chain.hops)
    if all(hop.source == "base" for hop in chain.hops):
        reason = f"The question is put together of {count} hops, none of which meets an edit."
        return ChainDecision(
            **{**told, "route": "base", "edits": (), "reasons": (reason,)}, chain=chain
        )
    edited = sum(hop.source != "base" for hop in chain.hops)
    told_so = f"The question is put together of {count} hops; the memory answers {edited} of them."
    reasons = (told_so, chain.reason)
    return ChainDecision(
        **{
            **told,
            "route": "multihop",
            "edits": chain.edits,
            "probability": chain.score,
            "reasons": reasons,
        },
        chain=chain,
    )


def _is_composed(chain: Chain) -> bool:
    """Whether a chain is more than one edit answered from its subject, which is scope's part."""
    if len(chain.hops) != 1:
        return bool(chain.hops)
    [hop] = chain.hops
    return hop.edit is not None and hop.answer != hop.edit.target_new
