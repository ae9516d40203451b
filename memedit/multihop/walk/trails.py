"""Trails: chains of edges that leave a name, as far as hops are asked for."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from memedit.multihop.walk.graph import MAX_MEMBERS, Edge, FactGraph, by_relation
from memedit.multihop.walk.ranking import MAX_HOPS, Asked, Words

BEAM = 64  # trails of one length that are kept


@dataclass(frozen=True)
class Trail:
    """A chain of relations followed from one name, with every edge of each.

    Attributes:
        steps: The edges of each hop: one, or several where a relation has several objects.
        ends: The names arrived at, without repeats.
        promise: The sum of what each hop's relation scored by itself; it only prunes.
    """

    steps: tuple[tuple[Edge, ...], ...]
    ends: tuple[str, ...]
    promise: float = 0.0

    @property
    def words(self) -> tuple[Words, ...]:
        """The relation of each hop in words."""
        return tuple(step[0].phrases for step in self.steps)

    def then(self, edges: Sequence[Edge], graph: FactGraph) -> Trail:
        """The trail one hop longer."""
        step = tuple(edges[:MAX_MEMBERS])
        ends = dict.fromkeys(name for edge in step for name in graph.members(edge.end))
        return Trail((*self.steps, step), tuple(ends), self.promise)


def trails_from(
    graph: FactGraph, start: Sequence[Edge], asked: Asked, day: dt.date, *, beam: int = BEAM
) -> list[Trail]:
    """The most promising trails of each length that begin with one of the edges ``start``.

    No edge is followed twice in one trail, so that a loop comes to an end.

    Args:
        graph: The live edits.
        start: The edges of the question's entity.
        asked: The question, that entity masked.
        day: The day whose facts count.
        beam: How many trails of one length are kept.
    """
    found: list[Trail] = []
    level = [Trail((), ())]
    for place in range(MAX_HOPS):
        grown = [
            trail.then(edges, graph)
            for trail in level
            for edges in _onward(graph, trail, start if place == 0 else None, day)
        ]
        if not grown:
            break
        promises = asked.steps([trail.words[-1] for trail in grown], place)
        level = [
            Trail(trail.steps, trail.ends, trail.promise + float(promise))
            for trail, promise in zip(grown, promises, strict=True)
        ]
        level = sorted(level, key=lambda trail: -trail.promise)[:beam]
        found += level
    return found


def _onward(
    graph: FactGraph, trail: Trail, start: Sequence[Edge] | None, day: dt.date
) -> list[list[Edge]]:
    """The edges a trail can go on with, those of one relation together."""
    edges = start
    if edges is None:
        edges = [edge for name in trail.ends for edge in graph.leaving(name, day)]
    used = {(edge.edit.id) for step in trail.steps for edge in step}
    fresh = [edge for edge in edges if edge.edit.id not in used]
    return list(by_relation(fresh).values())
