"""Which edited subjects a text names, and how surely.

Names are compared by their folded words (case, diacritics and punctuation aside), longest first. A
part of a name ("Messi" for "Lionel Messi") counts where it fits one live subject only. A match that
is itself a piece of a longer name ("Paris" in "Paris Hilton") is not a mention.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from memedit.scope.runs import Token, capital_runs, starts_sentence
from memedit.scope.variants import VariantIndex
from memedit.scope.vocabulary import (
    COMMON_HEADS,
    FUNCTION_WORDS,
    PARTICLES,
    PLACE_STARTS,
    TITLES,
)
from memedit.text import name_key, words

MentionKind = Literal["full", "partial", "variant"]
Key = tuple[str, ...]

MIN_SURNAME_LETTERS = 4
MAX_VARIANTS = 16


@dataclass(frozen=True)
class Mention:
    """A subject named in a text.

    Attributes:
        start: First character in the text.
        end: One past the last character.
        text: The words as they stand there.
        name: The known name they stand for.
        kind: ``full`` (a name or alias), ``partial`` (a part that fits one subject only) or
            ``variant`` (another name that nobody gave, see :class:`Variant`).
        edit_ids: The live edits about the subjects of this name.
    """

    start: int
    end: int
    text: str
    name: str
    kind: MentionKind
    edit_ids: tuple[str, ...]


@dataclass(frozen=True)
class Variant:
    """A place in a text that may name a live subject by a name that nobody gave.

    Attributes:
        start: First character in the text.
        end: One past the last character.
        text: The words as they stand there.
        name: The known name they may stand for.
        edit_ids: The live edits about the subjects of this name.
        score: How alike the two are as spelt, 0…1; no probability.
        features: What the score is made of, see :class:`~memedit.scope.likeness.Likeness`, and
            ``rivals``, how many of the other variants found are as alike.
    """

    start: int
    end: int
    text: str
    name: str
    edit_ids: tuple[str, ...]
    score: float
    features: Mapping[str, float]


class NameIndex:
    """The names of the live edits' subjects; edits come and go one by one."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._full: dict[Key, dict[str, str]] = defaultdict(dict)  # key -> edit id -> spelling
        self._partial: dict[Key, dict[str, str]] = defaultdict(dict)  # key -> edit id -> full name
        # first word -> how many words a name has that begins with it -> how many do
        self._lengths: dict[str, dict[int, int]] = defaultdict(dict)
        self._variants = VariantIndex()

    def __len__(self) -> int:
        return len(self._names)

    def add(self, edit_id: str, names: Iterable[str]) -> None:
        """Makes the edit findable under its subject and aliases (the first name is the subject)."""
        spelled = tuple(name for name in names if name_key(name))
        if not spelled:
            return
        self.remove(edit_id)
        self._names[edit_id] = (name_key(spelled[0]), spelled)
        for name in spelled:
            self._put(self._full, _key(name), edit_id, name)
            self._variants.add(_key(name), name)
            for part in _parts(name):
                self._put(self._partial, part, edit_id, name)

    def remove(self, edit_id: str) -> None:
        """Forgets the edit; unknown ids are ignored."""
        _, spelled = self._names.pop(edit_id, ("", ()))
        for name in spelled:
            self._drop(self._full, _key(name), edit_id)
            if _key(name) not in self._full:
                self._variants.remove(_key(name))
            for part in _parts(name):
                self._drop(self._partial, part, edit_id)

    def find(self, text: str) -> list[Mention]:
        """Every mention in ``text``, in order; overlapping ones are settled by length."""
        tokens = words(text)
        lowercase = not any(ch.isupper() for ch in text[1:])
        found: list[tuple[int, int, Mention]] = []
        for first, (word, _, _) in enumerate(tokens):
            for length in self._lengths.get(word, ()):
                last = first + length
                key = tuple(t[0] for t in tokens[first:last])
                if last <= len(tokens) and (key in self._full or key in self._partial):
                    mention = self._mention(text, tokens, first, last, key, lowercase)
                    if mention:
                        found.append((first, last, mention))
        found.sort(key=lambda item: (item[0] - item[1], item[2].kind != "full", item[0]))
        taken: set[int] = set()
        kept = []
        for first, last, mention in found:
            if taken.isdisjoint(range(first, last)):
                taken.update(range(first, last))
                kept.append(mention)
        return sorted(kept, key=lambda mention: mention.start)

    def find_variants(self, text: str, *, limit: int = MAX_VARIANTS) -> list[Variant]:
        """Places in ``text`` that may name a live subject otherwise than it was given.

        Meant to be judged: one place may be a variant of several names, and of none. A place that
        names a subject exactly is left out. Cheap at any number of names, and without a model.

        Args:
            text: A question or a text; of a long one the end is searched.
            limit: The most to give.

        Returns:
            The variants, the most alike first.
        """
        known = [(m.start, m.end) for m in self.find(text) if m.kind == "full"]
        found = self._variants.find(text, known, limit)
        return [
            Variant(
                start=span[0],
                end=span[1],
                text=text[slice(*span)],
                name=name,
                edit_ids=tuple(self._full[_key(name)]),
                score=likeness.score,
                features=likeness.features | {"rivals": float(rivals)},
            )
            for span, name, likeness, rivals in found
        ]

    def _mention(
        self, text: str, tokens: list[Token], first: int, last: int, key: Key, lowercase: bool
    ) -> Mention | None:
        start, end = tokens[first][1], tokens[last - 1][2]
        surface = text[start:end]
        full = self._full.get(key)
        if full:
            if not _case_fits(surface, full.values(), lowercase, initial=first == 0):
                return None
            if not lowercase and _is_piece_of_longer_name(text, tokens, first, last):
                return None
            return Mention(start, end, surface, next(iter(full.values())), "full", tuple(full))
        partial = self._partial.get(key, {})
        subjects = {self._names[edit_id][0] for edit_id in partial}
        if len(subjects) != 1:
            return None
        name = next(iter(partial.values()))
        if not lowercase and not surface[0].isupper() and surface[0].lower() != surface[0].upper():
            return None
        begin = _given_name_start(text, tokens, first, key, name)
        if begin is None or (not lowercase and _followed_by_name(text, tokens, last)):
            return None
        if text[:start].endswith("-") or re.match(r" of (?:the )?[A-Z]", text[end:]):
            return None
        start = tokens[begin][1]
        return Mention(start, end, text[start:end], name, "partial", tuple(partial))

    def _put(self, table: dict[Key, dict[str, str]], key: Key, edit_id: str, name: str) -> None:
        if edit_id not in table[key]:
            table[key][edit_id] = name
            lengths = self._lengths[key[0]]
            lengths[len(key)] = lengths.get(len(key), 0) + 1

    def _drop(self, table: dict[Key, dict[str, str]], key: Key, edit_id: str) -> None:
        if table.get(key, {}).pop(edit_id, None) is None:
            return
        if not table[key]:
            del table[key]
        lengths = self._lengths[key[0]]
        lengths[len(key)] -= 1
        if not lengths[len(key)]:
            del lengths[len(key)]
        if not lengths:
            del self._lengths[key[0]]


def names_in(text: str) -> list[tuple[int, int]]:
    """Spans that look like names: runs of capitalised words, known or not, in order.

    A capitalised function word at the start of a sentence is no name.
    """
    tokens = words(text)
    spans = [(tokens[a][1], tokens[b - 1][2]) for a, b in capital_runs(text, tokens)]
    return [span for span in spans if any(ch.isupper() for ch in text[slice(*span)])]


def _key(name: str) -> Key:
    return tuple(name_key(name).split())


def _parts(name: str) -> list[Key]:
    """The shorter forms a name may go by: without its bracket, article or given names."""
    parts: list[Key] = []
    bare = re.sub(r"\s*\([^)]*\)", "", name).strip()
    if bare and bare != name:
        parts.append(_key(bare))
    tokens = words(bare or name)
    head = [t for t, _, _ in tokens]
    if len(head) >= 3 and head[0] == "the":
        parts.append(tuple(head[1:]))
    if looks_like_person(bare or name):
        parts.append((head[-1],))
        if len(head) > 2:
            parts.append((head[0], head[-1]))
    full = _key(name)
    return [part for part in dict.fromkeys(parts) if part and part != full]


def looks_like_person(name: str) -> bool:
    """Whether a name looks like a person's: a few capitalised words, the last one a surname."""
    tokens = words(name)
    head = [t for t, _, _ in tokens]
    if not 2 <= len(head) <= 4 or "," in name or "'" in name:
        return False
    if len(head[-1]) < MIN_SURNAME_LETTERS or not head[-1].isalpha() or head[-1] in COMMON_HEADS:
        return False
    if head[-1] in TITLES or not PLACE_STARTS.isdisjoint(head[:-1]) or head[0] in FUNCTION_WORDS:
        return False
    return all(name[start].isupper() or word in PARTICLES for word, start, _ in tokens)


def _case_fits(surface: str, spellings: Iterable[str], lowercase: bool, *, initial: bool) -> bool:
    """Whether a match may be the name and not the common word it is spelt like.

    Only names of one word are in doubt. "Her" the film is not the "her" of a sentence.
    """
    if " " in surface.strip() or any(surface == spelling for spelling in spellings):
        return not (initial and surface.lower() in FUNCTION_WORDS)
    if surface.lower() in FUNCTION_WORDS:
        return False
    return lowercase or surface[:1].isupper() or any(s[:1].islower() for s in spellings)


def _is_capitalised(text: str, token: Token) -> bool:
    return text[token[1]].isupper()


def _followed_by_name(text: str, tokens: list[Token], last: int) -> bool:
    if last >= len(tokens):
        return False
    gap = text[tokens[last - 1][2] : tokens[last][1]]
    if gap not in (" ", "-") or not _is_capitalised(text, tokens[last]):
        return False
    word = text[tokens[last][1] : tokens[last][2]]
    return word == "I" or word.lower() not in FUNCTION_WORDS


def _is_piece_of_longer_name(text: str, tokens: list[Token], first: int, last: int) -> bool:
    if not text[tokens[first][1]].isupper():
        return False
    if _followed_by_name(text, tokens, last):
        return True
    if first == 0:
        return False
    before = tokens[first - 1]
    gap = text[before[2] : tokens[first][1]]
    if gap not in (" ", "-") or not _is_capitalised(text, before):
        return False
    known = before[0] in FUNCTION_WORDS or before[0] in TITLES
    return not known and not starts_sentence(text, before[1])


def _given_name_start(
    text: str, tokens: list[Token], first: int, key: Key, name: str
) -> int | None:
    """Where a partial mention begins, given names included; None where they are another's.

    "Leo Messi" and "L. Messi" may be Lionel, "Jorge Messi" is not.
    """
    given = [word for word, _, _ in words(name)][: -len(key)]
    begin = first
    while begin > 0:
        word, start, end = tokens[begin - 1]
        gap = text[end : tokens[begin][1]]
        if gap not in (" ", ". ", ".", "-") or not text[start].isupper():
            break
        if word in FUNCTION_WORDS or word in TITLES:
            break
        if not any(_short_form(word, known) for known in given):
            return None
        begin -= 1
    return begin


def _short_form(word: str, known: str) -> bool:
    """Whether a given name may be short for another: same first letter, no letter of its own."""
    return word[0] == known[0] and set(word) <= set(known)
