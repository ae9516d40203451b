"""Names as answers: several told as one, and the name in what a model says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from memedit.scope.names import names_in
from memedit.text import name_key

MAX_WORDS = 6
_UNKNOWN = re.compile(
    r"\b(?:i (?:do not|don['’]t|cannot|can['’]t)|unknown|not (?:known|sure|available)|"
    r"no information|sorry|as an ai|n/?a|none)\b",
    re.I,
)
_SENTENCE = re.compile(r"\b(?:is|was|are|were|has|have|he|she|it|they)\b", re.I)
_AFTER = re.compile(
    r"\b(?:is|was|are|were|by|in|of|called|named)\b (?:the |a |an )?(?P<rest>[^,.;:()]+)", re.I
)


def listed(names: Sequence[str]) -> str:
    """Names as one answer: "A", "A and B", "A, B and C"."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def short_answer(text: str, question: str) -> str | None:
    """The name that a model's answer gives; None where it gives none.

    Of a sentence it is the first name that the question does not hold already; where there is none,
    what follows its last verb or preposition.

    Args:
        text: What the model said.
        question: What it was asked.
    """
    lines = [line.strip(" \t*\"'“”.") for line in text.splitlines()]
    line = next((line for line in lines if line), "")
    if not line or _UNKNOWN.search(line):
        return None
    if len(line.split()) <= MAX_WORDS and not _SENTENCE.search(line):
        return line if name_key(line) not in name_key(question) else None
    known = name_key(question)
    for start, end in names_in(line):
        name = line[start:end].strip(" \"'“”")
        if name_key(name) and name_key(name) not in known:
            return name
    *_, rest = [None, *_AFTER.finditer(line)]
    if rest and len(rest["rest"].split()) <= MAX_WORDS and name_key(rest["rest"]) not in known:
        return rest["rest"].strip()
    return None
