"""Aliases: KnowEdit asks for a live edit by another name of its subject."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import compress
from typing import NamedTuple

from product import Setting, edited, fires, hits
from rapidfuzz.distance import OSA
from record import Figure, share
from scope import dev, part_of, told_apart

from memedit import Edit
from memedit.forms import fill
from memedit.scope.vocabulary import FUNCTION_WORDS
from memedit.text import fold, name_key
from memedit.train import sources
from memedit.train.sources import Record

FILES = ("knowedit", "knowedit_train")
NEAR = 0.75  # share of letters in place that makes two words spellings of one
MIN_LETTERS = 4  # shorter words are alike by chance
STRANGERS = 2  # names that no edit is about, for each prompt


class Alias(NamedTuple):
    """A prompt that asks for an edit by another name.

    Attributes:
        edit: The live edit.
        name: The other name of its subject.
        prompt: The prompt.
        related: Whether the name shares a word with the subject or varies its spelling.
    """

    edit: Edit
    name: str
    prompt: str
    related: bool


def aliases(setting: Setting) -> list[Figure]:
    """Each file of KnowEdit live as a whole; its dev records asked by their subjects' aliases.

    First the memory knows the subjects alone, then every alias that is asked is given. Fires are
    counted on the alias with another relation (where the aliases are not given, as always when
    finding more names could cost most), and on the edits' own prompts with names of subjects that
    are in no edit of the file.
    """
    records = sources.read(setting.data)
    found: list[bool] = []
    given: list[bool] = []
    elsewhere: list[bool] = []
    strangers: list[bool] = []
    asked: list[Alias] = []
    for part in FILES:
        edits = told_apart(part_of(records, part))
        wanted = dev(records, part)
        names = {edit.subject_key for edit in edits}
        queries = setting.few(alias for r in wanted for alias in _aliases(r, names))
        asked += queries
        pairs = [(alias.prompt, alias.edit) for alias in queries]
        other = setting.few(dict.fromkeys(_specific(queries, wanted, edits)))
        unknown = setting.few(dict.fromkeys(_strangers(wanted, records, names)))
        with edited(edits, **setting.product) as model:
            found += hits(model, pairs, "aliases")
            elsewhere += fires(model, other, "other relations")
            strangers += fires(model, unknown, "other names")
        with edited(_with_aliases(edits, queries), **setting.product) as model:
            given += hits(model, pairs, "aliases given")
    related = [alias.related for alias in asked]
    return [
        share(
            "aliases: right edit, not given, sharing a word or a spelling",
            list(compress(found, related)),
            ">= 0.95",
        ),
        share(
            "aliases: right edit, not given, sharing nothing",
            list(compress(found, (not is_related for is_related in related))),
            ">= 0.4",
        ),
        share("aliases: right edit, given as aliases", given, ">= 0.99"),
        share("aliases: false fires, alias with another relation", elsewhere, "<= 0.015"),
        share("aliases: false fires, the edit's prompt with another name", strangers, "<= 0.003"),
    ]


def is_related(alias: str, subject: str) -> bool:
    """Whether a name shares a word with another, or varies its spelling.

    It does where, case and accents aside, a word stands in both (articles, prepositions and
    single letters do not count), where one holds the other once blanks and points are left out
    ("Di Caprio" in "Leonardo DiCaprio"), or where two words differ in a quarter of their letters
    at most ("Shehbaz", "Shahbaz"). Initials ("RDJ", "QE2") share nothing.
    """
    ours, theirs = _content(alias), _content(subject)
    if ours & theirs:
        return True
    joined = re.sub(r"\W", "", fold(alias)), re.sub(r"\W", "", fold(subject))
    shorter, longer = sorted(joined, key=len)
    if len(shorter) >= MIN_LETTERS and shorter in longer:
        return True
    return any(
        OSA.normalized_similarity(one, other) >= NEAR
        for one in ours
        for other in theirs
        if min(len(one), len(other)) >= MIN_LETTERS
    )


def _content(name: str) -> set[str]:
    return {word for word in name_key(name).split() if len(word) > 1} - FUNCTION_WORDS


def _aliases(record: Record, live: set[str]) -> Iterator[Alias]:
    """The record's questions by other names; one that is a live subject's own name is left out."""
    head, _, tail = record.edit.prompt.partition("{}")
    for query in record.queries:
        if query.kind != "alias" or not query.prompt.startswith(head):
            continue
        if not query.prompt.endswith(tail):
            continue
        name = query.prompt[len(head) : len(query.prompt) - len(tail)].strip()
        if name and name_key(name) not in live:
            related = is_related(name, record.edit.subject)
            yield Alias(record.edit, name, query.prompt, related)


def _specific(queries: list[Alias], records: list[Record], live: list[Edit]) -> Iterator[str]:
    """Prompts about other relations of the subjects, by their aliases.

    One that would be a live edit's own prompt by the subject's name is left out.
    """
    own = {edit.cloze for edit in live}
    others: dict[str, list[str]] = {}
    for record in records:
        prompts = [q.prompt for q in record.queries if q.kind == "locality"]
        others.setdefault(record.edit.subject, []).extend(p for p in prompts if p not in own)
    for alias in queries:
        subject = alias.edit.subject
        for prompt in others[subject]:
            if subject in prompt:
                yield prompt.replace(subject, alias.name)


def _strangers(records: list[Record], everyone: list[Record], live: set[str]) -> Iterator[str]:
    """The edits' prompts with names of the same data sets that no edit of the file is about."""
    keys = live | {name_key(alias.name) for record in everyone for alias in _aliases(record, set())}
    subjects = dict.fromkeys(
        record.edit.subject
        for record in dev(everyone, *FILES, "knowedit_recent", "rippleedits")
        if record.edit.subject_key not in keys
    )
    names = list(subjects)
    for place, record in enumerate(records):
        for step in range(STRANGERS):
            name = names[(place * STRANGERS + step) % len(names)]
            yield fill(record.edit.prompt, name)


def _with_aliases(edits: list[Edit], queries: list[Alias]) -> list[Edit]:
    """The edits, those that are asked with all aliases of their subject that are asked."""
    names: dict[str, list[str]] = {}
    for alias in queries:
        names.setdefault(alias.edit.subject_key, []).append(alias.name)
    return [
        edit.changed(aliases=tuple(dict.fromkeys(names[edit.subject_key])))
        if edit.subject_key in names
        else edit
        for edit in edits
    ]
