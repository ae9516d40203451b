"""The walk: entities linked, trails over the live edits enumerated, the one asked for chosen.

Where no trail is what the question asks, and a plan can be read from it, the plan is followed hop
by hop, and the base model asked where no edit is.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from memedit.multihop.hops import Chain, Hop
from memedit.multihop.walk.answers import listed
from memedit.multihop.walk.comparing import compared, comparison_in
from memedit.multihop.walk.graph import Edge, FactGraph
from memedit.multihop.walk.inverse import LIKE, asks_backwards
from memedit.multihop.walk.kinds import ends_elsewhere
from memedit.multihop.walk.planner import Plan, Planner
from memedit.multihop.walk.ranking import LIKELY, Asked, Ranker, Words, composed
from memedit.multihop.walk.readings import AGREED, RIVALS, rivals
from memedit.multihop.walk.resolving import NEAR, Ask, Resolver, Start
from memedit.multihop.walk.trails import Trail, trails_from
from memedit.scope.classifier import unknown_name
from memedit.scope.encoder import Vectors
from memedit.scope.names import Mention
from memedit.scope.reading import reading_of

MAX_ENTITIES = 4  # of one question
NOTHING_NAMED = "The question names nothing that a live edit is about."
NOTHING_LIKE = "No path over the live edits is like the question."


@dataclass(frozen=True)
class Entity:
    """A name in a question that a chain may begin at.

    Attributes:
        question: Which question, by its place.
        mention: Where it stands.
        masked: The question with it masked.
        start: The edges that leave it; none where no edit is about it.
    """

    question: int
    mention: Mention
    masked: str
    start: tuple[Edge, ...]


@dataclass(frozen=True)
class Ranked:
    """A trail with its score; the higher the better.

    Attributes:
        trail: The trail.
        score: How well it fits the question.
        entity: Where it begins, by its row.
        likely: Whether the trained or the untrained reader finds it like the question.
        rival: Another reading of the question that fits far better; empty where none does.
        margin: How far the nearest score is that would have changed what is answered.
    """

    trail: Trail
    score: float
    entity: int
    likely: bool = True
    rival: str = ""
    margin: float = np.inf


@dataclass(frozen=True)
class Considered:
    """A question, as it was read.

    Attributes:
        read: The names in it that a chain may begin at, each with what the question asks of it.
        best: The best trail; None where there is none at all.
    """

    read: tuple[tuple[Entity, Asked], ...]
    best: Ranked | None


class Walk:
    """Answers questions by paths over the live edits.

    Args:
        graph: The live edits.
        ranker: Tells which path a question asks for.
        day: The day whose facts count; today where None.
        ask: Asks the base model for hops that no edit covers. Without it, and with a ranker that
            reads no plans, chains go only where edits lead.
    """

    def __init__(
        self,
        graph: FactGraph,
        ranker: Ranker,
        *,
        day: dt.date | None = None,
        ask: Ask | None = None,
    ) -> None:
        self.graph = graph
        self.ranker = ranker
        self.day = day or dt.date.today()
        self.ask = ask

    def answer_many(self, questions: Sequence[str]) -> list[Chain]:
        """See :class:`~memedit.multihop.hops.Strategy`.

        A question that was decided narrowly is considered again, alone, so that its chain does not
        depend on what was asked beside it.
        """
        found = self._considered(questions)
        for i, one in enumerate(found if len(questions) > 1 else ()):
            if one.best is not None and one.best.margin < self.ranker.noise:
                [found[i]] = self._considered([questions[i]])
        chains = {i: self._chain(one.best) for i, one in enumerate(found)}
        chains |= self._resolved(found, chains)
        return list((chains | self._compared(questions)).values())

    def _considered(self, questions: Sequence[str]) -> list[Considered]:
        """Every question with the best of its trails, beside what else it may ask for."""
        entities = [e for i, question in enumerate(questions) for e in self._entities(i, question)]
        asked = self.ranker.read([entity.masked for entity in entities]) if entities else []
        best = self._likely(asked, self._best(entities, asked))
        best = self._beside_rivals(entities, asked, best)
        read: list[list[tuple[Entity, Asked]]] = [[] for _ in questions]
        for entity, plan in zip(entities, asked, strict=True):
            read[entity.question].append((entity, plan))
        return [Considered(tuple(some), best.get(i)) for i, some in enumerate(read)]

    def _compared(self, questions: Sequence[str]) -> dict[int, Chain]:
        """The chains of questions that compare or count, which no path answers."""
        found = {}
        for i, question in enumerate(questions):
            comparison = comparison_in(question, self.graph, self.day)
            chain = None if comparison is None else compared(comparison, self.ranker)
            if chain is not None:
                found[i] = chain
        return found

    # -- entities --------------------------------------------------------------------------------

    def _entities(self, place: int, question: str) -> list[Entity]:
        """The names a chain may begin at: subjects, and objects that lead back to subjects.

        Where there are none it is the longest name, known or not.
        """
        found: list[tuple[Mention, Sequence[Edge]]] = [
            (mention, self.graph.edges_of(mention.edit_ids, self.day))
            for mention in self.graph.subjects_in(question)
        ]
        found += [(mention, ()) for mention in self.graph.objects_in(question)]
        whole = (0, len(question))
        entities = [
            Entity(place, mention, text, self._start(mention, edges, text))
            for mention, edges in found
            for text in [reading_of(question, whole, mention).text]
        ]
        entities = [entity for entity in entities if entity.start]
        span = None if entities else unknown_name(question)
        if span and self._reads_plans:
            name = question[slice(*span)]
            mention = Mention(*span, name, name, "variant", ())
            entities = [Entity(place, mention, reading_of(question, whole, mention).text, ())]
        entities.sort(key=lambda e: e.mention.start - e.mention.end)
        return entities[:MAX_ENTITIES]

    def _start(self, mention: Mention, edges: Sequence[Edge], masked: str) -> tuple[Edge, ...]:
        """The edges a chain may begin with: those of a subject, or backwards those of an object."""
        if edges:
            return tuple(edges)
        backwards = functools.partial(asks_backwards, masked)
        return tuple(self.graph.entering(mention.name, self.day, backwards))

    @property
    def _reads_plans(self) -> bool:
        return self.ask is not None and isinstance(self.ranker, Planner)

    # -- over the edits --------------------------------------------------------------------------

    def _best(self, entities: Sequence[Entity], asked: Sequence[Asked]) -> dict[int, Ranked]:
        """The best trail of each question that has any."""
        trails = [
            trails_from(self.graph, entity.start, read, self.day)
            for entity, read in zip(entities, asked, strict=True)
        ]
        scores = self._scores(asked, trails)
        for entity, some, values in zip(entities, trails, scores, strict=True):
            values -= np.array([self._misfit(entity, trail) for trail in some], dtype=np.float32)
        best: dict[int, Ranked] = {}
        for place, (entity, some, values) in enumerate(zip(entities, trails, scores, strict=True)):
            if not some:
                continue
            row, *others = (int(i) for i in np.argsort(-values, kind="stable")[:2])
            possible = bool(others) and np.isfinite(values[others[0]])
            margin = float(values[row] - values[others[0]]) if possible else np.inf
            ranked = Ranked(some[row], float(values[row]), place, margin=margin)
            other = best.setdefault(entity.question, ranked)
            if other is not ranked:
                apart = abs(other.score - ranked.score) if other.score != ranked.score else 0.0
                better = max(other, ranked, key=lambda one: one.score)
                best[entity.question] = replace(better, margin=min(better.margin, apart))
        return best

    def _misfit(self, entity: Entity, trail: Trail) -> float:
        """What it costs a trail that kinds of things do not fit, on its way or at its end."""
        words = trail.words
        if trail.steps[0][0].inverse:  # its words tell what it comes from, not where it leads
            words = words[1:]
        elsewhere = bool(words) and ends_elsewhere(entity.masked, words[-1][0])
        return self.ranker.unfit(words) + self.ranker.misfit * elsewhere

    def _likely(self, asked: Sequence[Asked], best: dict[int, Ranked]) -> dict[int, Ranked]:
        """The best trails, with whether they are like their questions to either reader."""
        floor = self.ranker.floor
        best = {
            i: replace(ranked, margin=min(ranked.margin, abs(ranked.score - floor)))
            for i, ranked in best.items()
        }
        low = {i: ranked for i, ranked in best.items() if ranked.score < floor}
        if not low:
            return best
        paths = [[ranked.trail.words] for ranked in low.values()]
        cosines = self.ranker.wording([asked[ranked.entity] for ranked in low.values()], paths)
        return best | {
            i: replace(ranked, likely=bool(cosine[0] >= LIKELY))
            for (i, ranked), cosine in zip(low.items(), cosines, strict=True)
        }

    def _beside_rivals(
        self, entities: Sequence[Entity], asked: Sequence[Asked], best: dict[int, Ranked]
    ) -> dict[int, Ranked]:
        """The best trails, with the readings of their questions that outdo them by far.

        No score is above 0, so that the readings of most questions need not be looked at.
        """
        found = dict(best)
        tried = {
            i: (plan, rivals(plan, ranked.trail.words))
            for i, ranked in best.items()
            for plan in [asked[ranked.entity]]
            if isinstance(plan, Plan) and ranked.score < -RIVALS
            if not ranked.trail.steps[0][0].inverse
        }
        plans, paths = [plan for plan, _ in tried.values()], [some for _, some in tried.values()]
        better: dict[int, list[tuple[Words, ...]]] = {}
        for i, some, scores in zip(tried, paths, self.ranker.rank(plans, paths), strict=True):
            masked = entities[best[i].entity].masked
            ends = [ends_elsewhere(masked, path[-1][0]) for path in some]
            scores -= self.ranker.misfit * np.array(ends, dtype=np.float32)
            nearest = np.abs(scores - best[i].score - RIVALS).min(initial=np.inf)
            found[i] = replace(best[i], margin=min(best[i].margin, float(nearest)))
            rows = [row for row in np.argsort(-scores) if scores[row] > best[i].score + RIVALS]
            if rows:
                better[i] = [some[row] for row in rows]
        trails = [best[i].trail.words for i in better]
        rivalling = self._agreed([tried[i][0] for i in better], trails, list(better.values()))
        return found | {
            i: replace(found[i], rival=rival) for i, rival in zip(better, rivalling, strict=True)
        }

    def _agreed(
        self,
        plans: Sequence[Plan],
        trails: Sequence[tuple[Words, ...]],
        better: Sequence[Sequence[tuple[Words, ...]]],
    ) -> list[str]:
        """For each trail the first of the readings that the untrained encoder finds better too."""
        paths = [[trail, *some] for trail, some in zip(trails, better, strict=True)]
        found = []
        for some, likeness in zip(better, self.ranker.wording(plans, paths), strict=True):
            told = zip(some, likeness[1:], strict=True)
            agreed = (composed(path) for path, like in told if like > likeness[0] + AGREED)
            found.append(next(agreed, ""))
        return found

    def _scores(self, asked: Sequence[Asked], trails: Sequence[Sequence[Trail]]) -> list[Vectors]:
        """The score of every trail; one that begins backwards is out unless its words fit."""
        paths = [[trail.words for trail in some] for some in trails]
        scores = self.ranker.rank(asked, paths)
        back = [i for i, some in enumerate(trails) if some and some[0].steps[0][0].inverse]
        cosines = self.ranker.wording([asked[i] for i in back], [paths[i] for i in back])
        for i, likeness in zip(back, cosines, strict=True):
            scores[i][likeness < LIKE] = -np.inf
        return scores

    def _chain(self, ranked: Ranked | None) -> Chain:
        if ranked is None:
            return Chain.abstention(NOTHING_NAMED)
        hops = _hops(ranked.trail, self.ranker.sureness(ranked.score))
        if not ranked.likely:
            return Chain.abstention(NOTHING_LIKE, hops)
        if ranked.rival:
            reason = f"The question rather asks for what the edits do not tell: {ranked.rival}."
            return Chain.abstention(reason, hops)
        reason = f"The path over the edits fits the question ({hops[0].score:.2f})."
        return Chain(hops, hops[-1].answer, True, reason)

    # -- beyond the edits ------------------------------------------------------------------------

    def _resolved(
        self, considered: Sequence[Considered], chains: dict[int, Chain]
    ) -> dict[int, Chain]:
        """The chains of questions for which no trail was found, their plans followed."""
        if self.ask is None:
            return {}
        open_ = {i: one for i, one in enumerate(considered) if chains[i].answer is None}
        found = {i: self._planned(one) for i, one in open_.items()}
        starts = {i: start for i, start in found.items() if start is not None}
        resolver = Resolver(self.graph, self.ask, self.day)
        return dict(zip(starts, resolver.chains(list(starts.values())), strict=True))

    def _planned(self, considered: Considered) -> Start | None:
        """Where a plan begins that is worth following; None where there is none."""
        for entity, plan in considered.read:
            if isinstance(plan, Plan) and self._may_meet(entity, plan):
                return Start(plan, entity.mention.name, entity.start)
        return None

    def _may_meet(self, entity: Entity, plan: Plan) -> bool:
        """Whether a plan of several hops has one that some live edit's relation fits."""
        if plan.length < 2:
            return False
        if entity.start and plan.steps([e.phrases for e in entity.start], 0).max() >= -NEAR:
            return True
        relations = self.graph.relations()
        return any(
            plan.steps(relations, place).max(initial=-np.inf) >= -NEAR
            for place in range(1, plan.length)
        )


def _hops(trail: Trail, score: float) -> tuple[Hop, ...]:
    """The trail's hops; where a relation has several objects, all of them are the answer."""
    return tuple(
        Hop(
            step[0].question,
            None,
            step[0].source,
            step[0].edit,
            listed(list(dict.fromkeys(edge.end for edge in step))),
            score,
        )
        for step in trail.steps
    )
