"""Whether a question asks for the subject of a relation whose object it names.

An encoder hardly tells "who owns it?" from "what is owned by it?", and an edit followed the wrong
way would be a made-up one. So the direction is read from grammar, and what grammar leaves open is
not followed backwards.
"""

from __future__ import annotations

import re

from memedit.scope.phrases import MASK

LIKE = 0.7  # cosine of question and inverted relation from which they may ask the same

_BY = re.compile(r"\bby$")
_DOES_IT = rf"\b(?:do|does|did|has|have|had) {MASK}\b"
_BY_IT = rf"\bby (?:the )?{MASK}\b"
# "who plays it", "which player was born in it", "the team that plays in it": what is asked for is
# the subject of the verb.
_SUBJECT_FIRST = re.compile(
    r"(?:\b(?:who|that)|^\W*(?:what|which)(?: (?!(?:is|was|are|were)\b)[\w-]+){1,3}?)\s+"
    r"(?!(?:do|does|did|can|could|will|would)\b|(?:is|was|are|were) the\b)"
    rf"(?!(?:(?:is|was|are|were|has|had) )?{MASK}\b)"
    rf"\w+\b.*\b{MASK}\b",
    re.I,
)
_OF_WHICH = re.compile(
    rf"\b{MASK} (?:is|was) (?:the |an? )?.*\b(?:of|for) (?:which|what|whom)\b", re.I
)
_WHOSE = re.compile(rf"^\W*whose .* (?:is|was|are|were) {MASK}\b", re.I)


def asks_backwards(masked: str, prompt: str) -> bool:
    """Whether a masked question names the object of a relation and asks for its subject.

    Args:
        masked: The question, the object masked.
        prompt: The relation's cloze, which ends where the object would stand.
    """
    if _OF_WHICH.search(masked) or _WHOSE.search(masked):
        return True
    cloze = prompt.rstrip(" ,;:.")
    if _BY.search(cloze):  # "{} was written by": "what did it write?", "what was written by it?"
        return bool(re.search(rf"{_DOES_IT}|{_BY_IT}", masked, re.I))
    if not cloze.startswith("{}"):  # "the capital of {} is": only in the forms above
        return False
    return bool(_SUBJECT_FIRST.search(masked)) and not re.search(_BY_IT, masked, re.I)
