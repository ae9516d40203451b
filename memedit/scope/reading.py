"""Reading a query: the sentences that ask, each with the edited subject it speaks of masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from memedit.forms import fill
from memedit.scope.coreference import (
    MAX_SENTENCE_CHARS,
    Discourse,
    Heard,
    Told,
    moved,
)
from memedit.scope.ellipsis import complete, leans_back, put, slot_for
from memedit.scope.entities import Spoken
from memedit.scope.names import Mention, MentionKind, NameIndex
from memedit.scope.phrases import masked
from memedit.scope.segments import Span, asking, is_open, is_question, sentence_spans

MAX_SENTENCES = 64  # of a long query, the last ones: what is asked stands at the end
TURNS = (16, 64, 400)  # heard; more of them where a reference leads further back

NameKind = MentionKind | Literal["reference"]


@dataclass(frozen=True)
class Reading:
    """One asking sentence with one subject masked, to be compared with that subject's edits.

    Attributes:
        sentence: The sentence as it stands in the query.
        mention: The subject it names or refers to.
        kind: How the subject was recognised.
        question: Whether the sentence is a question (else it is a cloze or a statement).
        text: The sentence with the subject masked.
        resolved: The sentence with a reference replaced by the name it stands for.
    """

    sentence: str
    mention: Mention
    kind: NameKind
    question: bool
    text: str
    resolved: str


def read_query(
    query: str, context: Sequence[str], names: NameIndex, told: Told | None = None
) -> tuple[list[str], list[Reading]]:
    """The asking sentences of a query, and a reading for each subject of each.

    Args:
        query: What is asked, of any length.
        context: Earlier turns, oldest first, that references may point to.
        names: The live subjects.
        told: The relations told of a subject, from the ids of its edits: phrases with "it" for
            the subject. They help to tell whether "he" or "that club" can be meant.

    Returns:
        At most :data:`MAX_SENTENCES` sentences, and their readings in order; a sentence that
        neither names nor refers to a live subject has none.
    """
    mentions = names.find(query)
    spans = sentence_spans(query, [(m.start, m.end) for m in mentions])
    chosen = _asking(query, spans, mentions)[-MAX_SENTENCES:]
    sentences = [_Sentence(query, span, mentions) for span in spans[-2 * MAX_SENTENCES :]]
    asking_ones = [sentence for sentence in sentences if sentence.span in chosen]
    readings = [reading for sentence in asking_ones for reading in sentence.named]
    earlier = bool(context) or len(spans) > 1
    if len(names) and earlier and any(sentence.leans_back for sentence in asking_ones):
        for turns in TURNS:
            discourse = Discourse(names, told, cut=len(context) > turns)
            discourse.hear_turns(context[-turns:])
            readings = []
            for sentence in sentences:
                read = _in_context(sentence, discourse)
                readings += read if sentence in asking_ones else []
            if not discourse.leads_further_back:
                break
    return [query[a:b] for a, b in chosen], readings


@dataclass(frozen=True)
class _Sentence:
    """A sentence of a query, and the subjects that the query names."""

    query: str
    span: Span
    mentions: Sequence[Mention]

    @property
    def text(self) -> str:
        return self.query[slice(*self.span)]

    @property
    def inside(self) -> list[Mention]:
        """The subjects it names, at their places in the query."""
        return [m for m in self.mentions if self.span[0] <= m.start < self.span[1]]

    @property
    def named(self) -> list[Reading]:
        return [reading_of(self.query, self.span, mention) for mention in self.inside]

    @property
    def leans_back(self) -> bool:
        """Whether it may refer to something said before, or leave it out."""
        return len(self.text) <= MAX_SENTENCE_CHARS and leans_back(self.text)


def reading_of(query: str, span: Span, mention: Mention) -> Reading:
    """The reading of one sentence for one of the subjects it names."""
    text = masked(f"{query[span[0] : mention.start]}{{}}{query[mention.end : span[1]]}")
    sentence = query[slice(*span)]
    return Reading(sentence, mention, mention.kind, is_question(sentence), text, sentence)


def _asking(query: str, spans: list[Span], mentions: list[Mention]) -> list[Span]:
    chosen = asking(query, spans)
    if chosen == spans and is_open(query) and any(m.start >= spans[-1][0] for m in mentions):
        return [spans[-1]]  # a prompt to complete, whatever was said before it
    return chosen


def _in_context(sentence: _Sentence, discourse: Discourse) -> list[Reading]:
    """The readings of a sentence after what was heard before it."""
    inside = [moved(mention, -sentence.span[0]) for mention in sentence.inside]
    heard = discourse.hear(sentence.text, inside)
    named = sentence.named
    if not sentence.leans_back:
        return named
    completed = complete(heard, discourse)
    if completed and completed.entity.mention:
        mention = completed.entity.mention
        named_as = [m.kind for m in inside if m.edit_ids == mention.edit_ids]
        kind: NameKind = named_as[0] if named_as else "reference"
        return [_filled(heard.sentence, completed.template, mention, kind)]
    referred = _referring(heard)
    resolved = _resolved(heard.sentence, referred)
    found = [*named, *(_referred(heard.sentence, spoken) for spoken in referred)]
    return [replace(reading, resolved=resolved) for reading in found]


def _referring(heard: Heard) -> list[Spoken]:
    """Where a sentence first refers to each live subject that it does not name."""
    seen = {id(s.entity) for s in heard.spoken if s.reference is None}
    found = []
    for spoken in heard.spoken:
        if spoken.reference and spoken.entity.mention and id(spoken.entity) not in seen:
            seen.add(id(spoken.entity))
            found.append(spoken)
    return found


def _referred(sentence: str, spoken: Spoken) -> Reading:
    """The reading of a sentence for a subject that it refers to."""
    assert spoken.entity.mention
    return _filled(sentence, _template(sentence, spoken), spoken.entity.mention, "reference")


def _filled(sentence: str, template: str, mention: Mention, kind: NameKind) -> Reading:
    resolved = fill(template, mention.name)
    return Reading(sentence, mention, kind, is_question(resolved), masked(template), resolved)


def _template(sentence: str, spoken: Spoken) -> str:
    assert spoken.reference
    return put(sentence, spoken, slot_for(sentence, spoken.reference, spoken.entity))


def _resolved(sentence: str, referred: Sequence[Spoken]) -> str:
    """The sentence with each of these references replaced by the name it stands for."""
    for spoken in reversed(referred):
        sentence = fill(_template(sentence, spoken), spoken.entity.name)
    return sentence
