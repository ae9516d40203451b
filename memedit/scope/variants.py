"""Names nobody gave: which known names the names in a text might be other spellings of.

A cheap first look without a model. Words of the text find the known names that share a rare word
with it, a word that sounds alike or is a slip away, or initials; each is then set against the text
word by word (:mod:`memedit.scope.likeness`). It finds widely; what it finds is to be judged.
"""

from __future__ import annotations

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from rapidfuzz import fuzz, process

from memedit.scope.likeness import Likeness, compare, related, sound, word_likeness
from memedit.scope.name_words import acronyms, as_acronym, may_be_code, name_words
from memedit.scope.runs import Span, Token, capital_runs, has_case
from memedit.scope.vocabulary import FUNCTION_WORDS, PARTICLES
from memedit.text import fold, words

Key = tuple[str, ...]

MAX_TOKENS = 96  # of a long text, the last ones: what is asked stands at the end
RARE = 48  # a word of so few names finds each of them by itself
MAX_POSTINGS = 4000  # a word of more names finds none, not even together with another
MAX_COMPARED = 24  # names set against the text word by word
MAX_SOUNDED = 6  # words of a text that are looked up by sound and spelling
MAX_ALIKE = 6  # known words that a misspelt one may stand for
MIN_LETTERS = 4  # of a word that is looked up by sound and spelling
MIN_ALIKE = 60  # per cent of the letters that a misspelt word shares with the known one
MAX_GAP = 3  # words between two words of one name ("King of the Netherlands")
MIN_SCORE = 0.2
BY_SOUND = "~"
MAX_JOINED_LETTERS = 3  # of the shorter of two words that may be written as one
LOWERCASE_COVER = 0.9  # of a name, that a text must have where capitals do not help
_BRIDGE = re.compile(r"[ ,.'’`\-–—()\"“”&/:]{0,3}")


class Found(NamedTuple):
    """A place in a text, as characters, that may be a variant of a known name."""

    span: Span
    name: str
    likeness: Likeness
    rivals: int = 0


class VariantIndex:
    """Known names by their words, their sounds and their initials; names come and go one by one."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._ids: dict[Key, int] = {}
        self._next = 0
        self._words: dict[str, list[int]] = {}  # word -> ids of names, ascending
        self._acronyms: dict[str, list[int]] = {}
        self._single: dict[str, list[int]] = {}  # first letter -> names of one word
        self._alike: dict[str, dict[str, None]] = defaultdict(dict)  # sound or ending -> words

    def add(self, key: Key, name: str) -> None:
        """Makes a name findable; a key that is known already is left as it is.

        Args:
            key: The folded words of the name, which tell it from others.
            name: The name as it is spelt.
        """
        if key in self._ids:
            return
        number, self._next = self._next, self._next + 1
        self._ids[key], self._names[number] = number, name
        for word in _entries(key):
            if word not in self._words:
                for block in _blocks(word):
                    self._alike[block][word] = None
            self._words.setdefault(word, []).append(number)
        for letters in acronyms(name):
            self._acronyms.setdefault(letters, []).append(number)
        if len(key) == 1:
            self._single.setdefault(key[0][0], []).append(number)

    def remove(self, key: Key) -> None:
        """Forgets a name; unknown ones are ignored."""
        number = self._ids.pop(key, None)
        if number is None:
            return
        for word in _entries(key):
            if _take(self._words, word, number):
                for block in _blocks(word):
                    self._alike[block].pop(word)
                    if not self._alike[block]:
                        del self._alike[block]
        for letters in acronyms(self._names.pop(number)):
            _take(self._acronyms, letters, number)
        if len(key) == 1:
            _take(self._single, key[0][0], number)

    def find(self, text: str, known: Sequence[Span], limit: int) -> list[Found]:
        """Names that places in ``text`` may be variants of, the most alike first.

        Args:
            text: Any text; of a long one the end is searched.
            known: Places that name a subject exactly; no variant lies within them.
            limit: The most to give.
        """
        place = _Place(text)
        tally, at = self._look_up(place)
        found = []
        for number in self._most_promising(tally, place):
            name = self._names[number]
            spans = place.spans(name, at.get(number, ()))
            free = [s for s in spans if not any(a <= s[0] and s[1] <= b for a, b in known)]
            compared = [(span, compare(text[slice(*span)], name)) for span in free]
            fit = [item for item in compared if place.admits(*item)]
            if fit:
                span, likeness = max(fit, key=lambda item: (item[1].score, item[0]))
                found.append(Found(span, name, likeness))
        found.sort(key=lambda item: (-item.likeness.score, item.name))
        return [_with_rivals(item, found) for item in found[:limit]]

    def _look_up(self, place: _Place) -> tuple[Counter[int], dict[int, list[int]]]:
        """How many words of the text find each name, and the tokens that do.

        A name that only one common word finds is left out.
        """
        common: list[list[int]] = []
        tally: Counter[int] = Counter()
        at: dict[int, list[int]] = defaultdict(list)
        for tokens, postings in self._postings(place):
            if len(postings) <= RARE:
                tally.update(postings)
                for number in postings:
                    at[number] += tokens
            elif len(postings) <= MAX_POSTINGS:
                common.append(postings)
        together: Counter[int] = Counter()
        for postings in common:
            together.update(postings)
        for number, count in together.items():
            if count > 1 or number in tally:
                tally[number] += count
        return tally, at

    def _postings(self, place: _Place) -> Iterator[tuple[Sequence[int], list[int]]]:
        """The names that a token finds, or some tokens together, with those tokens."""
        sounded = 0
        for token in place.candidates:
            word = place.word(token)
            yield (token,), self._words.get(word, [])
            if token + 1 < len(place.tokens):
                yield (token, token + 1), self._words.get(word + place.word(token + 1), [])
            shown = place.shown(token, token + 1)
            for other in (*related(word), *_humps(shown)):
                yield (token,), self._words.get(other, [])
            least = MIN_LETTERS - 1 if place.is_cut_short(token) else MIN_LETTERS
            if len(word) >= least and sounded < MAX_SOUNDED:
                sounded += 1
                for other in self._words_like(word):
                    yield (token,), self._words[other]
            if letters := as_acronym(shown):
                yield (token,), self._acronyms.get(letters, [])
                yield (token,), self._named_by_code(letters)
        for first, last in place.stretches():
            stretch, tokens = place.shown(first, last), range(first, last)
            yield tokens, self._acronyms.get(as_acronym(stretch), [])
            for letters in acronyms(stretch):
                number = self._ids.get((letters,))
                if number is not None and self._names[number].isupper():
                    yield tokens, [number]

    def _named_by_code(self, letters: str) -> list[int]:
        """The names of one word that the letters may be a code of."""
        single = self._single.get(letters[0], [])
        return [n for n in single if may_be_code(letters, name_words(self._names[n])[0].text)]

    def _words_like(self, word: str) -> list[str]:
        """Known words that sound like ``word``, are a few slips away from it or go on after it."""
        near: dict[str, float] = {}
        for block in _blocks(word):
            listed = list(self._alike.get(block, ()))
            close = process.extract(
                word, listed, scorer=fuzz.ratio, score_cutoff=MIN_ALIKE, limit=MAX_ALIKE
            )
            longer = [other for other in listed if other.startswith(word)][:MAX_ALIKE]
            for other in [*(match for match, _, _ in close), *longer]:
                near[other] = word_likeness(word, other)
        near.pop(word, None)
        ranked = sorted(near, key=lambda other: (-near[other], other))
        return [other for other in ranked[:MAX_ALIKE] if near[other]]

    def _most_promising(self, tally: Counter[int], place: _Place) -> list[int]:
        if len(tally) <= MAX_COMPARED:
            return list(tally)
        text = " ".join(place.tokens[token][0] for token in place.candidates)
        near = process.extract(
            text,
            {number: self._names[number].lower() for number in tally},
            scorer=fuzz.token_set_ratio,
            limit=MAX_COMPARED,
        )
        return [number for _, _, number in near]


class _Place:
    """A text as a place to look for names.

    Attributes:
        text: The text.
        tokens: Its last :data:`MAX_TOKENS` words.
        cased: Whether capitals tell names from other words.
        runs: Runs of capitalised words, as ranges of tokens; none where capitals tell nothing.
        candidates: The tokens that may belong to a name, in order.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = words(text)[-MAX_TOKENS:]
        self.cased = has_case(text)
        self.runs = capital_runs(text, self.tokens) if self.cased else []
        self._run_of = {token: run for run in self.runs for token in range(*run)}
        self.candidates = [t for t in range(len(self.tokens)) if self._may_name(t)]

    def word(self, token: int) -> str:
        """A token's folded word."""
        return self.tokens[token][0]

    def shown(self, first: int, last: int) -> str:
        """The text of the tokens from ``first`` to before ``last``."""
        return self.text[self.tokens[first][1] : self.tokens[last - 1][2]]

    def is_cut_short(self, token: int) -> bool:
        """Whether a stop follows that may stand for the rest of the word ("Ukr. president")."""
        return self.text.startswith(".", self.tokens[token][2])

    def stretches(self) -> list[Span]:
        """Runs, and runs that small words or commas join to one ("Science and Art"), as tokens."""
        joined: list[Span] = []
        for first, last in self.runs:
            between = range(joined[-1][1], first) if joined else range(0)
            if (
                joined
                and self._together(joined[-1][1] - 1, first)
                and all(self.tokens[t][0] in FUNCTION_WORDS for t in between)
            ):
                joined[-1] = joined[-1][0], last
            else:
                joined.append((first, last))
        return list(dict.fromkeys([*self.runs, *joined]))

    def spans(self, name: str, at: Iterable[int]) -> list[Span]:
        """The places in the text that share words with ``name``, as characters.

        Args:
            name: A known name.
            at: Tokens that stand for one of its words in another spelling.
        """
        wanted = {word.text for word in name_words(name) if word.text not in FUNCTION_WORDS}
        hits = {t for t, (word, _, _) in enumerate(self.tokens) if word in wanted} | set(at)
        spans: list[Span] = []
        for first, last in self._clusters(sorted(hits)):
            before = first if first in self._run_of else first - 1  # "56th US presidential race"
            first = min(first, self._run_of.get(before, (first, 0))[0])
            last = max(last, self._run_of.get(last - 1, (0, last))[1])
            spans.append((self.tokens[first][1], self.tokens[last - 1][2]))
        return spans

    def admits(self, span: Span, likeness: Likeness) -> bool:
        """Whether a name may stand there at all.

        Without capitals one word of a longer name may be any word.
        """
        if likeness.score < MIN_SCORE:
            return False
        shown = self.text[slice(*span)]
        if self.cased or shown[0].isupper():
            return any(ch.isupper() or ch.isdigit() for ch in shown)
        heavy = [word for word in name_words(shown) if word.text not in FUNCTION_WORDS]
        return len(heavy) > 1 or likeness.name_cover >= LOWERCASE_COVER

    def _clusters(self, hits: Sequence[int]) -> Iterator[Span]:
        """Hits that stand together, as ranges of tokens."""
        first = 0
        for place in range(1, len(hits) + 1):
            if place == len(hits) or not self._together(hits[place - 1], hits[place]):
                yield hits[first], hits[place - 1] + 1
                first = place

    def _together(self, one: int, other: int) -> bool:
        return other - one <= MAX_GAP and all(
            _BRIDGE.fullmatch(self.text[self.tokens[t][2] : self.tokens[t + 1][1]])
            for t in range(one, other)
        )

    def _may_name(self, token: int) -> bool:
        word = self.tokens[token][0]
        if not self.cased:
            return word not in FUNCTION_WORDS
        if token in self._run_of:
            return True
        if word in FUNCTION_WORDS:
            return False
        if token - 1 in self._run_of or token - 2 in self._run_of:
            return True
        return word in PARTICLES and token + 1 in self._run_of


def _with_rivals(item: Found, found: Sequence[Found]) -> Found:
    """The item with the number of other names that are as like the same words."""
    rivals = sum(
        other.likeness.score >= item.likeness.score and _overlap(item.span, other.span)
        for other in found
    )
    return item._replace(rivals=rivals - 1)


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _entries(key: Key) -> set[str]:
    """The words a name is found by: its own, and those it writes apart as one."""
    singles = {
        word for word in key if word not in FUNCTION_WORDS and (len(word) > 1 or not word.isascii())
    }
    joined = {
        one + other
        for one, other in pairwise(word for word in key if word not in FUNCTION_WORDS)
        if min(len(one), len(other)) <= MAX_JOINED_LETTERS and len(one + other) > MAX_JOINED_LETTERS
    }
    return singles | joined


def _blocks(word: str) -> list[str]:
    """What words that are spelt or sound alike have in common: beginning, end or consonants."""
    if not word.isalpha():
        return []
    return [f"{word[:3]}-", f"-{word[-3:]}", f"{BY_SOUND}{sound(word)}"]


def _humps(shown: str) -> list[str]:
    """The parts of a word in camel case or with a number ("OneRepublic", "Suits2"), folded."""
    starts = [
        i
        for i in range(1, len(shown))
        if (shown[i].isupper() and shown[i - 1].islower())
        or shown[i].isdigit() != shown[i - 1].isdigit()
    ]
    pieces = [shown[a:b] for a, b in pairwise([0, *starts, len(shown)])]
    return [fold(piece) for piece in pieces] if starts else []


def _take(table: dict[str, list[int]], entry: str, number: int) -> bool:
    """Takes a number out of an ascending list; True where that emptied it."""
    listed = table[entry]
    del listed[bisect.bisect_left(listed, number)]
    if not listed:
        del table[entry]
    return not listed
