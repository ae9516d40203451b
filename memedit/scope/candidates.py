"""Weighing candidates: from a sentence and an edit to the probability that the edit answers it.

What can be told without the matcher was gathered before; here the matcher reads each sentence and
its few candidates, and names that nobody gave are compared, all of a batch of queries at once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from memedit.edit import Edit
from memedit.scope.answers import answer_clashes, asks_the_opposite
from memedit.scope.decision import Candidate
from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.matcher import Matcher
from memedit.scope.probability import Calibration, Evidence
from memedit.scope.reading import Reading
from memedit.scope.relations import FEATURES, Lexicon, relation_features

# A name that nobody gave is compared only where the relation is as likely as this.
WORTH_NAMING = 0.02

Order = int


@dataclass(frozen=True)
class Entry:
    """A live edit as it is compared.

    Attributes:
        edit: The edit.
        order: Of two edits with one key the greater order wins.
        phrases: Unit vectors of its masked phrases, ``[n, d]``.
        profile: Their largest lexicon profile, ``[r]``.
        told: The edit as the matcher reads it, in its several forms.
    """

    edit: Edit
    order: Order
    phrases: Vectors
    profile: Vectors
    told: tuple[str, ...]


@dataclass(frozen=True)
class Draft:
    """An edit that may answer a sentence, not weighed yet.

    Attributes:
        entry: The edit.
        sentence: The sentence as it stands in the query.
        vector: The frozen encoder's unit vector of the text that is compared, ``[d]``.
        reading: The sentence with its subject masked; None for a free text.
        likeness: Of the name that stands there and the subject's, where nobody gave it.
    """

    entry: Entry
    sentence: str
    vector: Vectors
    reading: Reading | None = None
    likeness: Mapping[str, float] | None = None

    @property
    def text(self) -> str:
        """The text that is compared."""
        return self.reading.text if self.reading else self.sentence


class Weigher:
    """Weighs drafts.

    Args:
        encoder: The frozen encoder.
        matcher: The trained matcher; without one the frozen evidence has to do.
        calibration: Weights of the decision, fitted for this matcher or for none.
    """

    def __init__(self, encoder: Encoder, matcher: Matcher | None, calibration: Calibration) -> None:
        self.encoder = encoder
        self.matcher = matcher
        self.calibration = calibration
        self.lexicon = Lexicon.load(encoder)
        self._trained = None if matcher is None else Lexicon.load(matcher)

    def weigh(self, drafts: Sequence[Draft], threshold: float) -> list[Candidate]:
        """The candidate of each draft, in order.

        Args:
            drafts: Of one query or of several.
            threshold: Least probability that counts as in scope, 0…1.
        """
        if not drafts:
            return []
        asked, told = self._read(drafts)
        evidence = [self._evidence(draft, asked, told) for draft in drafts]
        probable = [self.calibration.probability(item) for item in evidence]
        names = self._named(drafts, probable)
        return [
            self._candidate(draft, item, p * name, threshold)
            for draft, item, p, name in zip(drafts, evidence, probable, names, strict=True)
        ]

    def _read(self, drafts: Sequence[Draft]) -> tuple[dict[str, Vectors], dict[str, Vectors]]:
        """The matcher's vectors of all queries and of all edits' forms; empty without one."""
        if self.matcher is None:
            return {}, {}
        queries = list(dict.fromkeys(draft.text for draft in drafts))
        told = list(dict.fromkeys(text for draft in drafts for text in draft.entry.told))
        asked = dict(zip(queries, self.matcher.encode(queries), strict=True))
        return asked, dict(zip(told, self.matcher.encode(told, keep=True), strict=True))

    def _evidence(
        self, draft: Draft, asked: Mapping[str, Vectors], told: Mapping[str, Vectors]
    ) -> Evidence:
        entry, reading = draft.entry, draft.reading
        forms = np.stack([told[text] for text in entry.told]) if told else None
        query = asked.get(draft.text)
        if reading is None:
            return Evidence("text", text_evidence(draft.vector, entry.phrases, query, forms))
        if self._trained is not None and query is not None and forms is not None:
            features = trained_evidence(self._trained, query, forms, draft.vector, entry.phrases)
        else:
            profile = self.lexicon.profiles(draft.vector[None])[0]
            evidence = relation_features(
                self.lexicon, draft.vector, profile, entry.phrases, entry.profile
            )
            features = named(evidence)
        return Evidence(
            form="question" if reading.question else "cloze",
            features=features,
            name=reading.kind,
            clash=_cannot_answer(reading, entry.edit),
        )

    def _named(self, drafts: Sequence[Draft], probable: Sequence[float]) -> list[float]:
        """How likely each draft's name is its subject's: 1 where the name was given."""
        same = [1.0 if draft.likeness is None else 0.0 for draft in drafts]
        worth = [i for i, p in enumerate(probable) if same[i] == 0.0 and p >= WORTH_NAMING]
        pairs = [_names(drafts[i]) for i in worth]
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        vectors = dict(zip(texts, self.encoder.encode(texts), strict=True)) if texts else {}
        for i, (shown, name) in zip(worth, pairs, strict=True):
            cosine = float(vectors[shown] @ vectors[name])
            likeness = drafts[i].likeness or {}
            same[i] = self.calibration.name_probability({**likeness, "cosine": cosine})
        return same

    def _candidate(
        self, draft: Draft, evidence: Evidence, probability: float, threshold: float
    ) -> Candidate:
        reading = draft.reading
        relation = None
        if reading is not None:
            relation = self.lexicon.nearest(self.lexicon.profiles(draft.vector[None])[0])
        return Candidate(
            edit=draft.entry.edit,
            sentence=draft.sentence,
            mention=reading.mention.text if reading else None,
            name=(reading.mention.name or draft.entry.edit.subject) if reading else None,
            kind=reading.kind if reading else "meaning",
            masked=draft.text,
            relation=relation,
            features=dict(evidence.features),
            probability=probability,
            in_scope=probability >= threshold,
        )


def _cannot_answer(reading: Reading, edit: Edit) -> bool:
    """Whether the edit's target is no answer to this, whatever the relation."""
    if asks_the_opposite(reading.text, edit.prompt):
        return True
    return reading.question and answer_clashes(reading.text, edit.target_new)


def trained_evidence(
    lexicon: Lexicon, query: Vectors, told: Vectors, frozen_query: Vectors, frozen_edit: Vectors
) -> dict[str, float]:
    """The relation evidence of the matcher, beside the frozen encoder's cosine.

    Args:
        lexicon: The background relations, encoded by the matcher.
        query: The masked sentence's unit vector by the matcher, ``[d]``.
        told: Unit vectors of the edit's forms by the matcher, ``[n, d]``.
        frozen_query: The masked sentence's unit vector by the frozen encoder, ``[d]``.
        frozen_edit: Unit vectors of the edit's masked phrases by it, ``[m, d]``.

    Returns:
        ``match``, the matcher's cosine; the other features of
        :func:`~memedit.scope.relations.relation_features` by the matcher; ``cosine``, the frozen
        encoder's.
    """
    profile = lexicon.profiles(query[None])[0]
    features = named(
        relation_features(lexicon, query, profile, told, lexicon.profiles(told).max(0))
    )
    features["match"] = features["cosine"]
    features["cosine"] = float((frozen_edit @ frozen_query).max())
    return features


def text_evidence(
    frozen_query: Vectors, frozen_edit: Vectors, query: Vectors | None, told: Vectors | None
) -> dict[str, float]:
    """The evidence on a free text: cosines by the frozen encoder and, where it is, the matcher."""
    features = {"cosine": float((frozen_edit @ frozen_query).max())}
    if query is not None and told is not None:
        features["match"] = float((told @ query).max())
    return features


def named(features: Vectors) -> dict[str, float]:
    """Relation evidence by name."""
    return {name: float(x) for name, x in zip(FEATURES, features, strict=True)}


def _names(draft: Draft) -> tuple[str, str]:
    assert draft.reading
    mention = draft.reading.mention
    return mention.text, mention.name or draft.entry.edit.subject


class Dated(Protocol):
    """Something that stands for an edit."""

    @property
    def edit(self) -> Edit:
        """The edit."""

    @property
    def order(self) -> Order:
        """Of two edits with one key the greater order wins."""


DatedT = TypeVar("DatedT", bound=Dated)


def newest(entries: Iterable[DatedT], day: dt.date) -> list[DatedT]:
    """Of the edits that hold on the day, the newest of each key."""
    winners: dict[tuple[str, str], DatedT] = {}
    for entry in entries:
        key = entry.edit.key
        if entry.edit.holds_on(day) and (key not in winners or entry.order > winners[key].order):
            winners[key] = entry
    return list(winners.values())


def cheapest_first(drafts: Sequence[Draft], most: int) -> list[Draft]:
    """The drafts that look best without the matcher, ``most`` at most."""
    if len(drafts) <= most:
        return list(drafts)
    looks = [_looks(draft) for draft in drafts]
    order = sorted(range(len(drafts)), key=lambda i: -looks[i])
    return [drafts[i] for i in sorted(order[:most])]


def _looks(draft: Draft) -> float:
    cosine = float(np.max(draft.entry.phrases @ draft.vector))
    return cosine + (draft.likeness or {}).get("score", 0.0)
