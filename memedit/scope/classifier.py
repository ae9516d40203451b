"""The scope classifier: which live edit, if any, a query falls under.

The way of a query: names in the text → sentences that ask → the subject masked → evidence that the
relation is the edit's → calibrated probability → decision. A decision never depends on what else
is asked at the same time.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from memedit.edit import Edit
from memedit.errors import QueryError
from memedit.scope.candidates import Draft, Entry, Order, Weigher, cheapest_first, newest
from memedit.scope.decision import Candidate, Decision
from memedit.scope.encoder import Encoder, Vectors
from memedit.scope.explain import reasons_for
from memedit.scope.matcher import Matcher
from memedit.scope.names import Mention, NameIndex, names_in
from memedit.scope.phrases import relation_phrases, told_texts
from memedit.scope.probability import Asked, Calibration
from memedit.scope.reading import Reading, read_query, reading_of
from memedit.scope.relations import Lexicon
from memedit.scope.segments import is_question
from memedit.text import name_key

MAX_QUERY_CHARS = 200_000
NEIGHBOURS = 10
MAX_VARIANTS = 8  # other spellings of a name that are compared for one sentence
MAX_CANDIDATES = 12  # edits that the matcher reads for one sentence
DEFAULT_THRESHOLD = 0.5
# Vectors of a text differ by about 1e-7 between batches, probabilities by about 1e-6.
NEAR = 1e-4
SATURATED = 0.9  # two edits this sure of a query differ in wording only

Nearest = Callable[[Vectors, int], Sequence[tuple[str, float]]]
VectorsOf = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True)
class _Query:
    """A query that has been read.

    Attributes:
        query: The query.
        readings: Its sentences, each with a subject masked that it names or refers to.
        variants: The same for names that nobody gave, each with its likeness to a known one.
        unknown: By sentence: a name that is like no known one, masked.
        look_up: The sentences to find by meaning.
    """

    query: str
    readings: list[Reading]
    variants: list[tuple[Reading, Mapping[str, float]]]
    unknown: dict[str, Reading]
    look_up: list[str]

    @property
    def texts(self) -> list[str]:
        """What has to be encoded."""
        masked = [*self.readings, *(reading for reading, _ in self.variants)]
        masked += self.unknown.values()
        return [*(reading.text for reading in masked), *self.look_up]


class ScopeClassifier:
    """Decides for each query which of the live edits it falls under.

    Args:
        encoder: Encodes queries; the edits' phrases must come from the same one.
        matcher: The trained matcher; the shipped one where None. On an encoder that the shipped
            one was not trained for, the frozen encoder's evidence has to do.
        calibration: Weights of the decision; the matcher's own where None.
        threshold: Least probability that counts as in scope, 0…1, of questions and clozes;
            ``thresholds`` holds that of each.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        matcher: Matcher | None = None,
        calibration: Calibration | None = None,
        threshold: float = DEFAULT_THRESHOLD,
    ) -> None:
        self.encoder = encoder
        if matcher is None and calibration is None:
            matcher = Matcher.shipped(encoder)
        self.matcher = matcher
        self.calibration = calibration or _calibration_of(matcher)
        self.thresholds: Mapping[Asked, float] = {"question": threshold, "cloze": threshold}
        self.lexicon = Lexicon.load(encoder)
        self.names = NameIndex()
        self._weigher = Weigher(encoder, matcher, self.calibration)
        self._entries: dict[str, Entry] = {}
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
            profile = profiles[rows].max(axis=0)
            self._entries[edit.id] = Entry(edit, order, vectors[rows], profile, told_texts(edit))
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
                pairs. Without it free-text edits, and names unlike any known one, are not found.

        Raises:
            QueryError: The query is empty or longer than :data:`MAX_QUERY_CHARS`.
        """
        [decision] = self._decide_together([query], on, [context], nearest)
        return decision

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
        turns = contexts or [()] * len(queries)
        decisions = self._decide_together(queries, on, turns, nearest)
        return [
            self.decide(query, on=on, context=turn, nearest=nearest)
            if _near_a_choice(decision)
            else decision
            for query, turn, decision in zip(queries, turns, decisions, strict=True)
        ]

    def _decide_together(
        self,
        queries: Sequence[str],
        on: dt.date | None,
        contexts: Sequence[Sequence[str]],
        nearest: Nearest | None,
    ) -> list[Decision]:
        for query in queries:
            _check_query(query)
        by_meaning = nearest is not None
        read = [self._read(q, c, by_meaning) for q, c in zip(queries, contexts, strict=True)]
        vectors = self._encode([text for asked in read for text in asked.texts])
        day = on or dt.date.today()
        drafts = [self._drafts(asked, vectors, day, nearest) for asked in read]
        weighed = iter(self._weigher.weigh([d for some in drafts for d in some], self.thresholds))
        return [
            self._decision(asked, list(itertools.islice(weighed, len(some))), on)
            for asked, some in zip(read, drafts, strict=True)
        ]

    # -- reading ---------------------------------------------------------------------------------

    def _read(self, query: str, context: Sequence[str], by_meaning: bool) -> _Query:
        sentences, readings = read_query(query, context, self.names, self._told)
        asked = _Query(query, readings, [], {}, [])
        if by_meaning and (self._free_text or (self._entries and not readings)):
            asked.look_up.extend(list(dict.fromkeys(sentences))[-NEIGHBOURS:])
        if not readings:
            for sentence in dict.fromkeys(sentences[-NEIGHBOURS:]):
                asked.variants.extend(self._read_variants(sentence))
                span = unknown_name(sentence)
                if span:
                    mention = Mention(*span, sentence[slice(*span)], "", "variant", ())
                    asked.unknown[sentence] = reading_of(sentence, (0, len(sentence)), mention)
        for reading in readings:
            if may_be_longer(reading):
                asked.variants.extend(
                    (other, likeness)
                    for other, likeness in self._read_variants(reading.sentence)
                    if reading.mention.text in other.mention.text != reading.mention.text
                )
        return asked

    def _read_variants(self, sentence: str) -> Iterator[tuple[Reading, Mapping[str, float]]]:
        """The readings of a sentence for names that nobody gave, with their likeness."""
        for variant in self.names.find_variants(sentence, limit=MAX_VARIANTS):
            place = (variant.start, variant.end, variant.text)
            mention = Mention(*place, variant.name, "variant", variant.edit_ids)
            reading = reading_of(sentence, (0, len(sentence)), mention)
            yield reading, {**variant.features, "score": variant.score}

    def _told(self, edit_ids: Sequence[str]) -> list[str]:
        """The masked phrases of some edits, which tell what kind of thing a subject is."""
        edits = (self._entries[i].edit for i in edit_ids if i in self._entries)
        return [phrase for edit in edits for phrase in relation_phrases(edit)]

    def _encode(self, texts: list[str]) -> dict[str, Vectors]:
        unique = list(dict.fromkeys(texts))
        return dict(zip(unique, self.encoder.encode(unique), strict=True)) if unique else {}

    # -- candidates ------------------------------------------------------------------------------

    def _drafts(
        self,
        asked: _Query,
        vectors: Mapping[str, Vectors],
        day: dt.date,
        nearest: Nearest | None,
    ) -> list[Draft]:
        """The edits that may answer the query, sentence by sentence."""
        drafts: list[Draft] = []
        for reading in asked.readings:
            drafts += self._by_name(reading, vectors[reading.text], day)
        for reading, likeness in asked.variants:
            drafts += self._by_name(reading, vectors[reading.text], day, likeness)
        for sentence in asked.look_up:
            assert nearest is not None
            found = [i for i, _ in nearest(vectors[sentence], NEIGHBOURS) if i in self._entries]
            free = [self._entries[i] for i in found if i in self._free_text]
            drafts += [Draft(e, sentence, vectors[sentence]) for e in newest(free, day)]
            if sentence in asked.unknown:
                reading = asked.unknown[sentence]
                known = {d.entry.edit.id for d in drafts}
                facts = [i for i in found if i not in self._free_text and i not in known]
                entries = newest([self._entries[i] for i in facts], day)
                drafts += [Draft(e, sentence, vectors[reading.text], reading, {}) for e in entries]
        return cheapest_first(drafts, MAX_CANDIDATES * max(1, len(asked.readings)))

    def _by_name(
        self,
        reading: Reading,
        vector: Vectors,
        day: dt.date,
        likeness: Mapping[str, float] | None = None,
    ) -> list[Draft]:
        """The edits of the reading's subject that hold on the day."""
        entries = [self._entries[i] for i in reading.mention.edit_ids]
        return [
            Draft(entry, reading.sentence, vector, reading, likeness)
            for entry in newest(entries, day)
            if reading.kind != "partial" or self._may_go_by_part(entry, reading)
        ]

    def _may_go_by_part(self, entry: Entry, reading: Reading) -> bool:
        """A single word stands for a longer name only where the edit is about a person."""
        return len(name_key(reading.mention.text).split()) > 1 or self.lexicon.is_personal(
            entry.profile
        )

    # -- deciding --------------------------------------------------------------------------------

    def _decision(self, asked: _Query, candidates: list[Candidate], on: dt.date | None) -> Decision:
        candidates.sort(key=lambda candidate: (not candidate.in_scope, _surest_first(candidate)))
        edits = _surest_by_sentence(candidates)
        form: Asked = "question" if is_question(asked.query) else "cloze"
        return Decision(
            route="counterfactual" if edits else "base",
            edits=edits,
            probability=candidates[0].probability if candidates else 0.0,
            threshold=candidates[0].threshold if candidates else self.thresholds[form],
            reasons=reasons_for(candidates, asked.readings, live=len(self)),
            candidates=tuple(candidates),
            question=_resolved(asked.query, asked.readings),
            as_of=on,
        )


def may_be_longer(reading: Reading) -> bool:
    """Whether the known name that was found may be a piece of a longer one: "Prince [Henry]"."""
    sentence, name = reading.sentence, reading.mention.text
    if reading.kind not in ("full", "partial") or name not in sentence:
        return False
    place = sentence.index(name)
    before, after = sentence[:place].rstrip(), sentence[place + len(name) :].lstrip(" -–")
    follows = after[:1].isupper() or after[:1].isdigit()
    return follows or (before.rpartition(" ")[2][:1].isupper() and " " in before)


def unknown_name(sentence: str) -> tuple[int, int] | None:
    """Where the longest name of a sentence stands, known or not; None where there is none."""
    return max(names_in(sentence), key=lambda span: (span[1] - span[0], span), default=None)


def _calibration_of(matcher: Matcher | None) -> Calibration:
    if matcher is None:
        return Calibration.untrained()
    return Calibration.from_dict(matcher.about["decision"])


def _surest_first(candidate: Candidate) -> tuple[float, float, str]:
    """Sorts by probability; above :data:`SATURATED` the nearest wording decides."""
    cosine = candidate.features["cosine"]
    return -min(candidate.probability, SATURATED), -cosine, candidate.edit.id


def _near_a_choice(decision: Decision) -> bool:
    """Whether a rounding error could send the query elsewhere, or to another edit."""
    candidates = decision.candidates
    if any(abs(c.probability - c.threshold) < NEAR for c in candidates):
        return True
    ranks = [_surest_first(c) for c in candidates if c.in_scope]
    return any(
        b[0] - a[0] < NEAR and (a[0] > -SATURATED or b[1] - a[1] < NEAR)
        for a, b in itertools.pairwise(ranks)
    )


def _surest_by_sentence(candidates: list[Candidate]) -> tuple[Edit, ...]:
    """The best in-scope edit of each sentence, the surest first."""
    chosen: dict[str, Edit] = {}
    for candidate in candidates:  # the surest first
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
