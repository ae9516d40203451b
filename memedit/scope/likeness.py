"""How alike two names are: their words set against each other, and what is left over.

Nothing here knows a model or which edits are live, so the likeness of two names never changes.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from memedit.scope.name_words import Word, acronym_letters, name_words
from memedit.scope.vocabulary import DIMINUTIVES, SAME_WORDS

# How alike two words are that are not spelt alike.
SAME, SHORT, SLIP, SOUND, SLIPS, BEGINNING, INITIAL = 0.95, 0.9, 0.85, 0.85, 0.75, 0.75, 0.7
LONG_SLIP, TWO_INITIALS = 0.92, 0.5
MIN_SLIP_LETTERS = 5
MIN_LONG_LETTERS = 7
MIN_SURE_LETTERS = 8
MIN_BEGINNING_LETTERS = 3
MIN_SOUND_LETTERS = 3


class Likeness(NamedTuple):
    """How alike a text and a name are.

    Attributes:
        span_cover: Share of the text's words that the name has too, by weight, 0…1.
        name_cover: Share of the name's words that the text has too, by weight, 0…1.
        clash: The smaller of the two shares left over: words of each that contradict, 0…1.
        spelling: Likeness of the letters in order, blanks aside, 0…1.
        head: Whether the words that matter most, the last ones of persons, agree, 0…1.
        start: The likeness of the first words, 0…1.
        number_clash: 1 where both have numbers or codes and none is the same, 0.5 where only one
            of them has any, else 0.
        whole: 1 where the name stands in the text word for word, else 0.
        acronym: How many letters long the initials (or the code of a single word, such as "PHL")
            are where one is the other's, else 0.
        score: All of it in one figure, 0…1, set by hand.
    """

    span_cover: float
    name_cover: float
    clash: float
    spelling: float
    head: float
    start: float
    number_clash: float
    whole: float
    acronym: float
    score: float

    @property
    def features(self) -> dict[str, float]:
        """Everything but the score, by name."""
        return {name: value for name, value in self._asdict().items() if name != "score"}


UNLIKE = Likeness(0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


def compare(text: str, name: str) -> Likeness:
    """How alike the words of ``text`` are to ``name``."""
    said, known = name_words(text), name_words(name)
    if not said or not known:
        return UNLIKE
    said_found, known_found = _align(said, known)
    span_cover, name_cover = _cover(said, said_found), _cover(known, known_found)
    spelling = fuzz.ratio(_joined(said), _joined(known)) / 100
    number_clash = _number_clash(said, known)
    acronym = max(acronym_letters(text, name), acronym_letters(name, text))
    covered = math.sqrt(span_cover * name_cover)
    score = max(covered, spelling - 0.05 if spelling > SLIP else 0.0)
    score = max(score * (1 - 0.6 * number_clash), min(acronym, 4) / 5)
    return Likeness(
        span_cover=span_cover,
        name_cover=name_cover,
        clash=min(1 - span_cover, 1 - name_cover),
        spelling=spelling,
        head=min(_head(said, said_found), _head(known, known_found)),
        start=min(said_found[0], known_found[0]),
        number_clash=number_clash,
        whole=float(f" {_joined(known, ' ')} " in f" {_joined(said, ' ')} "),
        acronym=float(acronym),
        score=score,
    )


@functools.lru_cache(maxsize=1 << 16)
def word_likeness(one: str, other: str) -> float:
    """How surely two folded words stand for the same word of a name, 0…1."""
    if one == other:
        return 1.0
    if not meanings(one).isdisjoint(meanings(other)):
        return SAME
    short, long = sorted((one, other), key=len)
    if len(short) == 1:
        return INITIAL if long[0] == short and long.isalpha() else 0.0
    if not (one.isalpha() and other.isalpha()):
        return 0.0
    slips = OSA.distance(one, other, score_cutoff=1)
    if slips == 1 and len(short) >= MIN_SLIP_LETTERS - 1 and len(long) >= MIN_SLIP_LETTERS:
        return LONG_SLIP if len(long) >= MIN_SURE_LETTERS else SLIP
    shared = fuzz.ratio(one, other)
    skeleton = sound(one)
    if skeleton == sound(other) and shared >= (50 if len(skeleton) >= MIN_SOUND_LETTERS else 70):
        return SOUND
    if shared >= 75 and len(long) >= MIN_LONG_LETTERS:
        return SLIPS
    if len(short) >= MIN_BEGINNING_LETTERS and long.startswith(short):
        return BEGINNING
    return 0.0


@functools.lru_cache(maxsize=1 << 16)
def sound(word: str) -> str:
    """The consonants of a word as they sound, so that transliterations meet.

    "Tchaikovsky" and "Chaykovskiy" have one skeleton; a leading vowel stays as "a".
    """
    text = word
    for spelt, heard in _SOUNDS:
        text = text.replace(spelt, heard)
    first = "a" if text[:1] in _VOWELS else ""
    bare = "".join(ch for ch in text if ch not in _VOWELS)
    return first + re.sub(r"(.)\1+", r"\1", bare)


@functools.cache
def meanings(word: str) -> frozenset[int]:
    """The sets of words with one meaning that a folded word belongs to; disjoint if unrelated."""
    return _MEANINGS.get(word, frozenset())


def related(word: str) -> Iterable[str]:
    """The other words that may stand for a folded word: abbreviations and short given names."""
    for group in meanings(word):
        yield from (other for other in _GROUPS[group] if other != word)


# -- words set against each other -----------------------------------------------------------------


def _align(said: Sequence[Word], known: Sequence[Word]) -> tuple[list[float], list[float]]:
    """For each word of the two sides how surely the other side has it too, 0…1."""
    left, right = [0.0] * len(said), [0.0] * len(known)
    places: dict[str, list[int]] = {}
    for j, word in enumerate(known):
        places.setdefault(word.text, []).append(j)
    for i, word in enumerate(said):
        if places.get(word.text):
            left[i] = right[places[word.text].pop(0)] = 1.0
    if 0.0 in left and 0.0 in right:
        _align_unlike(said, known, left, right)
        _align_joined(said, known, left, right)
        _align_joined(known, said, right, left)
    return left, right


def _align_unlike(
    said: Sequence[Word], known: Sequence[Word], left: list[float], right: list[float]
) -> None:
    pairs = []
    for i, one in enumerate(said):
        for j, other in enumerate(known):
            if not left[i] and not right[j]:
                same = one.number and one.number == other.number
                likeness = SAME if same else word_likeness(one.text, other.text)
                if likeness:
                    pairs.append((-likeness, abs(i - j), i, j))
    for likeness, _, i, j in sorted(pairs):
        if not left[i] and not right[j]:
            left[i] = right[j] = -likeness


def _align_joined(
    split: Sequence[Word], whole: Sequence[Word], left: list[float], right: list[float]
) -> None:
    """Words written apart on one side and as one on the other: "di Caprio", "L. A." for "LA"."""
    for j, word in enumerate(whole):
        if right[j] or len(word.text) < 2:
            continue
        for i in range(len(split) - 1):
            if left[i] or left[i + 1]:
                continue
            run, likeness = _written_apart(split, i, word.text)
            if run and not any(left[i : i + run]):
                left[i : i + run] = [likeness] * run
                right[j] = likeness
                break


def _written_apart(split: Sequence[Word], first: int, whole: str) -> tuple[int, float]:
    """How many words from ``first`` on are ``whole`` when written as one, and how surely."""
    if split[first].text[0] != whole[0]:
        return 0, 0.0
    if word_likeness(split[first].text + split[first + 1].text, whole) >= SLIP:
        return 2, SAME
    initials = [word.text[0] for word in split[first : first + len(whole)]]
    if "".join(initials) != whole:
        return 0, 0.0
    return len(whole), TWO_INITIALS if len(whole) == 2 else SHORT


def _cover(listed: Sequence[Word], found: Sequence[float]) -> float:
    total = sum(word.weight for word in listed)
    return sum(word.weight * share for word, share in zip(listed, found, strict=True)) / total


def _head(listed: Sequence[Word], found: Sequence[float]) -> float:
    """How surely the last word of full weight is found; before "of" or a comma it is the head."""
    heavy = [share for word, share in zip(listed, found, strict=True) if word.weight == 1.0]
    return heavy[-1] if heavy else found[-1]


def _number_clash(said: Sequence[Word], known: Sequence[Word]) -> float:
    ours, theirs = ({word.number for word in side} - {""} for side in (said, known))
    if not ours and not theirs:
        return 0.0
    if not ours or not theirs:
        return 0.5
    return float(ours.isdisjoint(theirs))


def _joined(listed: Sequence[Word], blank: str = "") -> str:
    return blank.join(word.text for word in listed)


def _groups(*tables: str) -> list[tuple[str, ...]]:
    return [tuple(line.split()) for table in tables for line in table.strip().splitlines()]


_GROUPS = _groups(SAME_WORDS, DIMINUTIVES)
_MEANINGS: dict[str, frozenset[int]] = {}
for _group, _members in enumerate(_GROUPS):
    for _member in _members:
        _MEANINGS[_member] = _MEANINGS.get(_member, frozenset()) | {_group}

_VOWELS = frozenset("aeiouyjh'")
# In this order: how a spelling is heard, roughly, whatever the language it comes from.
_SOUNDS = (
    ("tch", "C"), ("tsch", "C"), ("sch", "S"), ("sh", "S"), ("ch", "C"), ("cz", "C"), ("zh", "S"),
    ("ph", "f"), ("th", "t"), ("kh", "k"), ("gh", "k"), ("ck", "k"), ("x", "ks"), ("q", "k"),
    ("c", "k"), ("g", "k"), ("w", "v"), ("z", "s"), ("d", "t"), ("b", "p"),
)  # fmt: skip
