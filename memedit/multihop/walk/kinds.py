"""Whether what a path ends at can be what its question asks for.

"In which city ..." is not answered by a country, however well the rest of the path fits: paths that
stop one hop early most often end at the wrong kind of thing. Both sides are read from their words,
and where either says nothing, nothing is held against the path.
"""

from __future__ import annotations

import re

_NOUNS = {
    "city": "city town capital",
    "place": "place location birthplace workplace headquarters hometown region",
    "country": "country nation nationality citizenship homeland",
    "continent": "continent",
    "language": "language languages tongue",
    "sport": "sport sports",
    "religion": "religion faith",
    "genre": "genre",
    "who": """person individual politician leader ruler monarch president founder creator author
        writer director manager chairperson chairman ceo coach spouse child actor head""",
}
_KIND = {noun: kind for kind, nouns in _NOUNS.items() for noun in nouns.split()}
_FITS = {
    "place": frozenset({"place", "city", "country", "continent"}),
    "city": frozenset({"city", "place"}),
}
# Of "From which country does it come, and what is its capital?" the end is what is asked for.
_TAIL = re.compile(r".*\band (?=(?:who|what|which)\b)", re.I)
_WH = r"\b(?:whom?|where|what|which)\b"
_OPENS = re.compile(rf"\W*(?:(?:in|at|on|to|from|of|by|for|with|under|during|into) )?{_WH}", re.I)
_ASKS = re.compile(rf"(?P<word>{_WH})(?P<rest>[^,;?]*?)(?=$|[,;?]|{_WH})", re.I)
_BE = re.compile(r"^ (?:is|was|are|were) (?:(?:the|its) )?(?:(?:full )?name of (?:the )?)?", re.I)
_WORD = re.compile(r"[\w-]+")
# "In which country is the head of state ...?" may ask for either.
_RULER = re.compile(
    r"^ \w+ (?:is|was) (?:the |its )?(?:current )?(?:head|leader|ruler|president|monarch)\b", re.I
)
_MAX_NOUN = 4  # words from the question word to the noun that says what is asked for
_STOPS = frozenset(
    """of that which where who whose in to by for from at with does did do can could is was are were
    having located associated responsible""".split()
)
_TELLS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (kind, re.compile(pattern, re.I))
    for kind, pattern in (
        ("continent", r"\bcontinent\b"),
        ("language", r"\blanguage|\btongue\b"),
        ("sport", r"\bsport\b"),
        ("religion", r"\breligion\b|\bfaith\b"),
        ("genre", r"\bgenre\b|\btype of music\b"),
        ("city", r"\bcity\b|\bcapital\b|\bheadquarters\b"),
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
    asked = asked_kind(question)
    told = next((kind for kind, pattern in _TELLS if pattern.search(relation)), None)
    return asked is not None and told is not None and told not in _FITS.get(asked, {asked})


def asked_kind(question: str) -> str | None:
    """What kind of thing a question asks for, by its question word and the noun behind it."""
    found = list(_ASKS.finditer(_TAIL.sub("", question)))
    if not found:
        return None
    asks = found[0 if _OPENS.match(question) else -1]
    word, rest = asks["word"].lower(), asks["rest"]
    if word in ("who", "whom"):
        return "who"
    if word == "where":
        return "place"
    if _RULER.match(rest):
        return None
    named = _BE.match(rest)
    return _noun(rest[named.end() :] if named else rest)


def _noun(phrase: str) -> str | None:
    """The kind that the last noun of a phrase tells, before what says more about it."""
    kind = None
    for found in list(_WORD.finditer(phrase))[:_MAX_NOUN]:
        word = found[0].lower()
        if word in _STOPS:
            break
        kind = _KIND.get(word, kind)
        if kind == "who":  # "Which person founded the religion ...?"
            break
    return kind
