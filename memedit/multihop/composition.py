"""Telling from its words alone whether a question is put together of several.

Cheap and generous: no model is asked, and what looks composed but asks for one relation only
("the country of citizenship of it") is told apart by ranking afterwards. What this lets pass as
plain costs nothing more.
"""

from __future__ import annotations

import re

MAX_WORDS = 80
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
