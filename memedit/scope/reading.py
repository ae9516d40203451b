"""Reading a query: the sentences that ask, each with the edited subject it speaks of masked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from memedit.forms import fill
from memedit.scope.coreference import find_reference, topic
from memedit.scope.names import Mention, MentionKind, NameIndex
from memedit.scope.phrases import masked
from memedit.scope.segments import Span, asking, is_open, is_question, sentence_spans

MAX_SENTENCES = 64  # of a long query, the last ones: what is asked stands at the end

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
    query: str, context: Sequence[str], names: NameIndex
) -> tuple[list[str], list[Reading]]:
    """The asking sentences of a query, and a reading for each subject of each.

    Args:
        query: What is asked, of any length.
        context: Earlier turns, oldest first, that references may point to.
        names: The live subjects.

    Returns:
        At most :data:`MAX_SENTENCES` sentences, and their readings in order; a sentence that
        neither names nor refers to a live subject has none.
    """
    mentions = names.find(query)
    spans = sentence_spans(query, [(m.start, m.end) for m in mentions])
    chosen = _asking(query, spans, mentions)[-MAX_SENTENCES:]
    readings: list[Reading] = []
    for span in chosen:
        inside = [m for m in mentions if span[0] <= m.start < span[1]]
        if inside:
            readings += [reading_of(query, span, mention) for mention in inside]
            continue
        earlier = [query[a:b] for a, b in spans if b <= span[0]]
        referred = _referring(query[slice(*span)], [*context, *earlier], names)
        if referred:
            readings.append(referred)
    return [query[a:b] for a, b in chosen], readings


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


def _referring(sentence: str, context: Sequence[str], names: NameIndex) -> Reading | None:
    """The reading of a sentence that names nobody but refers to the topic before it."""
    reference = find_reference(sentence)
    about = topic(context, names) if reference else None
    if reference is None or about is None:
        return None
    possessive = reference.group().lower() in ("his", "its", "their", "her")
    slot = "{}'s" if possessive else "{}"
    template = sentence[: reference.start()] + slot + sentence[reference.end() :]
    question, resolved = is_question(sentence), fill(template, about.name)
    return Reading(sentence, about, "reference", question, masked(template), resolved)
