"""Whether what a path ends at can be what its question asks for.

"In which city ..." is not answered by a country, however well the rest of the path fits: paths that
stop one hop early most often end at the wrong kind of thing. Both sides are read from their words,
and where either says nothing, nothing is held against the path.
"""

from __future__ import annotations

import re

_ASKS = re.compile(
    r"\b(?:what|which)(?: \w+)?? (?P<noun>city|continent|country|language|sport)\b|"
    r"^\W*(?P<who>who)\b",
    re.I,
)
_TELLS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (
        ("continent", r"\bcontinent\b"),
        ("language", r"\blanguage|\btongue\b"),
        ("sport", r"\bsport\b"),
        ("city", r"\bcity\b|\bcapital\b"),
        ("country", r"\bcountry\b|\bcitizen|\bnationality\b"),
        (
            "who",
            r"\b(?:by|married to|spouse|child|director|manager|author|coach|chairperson|"
            r"chief executive officer|head of state|head of the|creator|founder|"
            r"company that produced)\b",
        ),
    )
)


def ends_elsewhere(question: str, relation: str) -> bool:
    """Whether a path's last relation leads to another kind of thing than the question asks for.

    Args:
        question: The question, its entity masked.
        relation: The relation's prompt, its subject masked.
    """
    asked = _ASKS.search(question)
    if asked is None:
        return False
    told = next((kind for kind, pattern in _TELLS if pattern.search(relation)), None)
    wanted = (asked["noun"] or asked["who"]).lower()
    return told is not None and told != wanted
