"""The scope classifier: which live edit, if any, a query falls under.

The way of a query: names in the text → sentences that ask → the subject masked → evidence that the
relation is the edit's → calibrated probability → decision. A decision never depends on what else
is asked at the same time.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from memedit.edit import Edit
from memedit.errors import QueryError
from memedit.scope.answers import answer_clashes
from memedit.scope.decision import Candidate, Decision
from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.explain import reasons_for
from memedit.scope.names import NameIndex
from memedit.scope.phrases import relation_phrases
from memedit.scope.probability import Calibration
from memedit.scope.reading import Reading, read_query, reading_of
from memedit.scope.relations import FEATURES, Lexicon, relation_features
from memedit.text import name_key

MAX_QUERY_CHARS = 200_000
NEIGHBOURS = 10
DEFAULT_THRESHOLD = 0.5
# Vectors of a text differ by about 1e-7 between batches, probabilities by about 1e-6.
NEAR = 1e-4
SATURATED = 0.9  # two edits this sure of a query differ in wording only

Order = int
Nearest = Callable[[Vectors, int], Sequence[tuple[str, float]]]
VectorsOf = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class _Entry:
    """A live edit, its phrases ``[n, d]`` and their largest lexicon profile ``[r]``."""

    edit: Edit
    order: Order
    phrases: Vectors
    profile: Vectors


@dataclass(frozen=True)
class _Asked:
    """A query that has been read: its readings, and the sentences to find by meaning."""

    query: str
    readings: list[Reading]
    look_up: list[str]

    @property
    def texts(self) -> list[str]:
        """What has to be encoded."""
        return [*(reading.text for reading in self.readings), *self.look_up]


class ScopeClassifier:
    """Decides for each query which of the live edits it falls under.

    Args:
        encoder: Encodes queries; the edits' phrases must come from the same one.
        calibration: Weights of the decision; the shipped ones where None.
        threshold: Least probability that counts as in scope, 0…1.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        calibration: Calibration | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.encoder = encoder
        self.calibration = calibration or Calibration.load()
        self.threshold = threshold
        self.lexicon = Lexicon.load(encoder)
        self.names = NameIndex()
        self._entries: dict[str, _Entry] = {}
        self._free_text: set[str] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, edits: Iterable[tuple[Edit, Order]], vectors_of: VectorsOf) -> None:
        """Makes edits live, or replaces their older versions.

        Args:
            edits: Each with its order: of two edits with one key the greater order wins.
            vectors_of: Unit vectors of masked phrases, ``[n, d]``, from the store or an encoder.
        """
        batch = [(edit, order, relation_phrases(edit)) for edit, order in edits]
        texts = list(dict.fromkeys(text for _, _, phrases in batch for text in phrases))
        if not texts:
            return
        vectors = vectors_of(texts)
        profiles = self.lexicon.profiles(vectors)
        row = {text: i for i, text in enumerate(texts)}
        for edit, order, phrases in batch:
            self.drop(edit.id)
            rows = [row[text] for text in phrases]
            self._entries[edit.id] = _Entry(edit, order, vectors[rows], profiles[rows].max(axis=0))
            if edit.kind == "free_text":
                self._free_text.add(edit.id)
            else:
                self.names.add(edit.id, edit.names)

    def drop(self, edit_id: str) -> None:
        """Takes an edit out; unknown ids are ignored."""
        if self._entries.pop(edit_id, None) is not None:
            self.names.remove(edit_id)
            self._free_text.discard(edit_id)

    def decide(
        self,
        query: str,
        *,
        on: dt.date | None = None,
        context: Sequence[str] = (),
        nearest: Nearest | None = None,
    ) -> Decision:
        """The decision for one query.

        Args:
            query: What is asked: a question, a cloze to complete, or a longer text.
            on: The day whose facts are asked for; today where None.
            context: Earlier turns, oldest first, for "he", "that club" and the like.
            nearest: Finds live edits by meaning: ``(unit vector [d], k)`` to ``(id, cosine)``
                pairs. Without it misspelt names and free-text edits are not found.

        Raises:
            QueryError: The query is empty or longer than :data:`MAX_QUERY_CHARS`.
        """
        _check_query(query)
        asked = self._read(query, context, nearest is not None)
        return self._decision(asked, self._encode(asked.texts), on, nearest)

    def decide_many(
        self,
        queries: Sequence[str],
        *,
        on: dt.date | None = None,
        contexts: Sequence[Sequence[str]] = (),
        nearest: Nearest | None = None,
    ) -> list[Decision]:
        """The decision for each of several queries, encoded together.

        They are the decisions of :meth:`decide`: the last bits of a vector depend on what is
        encoded with it, so a query that comes near a choice is decided again, alone.

        Args:
            queries: What is asked.
            on: As for :meth:`decide`, for all of them.
            contexts: Earlier turns of each query; none where left out.
            nearest: As for :meth:`decide`.

        Raises:
            QueryError: As for :meth:`decide`.
        """
        for query in queries:
            _check_query(query)
        turns = contexts or [()] * len(queries)
        by_meaning = nearest is not None
        read = [self._read(q, t, by_meaning) for q, t in zip(queries, turns, strict=True)]
        vectors = self._encode([text for asked in read for text in asked.texts])
        decisions = [self._decision(asked, vectors, on, nearest) for asked in read]
        return [
            self.decide(query, on=on, context=turn, nearest=nearest)
            if _near_a_choice(decision)
            else decision
            for query, turn, decision in zip(queries, turns, decisions, strict=True)
        ]

    def _read(self, query: str, context: Sequence[str], by_meaning: bool) -> _Asked:
        sentences, readings = read_query(query, context, self.names)
        look_up = self._to_look_up(sentences, readings) if by_meaning else []
        return _Asked(query, readings, look_up)

    def _decision(
        self,
        asked: _Asked,
        vectors: dict[str, Vectors],
        on: dt.date | None,
        nearest: Nearest | None,
    ) -> Decision:
        day = on or dt.date.today()
        readings = asked.readings
        candidates = [c for r in readings for c in self._weigh(r, vectors, day)]
        for sentence in asked.look_up:
            assert nearest is not None
            found = [i for i, _ in nearest(vectors[sentence], NEIGHBOURS) if i in self._entries]
            candidates += self._weigh_free_text(sentence, vectors[sentence], found, day)
            if not readings:
                candidates += self._weigh_misspelt(sentence, found, day)
        candidates.sort(key=_surest_first)
        edits = _surest_by_sentence(candidates)
        return Decision(
            route="counterfactual" if edits else "base",
            edits=edits,
            probability=max((c.probability for c in candidates), default=0.0),
            threshold=self.threshold,
            reasons=reasons_for(candidates, readings, self.threshold, live=len(self)),
            candidates=tuple(candidates),
            question=_resolved(asked.query, readings),
            as_of=on,
        )

    def _to_look_up(self, sentences: list[str], readings: list[Reading]) -> list[str]:
        """Sentences to find by meaning: all of them for free text, else where no name was found."""
        if self._free_text or (self._entries and not readings):
            return list(dict.fromkeys(sentences))[-NEIGHBOURS:]
        return []

    def _encode(self, texts: list[str]) -> dict[str, Vectors]:
        unique = list(dict.fromkeys(texts))
        return dict(zip(unique, self.encoder.encode(unique), strict=True)) if unique else {}

    def _weigh(
        self, reading: Reading, vectors: dict[str, Vectors], day: dt.date
    ) -> list[Candidate]:
        """The edits of the reading's subject that hold on the day, with their probabilities."""
        vector = vectors[reading.text]
        profile = self.lexicon.profiles(vector[None])[0]
        entries = [self._entries[i] for i in reading.mention.edit_ids]
        return [
            self._candidate(reading, vector, profile, entry)
            for entry in _newest(entries, day)
            if reading.kind != "partial" or self._may_go_by_part(entry, reading)
        ]

    def _may_go_by_part(self, entry: _Entry, reading: Reading) -> bool:
        """A single word stands for a longer name only where the edit is about a person."""
        return len(name_key(reading.mention.text).split()) > 1 or self.lexicon.is_personal(
            entry.profile
        )

    def _candidate(
        self, reading: Reading, vector: Vectors, profile: Vectors, entry: _Entry
    ) -> Candidate:
        features = relation_features(self.lexicon, vector, profile, entry.phrases, entry.profile)
        clash = reading.question and answer_clashes(reading.text, entry.edit.target_new)
        probability = self.calibration.probability(
            features, question=reading.question, name=reading.kind, clash=clash
        )
        return Candidate(
            edit=entry.edit,
            sentence=reading.sentence,
            mention=reading.mention.text,
            name=reading.mention.name,
            kind=reading.kind,
            masked=reading.text,
            relation=self.lexicon.nearest(profile),
            features={name: float(x) for name, x in zip(FEATURES, features, strict=True)},
            probability=probability,
            in_scope=probability >= self.threshold,
        )

    def _weigh_free_text(
        self, sentence: str, vector: Vectors, found: list[str], day: dt.date
    ) -> list[Candidate]:
        entries = [self._entries[i] for i in found if i in self._free_text]
        candidates = []
        for entry in _newest(entries, day):
            cosine = float((entry.phrases @ vector).max())
            probability = self.calibration.free_text_probability(cosine)
            candidates.append(
                Candidate(
                    edit=entry.edit,
                    sentence=sentence,
                    mention=None,
                    name=None,
                    kind="meaning",
                    masked=sentence,
                    relation=None,
                    features={"cosine": cosine},
                    probability=probability,
                    in_scope=probability >= self.threshold,
                )
            )
        return candidates

    def _weigh_misspelt(self, sentence: str, found: list[str], day: dt.date) -> list[Candidate]:
        mentions = self.names.find_misspelt(sentence, found)
        readings = [reading_of(sentence, (0, len(sentence)), mention) for mention in mentions]
        vectors = self._encode([reading.text for reading in readings])
        return [c for r in readings for c in self._weigh(r, vectors, day)]


def _newest(entries: Iterable[_Entry], day: dt.date) -> list[_Entry]:
    """Of the edits that hold on the day, the newest of each key."""
    winners: dict[tuple[str, str], _Entry] = {}
    for entry in entries:
        key = entry.edit.key
        if entry.edit.holds_on(day) and (key not in winners or entry.order > winners[key].order):
            winners[key] = entry
    return list(winners.values())


def _surest_first(candidate: Candidate) -> tuple[float, float, str]:
    """Sorts by probability; above :data:`SATURATED` the nearest wording decides."""
    cosine = candidate.features["cosine"]
    return -min(candidate.probability, SATURATED), -cosine, candidate.edit.id


def _near_a_choice(decision: Decision) -> bool:
    """Whether a rounding error could send the query elsewhere, or to another edit."""
    candidates = decision.candidates
    if any(abs(c.probability - decision.threshold) < NEAR for c in candidates):
        return True
    ranks = [_surest_first(c) for c in candidates if c.in_scope]
    return any(
        b[0] - a[0] < NEAR and (a[0] > -SATURATED or b[1] - a[1] < NEAR)
        for a, b in itertools.pairwise(ranks)
    )


def _surest_by_sentence(candidates: list[Candidate]) -> tuple[Edit, ...]:
    """The best in-scope edit of each sentence, the surest first."""
    chosen: dict[str, Edit] = {}
    for candidate in candidates:  # sorted by probability
        if candidate.in_scope:
            chosen.setdefault(candidate.sentence, candidate.edit)
    return tuple({edit.id: edit for edit in chosen.values()}.values())


def _resolved(query: str, readings: list[Reading]) -> str:
    """The query with references replaced by the names they stand for."""
    for reading in readings:
        query = query.replace(reading.sentence, reading.resolved)
    return query


def _check_query(query: str) -> None:
    if not query.strip():
        raise QueryError("query: it is empty.", hint="Ask something.")
    if len(query) > MAX_QUERY_CHARS:
        raise QueryError(
            f"query: it has {len(query):,} characters; at most {MAX_QUERY_CHARS:,} can be routed.",
            hint="Ask about a part of the text at a time.",
        )
