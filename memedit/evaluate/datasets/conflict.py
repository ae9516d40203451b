"""ConflictEdit: two edits of which the later one contradicts what the earlier one implies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from memedit import forms
from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Malformed, Query
from memedit.evaluate.datasets.checks import (
    Fields,
    each_record,
    fields,
    objects,
    refuse_what_is_true,
    shown,
    text,
)
from memedit.evaluate.datasets.reader import Reader, Record

# By the record's type, which part of the first edit is the object it implies for the second.
_IMPLIED = {"coverage": "new", "reverse": "subject", "composite": "new"}


def read(records: Iterable[Record], dropped: Dropped) -> Iterator[Case | Malformed]:
    """ConflictEdit (Li et al. 2024, arXiv 2310.02129): the later edit has to win.

    A record makes two edits, one after the other, tied by a rule of its ``type``:

    * ``coverage``: both are about one subject and relation.
    * ``reverse`` (``P25>P40``: whose mother is M is a child of M): the first edit implies a fact
      by the inverse relation, and the second gives that very fact another object.
    * ``composite`` (``P39&P1001>P27``: who holds an office of a country is its citizen): the
      first edit and a *tied fact*, which no edit touches, imply a third fact, and the second edit
      gives that one another object.

    What is asked once both are live:

    * the second edit's prompt (kind ``edit``) and question (``rephrase``). ``true`` is what the
      first edit implies there, so that the paper's explicit conflict score is the share of cases
      in which ``new`` is likelier; ``old`` is what held before either edit.
    * what the second edit implies in its turn (kind ``reverse``, label ``reverse.implied`` or
      ``composite.implied``); whether an edit fires there is a matter of the method. Reverse: if
      N is now a child of M, the mother of N is M. Composite: the first edit's own prompt, where
      rule and tied fact now ask for the second edit's object, against the first edit's target as
      ``true`` (implicit conflict score).
    * composite: the tied fact (kind ``locality``), which must stay (tied fact damage).

    The first edit's own prompt is not asked in reverse records, since nothing says what holds
    there after the second edit. The rules take mother, child, spouse and notable work to have one
    value each, although people may have several children, spouses and works.

    Since all edits are live at once, a record is left out where an earlier one gives one of its
    subjects and relations another target.
    """
    return each_record("conflict_edit", _Conflicts().make_case)(records, dropped)


@dataclass(frozen=True)
class _Fact:
    """A triple with its relation's wordings; ``new`` is what an edit makes of its object."""

    subject: str
    relation: str
    prompt: str
    question: str
    object: str
    new: str = ""

    @property
    def cloze(self) -> str:
        return forms.fill(self.prompt, self.subject)


class _Conflicts:
    """Makes cases; an edit of several records is the same one in all of them, id included."""

    def __init__(self) -> None:
        self.edits: dict[_Fact, Edit] = {}

    def make_case(self, data: Fields, case_id: str, dropped: Dropped) -> Case:
        triples = objects(data, "edits")
        if len(triples) != 2:
            raise ValueError(f"edits: {shown(data.get('edits'))} does not hold two")
        first, second = (_fact(triple, edited=True) for triple in triples)
        edits = self._edit(first, f"{case_id}.1"), self._edit(second, f"{case_id}.2")
        queries = tuple(_queries(data, first, second))
        return Case(case_id, edits, queries, relation=text(data, "rule"))

    def _edit(self, fact: _Fact, edit_id: str) -> Edit:
        if fact in self.edits:
            return self.edits[fact]
        refuse_what_is_true(fact.new, (fact.object,))
        self.edits[fact] = edit = Edit(
            id=edit_id,
            subject=fact.subject,
            prompt=fact.prompt,
            question=fact.question,
            relation=fact.relation,
            target_new=fact.new,
            target_true=fact.object,
            source=edit_id.replace("-", ":", 1),
        )
        return edit


def _queries(data: Fields, first: _Fact, second: _Fact) -> Iterator[Query]:
    rule = text(data, "type")
    if rule not in _IMPLIED:
        raise ValueError(f"type: {shown(rule)} is none of {', '.join(_IMPLIED)}")
    changed: dict[str, Any] = {
        "answers": (second.new,),
        "old": (second.object,),
        "fires": True,
        "edit": 1,
        "new": second.new,
        "true": getattr(first, _IMPLIED[rule]),
    }
    yield Query(second.cloze, "edit", **changed)
    yield Query(forms.fill(second.question, second.subject), "rephrase", **changed)
    if rule == "reverse":
        yield Query(
            forms.fill(first.prompt, second.new),
            "reverse",
            answers=(first.new,),
            new=first.new,
            label="reverse.implied",
        )
    elif rule == "composite":
        yield Query(
            first.cloze,
            "reverse",
            answers=(second.new,),
            old=(first.object,),
            new=second.new,
            true=first.new,
            label="composite.implied",
        )
        yield _tied(data)


def _tied(data: Fields) -> Query:
    fact = _fact(objects(data, "triples")[data["prerequisites"][0]], edited=False)
    return Query(
        fact.cloze,
        "locality",
        answers=(fact.object,),
        old=(fact.object,),
        fires=False,
        true=fact.object,
        label="composite.tied",
    )


def _fact(triple: Fields, *, edited: bool) -> _Fact:
    relation = fields(triple, "relation")
    return _Fact(
        subject=text(fields(triple, "subject"), "label"),
        relation=text(relation, "id"),
        prompt=text(relation, "prompt"),
        question=text(relation, "query"),
        object=text(fields(triple, "object"), "label"),
        new=text(fields(triple, "new_object"), "label") if edited else "",
    )


_SOURCE = "Li et al. 2024, arXiv 2310.02129; github.com/zjunlp/PitfallsKnowledgeEditing"

READERS: tuple[Reader, ...] = tuple(
    Reader(f"conflict_edit_{rule}", (f"*{rule}_edit*.json*",), read, _SOURCE) for rule in _IMPLIED
)
