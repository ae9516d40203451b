"""Near misses: prompts that ask a live CounterFact subject for something no edit is about."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from memedit import Edit
from memedit.forms import SLOT, fill, template_of
from memedit.scope.segments import sentence_spans
from memedit.text import name_key
from memedit.train.sources import Record

# Relations whose clozes share their words or imply one another: no near misses of each other.
KIN = (
    {"P176", "P178", "P495", "P127", "P740", "P170", "P449", "P264"},
    {"P17", "P131", "P276", "P30", "P159", "P740"},
    {"P19", "P20", "P937", "P27"},
    {"P103", "P1412", "P37", "P364", "P407"},
    {"P106", "P101", "P39", "P108", "P463"},
    {"P641", "P413", "P1303", "P136"},
)


class Wording(NamedTuple):
    """A prompt of CounterFact's original schema, for any subject.

    Attributes:
        relation: Its ``relation_id``.
        text: The whole prompt, lead-in included, with a slot for the subject.
        words: The words of the sentence that asks, the subject left out.
    """

    relation: str
    text: str
    words: str


class NearMisses:
    """Makes prompts about one relation for subjects whose edits are about others.

    EasyEdit's records do not name their relation; an edit has every relation that the original
    schema has its prompt under. Relations are *kin* where one wording is used for both ("created
    by" for P176 and P178): they are no near misses of each other, since nothing in a prompt tells
    them apart.

    Args:
        asked: Records of the original schema whose prompts and paraphrases are asked.
        live: The live edits.
        known: More such records, to tell which wording is whose.
        kin: More groups of kin relations: those whose clozes imply one another.
    """

    def __init__(
        self,
        asked: Sequence[Record],
        live: Iterable[Edit],
        *,
        known: Sequence[Record] = (),
        kin: Iterable[set[str]] = KIN,
    ) -> None:
        self.wordings = list(dict.fromkeys(w for record in asked for w in wordings(record)))
        self._relations: dict[str, set[str]] = defaultdict(set)
        for record in (*asked, *known):
            for wording in wordings(record):
                self._relations[wording.words].add(wording.relation)
        self._kin = _kin([*self._relations.values(), *kin])
        self._taboo: dict[str, set[str]] = defaultdict(set)
        self._unknown: set[str] = set()
        for edit in live:
            own = self.relations(edit)
            self._taboo[edit.subject_key].update(*(self._kin[relation] for relation in own))
            if not own:
                self._unknown.add(edit.subject_key)

    def relations(self, edit: Edit) -> set[str]:
        """The relation ids whose wording the edit's prompt is; empty where none has it."""
        return self._relations.get(_words(edit.prompt), set())

    def about(self, edit: Edit, n: int, *, only: Iterable[str] = ()) -> list[str]:
        """``n`` prompts about the edit's subject, each of another relation.

        None of the relations is kin to that of any live edit of the subject. The prompts are the
        same in every run, whatever else is asked.

        Args:
            edit: A live edit.
            n: How many; fewer where there are not so many relations, none where one of the
                subject's relations is not known.
            only: Relations to choose from; all where empty.
        """
        if edit.subject_key in self._unknown:
            return []
        rng = random.Random(edit.id)
        taboo, allowed = self._taboo[edit.subject_key], set(only)
        choice: dict[str, list[str]] = defaultdict(list)
        for wording in self.wordings:
            if wording.relation not in taboo and (not allowed or wording.relation in allowed):
                choice[wording.relation].append(wording.text)
        relations = rng.sample(sorted(choice), min(n, len(choice)))
        return [fill(rng.choice(choice[relation]), edit.subject) for relation in relations]


def wordings(record: Record) -> Iterator[Wording]:
    """The wordings of one record of the original schema: its prompt and its paraphrases."""
    for query in record.queries:
        if query.kind not in ("edit", "rephrase"):
            continue
        for start, end in reversed(sentence_spans(query.prompt)):
            template = template_of(query.prompt[start:end], record.edit.names)
            text = f"{query.prompt[:start]}{template}{query.prompt[end:]}"
            if template and text.count(SLOT) == 1:
                yield Wording(record.relation, text, _words(template))
                break


def _words(template: str) -> str:
    return name_key(template.replace(SLOT, " "))


def _kin(groups: Iterable[set[str]]) -> dict[str, set[str]]:
    """For each relation, all that stand in a group with it, itself among them."""
    kin: dict[str, set[str]] = defaultdict(set)
    for group in groups:
        for relation in group:
            kin[relation] |= group
    return kin
