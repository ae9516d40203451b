"""Which edited subjects a text names, and how surely.

Names are compared by their folded words (case, diacritics and punctuation aside), longest first. A
part of a name ("Messi" for "Lionel Messi") counts where it fits one live subject only. A match that
is itself a piece of a longer name ("Paris" in "Paris Hilton") is not a mention.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from rapidfuzz.distance import OSA

from memedit.scope.vocabulary import (
    COMMON_HEADS,
    FUNCTION_WORDS,
    PARTICLES,
    PLACE_STARTS,
    TITLES,
)
from memedit.text import name_key, words

MentionKind = Literal["full", "partial", "spelling"]
Key = tuple[str, ...]
Token = tuple[str, int, int]

MIN_SURNAME_LETTERS = 4
MIN_FUZZY_LETTERS = 6


@dataclass(frozen=True)
class Mention:
    """A subject named in a text.

    Attributes:
        start: First character in the text.
        end: One past the last character.
        text: The words as they stand there.
        name: The known name they stand for.
        kind: ``full`` (a name or alias), ``partial`` (a part that fits one subject only) or
            ``spelling`` (a name but for a slip of the pen).
        edit_ids: The live edits about the subjects of this name.
    """

    start: int
    end: int
    text: str
    name: str
    kind: MentionKind
    edit_ids: tuple[str, ...]


class NameIndex:
    """The names of the live edits' subjects; edits come and go one by one."""

    def __init__(self) -> None:
        self._names: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._full: dict[Key, dict[str, str]] = defaultdict(dict)  # key -> edit id -> spelling
        self._partial: dict[Key, dict[str, str]] = defaultdict(dict)  # key -> edit id -> full name
        self._by_first: dict[str, dict[Key, int]] = defaultdict(dict)  # first word -> key -> uses

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
            for part in _parts(name):
                self._put(self._partial, part, edit_id, name)

    def remove(self, edit_id: str) -> None:
        """Forgets the edit; unknown ids are ignored."""
        _, spelled = self._names.pop(edit_id, ("", ()))
        for name in spelled:
            self._drop(self._full, _key(name), edit_id)
            for part in _parts(name):
                self._drop(self._partial, part, edit_id)

    def find(self, text: str) -> list[Mention]:
        """Every mention in ``text``, in order; overlapping ones are settled by length."""
        tokens = words(text)
        lowercase = not any(ch.isupper() for ch in text[1:])
        found: list[tuple[int, int, Mention]] = []
        for first, (word, _, _) in enumerate(tokens):
            for key in self._by_first.get(word, ()):
                last = first + len(key)
                if tuple(t[0] for t in tokens[first:last]) == key:
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

    def find_misspelt(self, text: str, edit_ids: Iterable[str]) -> list[Mention]:
        """Mentions of the given edits' names that are one slip a word away from being exact.

        Meant for a few candidates that were retrieved by meaning: comparing every name with
        every place in a text would be slow and would find too much.
        """
        tokens = words(text)
        found: dict[tuple[int, int], Mention] = {}
        for edit_id in edit_ids:
            for name in self._names.get(edit_id, ("", ()))[1]:
                place = _misspelt_at(tokens, _key(name))
                if place is None:
                    continue
                if _is_piece_of_longer_name(text, tokens, *place):
                    continue
                start, end = tokens[place[0]][1], tokens[place[1] - 1][2]
                ids = tuple(self._full.get(_key(name), ()))
                found[place] = Mention(start, end, text[start:end], name, "spelling", ids)
        return list(found.values())

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
            uses = self._by_first[key[0]]
            uses[key] = uses.get(key, 0) + 1

    def _drop(self, table: dict[Key, dict[str, str]], key: Key, edit_id: str) -> None:
        if table.get(key, {}).pop(edit_id, None) is None:
            return
        if not table[key]:
            del table[key]
        uses = self._by_first[key[0]]
        uses[key] -= 1
        if not uses[key]:
            del uses[key]
        if not uses:
            del self._by_first[key[0]]


def names_in(text: str) -> list[tuple[int, int]]:
    """Spans that look like names: runs of capitalised words, known or not, in order.

    A capitalised function word at the start of a sentence is no name.
    """
    spans: list[tuple[int, int]] = []
    previous = -1
    for word, start, end in words(text):
        if not text[start].isupper() or (word in FUNCTION_WORDS and _starts_sentence(text, start)):
            continue
        if spans and previous >= 0 and re.fullmatch(r"[ .'’-]{1,2}", text[previous:start]):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
        previous = end
    return spans


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
    if _may_be_person(bare or name, tokens):
        parts.append((head[-1],))
        if len(head) > 2:
            parts.append((head[0], head[-1]))
    full = _key(name)
    return [part for part in dict.fromkeys(parts) if part and part != full]


def _may_be_person(name: str, tokens: list[Token]) -> bool:
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


def _starts_sentence(text: str, start: int) -> bool:
    return (
        not text[:start].rstrip(" \"'“‘(").strip() or text[:start].rstrip(" \"'“‘(")[-1] in ".!?:\n"
    )


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
    return not known and not _starts_sentence(text, before[1])


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


def _misspelt_at(tokens: list[Token], key: Key) -> tuple[int, int] | None:
    """The first place where ``key`` stands but for one slip in each longer word."""
    if sum(len(word) for word in key) < MIN_FUZZY_LETTERS:
        return None
    for first in range(len(tokens) - len(key) + 1):
        seen = tuple(token[0] for token in tokens[first : first + len(key)])
        if seen != key and all(map(_slip, seen, key)):
            return first, first + len(key)
    return None


def _slip(seen: str, word: str) -> bool:
    """One letter wrong, missing, added or swapped, but not at either end ("Russian" is a word)."""
    if seen == word:
        return True
    if len(word) < MIN_FUZZY_LETTERS - 1 or any(ch.isdigit() for ch in seen + word):
        return False
    return (
        seen[0] == word[0]
        and seen[-1] == word[-1]
        and OSA.distance(seen, word, score_cutoff=1) <= 1
    )
