"""What kind of thing a name stands for, on light evidence: a noun beside it, what is said of it.

Nothing here is certain, so kinds are sets of what something may be, and the empty set means that
nothing is known. A pronoun is refused what it cannot stand for ("he" no city, "it" no person) and
prefers what it surely can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from memedit.scope import kind_words as known
from memedit.scope.vocabulary import COMMON_HEADS, PARTICLES, TITLES
from memedit.text import words

Kind = Literal["person", "country", "city", "place", "group", "work", "thing"]
Kinds = frozenset[Kind]
Gender = Literal["m", "f"]

PERSON: Kinds = frozenset({"person"})
PLACES: Kinds = frozenset({"country", "city", "place"})
GROUP: Kinds = frozenset({"group"})
WORK: Kinds = frozenset({"work"})
THINGS: Kinds = PLACES | GROUP | WORK | {"thing"}


@dataclass(frozen=True)
class Sort:
    """What something may be.

    Attributes:
        kinds: The kinds it may be of; empty where nothing is known.
        gender: Of a person, where known.
    """

    kinds: Kinds = frozenset()
    gender: Gender | None = None

    def __or__(self, other: Sort) -> Sort:
        """What two pieces of evidence say together; the earlier gender stands.

        That it is no person adds nothing to knowing that it is a city.
        """
        vague, telling = sorted((self.kinds, other.kinds), key=THINGS.issubset, reverse=True)
        kinds = telling if vague >= THINGS and telling else vague | telling
        return Sort(kinds, self.gender or other.gender)


NOTHING = Sort()
MAN, WOMAN = Sort(PERSON, "m"), Sort(PERSON, "f")

# Nouns that stand for something of a known kind.
NOUNS: dict[str, Sort] = {
    word: sort
    for nouns, sort in (
        (known.PERSON_NOUNS, Sort(PERSON)),
        (known.COUNTRY_NOUNS, Sort(frozenset({"country"}))),
        (known.CITY_NOUNS, Sort(frozenset({"city"}))),
        (known.PLACE_NOUNS, Sort(frozenset({"country", "place"}))),
        (frozenset({"place", "destination"}), Sort(PLACES)),
        (known.GROUP_NOUNS, Sort(GROUP)),
        (known.WORK_NOUNS, Sort(WORK)),
        (known.THING_NOUNS, Sort(frozenset({"thing"}))),
        (known.MALE_NOUNS, MAN),
        (known.FEMALE_NOUNS, WOMAN),
    )
    for word in nouns
}
_OWNERS: tuple[tuple[frozenset[str], Kinds], ...] = (
    (known.PERSON_ROLES, PERSON),
    (known.COUNTRY_ROLES, frozenset({"country"})),
    (known.CITY_ROLES, frozenset({"city"})),
    (known.ANY_PLACE_ROLES, PLACES),
    (known.GROUP_ROLES, GROUP),
    (known.WORK_ROLES, WORK),
    (known.THING_ROLES, frozenset({"thing"})),
)
ROLES = frozenset().union(*(roles for roles, _ in _OWNERS))
_PERSON_ENDINGS = re.compile(r"\w{2}(?:er|or|ist|ian|man|woman|ess|eer)")

# What stands right before a name or right after it, and what that makes of the name.
_TITLE = r"(?:mr|sir|lord|king|prince|pope|emperor|sultan)"
_MISS = r"(?:mrs|ms|miss|lady|queen|princess|dame|empress)"
_BEFORE: tuple[tuple[re.Pattern[str], Sort], ...] = tuple(
    (re.compile(rf"(?:^|\W)(?:{pattern}) $", re.I), sort)
    for pattern, sort in (
        (rf"{_TITLE}\.?", MAN),
        (rf"{_MISS}\.?", WOMAN),
        (r"who(?:['’]s| is| was)", Sort(PERSON)),
        (r"(?:written|directed|painted|composed|sung|invented|led|coached) by", Sort(PERSON)),
        (
            r"(?:liv(?:e|es|ed|ing)|born|located|based|arriv(?:e|ed|ing)|stay(?:ed|ing)?|died|people|"
            r"grew up) in|(?:is|was|are|were|comes?|came|man|woman|hails) from|"
            r"(?:trip|travel\w*|flew|fly|flight|welcome|been|went) to|visit\w*",
            Sort(PLACES),
        ),
        (r"in|at|near", Sort(THINGS)),
        (r"(?:how )?many|which|what|several|few", Sort(frozenset({"thing"}))),
        (r"(?:play|work|sign|score)(?:s|ed|d|ing)? for", Sort(GROUP)),
        (r"(?:coach(?:es|ed)?|joins?|joined|manages|managed)", Sort(GROUP)),
        (r"(?:co-?)?(?:found(?:s|ed)|runs|leads)", Sort(GROUP | {"country"})),
        (
            r"(?:wrote|writes?|directed|reads?|reading|watch(?:ed|ing)?|seen|stars? in|starred in)",
            Sort(WORK),
        ),
    )
)
_AFTER: tuple[tuple[re.Pattern[str], Sort], ...] = tuple(
    (re.compile(rf" (?:{pattern})\b", re.I), sort)
    for pattern, sort in (
        (r"(?:was |be )?born|marr(?:y|ied)|is married|died?|retired?|studied|wed", Sort(PERSON)),
        (r"(?:wrote|founded|directed|invented|composed|painted|runs|coaches)", Sort(PERSON)),
        (r"(?:plays?|played|works?|worked) for", Sort(PERSON)),
    )
)
_ROLE_IS = re.compile(r"\b(?P<role>[a-z]+) of [\w .'’-]+ (?:is|was) (?:the )?$")
_OF = re.compile(r"([\w-]+) of (?:the )?$")
_NOUN_BEFORE = re.compile(r"([\w-]+) $")
_POSSESSED = re.compile(r"['’]s?((?: [\w-]+){1,3})")
_DEFINED = re.compile(
    r"(?: (?:is|was|are|were|became|remains)|,)(?: (?:one of|still|now|also))*"
    r"(?: (?:a|an|the|his|her|their))((?: [\w-]+){1,6})"
)
_STOPS = frozenset("of in from for at on with that who which and or by based to whose".split())
_RELATIONS: tuple[tuple[re.Pattern[str], Sort], ...] = tuple(
    (re.compile(pattern, re.I), sort)
    for pattern, sort in (
        (
            r"\bit (?:plays the|was born|is born|died|is a citizen|speaks|works|is married|"
            r"was educated|is employed|holds the position|professionally plays|is a native)|"
            r"\b(?:citizenship|spouse|occupation|profession|alma mater) of it\b|"
            r"\b(?:was it born|did it die|does it play|married to it)\b",
            Sort(PERSON),
        ),
        (r"\b(?:language|law|minister) (?:of|in) it\b|\btwin (?:city|town)", Sort(PLACES)),
        (r"\b(?:is located|lies|is situated) in\b|\bit (?:borders|shares borders)", Sort(PLACES)),
        (r"\bheadquarter|\bit is based\b|\bfounded\b", Sort(GROUP)),
        (r"\bit was (?:written|directed|composed) by\b|\b(?:wrote|directed) it\b", Sort(WORK)),
        (r"\bit (?:premiered|debuted)|\boriginal language of it", Sort(WORK)),
        (r"\bit (?:was|is) (?:developed|produced|created|made) by\b", Sort(WORK | {"thing"})),
    )
)
_ASKS_FOR = re.compile(
    r"\W*(?:(?:and|but|so) )?(?:(?:in|of|for|to|at|by|on|from|with) )?"
    r"(?P<word>whom?|where|which|what)(?:['’]s| is| was| are| were)?(?P<noun>(?: [\w-]+){1,3})",
    re.I,
)
_ROLE_OF_IT = re.compile(r"((?:\b[\w-]+ ){1,3})of it\b|\bits((?: [\w-]+){1,3})", re.I)


def noun_sort(noun: str) -> Sort | None:
    """What the noun stands for; None for a noun that is not known."""
    sort = NOUNS.get(noun)
    return sort or (NOUNS.get(noun[:-1]) if noun.endswith("s") else None)


def may_be_person(noun: str) -> bool:
    """Whether the noun is a person's, as known or by its ending ("plumber")."""
    sort = noun_sort(noun)
    return "person" in sort.kinds if sort else bool(_PERSON_ENDINGS.fullmatch(noun))


def owner_kinds(phrase: str) -> Kinds:
    """The kinds of thing that have what ``phrase`` names ("official currency" a country)."""
    for word in phrase.lower().split():
        kinds: Kinds = frozenset().union(*(k for roles, k in _OWNERS if word in roles))
        if kinds:
            return kinds
    return frozenset()


def sort_of_name(name: str) -> Sort:
    """What the words of the name alone tell: a known given name, or a head such as "United"."""
    tokens = words(name)
    if not tokens:
        return NOTHING
    first, last = tokens[0][0], tokens[-1][0]
    if last in COMMON_HEADS and len(tokens) > 1:
        return Sort(THINGS)
    if len(tokens) == 1 or first in TITLES - {"the"}:
        return NOTHING
    if " of " in name and first not in known.MALE_NAMES | known.FEMALE_NAMES:
        return Sort(THINGS)
    if any(not name[a].isupper() and word not in PARTICLES | {"of"} for word, a, _ in tokens):
        return NOTHING
    if first in known.MALE_NAMES or first in known.FEMALE_NAMES:
        return MAN if first in known.MALE_NAMES else WOMAN
    return NOTHING


def sort_in_text(text: str, start: int, end: int) -> Sort:
    """What the words around the name ``text[start:end]`` tell of it."""
    before, after = text[max(0, start - 40) : start], text[end : end + 80]
    sort = NOTHING
    for pattern, told in _BEFORE:
        if pattern.search(before):
            sort |= told
    for pattern, told in _AFTER:
        if pattern.match(after):
            sort |= told
    of, noun = _OF.search(before), _NOUN_BEFORE.search(before)
    if of:
        sort |= Sort(owner_kinds(of.group(1)))
    if noun and noun.group(1) not in ("state", "kingdom"):
        sort |= noun_sort(noun.group(1).lower()) or NOTHING
    possessed = _POSSESSED.match(after)
    if possessed:
        sort |= _owner_of(possessed.group(1))
    stated = _ROLE_IS.search(text[:start])
    if stated and not sort.kinds:
        sort |= sort_asked_for(f"what is the {stated['role']}")
    return sort | _definition(after)


def sort_from_relations(phrases: Iterable[str]) -> Sort:
    """What relations that a subject has tell of it.

    Args:
        phrases: Phrases of its edits with the subject masked as "it".
    """
    sort = NOTHING
    for phrase in phrases:
        for pattern, told in _RELATIONS:
            if pattern.search(phrase):
                sort |= told
        for role in _ROLE_OF_IT.finditer(phrase):
            sort |= Sort(owner_kinds(role.group(1) or role.group(2)))
    return sort


def _owner_of(phrase: str) -> Sort:
    """Who has what the phrase names: "'s capital" a country, "'s novel" a person."""
    kinds = owner_kinds(phrase)
    nouns = [sort.kinds for word in phrase.lower().split() if (sort := noun_sort(word))]
    return Sort(kinds or (PERSON if WORK in nouns else frozenset()))


def sort_asked_for(question: str) -> Sort:
    """What a bare answer to the question is: to "who" a person, to "which club" a club."""
    asked = _ASKS_FOR.match(question)
    if asked is None:
        return NOTHING
    word = asked["word"].lower()
    if word in ("who", "whom"):
        return Sort(PERSON)
    if word == "where":
        return Sort(PLACES | GROUP)
    sorts = [sort for noun in asked["noun"].lower().split() if (sort := noun_sort(noun))]
    return sorts[0] if sorts else Sort(frozenset({"thing"}))


def _definition(after: str) -> Sort:
    """What "… is an American soccer club" makes of a name."""
    defined = _DEFINED.match(after)
    sort = NOTHING
    for word in defined.group(1).lower().split() if defined else ():
        if word in _STOPS:
            break
        sort = noun_sort(word) or sort
    return sort
