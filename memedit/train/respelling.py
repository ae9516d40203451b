"""Other spellings of a name made by rule, and names of others that look like it.

What :mod:`memedit.scope.likeness` undoes is done here: slips of the pen, initials, other orders,
short given names, numerals. Every rule gives None where it does not apply.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

from memedit.scope.likeness import related
from memedit.scope.name_words import acronyms, name_words
from memedit.scope.names import looks_like_person
from memedit.scope.vocabulary import DIMINUTIVES, FUNCTION_WORDS
from memedit.text import fold

Rule = Callable[[str, random.Random], str | None]

MIN_SLIP_LETTERS = 6
MIN_ACRONYM_LETTERS = 3
_TITLES = ("Dr.", "Prof.", "Sir", "Captain", "President", "Saint", "Lady", "Reverend", "General")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_SHORT_WORDS = {
    "mount": "Mt.", "saint": "St.", "fort": "Ft.", "doctor": "Dr.", "junior": "Jr.",
    "university": "Univ.", "international": "Int'l", "brothers": "Bros.", "company": "Co.",
    "corporation": "Corp.", "and": "&", "professor": "Prof.", "united": "Utd",
}  # fmt: skip
_AROUND = (
    "University of {}",
    "{} County",
    "{} River",
    "Lake {}",
    "{} F.C.",
    "{} Airport",
    "New {}",
)
_GIVEN = frozenset(DIMINUTIVES.split())


def respelt(name: str, rng: random.Random) -> str | None:
    """The name in another spelling, by one of the rules that apply; None where none does."""
    return _by_one_of(_SPELLINGS, name, rng)


def namesake(name: str, rng: random.Random, others: Sequence[str]) -> str | None:
    """A name that looks like this one and is another's: another number, given name or place.

    Args:
        name: The name.
        rng: Decides which.
        others: Names to take words from.
    """
    other = rng.choice(others)
    rules: list[Rule] = [
        _other_number,
        _other_initial,
        lambda name, rng: _other_given_name(name, other),
        lambda name, rng: _longer(name, other, rng),
    ]
    return _by_one_of(rules, name, rng)


def _by_one_of(rules: Sequence[Rule], name: str, rng: random.Random) -> str | None:
    for rule in rng.sample(rules, len(rules)):
        made = rule(name, rng)
        if made and made != name:
            return made
    return None


# -- the same, spelt otherwise ---------------------------------------------------------------------


def _slip(name: str, rng: random.Random) -> str | None:
    """One letter wrong, missing, double or swapped within a longer word."""
    long = [m for m in re.finditer(r"[^\W\d_]+", name) if len(m.group()) >= MIN_SLIP_LETTERS]
    if not long:
        return None
    chosen = rng.choice(long)
    word, at = chosen.group(), rng.randrange(1, len(chosen.group()) - 2)
    slips = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + rng.choice("aeiourstln") + word[at + 1 :],
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
    )
    made = rng.choice([slip for slip in slips if slip != word])
    return name[: chosen.start()] + made + name[chosen.end() :]


def _initials(name: str, rng: random.Random) -> str | None:
    """Given names as initials: "J. R. R. Tolkien", "Tolkien JRR"."""
    if not looks_like_person(name):
        return None
    *given, last = name.split()
    letters = [word[0] for word in given]
    shape = rng.randrange(3)
    if shape == 0:
        return f"{' '.join(f'{letter}.' for letter in letters)} {last}"
    return f"{''.join(letters)} {last}" if shape == 1 else f"{last} {''.join(letters)}"


def _without_middle(name: str, rng: random.Random) -> str | None:
    listed = name.split()
    return f"{listed[0]} {listed[-1]}" if looks_like_person(name) and len(listed) > 2 else None


def _with_middle(name: str, rng: random.Random) -> str | None:
    listed = name.split()
    if not looks_like_person(name) or len(listed) != 2:
        return None
    middle = rng.choice((f"{rng.choice('ABCDEFGHJKLMPRSTW')}.", rng.choice(sorted(_GIVEN)).title()))
    return f"{listed[0]} {middle} {listed[1]}"


def _turned(name: str, rng: random.Random) -> str | None:
    """The last name first."""
    *given, last = name.split()
    if not looks_like_person(name):
        return None
    return f"{last}{rng.choice((',', ''))} {' '.join(given)}"


def _titled(name: str, rng: random.Random) -> str | None:
    return f"{rng.choice(_TITLES)} {name}" if looks_like_person(name) else None


def _nicknamed(name: str, rng: random.Random) -> str | None:
    first, _, rest = name.partition(" ")
    short = sorted(set(related(fold(first))) & _GIVEN)
    return f"{rng.choice(short).title()} {rest}" if rest and short else None


def _abbreviated(name: str, rng: random.Random) -> str | None:
    listed = [_SHORT_WORDS.get(fold(word), word) for word in name.split()]
    return " ".join(listed)


def _joined(name: str, rng: random.Random) -> str | None:
    """A hyphen dropped, turned into a blank, or two short words written as one."""
    if "-" in name:
        return name.replace("-", rng.choice(("", " ")), 1)
    found = re.search(r"\b(\w{2,3}) (\w+)", name)
    if not found or found[1].lower() in FUNCTION_WORDS:
        return None
    return f"{name[: found.start(2) - 1]}{name[found.start(2) :]}"


def _bare(name: str, rng: random.Random) -> str | None:
    """Without its bracket, its article or what follows a comma."""
    return re.sub(r"^The |\s*\([^)]*\)|, .*$", "", name)


def _renumbered(name: str, rng: random.Random) -> str | None:
    """Roman numerals as Arabic ones and the other way round."""
    head, _, last = name.rpartition(" ")
    if head and last in _ROMAN[1:]:
        return f"{head} {_ROMAN.index(last) + 1}"
    if head and last.isdecimal() and 1 < int(last) <= len(_ROMAN):
        return f"{head} {_ROMAN[int(last) - 1]}"
    return None


def _as_initials(name: str, rng: random.Random) -> str | None:
    made = sorted(text for text in acronyms(name) if len(text) >= MIN_ACRONYM_LETTERS)
    if not made or looks_like_person(name):
        return None
    letters = rng.choice(made).upper()
    return rng.choice((letters, ".".join(letters) + "."))


_SPELLINGS: tuple[Rule, ...] = (
    _slip,
    _initials,
    _without_middle,
    _with_middle,
    _turned,
    _titled,
    _nicknamed,
    _abbreviated,
    _joined,
    _bare,
    _renumbered,
    _as_initials,
)


# -- another one, spelt alike ----------------------------------------------------------------------


def _other_number(name: str, rng: random.Random) -> str | None:
    """Another number or code in its place: "Toy Story 3", "Elizabeth I"."""
    head, _, last = name.rpartition(" ")
    if head and last in _ROMAN:
        return f"{head} {rng.choice([numeral for numeral in _ROMAN[:6] if numeral != last])}"
    numbers = list(re.finditer(r"\d+", name))
    if not numbers:
        return None
    found = rng.choice(numbers)
    other = int(found.group()) + rng.choice((-2, -1, 1, 2, 10))
    return f"{name[: found.start()]}{abs(other)}{name[found.end() :]}"


def _other_initial(name: str, rng: random.Random) -> str | None:
    found = re.search(r"(?<= )([A-Z])(?=\.? )", name)
    if not found:
        return None
    letter = rng.choice([ch for ch in "ABCDEFGHJKLMNPRSTW" if ch != found.group()])
    return name[: found.start()] + letter + name[found.end() :]


def _other_given_name(name: str, other: str) -> str | None:
    """A relative: the surname with another person's given name."""
    if not (looks_like_person(name) and looks_like_person(other)):
        return None
    mine, theirs = name.split()[0], other.split()[0]
    if fold(theirs) in (fold(mine), *related(fold(mine))) or fold(mine)[0] == fold(theirs)[0]:
        return None
    return f"{theirs} {name.split()[-1]}"


def _longer(name: str, other: str, rng: random.Random) -> str | None:
    """A name of one word as a piece of a longer one: "Paris Hilton", "Lake Victoria"."""
    if len(name_words(name)) != 1:
        return None
    return rng.choice((*_AROUND, f"{{}} {other.split()[-1]}")).format(name)
