"""Fitting the weights of the decision: from evidence to probability, one logistic model a form.

The evidence is the same as at run time. The pairs are of relations and texts that the matcher was
not trained on, beside some that it was: on those alone it would be trusted too much.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from memedit.scope.candidates import seen, text_evidence, trained_evidence
from memedit.scope.cohort import COHORT_FEATURES
from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.matcher import Matcher
from memedit.scope.relations import FEATURES
from memedit.scope.segments import is_question
from memedit.train.groups import Source
from memedit.train.logistic import balanced, fit_logistic

RELATION_FEATURES = ("match", *FEATURES, *COHORT_FEATURES)  # "cosine" is the frozen encoder's
TEXT_FEATURES = ("match", "cosine")
GROUP = 12


@dataclass(frozen=True)
class Pair:
    """A masked query and an edit's masked phrase, or two free texts, and whether they belong.

    Args:
        source: Where it comes from.
        query: The query's text.
        told: The edit as the matcher reads it, its object said.
        phrase: The edit as the frozen encoder reads it, without its object.
        label: Whether the edit answers the query.
    """

    source: str
    query: str
    told: str
    phrase: str
    label: bool


def drawn_pairs(name: str, source: Source, count: int, rng: random.Random) -> list[Pair]:
    """Pairs of the groups that a source draws: each query with its own edit and with one other."""
    pairs: list[Pair] = []
    while len(pairs) < count:
        group = source.draw(rng, GROUP)
        phrases = group.phrases or group.edits
        for row, query in enumerate(group.queries):
            own = row if row < len(group.edits) else None
            if own is not None:
                pairs.append(Pair(name, query, group.edits[own], phrases[own], True))
            others = [j for j in range(len(group.edits)) if j != own and not group.skip[row, j]]
            if others:
                j = rng.choice(others)
                pairs.append(Pair(name, query, group.edits[j], phrases[j], False))
    return pairs[:count]


def fit_relations(
    pairs: Sequence[Pair], encoder: Encoder, matcher: Matcher
) -> dict[str, dict[str, Any]]:
    """A model for questions and one for clozes.

    Args:
        pairs: Of masked sentences and edits; every source counts the same.
        encoder: The frozen encoder.
        matcher: The trained matcher.
    """
    x = relation_evidence(pairs, encoder, matcher)
    asks = np.array([is_question(pair.query) for pair in pairs])
    return {
        form: _fitted(
            [p for p, asked in zip(pairs, asks, strict=True) if asked == wanted],
            x[asks == wanted],
            RELATION_FEATURES,
        )
        for form, wanted in (("question", True), ("cloze", False))
    }


def fit_texts(pairs: Sequence[Pair], encoder: Encoder, matcher: Matcher) -> dict[str, Any]:
    """A model for free texts."""
    frozen = _vectors([t for p in pairs for t in (p.query, p.phrase)], encoder)
    read = seen(matcher, [t for p in pairs for t in (p.query, p.told)])
    rows = []
    for p in pairs:
        features = text_evidence(
            frozen[p.query], frozen[p.phrase][None], read[p.query], [read[p.told]]
        )
        rows.append([features[name] for name in TEXT_FEATURES])
    return _fitted(pairs, np.array(rows, dtype=np.float32), TEXT_FEATURES)


def relation_evidence(pairs: Sequence[Pair], encoder: Encoder, matcher: Matcher) -> Vectors:
    """The evidence of each pair, ``[n, len(RELATION_FEATURES)]`` float32."""
    frozen = _vectors([t for p in pairs for t in (p.query, p.phrase)], encoder)
    read = seen(matcher, [t for p in pairs for t in (p.query, p.told)])
    rows = []
    for p in pairs:
        features = trained_evidence(
            matcher, read[p.query], [read[p.told]], frozen[p.query], frozen[p.phrase][None]
        )
        rows.append([features[name] for name in RELATION_FEATURES])
    return np.array(rows, dtype=np.float32)


def _vectors(texts: Sequence[str], model: Encoder) -> dict[str, Vectors]:
    unique = list(dict.fromkeys(texts))
    return dict(zip(unique, model.encode(unique), strict=True))


def _fitted(pairs: Sequence[Pair], x: Vectors, names: Sequence[str]) -> dict[str, Any]:
    weight = balanced([(pair.source, pair.label) for pair in pairs])
    return fit_logistic(x, np.array([pair.label for pair in pairs]), names, weight=weight)
