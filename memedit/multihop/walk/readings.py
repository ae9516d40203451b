"""What else a question may ask for: plans over the relations that are known beforehand.

The best trail over the edits is only the best of those there are. Whether a question goes on where
the edits end, or asks for something else about the same entity, shows when its other readings are
ranked beside that trail: if one fits far better, the trail is not what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from memedit.multihop.walk.inventory import Kinds, fits
from memedit.multihop.walk.planner import Plan
from memedit.multihop.walk.ranking import MAX_HOPS, Words
from memedit.scope.encoder import Vectors

BRANCHES = 4  # relations a reading may go on with
BEAM = 12  # readings of one length that are gone on with
READINGS = 12  # of one question
ALIKE = 0.65  # cosine from which a trail's relation is the one of a reading
# A reading is what is asked, and the best trail is not, where its score is so much better and the
# untrained encoder agrees by so much cosine; it knows of no chain which hops usually stand before
# it. On 348 questions of the training side that the readers had not seen, 10 % of the trails that
# were best once the right one was taken out pass, and 1.7 % of the right ones do not.
RIVALS = 5.0
AGREED = 0.03


def rivals(plan: Plan, trail: Sequence[Words]) -> list[tuple[Words, ...]]:
    """The likeliest readings of a question beside a trail, each as a path.

    Left out are readings that the trail walks too: those whose relations it has in their order,
    and that end as it does. Questions pass over hops, "Where was its founder born?" for the founder
    of somebody's religion, and the trail is the fuller reading then.

    Args:
        plan: Read from the question.
        trail: The relations of the best trail.
    """
    inventory = plan.planner.inventory
    alike = _alike(plan, trail)
    read = [row for row in _readings(plan) if not _walks(alike, row)]
    paths: list[tuple[Words, ...]] = [
        tuple((inventory.relations[i].told,) for i in row) for row in read
    ]
    if len(trail) < MAX_HOPS:
        further = np.argsort(-plan.known[len(trail)], kind="stable")[:BRANCHES]
        paths += [(*trail, (inventory.relations[i].told,)) for i in further]
    return paths


def plan_over(plan: Plan, relations: Sequence[Words]) -> tuple[int, ...]:
    """What a question asks for, with no graph to look at: the likeliest plan over some relations.

    Args:
        plan: Read from the question.
        relations: The relations that may be asked for.

    Returns:
        Rows of ``relations``, in the order they are walked.
    """
    planner = plan.planner
    logits = np.stack([planner.logits(hop, relations) for hop in plan.hops])
    read = _likeliest(logits, plan.lengths, [planner.kinds(words) for words in relations])
    paths = [tuple(relations[i] for i in row) for row in read]
    [scores] = planner.rank([plan], [paths])
    return read[int(scores.argmax())]


def _readings(plan: Plan) -> list[tuple[int, ...]]:
    """The likeliest plans over the inventory, as rows of it: what leads to what fits."""
    relations = plan.planner.inventory.relations
    kinds = [(relation.subject, relation.object) for relation in relations]
    return _likeliest(plan.known, plan.lengths, kinds)


def _likeliest(
    logits: Vectors, lengths: Vectors, kinds: Sequence[tuple[Kinds, Kinds]]
) -> list[tuple[int, ...]]:
    """The likeliest sequences of relations, each of which leads to what can have the next.

    Args:
        logits: How well each relation fits as each hop, ``[hops, r]``.
        lengths: Log-probabilities of one hop, two, and so on, ``[hops]``.
        kinds: What has each relation, and what it leads to.
    """
    scores = logits - logits.max(axis=1, keepdims=True)
    lengths = lengths - lengths.max()
    found: list[tuple[float, tuple[int, ...]]] = []
    level: list[tuple[float, tuple[int, ...], Kinds]] = [(0.0, (), frozenset())]
    for place in range(MAX_HOPS):
        order = [int(i) for i in np.argsort(-scores[place], kind="stable")]
        grown = []
        for score, path, before in level:
            fitting = [i for i in order if fits(before, kinds[i][0])][:BRANCHES]
            grown += [(score + float(scores[place][i]), (*path, i), kinds[i][1]) for i in fitting]
        level = sorted(grown, key=lambda one: -one[0])[:BEAM]
        found += [(score + float(lengths[place]), path) for score, path, _ in level]
    return [path for _, path in sorted(found, key=lambda one: -one[0])[:READINGS]]


def _alike(plan: Plan, trail: Sequence[Words]) -> Vectors:
    """The likeness of each hop of a trail to each relation of the inventory, ``[hops, r]``."""
    planner = plan.planner
    vectors = planner.vectors([words[0] for words in trail])
    return planner.inventory.nearest(vectors @ planner.inventory.vectors.T)


def _walks(alike: Vectors, reading: Sequence[int]) -> bool:
    """Whether a trail has the relations of a reading in order, the last of them at its end."""
    hops = iter(alike[:-1])
    passed = all(any(hop[i] >= ALIKE for hop in hops) for i in reading[:-1])
    return passed and bool(alike[-1][reading[-1]] >= ALIKE)
