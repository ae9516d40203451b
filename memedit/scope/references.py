"""The expressions of a sentence that may refer to something said before, and what they ask of it.

"He" asks for a man, "that club" for a club, "its capital" for a country, "there" for a place.
Expressions that refer to nothing are left out: the "it" of "is it raining", the "there" of "are
there bears", words in quotation marks or code, the title "Her", and sentences in other languages.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from memedit.scope.kind_words import FOREIGN_WORDS, RELATIONAL_NOUNS
from memedit.scope.kinds import (
    GROUP,
    MAN,
    NOUNS,
    PERSON,
    PLACES,
    ROLES,
    THINGS,
    WOMAN,
    Kinds,
    Sort,
    noun_sort,
    owner_kinds,
)
from memedit.scope.vocabulary import FUNCTION_WORDS
from memedit.text import words

CACHED_SENTENCES = 2048  # a chat is read anew with every turn, the same sentences each time

Form = Literal["subject", "object", "possessive", "noun", "place", "here", "former", "latter"]


@dataclass(frozen=True)
class Reference:
    """An expression that may refer to something said before.

    Attributes:
        start: First character in the sentence.
        end: One past the last character.
        form: What the expression is, which decides what it may refer to and how it is replaced.
        sort: What it may stand for; of a man or a woman where the gender is told.
        several: Whether it may stand for several ("they").
    """

    start: int
    end: int
    form: Form
    sort: Sort
    several: bool = False


_NOUN = rf"(?:{'|'.join(sorted(NOUNS))})s?"
_HIDDEN = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]*`|\"[^\"\n]*\"|“[^”\n]*”|«[^»\n]*»|(?<!\w)[‘'][^'’\n]+['’](?!\w)",
    re.S,
)
_PRONOUN = re.compile(
    r"\b(?:he|she|it|they|him|her|them|his|hers|its|theirs?|there|here|the (?:former|latter)|"
    r"the (?P<nth>first|second) one)\b",
    re.I,
)
_NOUN_PHRASE = re.compile(
    rf"\b(?:(?P<this>that|this|these|those|the same)(?: (?!{_NOUN}\b)[a-z-]+){{0,2}}|the) "
    rf"(?P<noun>{_NOUN})\b(?!-)",
    re.I,
)
# After these, "the city" is one that the sentence itself describes.
_DESCRIBED = re.compile(
    r" (?:of|in|that|who|whom|which|whose|with|where|from|for|on|at|to|most|called|named|closest|"
    r"nearest|farthest|[a-z]+ing|"
    r"(?:[a-z]+e[dn]|born|made|built|held) (?:in|of|by|at|on|for|from|to|with))\b"
)
_ASKED_FOR = re.compile(r"\b(?:who|what|which)(?:['’]s| is| was| are| were) $", re.I)
# "It" that stands for nothing.
_EMPTY_IT = re.compile(
    r"\b(?:time|day|date|year|month) (?:is|was) it\b|"
    r"\b(?:is|was|will|['’]s)(?: it|n['’]t it)(?: be)? (?:\w+ ){0,3}?(?:"
    r"(?:to|that|if|when|whether)\b|"
    r"(?:raining|snowing|true|possible|ok|okay|cold|hot|warm|late|early|sunny|windy|dark|safe|"
    r"legal|worth|normal|monday|christmas|time|me|you|just)\b)|"
    r"\bit(?:['’]s| is| was| will be) (?:\w+ ){0,3}?(?:to|that|if|whether)\b|"
    r"\bit(?:['’]s| is| was) (?:raining|snowing|true|possible|ok|okay|cold|hot|warm|late|early|"
    r"fine|good|nice|sunny|my|your|time|just|been|not)\b|"
    r"\bit (?:rains?|snows?|seems?|turns? out|depends|takes?|took|matters?|says here)\b|"
    r"\b(?:does|did|will|would|can) it (?:take|matter|mean|rain|snow|hurt|help)\b|"
    r"\b(?:make|made|got|get|find|found|that['’]s|worth|believe|call|think|do|did) it"
    r"(?= \w+ (?:to|that)\b|\W*$)|"
    r"\bhow(?:['’]s| is) it going\b|\bwhat(?:['’]s| is) it like\b|"
    r",? (?:isn|wasn|doesn|didn|hasn)['’]t it\b|"
    r"\b(?:is|was) it (?=(?-i:[A-Z]))",
    re.I,
)
_THERE_IS = re.compile(
    r"\b(?:is|are|was|were|be|been|isn['’]t|aren['’]t) there\b|"
    r"\bthere(?:['’]s| is| are| was| were| will| has| have| must| may| you| we)\b|"
    r"\b(?:hi|hello|hey|over|out|up|down) there\b|^\W*there\b",
    re.I,
)
# "The former" alone, not "the former president".
_ALONE = re.compile(
    r"['’]s?(?!\w)|\s*(?:[?.,;:!]|$)|"
    r" (?:based|born|located|founded|held|known|called|made|spoken|written)\b|"
    rf" (?:{'|'.join(sorted(FUNCTION_WORDS))})\b",
    re.I,
)
_DONE_BY = re.compile(r"\b(?:do|does|did) $", re.I)
_LAST_WORD = re.compile(r" [a-z]+\W*$")
_WHO_THEMSELVES = re.compile(
    r"^\W*(?:and |but |so )?(?:which|what) (?:[\w-]+ ){0,2}?(?P<noun>[\w-]+) "
    r"(?!is\b|was\b|are\b|were\b|do\b|does\b|did\b|has\b|have\b|can\b)",
    re.I,
)


def hidden_spans(text: str) -> list[tuple[int, int]]:
    """What stands in quotation marks or is code, as ``(start, end)``: others' words."""
    return [match.span() for match in _HIDDEN.finditer(text)]


def without_code(text: str) -> str:
    """``text`` with its code blocks blanked, positions unchanged."""
    return re.sub(r"```.*?(?:```|\Z)", lambda m: re.sub(r"\S", " ", m.group()), text, flags=re.S)


@functools.lru_cache(maxsize=CACHED_SENTENCES)
def find_references(sentence: str) -> tuple[Reference, ...]:
    """The expressions in ``sentence`` that may refer to something said before, in order."""
    if is_foreign(sentence):
        return ()
    closed = hidden_spans(sentence)
    found = [r for m in _PRONOUN.finditer(sentence) if (r := _pronoun(sentence, m))]
    found += [r for m in _NOUN_PHRASE.finditer(sentence) if (r := _noun_phrase(sentence, m))]
    found = [r for r in found if not any(a < r.end and r.start < b for a, b in closed)]
    if (asked := _WHO_THEMSELVES.match(sentence)) and noun_sort(asked["noun"].lower()):
        found = [r for r in found if r.form not in ("subject", "possessive")]
    return tuple(sorted(found, key=lambda reference: reference.start))


def is_foreign(sentence: str) -> bool:
    """Whether a sentence is more likely in another language than in English."""
    tokens = [word for word, _, _ in words(sentence)]
    foreign = sum(word in FOREIGN_WORDS for word in tokens)
    english = sum(word in FUNCTION_WORDS for word in tokens)
    return sentence.lstrip().startswith(("¿", "¡")) or foreign > english


def _pronoun(sentence: str, match: re.Match[str]) -> Reference | None:
    start, end = match.span()
    word = match.group().lower()
    shouted = sentence.isupper()
    if not shouted and match.group()[0].isupper() and sentence[:start].strip(" \"'“‘(-–—"):
        return None  # the title "Her", the department "IT"
    if word.startswith("the "):
        return _former_or_latter(sentence, match)
    if word in ("there", "here"):
        form: Form = "place" if word == "there" else "here"
        empty = word == "there" and _covers(_THERE_IS, sentence, start)
        return None if empty else Reference(start, end, form, Sort(PLACES))
    if word in ("he", "she"):
        return Reference(start, end, "subject", MAN if word == "he" else WOMAN)
    if word in ("him", "his", "hers"):
        form = "object" if word == "him" else "possessive"
        return Reference(start, end, form, WOMAN if word == "hers" else MAN)
    if word == "her":
        form = "possessive" if _owns(sentence, end) else "object"
        return Reference(start, end, form, WOMAN)
    if word in ("it", "its"):
        return _it(sentence, start, end, word)
    form = "subject" if word == "they" else "object" if word == "them" else "possessive"
    return Reference(start, end, form, _owner(sentence, end, PERSON | GROUP | PLACES), several=True)


def _it(sentence: str, start: int, end: int, word: str) -> Reference | None:
    slip = re.match(r"['’]s(?= )", sentence[end:])
    if slip and word == "it" and _owns_role(sentence, end + 2):
        return Reference(start, end + 2, "possessive", _owner(sentence, end + 2, THINGS))
    if word == "its":
        return Reference(start, end, "possessive", _owner(sentence, end, THINGS))
    if _covers(_EMPTY_IT, sentence, start):
        return None
    last = bool(re.match(r"\W*$|[,.?!]| (?:in|at|on|for|to|with|from|by)\b", sentence[end:]))
    return Reference(start, end, "object" if last else "subject", Sort(THINGS))


def _former_or_latter(sentence: str, match: re.Match[str]) -> Reference | None:
    first = match.group().lower() in ("the former", "the first one")
    rest = sentence[match.end() :]
    done_by = _DONE_BY.search(sentence[: match.start()]) and _LAST_WORD.fullmatch(rest)
    if not (match["nth"] or _ALONE.match(rest) or done_by):
        return None
    return Reference(*match.span(), "former" if first else "latter", Sort())


def _noun_phrase(sentence: str, match: re.Match[str]) -> Reference | None:
    """A noun phrase such as "that club"; None where it describes something or asks for it."""
    noun = match["noun"].lower()
    sort = noun_sort(noun)
    before, after = sentence[: match.start()], sentence[match.end() :]
    if sort is None or noun.removesuffix("s") in RELATIONAL_NOUNS:
        return None
    if re.search(r"\b(?:he|she|it|they) $", before, re.I):
        return None
    if not match["this"]:
        following = re.match(r" (\w+)", after)
        compound = following and (following[1] in ROLES or noun_sort(following[1]))
        asked_for = _ASKED_FOR.search(before) and not after.strip(" ?.!")
        if compound or asked_for or _DESCRIBED.match(after):
            return None
    return Reference(*match.span(), "noun", sort)


def _covers(pattern: re.Pattern[str], sentence: str, at: int) -> bool:
    return any(m.start() <= at < m.end() for m in pattern.finditer(sentence))


def _owns(sentence: str, end: int) -> bool:
    """Whether a noun follows, so that "her" is a possessive."""
    following = re.match(r" ([\w-]+)", sentence[end:])
    return following is not None and following[1].lower() not in FUNCTION_WORDS


def _owns_role(sentence: str, end: int) -> bool:
    return bool(owner_kinds(" ".join(re.findall(r"[\w-]+", sentence[end:])[:3])))


def _owner(sentence: str, end: int, general: Kinds) -> Sort:
    """What may own the noun that follows: a country "its capital", and so on."""
    phrase = re.match(r"(?: [\w-]+){0,3}", sentence[end:])
    kinds = owner_kinds(phrase.group()) if phrase else frozenset()
    return Sort((kinds & general) or general)
