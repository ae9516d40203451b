"""Groups of queries and edits to tell apart: what a step of the matcher's training reads.

In a group every query belongs to one edit and to none of the others, unless the two are marked as
not to be compared. Groups are drawn around a seed with what looks most like it, so that the
counter-examples are hard ones (SERAC's hard negatives, Mitchell et al. 2022, section 4.2).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.phrases import told_text
from memedit.train.wordings import Labelled, Relation

NEAREST = 24  # of which a group is drawn
# In families that do not name their relations, wordings nearer than this may ask for the same.
SAME_ABOVE = 0.75
NAMED = frozenset({"counterfact", "mquake", "rippleedits", "bank"})
CHAT = 2  # sentences in a group that ask for nothing
SUMMARY = 6  # wordings that stand for a relation where relations are compared


@dataclass
class Group:
    """Queries and edits, the first query belonging to the first edit and so on.

    Attributes:
        queries: What is asked; those beyond the edits belong to none of them.
        edits: The edits' texts.
        skip: Pairs ``[len(queries), len(edits)]`` that are neither example nor counter-example.
        phrases: The edits' texts without their objects; empty where they have none apart.
    """

    queries: list[str]
    edits: list[str]
    skip: NDArray[np.bool_]
    phrases: list[str] = field(default_factory=list)


class Source(Protocol):
    """What groups are drawn from."""

    def draw(self, rng: random.Random, size: int) -> Group:
        """A group of at most ``size`` edits."""


class RelationGroups:
    """Groups of relations of one family.

    Args:
        family: The relations; two at least.
        encoder: The frozen encoder, which tells what looks alike.
        labelled: Queries that a data set itself calls out of scope of one of the relations.
        chat: Sentences that are out of scope of all of them.
    """

    def __init__(
        self,
        family: Sequence[Relation],
        encoder: Encoder,
        labelled: Sequence[Labelled] = (),
        chat: Sequence[str] = (),
    ) -> None:
        self.relations = [r for r in family if r.told and r.asked and r.targets]
        self.named = bool(family) and family[0].family in NAMED
        self._near = _nearness([r.asked[:SUMMARY] for r in self.relations], encoder)
        self._own = [set(r.asked) for r in self.relations]
        self._chat = list(chat)
        self._outside: dict[str, list[str]] = defaultdict(list)
        for item in labelled:
            if not item.label:
                self._outside[item.told].append(item.query)

    def draw(self, rng: random.Random, size: int) -> Group:
        """See :class:`Source`."""
        chosen = _cluster(self._near, rng, size, None if self.named else SAME_ABOVE)
        relations = [self.relations[i] for i in chosen]
        told = [rng.choice(r.told) for r in relations]
        asked = [rng.choice(r.asked) for r in relations]
        more = [
            (rng.choice(self._outside[text]), place)
            for place, text in enumerate(told)
            if self._outside[text]
        ]
        queries = asked + [query for query, _ in more]
        queries += rng.sample(self._chat, min(CHAT, len(self._chat)))
        skip = np.zeros((len(queries), len(told)), dtype=bool)
        for i in range(len(asked)):
            for j in range(len(told)):
                skip[i, j] = i != j and self._may_be_same(chosen[i], chosen[j], asked[i])
        for row, (_, place) in enumerate(more, start=len(asked)):
            skip[row] = True
            skip[row, place] = False
        edits = [told_text(t, rng.choice(r.targets)) for t, r in zip(told, relations, strict=True)]
        return Group(queries, edits, skip, told)

    def _may_be_same(self, asked_by: int, told_by: int, query: str) -> bool:
        one, other = self.relations[asked_by], self.relations[told_by]
        kin = other.name in one.kin or one.name in other.kin
        near = not self.named and self._near[asked_by, told_by] > SAME_ABOVE
        return bool(kin or near or query in self._own[told_by])


@dataclass(frozen=True)
class Item:
    """An edit as it is read, with queries in and out of its scope.

    Args:
        edit: The edit's text.
        inside: Queries it answers.
        outside: Queries that look like it and that it does not answer.
        same: Items of one ``same`` are not compared.
    """

    edit: str
    inside: tuple[str, ...]
    outside: tuple[str, ...] = ()
    same: str = field(default="")


class ItemGroups:
    """Groups of single edits: free texts, or names.

    Args:
        items: The edits with their queries.
        encoder: The frozen encoder, which tells what looks alike.
    """

    def __init__(self, items: Sequence[Item], encoder: Encoder) -> None:
        self.items = [item for item in items if item.inside]
        self._vectors = encoder.encode([item.edit for item in self.items])

    def draw(self, rng: random.Random, size: int) -> Group:
        """See :class:`Source`."""
        seed = rng.randrange(len(self.items))
        near = self._vectors @ self._vectors[seed]
        chosen = [seed, *_some_nearest(near, seed, rng, size - 1)]
        items = [self.items[i] for i in chosen]
        inside = [rng.choice(item.inside) for item in items]
        more = [(rng.choice(x.outside), i) for i, x in enumerate(items) if x.outside]
        queries = inside + [query for query, _ in more]
        skip = np.zeros((len(queries), len(items)), dtype=bool)
        owners = [item.same or item.edit for item in items]
        for i, owner in enumerate(owners):
            skip[i] = [j != i and owner == other for j, other in enumerate(owners)]
        for row, (_, place) in enumerate(more, start=len(inside)):
            skip[row] = [j != place for j in range(len(items))]
        return Group(queries, [item.edit for item in items], skip)


def draw_step(
    sources: Mapping[str, tuple[float, Source]], seed: int, step: int, groups: int, size: int
) -> list[Group]:
    """The groups of one step, the same for the same seed and step whatever was drawn before.

    Args:
        sources: Each with its weight.
        seed: Of the whole training.
        step: Which step.
        groups: How many.
        size: Edits in each, at most.
    """
    rng = random.Random(f"{seed}:{step}")
    names = list(sources)
    weights = [sources[name][0] for name in names]
    return [sources[name][1].draw(rng, size) for name in rng.choices(names, weights, k=groups)]


def _nearness(texts: Sequence[Sequence[str]], encoder: Encoder) -> Vectors:
    """Cosine of mean vectors, ``[n, n]``."""
    flat = [text for some in texts for text in some]
    vectors = encoder.encode(flat)
    starts = np.cumsum([0, *(len(some) for some in texts)])[:-1]
    means = np.add.reduceat(vectors, starts, axis=0)
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    near: Vectors = means @ means.T
    return near


def _cluster(near: Vectors, rng: random.Random, size: int, below: float | None) -> list[int]:
    seed = rng.randrange(len(near))
    row = near[seed] if below is None else np.where(near[seed] > below, -1.0, near[seed])
    return [seed, *_some_nearest(row, seed, rng, size - 1)]


def _some_nearest(near: Vectors, seed: int, rng: random.Random, count: int) -> list[int]:
    few = min(NEAREST + 1, len(near))
    order = np.argpartition(-near, few - 1)[:few]
    others = [int(i) for i in order if i != seed]
    return rng.sample(others, min(count, len(others)))
