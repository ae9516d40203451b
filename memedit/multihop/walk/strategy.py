"""The walk: entities linked, trails over the live edits enumerated, the one that is asked chosen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from memedit.multihop.hops import Chain, Hop
from memedit.multihop.walk.graph import Edge, FactGraph
from memedit.multihop.walk.ranking import Asked, Ranker
from memedit.multihop.walk.trails import Trail, trails_from
from memedit.scope.names import Mention
from memedit.scope.reading import reading_of

MAX_ENTITIES = 4  # of one question


@dataclass(frozen=True)
class Entity:
    """A name in a question that trails may begin at.

    Attributes:
        question: Which question, by its place.
        mention: Where it stands.
        masked: The question with it masked.
        start: The edges that leave it.
    """

    question: int
    mention: Mention
    masked: str
    start: tuple[Edge, ...]


@dataclass(frozen=True)
class Ranked:
    """A trail with its score; the higher the better."""

    trail: Trail
    score: float


class Walk:
    """Answers questions by paths over the live edits.

    Args:
        graph: The live edits.
        ranker: Tells which path a question asks for.
        day: The day whose facts count; today where None.
    """

    def __init__(self, graph: FactGraph, ranker: Ranker, *, day: dt.date | None = None) -> None:
        self.graph = graph
        self.ranker = ranker
        self.day = day or dt.date.today()

    def answer_many(self, questions: Sequence[str]) -> list[Chain]:
        """See :class:`~memedit.multihop.hops.Strategy`."""
        entities = [e for i, question in enumerate(questions) for e in self._entities(i, question)]
        asked = self.ranker.read([entity.masked for entity in entities]) if entities else []
        best = self._best(entities, asked)
        return [self._chain(best.get(i)) for i in range(len(questions))]

    def _entities(self, place: int, question: str) -> list[Entity]:
        """The names a trail may begin at: subjects, and objects that lead back to subjects."""
        found = []
        subjects = self.graph.subjects_in(question)
        for mention in subjects:
            edges = self.graph.edges_of(mention.edit_ids, self.day)
            found.append((mention, edges))
        for mention in self.graph.objects_in(question):
            edges = self.graph.entering(mention.name, self.day)
            found.append((mention, edges))
        whole = (0, len(question))
        entities = [
            Entity(place, mention, reading_of(question, whole, mention).text, tuple(edges))
            for mention, edges in found
            if edges
        ]
        entities.sort(key=lambda e: e.mention.start - e.mention.end)
        return entities[:MAX_ENTITIES]

    def _best(self, entities: Sequence[Entity], asked: Sequence[Asked]) -> dict[int, Ranked]:
        """The best trail of each question that has any."""
        trails = [
            trails_from(self.graph, entity.start, read, self.day)
            for entity, read in zip(entities, asked, strict=True)
        ]
        scores = self.ranker.rank(asked, [[t.words for t in some] for some in trails])
        best: dict[int, Ranked] = {}
        for entity, some, values in zip(entities, trails, scores, strict=True):
            row = int(np.argmax(values))
            ranked = Ranked(some[row], float(values[row]))
            if entity.question not in best or ranked.score > best[entity.question].score:
                best[entity.question] = ranked
        return best

    def _chain(self, ranked: Ranked | None) -> Chain:
        if ranked is None:
            return Chain.abstention("The question names nothing that a live edit is about.")
        hops = _hops(ranked)
        if ranked.score < self.ranker.floor:
            return Chain.abstention("No path over the live edits is like the question.", hops)
        return Chain(
            hops, hops[-1].answer, True, f"The path fits the question ({ranked.score:.2f})."
        )


def _hops(ranked: Ranked) -> tuple[Hop, ...]:
    """The trail's hops; where a relation has several objects, all of them are the answer."""
    score = min(1.0, max(0.0, ranked.score))
    return tuple(
        Hop(step[0].question, None, step[0].source, step[0].edit, listed(ends), score)
        for step, ends in zip(ranked.trail.steps, _ends(ranked.trail), strict=True)
    )


def _ends(trail: Trail) -> list[list[str]]:
    return [list(dict.fromkeys(edge.end for edge in step)) for step in trail.steps]


def listed(names: Sequence[str]) -> str:
    """Names as one answer: "A", "A and B", "A, B and C"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
