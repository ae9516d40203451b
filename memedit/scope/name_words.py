"""A name taken apart: its words, how much of it each of them is, its numbers and its initials."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

from memedit.scope.vocabulary import (
    COMMON_HEADS,
    COMPANY_WORDS,
    FUNCTION_WORDS,
    HONORIFICS,
    PARTICLES,
    PLACE_STARTS,
)
from memedit.text import words

# How much of a name a word is.
LIGHT = FUNCTION_WORDS | {"s"}
LINKS = PARTICLES | {"y", "e", "und", "et", "zu"}  # light only between two other words
LIGHT_WEIGHT, TITLE_WEIGHT, INITIAL_WEIGHT = 0.1, 0.2, 0.3
BRACKET_WEIGHT, GENERIC_WEIGHT, NUMBER_WEIGHT = 0.3, 0.5, 0.6
GENERIC = COMMON_HEADS | PLACE_STARTS | COMPANY_WORDS

MAX_ACRONYM = 8
MAX_CODE = 4


class Word(NamedTuple):
    """A word of a name.

    Attributes:
        text: The word, folded.
        weight: How much of the name it is, 0…1.
        number: The number it says in digits ("2" for "II"), or a code as it is ("gt1"); else empty.
    """

    text: str
    weight: float
    number: str


@functools.lru_cache(maxsize=1 << 14)
def name_words(name: str) -> tuple[Word, ...]:
    """The words of a name with their weights; numerals of every kind say their number."""
    tokens = words(name)
    brackets = [(m.start(), m.end()) for m in re.finditer(r"\([^)]*\)?", name)]
    made = []
    for place, (text, start, _) in enumerate(tokens):
        last = place + 1 == len(tokens) or tokens[place + 1][0] in ("of", "and")
        number = _number(text, may_be_letter=last and place > 0)
        bracketed = bool(brackets) and any(a < start < b for a, b in brackets) and start > 1
        ends = place > 0 and place + 1 == len(tokens)
        light = _is_light(text, inner=place > 0 and not ends, named=ends and name[start].isupper())
        weight = LIGHT_WEIGHT if light else _weight(text, number, bracketed=bracketed)
        made.append(Word(text, weight, number))
    return tuple(made)


@functools.lru_cache(maxsize=1 << 14)
def acronyms(name: str) -> frozenset[str]:
    """The initials a name may go by: "nyc" for "New York City", "e2" and "qe2" for "Elizabeth II".

    Numbers stand in full; small words may be left out. Names of one word have none.
    """
    listed = name_words(name)
    heavy = [word for word in listed if word.weight > LIGHT_WEIGHT]
    if len(heavy) < 2:
        return frozenset()
    made = {_initials(heavy), _initials(listed)}
    if len(heavy) == 2 and heavy[1].number.isdigit():  # monarchs are abbreviated with their title
        made |= {title + _initials(heavy) for title in "qk"}
    return frozenset(text for text in made if 2 <= len(text) <= MAX_ACRONYM)


@functools.lru_cache(maxsize=1 << 14)
def as_acronym(text: str) -> str:
    """``text`` as initials, if it looks like some ("NYC", "U.N.", "QE2", "WWII"); else empty."""
    found = words(text)
    letters = "".join(word for word, _, _ in found)
    if not 2 <= len(letters) <= MAX_ACRONYM or letters.isdigit():
        return ""
    if len(found) > 1 and any(len(word) > 1 for word, _, _ in found):
        return ""
    shown = text.replace(".", "").replace(" ", "")
    if not (shown.isupper() or (len(found) > 1)):
        return ""
    ending = re.fullmatch(r"(.+?)(ii+|iv|vi+)", letters)
    return f"{ending[1]}{_ROMAN[ending[2]]}" if ending and ending[2] in _ROMAN else letters


def may_be_code(letters: str, word: str) -> bool:
    """Whether ``letters`` are a few of the word's, in order; two of them must begin it."""
    if not 2 <= len(letters) <= MAX_CODE or not letters.isalpha() or letters == word:
        return False
    rest = iter(word)
    return word.startswith(letters if len(letters) == 2 else letters[0]) and all(
        letter in rest for letter in letters
    )


def acronym_letters(text: str, name: str) -> int:
    """How many letters ``text`` has if it looks like the initials of ``name``, else 0.

    A name of one word has a code instead: some of its letters, in order ("PHL", "UKR").
    """
    letters = as_acronym(text)
    if not letters:
        return 0
    listed = name_words(name)
    is_code = len(listed) == 1 and may_be_code(letters, listed[0].text)
    return len(letters) if is_code or letters in acronyms(name) else 0


def _initials(listed: Sequence[Word]) -> str:
    return "".join(word.number if word.number.isdigit() else word.text[0] for word in listed)


def _is_light(text: str, *, inner: bool, named: bool) -> bool:
    """Whether a word only joins others; capitalised at a name's end it does not ("Windows Me")."""
    return (text in LIGHT and not named) or (inner and text in LINKS)


def _weight(text: str, number: str, *, bracketed: bool) -> float:
    if bracketed:
        return BRACKET_WEIGHT
    if number.isdigit():
        return NUMBER_WEIGHT
    if text in HONORIFICS:
        return TITLE_WEIGHT
    if len(text) == 1 and text.isascii():
        return INITIAL_WEIGHT
    return GENERIC_WEIGHT if text in GENERIC else 1.0


def _number(text: str, *, may_be_letter: bool) -> str:
    if text.isdecimal():
        return text.lstrip("0") or "0"
    if len(text) > 1 or may_be_letter:
        spelt = _ROMAN.get(text) or _SPELT.get(text)
        return str(spelt) if spelt else text if _has_digit(text) else ""
    return ""


def _has_digit(text: str) -> bool:
    return any(ch.isdigit() for ch in text)


_ROMAN = {
    word: number
    for number, word in enumerate(
        """i ii iii iv v vi vii viii ix x xi xii xiii xiv xv xvi xvii xviii xix xx xxi xxii
        xxiii""".split(),
        start=1,
    )
}
_SPELT = (
    {
        word: number
        for listed in (
            "one two three four five six seven eight nine ten",
            "first second third fourth fifth sixth seventh eighth ninth tenth",
        )
        for number, word in enumerate(listed.split(), start=1)
    }
    | {"1st": 1, "2nd": 2, "3rd": 3}
    | {f"{number}th": number for number in range(4, 100)}
)
