"""Whether a text states an answer: the comparison behind every generation metric.

Two texts are compared as sequences of words: compatibility form (NFKC), case and diacritics folded,
punctuation, articles and white space aside. Scripts written without blanks count every character as
a word, so that there a run of words is a substring.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from memedit.text import fold, words

_ARTICLES = frozenset({"a", "an", "the"})
_NEGATIONS = frozenset({"not", "never", "cannot"})
# The first half of a contraction as words() splits it: "isn't" is "isn" and "t".
_CONTRACTED = frozenset(
    "isn aren wasn weren don doesn didn hasn haven hadn couldn wouldn shouldn won can".split()
)
_PREPOSITIONS = frozenset("in at on from by of to for as".split())
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_DECIMAL = re.compile(r"(?<![\d.])(\d+)\.(\d+)(?![\d.]*\d)")
_BREAK = re.compile(r"[.?!,;:\n]")
_PUNCTUATION = " \t\n.,;:!?'\"()[]"
_ACRONYM = re.compile(r"[A-Z]{2,4}")

_Word = tuple[str, int, int]


def normalise(text: str) -> str:
    """``text`` as its folded words joined by blanks, articles left out.

    "The café, 1,900!" becomes "cafe 1900". A text without words keeps its symbols.
    """
    prepared = _prepare(text)
    return " ".join(word for word, _, _ in _words(prepared)) or fold(prepared).strip()


def same(text: str, other: str) -> bool:
    """Whether two texts are equal after :func:`normalise`."""
    return normalise(text) == normalise(other)


def exact(text: str, answers: Iterable[str], *, strict: bool = False) -> bool:
    """Whether ``text`` is one of ``answers`` and nothing else.

    Args:
        text: What a method answered.
        answers: The right answers; empty ones never count.
        strict: Character by character but for white space at the ends, as in MQuAKE's notebook
            (Zhong et al. 2023, arXiv 2305.14795); otherwise after :func:`normalise`.
    """
    form = str.strip if strict else normalise
    return bool(form(text)) and form(text) in map(form, answers)


def states(text: str, answers: Iterable[str]) -> bool:
    """Whether one of ``answers`` stands in ``text`` as a run of whole words, not negated.

    The rules beyond :func:`normalise`:

    * "19" does not stand in "1900" or "19.5"; "1,900" and "1900" are the same number.
    * An answer of one character that is not a digit ("X", an alias such as "A") has to be the whole
      text: within a sentence it is more often an initial or an article.
    * An answer of two to four capitals ("US", "WHO") has to stand in capitals: "us" and "who" are
      other words.
    * Symbols that are all of an answer, or stand beside its only letter ("C++"), have to be there.
    * An occurrence directly after "not", "never", "cannot", "no longer" or a contraction with
      "n't" is no statement; an article and one preposition may stand between, punctuation not.
      Only English negation is read, and only there: "It is wrong that it is Syria" still counts.

    An answer inside a longer name counts ("York" in "New York"): the words alone do not tell.

    Args:
        text: What a method answered.
        answers: The right answers, aliases included; empty ones never count.
    """
    prepared = _prepare(text)
    found = _words(prepared)
    return any(_stands(answer, text, prepared, found) for answer in answers)


def _stands(answer: str, text: str, prepared: str, found: Sequence[_Word]) -> bool:
    wanted = _words(_prepare(answer))
    letters = "".join(word for word, _, _ in wanted)
    if len(letters) <= 1 and not letters.isdigit():
        literal = fold(_prepare(answer)).strip(_PUNCTUATION)
        if literal == letters:
            return bool(letters) and normalise(text) == letters
        return re.search(rf"(?<!\w){re.escape(literal)}", fold(prepared)) is not None
    run = [word for word, _, _ in wanted]
    acronym = answer.strip() if _ACRONYM.fullmatch(answer.strip()) else None
    for i in range(len(found) - len(run) + 1):
        if [word for word, _, _ in found[i : i + len(run)]] != run:
            continue
        if acronym is not None and prepared[found[i][1] : found[i][2]] != acronym:
            continue
        if not _negated(prepared, found, i):
            return True
    return False


def _prepare(text: str) -> str:
    """Compatibility form, with every number written so that it is one word."""
    text = unicodedata.normalize("NFKC", text)
    text = _THOUSANDS.sub("", text)
    return _DECIMAL.sub(r"\1_\2", text)  # an underscore is part of a word, a point is not


def _words(prepared: str) -> list[_Word]:
    """The words that count: all but articles.

    The last word is none, nor is a capital A within a text: "Serie A", "U.S.A.".
    """
    found = [item for item in words(prepared) if item[0]]
    return [
        item
        for i, item in enumerate(found)
        if item[0] not in _ARTICLES
        or i == len(found) - 1
        or (i > 0 and prepared[item[1] : item[2]] == "A")
    ]


def _negated(prepared: str, found: Sequence[_Word], start: int) -> bool:
    """Whether the run of words that begins at ``start`` follows a negation."""
    before = start - 1
    if before >= 0 and found[before][0] in _PREPOSITIONS:
        before -= 1
    if before < 0 or _BREAK.search(prepared[found[before][2] : found[start][1]]):
        return False
    word = found[before][0]
    previous = found[before - 1][0] if before else ""
    return (
        word in _NEGATIONS
        or (word == "t" and previous in _CONTRACTED)
        or (word == "longer" and previous == "no")
    )
