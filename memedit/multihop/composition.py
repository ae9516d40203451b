"""Telling from its words alone whether a question is put together of several.

Cheap and generous: no model is asked, and what looks composed but asks for one relation only
("the country of citizenship of it") is told apart by ranking afterwards. What this lets pass as
plain costs nothing more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from memedit.text import words

MAX_WORDS = 80
_PLAIN = frozenset(
    """a an the of to in on at by for from with as it its is was are were be been do does did has
    have had can could you tell me please name what who whom which where when how""".split()
)
_POSSESSIVE = re.compile(r"\w['’]s?\s+\w|\bits\s+\w")
_OF = re.compile(r"\b(?:of|for|behind)\b", re.I)
# A clause that says which person or thing is meant; the first word of a question is none.
_CLAUSE = re.compile(
    r"(?<=\w )(?:that|which|who|whom|whose|where)\b(?! (?:is|was|are|were) it\b)|"
    r"(?<=\w )\w+(?:ed|wn|tten|ng) (?:by|in|at|from|with|to) ",
    re.I,
)
# In "the country of citizenship of it", "the name of it" one "of" belongs to the noun.
_WITHIN_NOUN = re.compile(r"\bname of\b|\bof (?!(?:the|its?|an?|any|what)\b)[a-z]+\b", re.I)


def looks_composed(masked: str) -> bool:
    """Whether a masked question has more links to its entity than one relation needs.

    Args:
        masked: The question with its entity masked.
    """
    if len(masked.split()) > MAX_WORDS:
        return False
    return links(masked) > 1


def links(masked: str) -> int:
    """How many possessives, "of"s and clauses lead from what is asked to the masked entity."""
    of = len(_OF.findall(masked)) - len(_WITHIN_NOUN.findall(masked))
    return of + len(_POSSESSIVE.findall(masked)) + len(_CLAUSE.findall(masked))


def says_more(masked: str, phrases: Iterable[str]) -> bool:
    """Whether a question has a word that none of a relation's phrases has.

    "Where was the broadcaster of it formed?" asks for more than its broadcaster. Words that only
    hold a sentence together do not count.

    Args:
        masked: The question with its entity masked.
        phrases: The relation in words, its subject masked.
    """
    known = {word for phrase in phrases for word, _, _ in words(phrase)}
    return any(word not in _PLAIN and word not in known for word, _, _ in words(masked))
