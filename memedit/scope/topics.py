"""What a sentence speaks of by name or by a noun: the things later sentences may refer to."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from memedit.scope.kind_words import FEMALE_NAMES, MALE_NAMES, NO_TOPICS, OPENERS
from memedit.scope.kinds import PERSON, Sort, may_be_person, noun_sort, sort_in_text, sort_of_name
from memedit.scope.names import Mention, names_in
from memedit.scope.references import CACHED_SENTENCES, without_code
from memedit.scope.vocabulary import FUNCTION_WORDS
from memedit.text import words


@dataclass(frozen=True)
class Topic:
    """Something a sentence speaks of.

    Attributes:
        start: First character in the sentence.
        end: One past the last character.
        name: As it stands there; empty for "a doctor" and the like.
        mention: The live subject it names, if any.
        sort: What the words in it and around it tell of it.
        prominent: Whether it is the subject or object of the sentence, not behind a preposition.
        joined: Whether it stands in one list with the topic before it.
    """

    start: int
    end: int
    name: str
    mention: Mention | None
    sort: Sort
    prominent: bool
    joined: bool = False


_PREPOSITION = re.compile(
    r"\b(?:of|in|with|for|from|to|at|by|between|near|against|on|into|like|as|over|"
    r"under|after|before|without|behind|since|until|during|through)"
    r"(?: (?:the|a|an|his|her|its|their|my|your|our|both))?(?: [a-z]+)? $",
    re.I,
)
_JOINED = re.compile(r"(?:['’]s [\w ]{1,20})?,? (?:and |or |& )?(?:the )?|/|, ", re.I)
_ATTRIBUTE = re.compile(r"\b(?:a|an|the|another|some|any|this|that|their|his|her|its|most) $", re.I)
_CONTENT = rf"(?!(?:{'|'.join(sorted(FUNCTION_WORDS))})\b)[a-z][\w-]*"
_NOUN = re.compile(
    r"\b(?P<determiner>(?i:a|an|my|our|your|another|some|the)) "
    rf"(?P<words>(?:[A-Z][\w-]+ )?{_CONTENT}(?: {_CONTENT}){{0,2}})"
)
# What follows a name that a sentence begins with, but not any other word it begins with.
_AFTER_NAME = re.compile(
    r"['’]s\b| (?:is|was|has|had|will|can|did|does|were|are|and|or|won|lost|wrote|made|became|came|"
    r"went|left|met|took|got|ran|beat|held|led|told|gave|grew|fell|sold|bought|built|said|sang|"
    r"[a-z]+(?:s|ed))\b|\W*$"
)
_AROUND_ANSWERS = NO_TOPICS | frozenset(
    "a also among and at by in is it many more most of others s the yes no".split()
)
_NEW = ("my", "our", "your", "another", "some")  # behind a comma, no description of a name
_REMARK = re.compile(r"\W*an?(?: [\w-]+){1,4}\W*", re.I)  # "A popular choice."
_SOMEBODY = re.compile(r"\b(?:some|every)(?:one|body)\b", re.I)
_PREDICATE = re.compile(
    r"(?:\b(?:(?<!there )(?:is|was|are|were)|be|been|became|as|['’]s|called|remains|of|not|also|"
    r"still|probably|quite|such)|(?P<comma>[\w)],)) $",
    re.I,
)
_LOWERCASE_NAME = re.compile(
    r"(?:\b(?:about|who is|who was|who's|whos)|^(?:and|or|but)) (?P<name>\w+(?: \w+)?)\W*$"
)


@functools.lru_cache(maxsize=CACHED_SENTENCES)
def topics_in(sentence: str, mentions: tuple[Mention, ...]) -> tuple[Topic, ...]:
    """What the sentence speaks of, in order; kept, since a chat is read anew with every turn.

    Args:
        sentence: One sentence.
        mentions: The live subjects it names, at their places in the sentence.
    """
    text = without_code(sentence)
    spans: list[tuple[int, int, Mention | None]] = [
        (m.start, m.end, m) for m in mentions if text[m.start : m.end].strip()
    ]
    taken = [(a, b) for a, b, _ in spans]
    for a, b in _unknown_names(text):
        if not any(c < b and a < d for c, d in taken):
            spans.append((a, b, None))
    named = _named(text, sorted(spans, key=lambda span: span[0]))
    nouns = [topic for topic in _nouns(text) if not _overlaps(topic, named)]
    if _REMARK.fullmatch(text) and not any("person" in topic.sort.kinds for topic in nouns):
        nouns = []
    return tuple(sorted([*named, *nouns], key=lambda topic: topic.start))


def is_name_only(sentence: str, topics: Sequence[Topic]) -> bool:
    """Whether the sentence is nothing but a name or two, as a short answer is."""
    rest = sentence
    named = [topic for topic in topics if topic.name]
    for topic in reversed(named):
        rest = rest[: topic.start] + rest[topic.end :]
    said = [word for word, _, _ in words(rest)]
    return bool(named) and set(said) <= _AROUND_ANSWERS


def _unknown_names(text: str) -> list[tuple[int, int]]:
    """Names that are no live subject's, without the words that a sentence merely begins with."""
    found: list[tuple[int, int]] = []
    for start, end in _joined_by_of(text, names_in(text)):
        start = _after_openers(text, start, end)
        said = [word for word, _, _ in words(text[start:end])]
        if not said or set(said) <= NO_TOPICS:
            continue
        if len(said) == 1 and not words(text[:start]) and not _may_open(text, said[0], end):
            continue  # "Less than you think"
        attribute = _ATTRIBUTE.search(text[:start]) and re.match(r" [a-z]", text[end:])
        if attribute and len(said) == 1 and not said[0].endswith("s"):
            continue  # "a Swiss man"
        found.append((start, end))
    lowercase = None if any(ch.isupper() for ch in text) else _LOWERCASE_NAME.search(text)
    if lowercase and FUNCTION_WORDS.isdisjoint(lowercase["name"].split()):
        found.append(lowercase.span("name"))
    return found


def _joined_by_of(text: str, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The spans, those that "of" makes one name joined: "Lord of the Rings"."""
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and re.fullmatch(r" of (?:the )?", text[joined[-1][1] : start]):
            start = joined.pop()[0]
        joined.append((start, end))
    return joined


def _may_open(text: str, word: str, end: int) -> bool:
    """Whether the single word that a sentence begins with may be a name."""
    return word in MALE_NAMES | FEMALE_NAMES or bool(_AFTER_NAME.match(text[end:]))


def _after_openers(text: str, start: int, end: int) -> int:
    """Where a name begins once the opening words of a sentence are taken off it."""
    for word, a, _ in words(text[start:end]):
        if word not in OPENERS and word not in FUNCTION_WORDS:
            return start + a
    return end


def _named(text: str, spans: Sequence[tuple[int, int, Mention | None]]) -> list[Topic]:
    named: list[Topic] = []
    for start, end, mention in spans:
        name = mention.name if mention else text[start:end]
        sort = sort_of_name(name) | sort_in_text(text, start, end)
        joined = bool(named) and _JOINED.fullmatch(text[named[-1].end : start])
        prominent = named[-1].prominent if joined else not _PREPOSITION.search(text[:start])
        named.append(Topic(start, end, name, mention, sort, prominent, bool(joined)))
    return named


def _nouns(text: str) -> list[Topic]:
    """Somebody or something not named: "my brother", "a new phone", "the doctor"."""
    found = []
    for match in _NOUN.finditer(text):
        sort = _sort_of_noun_phrase(match["determiner"].lower(), match["words"].lower().split())
        told = _PREDICATE.search(text[: match.start()])
        if sort and (told is None or (told["comma"] and match["determiner"] in _NEW)):
            opening = not words(text[: match.start()])
            found.append(Topic(match.start(), match.end(), "", None, sort, opening))
    found += [Topic(*m.span(), "", None, Sort(PERSON), True) for m in _SOMEBODY.finditer(text)]
    return found


def _sort_of_noun_phrase(determiner: str, phrase: list[str]) -> Sort | None:
    """What "my new phone" stands for; None where it brings up nothing to talk about."""
    for word in phrase:
        sort = noun_sort(word)
        if sort and (determiner != "the" or "person" in sort.kinds):
            return sort
    if determiner == "the":
        return None
    return Sort(PERSON if any(map(may_be_person, phrase)) else frozenset({"thing"}))


def _overlaps(topic: Topic, others: Sequence[Topic]) -> bool:
    return any(topic.start < other.end and other.start < topic.end for other in others)
