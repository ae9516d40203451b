"""Probes: queries that name a live subject and ask for something its edits do not say.

They come from the memory itself. A bounded sample of the live facts is drawn by a hash of their
ids, the smallest ones (a bottom-k sketch, Cohen & Kaplan 2007): it depends on which edits are live
and not on the order they came in, and a new edit enters it with probability k/n. Of each sampled
fact the subject is put into wordings of other relations: those of other sampled edits, and those of
a shipped bank. Wordings near to what an edit about that subject says are left out, since "made by"
asks for what "created by" does.

Everything here is a function of the set of live edits, so that what was kept up edit by edit is
what would be made from scratch.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memedit.edit import Edit
from memedit.forms import fill
from memedit.scope.bank import Bank, Wordings, hash_of, largest, ranked
from memedit.scope.classifier import Nearest, ScopeClassifier, VectorsOf
from memedit.scope.conformal import FORMS, Form
from memedit.scope.decision import Decision
from memedit.scope.encoder import Vectors
from memedit.scope.phrases import masked, relation_phrases
from memedit.scope.segments import is_question
from memedit.text import name_key

SAMPLE = 512  # edits
EACH = 2  # probes of each form about each of them
# How many of the bank's relations, nearest first, an edit may be about or a wording may ask for.
# With these and the kin of each, 96 % of the pairs among CounterFact's training prompts that are of
# one relation are kept apart, and 91 % of those of one relation or of kin ones (53 % of the others
# too, of which enough are left); a cosine of 0.5 keeps apart less than half of either.
TOLD_NEAREST = 4
ASKED_NEAREST = 2
BATCH = 64

_RECIPE = "1"  # changes with anything here that changes what is asked or how it is scored
_ALL = 2**64 - 1

Probes = dict[Form, tuple[str, ...]]
ProbeScores = dict[Form, list[float]]


@dataclass(frozen=True)
class Probed:
    """A sampled edit.

    Attributes:
        probes: What is asked about its subject, by form.
        digest: Of the probes and of every edit about the subject: what the scores depend on. An
            edit about another subject bears on them only where names overlap, which is let pass.
    """

    probes: Probes
    digest: str


class ProbeSample:
    """The sampled live facts with their probes; edits come and go one by one.

    Args:
        bank: Wordings of common relations.
        vectors_of: Unit vectors ``[n, d]`` of the edits' masked phrases.
        size: How many edits are sampled at most.
    """

    def __init__(self, bank: Bank, vectors_of: VectorsOf, *, size: int = SAMPLE) -> None:
        self._bank = bank
        self._vectors_of = vectors_of
        self._size = size
        self._edits: dict[str, Edit] = {}
        self._named: dict[str, set[str]] = defaultdict(set)  # name key -> edit ids
        self._by_hash: dict[int, str] = {}
        self._order: list[int] = []  # hashes, ascending; of edits that are gone too
        self._words: dict[str, bytes] = {}  # edit id -> digest of its words
        self._likeness: dict[str, Vectors] = {}  # masked phrase -> cosine with each relation
        self._sampled: dict[str, Probed] | None = {}
        self._highest = _ALL  # hash in the sample; any where the sample is not full
        self._watched: set[str] = set()  # name keys of the sampled subjects

    def __len__(self) -> int:
        """How many facts are live."""
        return len(self._edits)

    def put(self, edits: Iterable[Edit]) -> None:
        """Makes edits live, or replaces their older versions; free text is passed over."""
        added = False
        for edit in edits:
            self.drop(edit.id)
            if edit.kind == "free_text":
                continue
            number = hash_of(edit.id)
            self._edits[edit.id] = edit
            self._by_hash[number] = edit.id
            self._order.append(number)
            for key in _keys(edit):
                self._named[key].add(edit.id)
            self._note(edit, number)
            added = True
        if added:
            self._order.sort()  # all but the end is in order, which makes this one pass

    def drop(self, edit_id: str) -> None:
        """Takes an edit out; unknown ids are ignored."""
        edit = self._edits.pop(edit_id, None)
        if edit is None:
            return
        number = hash_of(edit_id)
        del self._by_hash[number]
        self._words.pop(edit_id, None)
        for key in _keys(edit):
            self._named[key].discard(edit_id)
            if not self._named[key]:
                del self._named[key]
        self._note(edit, number)

    def sampled(self) -> dict[str, Probed]:
        """The sampled edits by id."""
        if self._sampled is None:
            self._sampled = self._sample()
        return self._sampled

    def wordings(self) -> Iterator[tuple[Edit, str]]:
        """The sampled edits with each of their own wordings, which ought to be in scope."""
        for edit_id in self.sampled():
            edit = self._edits[edit_id]
            own = (edit.prompt, edit.question_template, *edit.paraphrases)
            for text in dict.fromkeys(fill(words, edit.subject) for words in own):
                yield edit, text

    def _note(self, edit: Edit, number: int) -> None:
        """An edit came or went: whether the sample has to be looked at again."""
        if number <= self._highest or not self._watched.isdisjoint(_keys(edit)):
            self._sampled = None

    def _sample(self) -> dict[str, Probed]:
        if len(self._order) > 2 * len(self._edits):
            self._order = sorted(self._by_hash)
        chosen: dict[int, Edit] = {}
        for number in self._order:
            if len(chosen) == self._size:
                break
            if number in self._by_hash:
                chosen[number] = self._edits[self._by_hash[number]]
        edits = list(chosen.values())
        self._highest = max(chosen) if len(edits) == self._size else _ALL
        self._watched = {name_key(edit.subject) for edit in edits}
        self._compare(edits)
        numbers: dict[str, int] = {}
        for edit in edits:
            numbers.setdefault(edit.relation_key, len(numbers))
        hashes = np.array(list(chosen), dtype=np.uint64)
        sources = [
            (form, source, ranked(hashes, source.hashes))
            for form in FORMS
            for source in (self._theirs(form, chosen, numbers), self._bank.wordings[form])
        ]
        return {
            edit.id: self._probed(edit, [(f, w, ranks[i]) for f, w, ranks in sources], numbers)
            for i, edit in enumerate(edits)
        }

    def _compare(self, edits: list[Edit]) -> None:
        """Compares what is said about the sampled subjects with the bank; forgets all else."""
        ids = {other for edit in edits for other in self._named[name_key(edit.subject)]}
        texts = {text for i in ids for text in relation_phrases(self._edits[i])}
        known = {text: self._likeness[text] for text in texts & self._likeness.keys()}
        missing = sorted(texts - known.keys())
        if missing:
            known |= zip(missing, self._bank.likeness(self._vectors_of(missing)), strict=True)
        self._likeness = known

    def _theirs(
        self, form: Form, edits: Mapping[int, Edit], numbers: Mapping[str, int]
    ) -> Wordings:
        """One wording of this form of each edit that has any, placed by the edit's hash."""
        found: dict[int, str] = {}
        for number, edit in edits.items():
            for template in (edit.question_template, edit.prompt):
                asked = masked(template) in self._likeness
                if asked and is_question(template) == (form == "question"):
                    found[number] = template
        near = [largest(self._likeness[masked(t)], ASKED_NEAREST) for t in found.values()]
        return Wordings(
            templates=tuple(found.values()),
            hashes=np.array(list(found), dtype=np.uint64),
            asks=np.array(near, dtype=np.intp).reshape(-1, ASKED_NEAREST),
            keys=np.array([numbers[edits[number].relation_key] for number in found], dtype=np.intp),
        )

    def _probed(
        self,
        edit: Edit,
        sources: list[tuple[Form, Wordings, NDArray[np.intp]]],
        numbers: Mapping[str, int],
    ) -> Probed:
        """An edit's probes: of each form one fitting wording of another edit, and the bank's."""
        about = [self._edits[i] for i in sorted(self._named[name_key(edit.subject)])]
        keys = [numbers[e.relation_key] for e in about if e.relation_key in numbers]
        told = self._kin_of(about)
        chosen: dict[Form, list[str]] = {form: [] for form in FORMS}
        for form, wordings, ranks in sources:
            most = EACH if wordings is self._bank.wordings[form] else 1
            places = wordings.fitting(ranks, told, keys)[:most]
            chosen[form] += [fill(wordings.templates[j], edit.subject) for j in places]
        probes: Probes = {form: tuple(texts[:EACH]) for form, texts in chosen.items()}
        digest = hashlib.sha256(repr(sorted(probes.items())).encode())
        for other in about:
            digest.update(self._digest(other))
        return Probed(probes, digest.hexdigest())

    def _kin_of(self, edits: list[Edit]) -> NDArray[np.bool_]:
        """The relations these edits may be about, and the kin of each, ``[r]``."""
        kin = np.zeros(len(self._bank.names), dtype=np.bool_)
        for edit in edits:
            near = np.max([self._likeness[text] for text in relation_phrases(edit)], axis=0)
            kin |= self._bank.kin[largest(near, TOLD_NEAREST)].any(axis=0)
        return kin

    def _digest(self, edit: Edit) -> bytes:
        if edit.id not in self._words:
            self._words[edit.id] = hashlib.sha256(edit.to_json().encode()).digest()
        return self._words[edit.id]


def score_probes(
    classifier: ScopeClassifier, probes: Mapping[str, Probes], nearest: Nearest | None
) -> dict[str, ProbeScores]:
    """The scores of probes: the probability of each one's surest candidate.

    Args:
        classifier: With all live edits.
        probes: By edit id.
        nearest: As for :meth:`ScopeClassifier.decide`.

    Returns:
        By edit id and form. A probe for which no edit was considered is left out: its subject's
        name is no name to the classifier, so it is no near miss.
    """
    texts = [
        (edit_id, form, text)
        for edit_id, by_form in probes.items()
        for form, asked in by_form.items()
        for text in asked
    ]
    scores: dict[str, ProbeScores] = {edit_id: {form: [] for form in FORMS} for edit_id in probes}
    decisions = decide_all(classifier, [text for _, _, text in texts], nearest)
    for (edit_id, form, _), decision in zip(texts, decisions, strict=True):
        if decision.candidates:
            scores[edit_id][form].append(decision.probability)
    return scores


def decide_all(
    classifier: ScopeClassifier, queries: list[str], nearest: Nearest | None
) -> Iterator[Decision]:
    """The decision for each of many queries, a batch at a time."""
    for start in range(0, len(queries), BATCH):
        yield from classifier.decide_many(queries[start : start + BATCH], nearest=nearest)


def form_of(query: str, decision: Decision) -> Form:
    """Whether what was asked is a question or a cloze; of a long text, the decisive sentence."""
    asked = decision.candidates[0].sentence if decision.candidates else query
    return "question" if is_question(asked) else "cloze"


def scorer_digest(classifier: ScopeClassifier) -> str:
    """Names what makes the scores; scores of another scorer say nothing about this one's."""
    matcher = classifier.matcher.fingerprint if classifier.matcher else ""
    parts = (_RECIPE, classifier.encoder.fingerprint, matcher, repr(classifier.calibration))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _keys(edit: Edit) -> set[str]:
    return {name_key(name) for name in edit.names}
