"""Questions in and out of an edit's scope: PokeMQA's and DUNE's training data for scope detectors.

Both say only which edit a question belongs to, so they measure routing: whether the right edit
fires, and whether one fires where none ought to.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Malformed, Query
from memedit.evaluate.datasets.checks import (
    CONFLICT,
    QUERY,
    REPEATED,
    REPEATED_QUERY,
    Fields,
    LeftOut,
    each_record,
    shown,
    text,
    texts,
)
from memedit.evaluate.datasets.reader import Reader, Record
from memedit.text import name_key

ASKED_BEFORE = f"{QUERY}an earlier record of the same edit asks it"
OTHER_LABEL = f"{QUERY}it was labelled otherwise before for the same information"


# -- PokeMQA ---------------------------------------------------------------------------------------


def read_pokemqa(records: Iterable[Record], dropped: Dropped) -> Iterator[Case | Malformed]:
    """PokeMQA: an edit sentence and questions that it answers (Gu et al. 2024, arXiv 2312.15194).

    Half of the edits are live, so that false fires are measured too: see :func:`is_live`. The case
    of an edit that is not live has no edits, and its questions ought not to fire (kind
    ``locality``, to be answered as before); those of a live one ought to (kind ``rephrase``, the
    sentence's object as the answer).

    Sentences come again with further questions. Such a record is a case of its own, whose edit is
    the earlier one, id included, and it asks only what was not asked before.
    """
    return each_record("pokemqa", _Pairs().make_case, repeats=True)(records, dropped)


def is_live(edit: Edit) -> bool:
    """Whether an edit belongs to the live half.

    It does where the first byte of the SHA-256 of its :attr:`~memedit.edit.Edit.key` (subject,
    line feed, relation; UTF-8) is even. A subject's relation is live or not as a whole, and the
    same half is in every run, whatever the order or the limit.
    """
    return hashlib.sha256("\n".join(edit.key).encode()).digest()[0] % 2 == 0


class _Pairs:
    """Makes PokeMQA's cases; knows what earlier records said and asked, live or not."""

    def __init__(self) -> None:
        self.edits: dict[tuple[str, str], Edit] = {}
        self.asked: dict[tuple[str, str], set[str]] = {}

    def make_case(self, data: Fields, case_id: str, dropped: Dropped) -> Case:
        sentence, questions = text(data, "edit"), texts(data, "questions")
        if not questions:
            raise ValueError("questions: there are none")
        told = Edit.from_sentence(sentence, id=case_id, source=case_id.replace("-", ":", 1))
        edit = self.edits.setdefault(told.key, told)
        if name_key(edit.target_new) != name_key(told.target_new):
            raise LeftOut(CONFLICT)
        queries = tuple(_pokemqa_query(edit, q) for q in self._new(edit, questions, dropped))
        return Case(case_id, (edit,) if is_live(edit) else (), queries, relation=edit.prompt)

    def _new(self, edit: Edit, questions: tuple[str, ...], dropped: Dropped) -> list[str]:
        """The questions that no earlier record asks of this edit; the others are counted."""
        asked = self.asked.setdefault(edit.key, set())
        new = [question for question in questions if question not in asked]
        if not new:
            raise LeftOut(REPEATED)
        for _ in range(len(questions) - len(new)):
            dropped.add(ASKED_BEFORE, edit.id)
        asked.update(new)
        return new


def _pokemqa_query(edit: Edit, question: str) -> Query:
    if is_live(edit):
        return Query(question, "rephrase", answers=(edit.target_new,), fires=True)
    return Query(question, "locality", fires=False)


# -- DUNE ------------------------------------------------------------------------------------------


def read_dune(records: Iterable[Record], dropped: Dropped) -> Iterator[Case | Malformed]:
    """DUNE's scope pairs: an information and a question (Akyürek et al. 2023, arXiv 2311.16087).

    One case holds all questions of one information, under the place where it comes first. The
    information is a free-text edit: its statement, and with blanks collapsed its target too, since
    no answer is singled out. A question with label 1 ought to fire (kind ``rephrase``), one with
    label 0 ought not to (kind ``locality``). No query has answers: routing is all that is judged.

    The file is shuffled, so the whole of it (some megabytes) is read before the first case; what
    is wrong with a record is told when it is met.
    """
    return each_record("dune", _dune_case)(_by_information(records, dropped), dropped)


def _by_information(records: Iterable[Record], dropped: Dropped) -> Iterator[Record]:
    """Broken records as they come, then one record for each information and its questions."""
    groups: dict[str, Record] = {}
    for record in records:
        try:
            information, question, label = _pair(record)
        except ValueError as error:
            yield Record(record.place, None, str(error))
            continue
        empty = Record(record.place, {"information": information, "labels": {}})
        labels = groups.setdefault(information, empty).data["labels"]
        if question in labels:
            same = labels[question] is label
            dropped.add(REPEATED_QUERY if same else OTHER_LABEL, f"dune-{record.place}")
        else:
            labels[question] = label
    yield from groups.values()


def _pair(record: Record) -> tuple[str, str, bool]:
    """The information, the question, and whether it is in scope.

    Raises:
        ValueError: The record is broken.
    """
    data: Any = record.data
    if record.broken or not isinstance(data, dict):
        raise ValueError(record.broken or f"the record is not an object: {shown(data)}")
    whole, label = data.get("text"), data.get("label")
    if not isinstance(whole, str) or not whole.startswith("Information: "):
        raise ValueError(f'text: {shown(whole)} does not begin with "Information: "')
    information, _, question = whole.removeprefix("Information: ").partition(" Question: ")
    if not (information.strip() and question.strip()):
        raise ValueError(f"text: {shown(whole)} has no information or no question")
    if label not in (0, 1):
        raise ValueError(f"label: {shown(label)} is neither 0 nor 1")
    return information.strip(), question.strip(), bool(label)


def _dune_case(data: Fields, case_id: str, dropped: Dropped) -> Case:
    information: str = data["information"]
    edit = Edit(
        id=case_id,
        kind="free_text",
        statement=information,
        target_new=" ".join(information.split()),
        source=case_id.replace("-", ":", 1),
    )
    queries = tuple(
        Query(question, "rephrase" if label else "locality", fires=label)
        for question, label in data["labels"].items()
    )
    return Case(case_id, (edit,), queries)


READERS: tuple[Reader, ...] = (
    Reader(
        "pokemqa",
        ("cls-filtered.json*", "*pokemqa*.json*"),
        read_pokemqa,
        source="Gu et al. 2024, arXiv 2312.15194; github.com/Hengrui-Gu/PokeMQA",
    ),
    Reader(
        "dune",
        ("scope_classifier*.json*", "*dune*.json*"),
        read_dune,
        source="Akyürek et al. 2023, arXiv 2311.16087; github.com/feyzaakyurek/dune",
    ),
)
