"""What kind of answer a question wants, and whether an edit's target can be one."""

from __future__ import annotations

import re

_AMOUNT_WORDS = (
    "age|amount|area|budget|date|day|distance|elevation|height|length|month|number|population|price|"
    "revenue|size|time|weight|year"
)
_WANTS_AMOUNT = re.compile(
    r"^\W*(?:and |but |so )?when\b|"
    r"\bhow (?:many|much|old|tall|long|high|deep|far|big|large|heavy|fast|often)\b|"
    r"\b(?:what|which) (?:is |was |are |were )?(?:the |its )?"
    rf"(?:{_AMOUNT_WORDS})s?\b(?! of (?!it\b))",
    re.I,
)
_WANTS_ACCOUNT = re.compile(r"^\W*(?:and |but |so )?(?:why|how (?:do|does|did|can))\b", re.I)
_WANTS_PERSON = re.compile(r"\bwho(?:m|se)?\b", re.I)
_AMOUNT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|hundred|thousand|million|century|january|"
    r"february|march|april|june|july|august|september|october|november|december)\b",
    re.I,
)
_DENIES = re.compile(r"\b(?:not|never|no longer|cannot)\b|\w+n['’]t\b", re.I)
# "Doesn't it play basketball?" asks for what "does it play basketball?" does.
_YES_OR_NO = re.compile(
    r"^\W*(?:and |but |so )?"
    r"(?:is|are|was|were|do|does|did|has|have|had|can|could|will|would|should)"
    r"(?:n['’]t)?\b|\b(?:true|correct|right) that\b",
    re.I,
)


def asks_the_opposite(asked: str, told: str) -> bool:
    """Whether a masked sentence asks for what is *not* so: "which sport does it not play?".

    Args:
        asked: The sentence; questions to be answered with yes or no never do.
        told: The edit's prompt; one that denies something is asked for by a denial.
    """
    if _YES_OR_NO.search(asked):
        return False
    return bool(_DENIES.search(asked)) and not _DENIES.search(told)


def answer_clashes(question: str, target: str) -> bool:
    """Whether ``target`` cannot be what ``question`` asks for.

    "When was it discovered?" does not ask for a name, nor "who" for a number, nor "why" for either.

    Args:
        question: The sentence that asks, its subject masked; a cloze never clashes.
        target: The object the edit gives.
    """
    if _WANTS_ACCOUNT.search(question):
        return True
    if _WANTS_AMOUNT.search(question):
        return not _AMOUNT.search(target)
    return bool(_WANTS_PERSON.search(question)) and not re.search(r"[^\W\d]", target)
