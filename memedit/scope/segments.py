"""Cutting a query into sentences and choosing those that ask for something."""

from __future__ import annotations

import re
from collections.abc import Sequence

Span = tuple[int, int]

_BOUNDARY = re.compile(r"(?<=[.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]?[^\W_])|(?<=[。！？])|\s*\n+\s*")
_CLOSING = re.compile(r"[\"'”’)\]]")
_ASKS = re.compile(
    r"\W*(?:please |so |and |but )?(?:"
    r"(?:what|which|who|whom|whose|how|why)\b|"
    r"(?:where|when) (?:is|are|was|were|do|does|did|has|have|had|can|will)\b|"
    r"(?:is|are|was|were|do|does|did|has|have|can|could|will|would) \w|"
    r"(?:tell|name|give|say|describe|explain|write|list|show|summari[sz]e|remind) "
    r"(?!is |was ))",
    re.I,
)
_ABBREVIATION = re.compile(
    r"(?:\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|Jr|Sr|Prof|Gen|Sen|Gov|Capt|No|vs|etc|Inc|Ltd|Co|Corp|e\.g|i\.e))\.$"
)


def sentence_spans(text: str, protected: Sequence[Span] = ()) -> list[Span]:
    """The sentences of ``text`` as ``(start, end)``.

    Args:
        text: Any text.
        protected: Spans, such as names with initials in them, that are never cut.
    """
    spans = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        cut, resume = match.start(), match.end()
        if _ABBREVIATION.search(text[max(start, cut - 12) : cut]) and "\n" not in match.group():
            continue
        if _CLOSING.search(match.group()) and text[resume].islower():
            continue  # the stop belongs to a quotation within the sentence
        if any(begin < resume and cut < end for begin, end in protected):
            continue
        if text[start:cut].strip():
            spans.append((start, cut))
        start = resume
    if text[start:].strip():
        spans.append((start, len(text)))
    return spans


def is_question(sentence: str) -> bool:
    """Whether the sentence asks or requests in full, with a question mark or without.

    What is left, such as "X, who plays the", is a cloze to be completed.
    """
    return sentence.rstrip(" \"'”’)").endswith(("?", "？")) or bool(_ASKS.match(sentence))


def is_open(sentence: str) -> bool:
    """Whether the sentence ends without a stop, as a prompt to complete does."""
    return not sentence.rstrip().endswith((".", "!", "?", "。", "！", "？"))


def asking(text: str, spans: Sequence[Span]) -> list[Span]:
    """The sentences that ask: the questions, and a last one left open for completion.

    Where nothing asks, every sentence counts. What is merely told before a question does not
    decide which edit the question falls under.
    """
    chosen = [span for span in spans if is_question(text[slice(*span)])]
    if not chosen:
        return list(spans)
    last = spans[-1]
    if last not in chosen and is_open(text[slice(*last)]):
        chosen.append(last)
    return chosen
