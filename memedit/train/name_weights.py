"""Fitting the weights of names nobody gave: from likeness to the probability of one subject.

What is compared is what the product would compare: all training subjects are known at once, the
queries name one of them otherwise, or somebody else altogether, or one whose name only looks like a
known one (see :func:`memedit.train.respelling.namesake`): to take a man for his brother costs most.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memedit.forms import fill
from memedit.scope.candidates import NAME_EVIDENCE, name_evidence
from memedit.scope.classifier import MAX_VARIANTS, unknown_name
from memedit.scope.encoder import Encoder
from memedit.scope.likeness import Likeness
from memedit.scope.matcher import Matcher
from memedit.scope.names import NameIndex
from memedit.text import name_key
from memedit.train.logistic import fit_logistic
from memedit.train.names import name_for_fitting
from memedit.train.respelling import namesake
from memedit.train.sources import Record

FEATURES = (*Likeness._fields, "rivals", *NAME_EVIDENCE)
NEAR_IN_MEANING = 5  # known names that a name is compared with for its meaning alone
MAX_STRANGERS = 6000  # queries that name nobody known
MAX_NAMESAKES = 3000  # queries whose name only looks like a known one
# Queries that name a stranger are drawn freely, other names of known things are scarce in the data;
# a user who writes nearly a known name mostly means it.
ODDS = 4.0


@dataclass(frozen=True)
class Compared:
    """Two names as the product compares them.

    Args:
        shown: The name in the query.
        name: A known subject's.
        likeness: Their likeness by spelling; empty where only their meaning is near.
        same: Whether they are the same thing's.
    """

    shown: str
    name: str
    likeness: dict[str, float]
    same: bool


def fit_names(
    records: Sequence[Record], encoder: Encoder, matcher: Matcher, *, seed: int = 0
) -> dict[str, Any]:
    """A logistic model over :data:`FEATURES`, on names that the matcher was not trained on.

    Args:
        records: Of the training side.
        encoder: The frozen encoder.
        matcher: The trained matcher.
        seed: Decides which strangers are drawn.
    """
    pairs = list(compared(records, encoder, random.Random(seed)))
    likeness = [
        {**pair.likeness, **other}
        for pair, other in zip(
            pairs,
            name_evidence([(p.shown, p.name) for p in pairs], encoder, matcher),
            strict=True,
        )
    ]
    x = np.array([[one.get(feature, 0.0) for feature in FEATURES] for one in likeness])
    y = np.array([pair.same for pair in pairs])
    return fit_logistic(x, y, FEATURES, weight=np.where(y, ODDS, 1.0))


def compared(records: Sequence[Record], encoder: Encoder, rng: random.Random) -> Iterator[Compared]:
    """Every comparison that queries bring about whose names the matcher was not trained on.

    Args:
        records: Their subjects are known; their aliases are not.
        encoder: Finds known names that are near in meaning.
        rng: Draws the queries that name nobody known.
    """
    names = NameIndex()
    subjects = list(dict.fromkeys(record.edit.subject for record in records))
    for number, subject in enumerate(subjects):
        names.add(str(number), [subject])
    vectors = encoder.encode(subjects)
    strangers = list(dict.fromkeys(_strangers(records)))
    namesakes = list(dict.fromkeys(_namesakes(records, subjects, rng)))
    asked = [
        *_aliases(records),
        *rng.sample(strangers, min(MAX_STRANGERS, len(strangers))),
        *rng.sample(namesakes, min(MAX_NAMESAKES, len(namesakes))),
    ]
    unknown = [(query, subject) for query, subject in asked if not names.find(query)]
    shown = [unknown_name(query) for query, _ in unknown]
    places = [
        query[slice(*span)] if span else "" for (query, _), span in zip(unknown, shown, strict=True)
    ]
    near = encoder.encode([place or " " for place in places]) @ vectors.T
    for (query, subject), place, row in zip(unknown, places, near, strict=True):
        found = names.find_variants(query, limit=MAX_VARIANTS)
        for variant in found:
            likeness = {**variant.features, "score": variant.score}
            yield Compared(variant.text, variant.name, likeness, _same(variant.name, subject))
        known = {variant.name for variant in found}
        for i in np.argsort(-row)[:NEAR_IN_MEANING] if place else ():
            if subjects[i] not in known:
                yield Compared(place, subjects[i], {}, _same(subjects[i], subject))


def _aliases(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Queries that name their record's subject otherwise."""
    for record in filter(lambda r: name_for_fitting(r.edit.subject), records):
        for query in record.queries:
            if query.kind == "alias" or (query.kind == "rephrase" and record.family == "mquake"):
                yield query.prompt, record.edit.subject


def _strangers(records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Queries that name somebody else."""
    for record in records:
        if record.family == "counterfact":
            for query in record.queries:
                if query.kind in ("locality", "attribute"):
                    yield query.prompt, ""


def _namesakes(
    records: Sequence[Record], subjects: Sequence[str], rng: random.Random
) -> Iterator[tuple[str, str]]:
    """Prompts with a name that looks like the subject's and is another's."""
    for edit in (record.edit for record in records):
        if name_for_fitting(edit.subject):
            other = namesake(edit.subject, rng, subjects)
            if other:
                yield fill(edit.prompt, other), ""


def _same(one: str, other: str) -> bool:
    return bool(other) and name_key(one) == name_key(other)
