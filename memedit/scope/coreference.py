"""What "he", "it" or "that club" in a question stands for: the topic of what was said before."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memedit.scope.names import Mention, NameIndex, names_in

_PRONOUN = re.compile(
    r"\b(?:he|she|they|him|her|them|his|hers|its|their|theirs|"
    r"(?:that|this|the same|the) (?:person|man|woman|player|singer|author|writer|artist|"
    r"actor|actress|politician|club|team|band|company|firm|country|city|town|place|island|river|"
    r"book|novel|film|movie|song|show|series|product|language|university|school|organisation|"
    r"organization|party)|it)\b",
    re.I,
)
# "It" that stands for nothing: "what time is it", "is it raining", "it is true that".
_EMPTY_IT = re.compile(
    r"\b(?:time is it|day is it|is it (?:raining|snowing|true|possible|ok|okay|cold|hot|warm|late)|"
    r"it is (?:raining|true|possible)|it's (?:raining|true|possible)|how is it going)\b",
    re.I,
)


def find_reference(sentence: str) -> re.Match[str] | None:
    """The first expression in ``sentence`` that may refer to something said before."""
    if _EMPTY_IT.search(sentence):
        return None
    return _PRONOUN.search(sentence)


def topic(context: Sequence[str], names: NameIndex) -> Mention | None:
    """The edited subject under discussion, or None where another name is, or none at all.

    The first name of the latest text that has one is taken for the topic, since what a sentence
    begins with is what the next one most likely speaks of. It must be a live subject: a text that
    turns to someone else ends the earlier topic.

    Args:
        context: Earlier texts, oldest first: sentences of the query before this one, or turns.
        names: The live subjects.
    """
    for text in reversed(context):
        known = names.find(text)
        spans = names_in(text)
        if not known and not spans:
            continue
        if known and (not spans or known[0].start <= spans[0][0] < known[0].end):
            return known[0]
        if known and known[0].start < spans[0][0]:
            return known[0]
        return None
    return None
