"""The floor of the planner: the score from which a path may be what a question asks.

Compositions that the readers have never read, and questions of the training side, are asked over
their right paths and over wrong ones: one relation exchanged, a hop too few, a hop too many, or
something else about the same entity. The floor keeps out what is about something else, but for a
stated share; how many of the others lie above it is recorded beside it. What is nearly right is
told by comparison, not by the floor (:mod:`memedit.multihop.walk.readings`).
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memedit.multihop.walk.head import MAX_HOPS
from memedit.multihop.walk.planner import Planner
from memedit.multihop.walk.ranking import Words
from memedit.train.compositions import Part, compositions
from memedit.train.plans import Family, Planned

FALSE = 0.05  # share of compositions with a path about something else above the floor
ASKED = 400  # questions of MQuAKE, and as many compositions
STRANGERS = 3  # paths about something else
SEED = 23
_HOPS = (0.0, 0.4, 0.35, 0.25)


def floor_of(
    planner: Planner, questions: Sequence[Planned], family: Family, parts: Sequence[Part]
) -> Mapping[str, Any]:
    """The floor for a planner, with how many right and wrong paths lie above it.

    Args:
        planner: The planner.
        questions: MQuAKE's, of the training side.
        family: The relations of all.
        parts: What compositions are made of.
    """
    rng = random.Random(SEED)
    asked = [question for question in questions if len(question.relations) > 1]
    asked = rng.sample(asked, min(ASKED, len(asked)))
    made = compositions(parts, ASKED, rng.getrandbits(32), lengths=_HOPS)
    groups = {"chains": asked, "composed": [Planned(c.question, c.relations) for c in made]}
    scores = {name: _scores(planner, some, family, rng) for name, some in groups.items()}
    columns = {"right": [0], "near": [1, 2, 3], "strangers": [4, 5, 6]}
    strangers = scores["composed"][:, columns["strangers"]].max(axis=1)
    floor = float(np.quantile(strangers, 1 - FALSE))
    above = {
        name: {
            kind: round(float((some[:, chosen].max(axis=1) >= floor).mean()), 4)
            for kind, chosen in columns.items()
        }
        for name, some in scores.items()
    }
    return {"floor": round(floor, 3), "false": FALSE, "above": above}


def _scores(
    planner: Planner, questions: Sequence[Planned], family: Family, rng: random.Random
) -> Any:
    """The scores of each question's right path and of its wrong ones, ``[n, paths]``."""
    names = sorted(name for name in family.told if family.told[name])
    paths = []
    for question in questions:
        other = _others(question, names, family)
        right = list(question.relations)
        place = rng.randrange(len(right))
        wrong = [
            [*right[:place], rng.choice(other), *right[place + 1 :]],
            right[:-1],
            [*right, rng.choice(other)] if len(right) < MAX_HOPS else right[1:],
        ]
        for _ in range(STRANGERS):
            wrong.append([rng.choice(other) for _ in range(rng.randint(1, len(right)))])
        paths.append(
            [tuple(_words(name, family, rng) for name in path) for path in [right, *wrong]]
        )
    asked = planner.read([question.question for question in questions])
    return np.stack(planner.rank(asked, paths))


def _others(question: Planned, names: Sequence[str], family: Family) -> list[str]:
    """The relations that a question does not ask for under any name."""
    told = set(question.relations)
    return [
        name
        for name in names
        if name not in told
        and told.isdisjoint(family.kin.get(name, ()))
        and not any(name in family.kin.get(own, ()) for own in told)
    ]


def _words(name: str, family: Family, rng: random.Random) -> Words:
    """A relation as an edit may tell it."""
    return (rng.choice(family.told[name]),)
