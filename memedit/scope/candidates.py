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
from memedit.scope.names import looks_like_person
from memedit.scope.probability import Asked, Calibration, Evidence
from memedit.scope.reading import Reading
from memedit.scope.relations import FEATURES, Lexicon, relation_features
from memedit.scope.segments import is_question

# A name that nobody gave is compared only where the relation is as likely as this.
WORTH_NAMING = 0.02
NAME_EVIDENCE = ("cosine", "match", "person")

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

    @property
    def form(self) -> Asked:
        """Whether the sentence is a question or a cloze to complete."""
        asks = self.reading.question if self.reading else is_question(self.sentence)
        return "question" if asks else "cloze"


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

    def weigh(self, drafts: Sequence[Draft], thresholds: Mapping[Asked, float]) -> list[Candidate]:
        """The candidate of each draft, in order.

        Args:
            drafts: Of one query or of several.
            thresholds: Least probability that counts as in scope, 0…1, by form.
        """
        if not drafts:
            return []
        read, profiles = self._read(drafts), self._profiles(drafts)
        evidence = [self._evidence(draft, read, profiles) for draft in drafts]
        probable = [self.calibration.probability(item) for item in evidence]
        names = self._named(drafts, probable)
        return [
            self._candidate(draft, item, p * name, thresholds[draft.form], profiles)
            for draft, item, p, name in zip(drafts, evidence, probable, names, strict=True)
        ]

    def _read(self, drafts: Sequence[Draft]) -> dict[str, Seen]:
        """All queries and all edits' forms as the matcher sees them; nothing without one."""
        if self.matcher is None:
            return {}
        told = [text for draft in drafts for text in draft.entry.told]
        return {
            **seen(self.matcher, told, keep=True),
            **seen(self.matcher, [draft.text for draft in drafts]),
        }

    def _profiles(self, drafts: Sequence[Draft]) -> dict[str, Vectors]:
        """The lexicon profile of each masked sentence by the frozen encoder, ``[r]``."""
        vectors = {draft.text: draft.vector for draft in drafts if draft.reading}
        return {text: self.lexicon.profiles(v[None])[0] for text, v in vectors.items()}

    def _evidence(
        self, draft: Draft, read: Mapping[str, Seen], profiles: Mapping[str, Vectors]
    ) -> Evidence:
        entry, reading = draft.entry, draft.reading
        query = read.get(draft.text)
        told = [read[text] for text in entry.told] if read else []
        if reading is None:
            return Evidence("text", text_evidence(draft.vector, entry.phrases, query, told))
        if self.matcher is not None and query is not None:
            features = trained_evidence(self.matcher, query, told, draft.vector, entry.phrases)
        else:
            profile = profiles[draft.text]
            features = named(
                relation_features(self.lexicon, draft.vector, profile, entry.phrases, entry.profile)
            )
        return Evidence(
            form=draft.form,
            features=features,
            name=reading.kind,
            clash=_cannot_answer(reading, entry.edit),
        )

    def _named(self, drafts: Sequence[Draft], probable: Sequence[float]) -> list[float]:
        """How likely each draft's name is its subject's: 1 where the name was given."""
        same = [1.0 if draft.likeness is None else 0.0 for draft in drafts]
        worth = [i for i, p in enumerate(probable) if same[i] == 0.0 and p >= WORTH_NAMING]
        pairs = [_names(drafts[i]) for i in worth]
        for i, evidence in zip(
            worth, name_evidence(pairs, self.encoder, self.matcher), strict=True
        ):
            likeness = {**(drafts[i].likeness or {}), **evidence}
            same[i] = self.calibration.name_probability(likeness)
        return same

    def _candidate(
        self,
        draft: Draft,
        evidence: Evidence,
        probability: float,
        threshold: float,
        profiles: Mapping[str, Vectors],
    ) -> Candidate:
        reading = draft.reading
        relation = self.lexicon.nearest(profiles[draft.text]) if reading else None
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
            threshold=threshold,
        )


def _cannot_answer(reading: Reading, edit: Edit) -> bool:
    """Whether the edit's target is no answer to this, whatever the relation."""
    if asks_the_opposite(reading.text, edit.prompt):
        return True
    return reading.question and answer_clashes(reading.text, edit.target_new)


@dataclass(frozen=True)
class Seen:
    """A text as the matcher sees it.

    Attributes:
        vector: Its unit vector, ``[d]``.
        profile: Its cosine with each relation of the lexicon, ``[r]``.
        kin: Its cosine with each relation of the cohort, ``[c]``.
    """

    vector: Vectors
    profile: Vectors
    kin: Vectors


def seen(matcher: Matcher, texts: Sequence[str], *, keep: bool = False) -> dict[str, Seen]:
    """Texts as the matcher sees them.

    Args:
        matcher: The trained matcher.
        texts: Any; repetitions are read once.
        keep: As for :meth:`~memedit.scope.matcher.Matcher.encode`.
    """
    unique = list(dict.fromkeys(texts))
    vectors = matcher.encode(unique, keep=keep)
    rows = vectors, Lexicon.load(matcher).profiles(vectors), matcher.cohort.profiles(vectors)
    return {text: Seen(*row) for text, *row in zip(unique, *rows, strict=True)}


def trained_evidence(
    matcher: Matcher,
    query: Seen,
    told: Sequence[Seen],
    frozen_query: Vectors,
    frozen_edit: Vectors,
) -> dict[str, float]:
    """The relation evidence of the matcher, beside the frozen encoder's cosine.

    Args:
        matcher: The trained matcher.
        query: The masked sentence.
        told: The edit's forms.
        frozen_query: The masked sentence's unit vector by the frozen encoder, ``[d]``.
        frozen_edit: Unit vectors of the edit's masked phrases by it, ``[m, d]``.

    Returns:
        ``match``, the matcher's cosine; the other features of
        :func:`~memedit.scope.relations.relation_features` by the matcher; those of
        :meth:`~memedit.scope.cohort.Cohort.features`; ``cosine``, the frozen encoder's.
    """
    forms = np.stack([form.vector for form in told])
    profile = np.max([form.profile for form in told], axis=0)
    features = named(
        relation_features(Lexicon.load(matcher), query.vector, query.profile, forms, profile)
    )
    match = features["cosine"]
    kin = np.max([form.kin for form in told], axis=0)
    return {
        **features,
        **matcher.cohort.features(match, query.kin, kin),
        "match": match,
        "cosine": float((frozen_edit @ frozen_query).max()),
    }


def text_evidence(
    frozen_query: Vectors, frozen_edit: Vectors, query: Seen | None, told: Sequence[Seen]
) -> dict[str, float]:
    """The evidence on a free text: cosines by the frozen encoder and, where it is, the matcher."""
    features = {"cosine": float((frozen_edit @ frozen_query).max())}
    if query is not None:
        features["match"] = max(float(form.vector @ query.vector) for form in told)
    return features


def name_evidence(
    pairs: Sequence[tuple[str, str]], encoder: Encoder, matcher: Matcher | None
) -> list[dict[str, float]]:
    """What speaks for two names being one thing's, spelling aside: :data:`NAME_EVIDENCE`.

    Args:
        pairs: The name in the query and the subject's.
        encoder: The frozen encoder.
        matcher: The trained matcher, which has learnt other names of things; without one there is
            no ``match``.
    """
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    if not texts:
        return []
    vectors = dict(zip(texts, encoder.encode(texts), strict=True))
    trained = dict(zip(texts, matcher.encode(texts), strict=True)) if matcher else None
    found = []
    for shown, name in pairs:
        evidence = {
            "cosine": float(vectors[shown] @ vectors[name]),
            "person": float(looks_like_person(name)),
        }
        if trained:
            evidence["match"] = float(trained[shown] @ trained[name])
        found.append(evidence)
    return found


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
