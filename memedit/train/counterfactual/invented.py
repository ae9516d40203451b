"""Invented records: breadth that no data set has.

The bank gives relations and wordings; swapping the objects of training records gives edits in their
words with other answers, so that what is learnt is to read the edit, not which objects are likely.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from memedit.edit import Edit
from memedit.evaluate.cases import Query
from memedit.forms import fill
from memedit.train.sources import Record

NAME = "bank"
_TERSE = 0.2  # share of edits stored under a terse prompt
_ANYTHING = 0.15  # share of swapped objects that come from any relation
_OF_TARGET = ("edit", "rephrase", "hop", "alias")  # kinds of query that the object answers


def invented_records(
    entries: Sequence[Mapping[str, Any]], seed: int, *, each: int = 6
) -> list[Record]:
    """Records of the bank's relations, each with a subject and an object that the bank lists.

    Args:
        entries: The bank's lines (see :func:`memedit.train.wordings.bank_entries`).
        seed: Decides which subject gets which object, and in which words.
        each: How many records a relation gets.
    """
    rng = random.Random(seed)
    by_subject: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in entries:
        by_subject[entry["subject"]].append(entry)
    return [
        _record(entry, by_subject[entry["subject"]], rng, place)
        for entry in entries
        for place in range(each)
    ]


def swapped_records(records: Sequence[Record], seed: int) -> list[Record]:
    """Every record of a fact with the object of another one, mostly of the same relation.

    Args:
        records: Training records.
        seed: Decides which object each gets.
    """
    rng = random.Random(seed)
    facts = [record for record in records if record.edit.kind == "fact"]
    objects: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in facts:
        objects[record.family, record.relation].append(record.edit.target_new)
    everything = [record.edit.target_new for record in facts]
    swapped = []
    for record in facts:
        of_relation = objects[record.family, record.relation]
        target = rng.choice(everything if rng.random() < _ANYTHING else of_relation)
        if target in (record.edit.target_new, record.edit.target_true) or record.edit.statement:
            continue
        queries = [
            replace(query, answers=(target,), new=None, true=None)
            for query in record.queries
            if (query.kind in _OF_TARGET and query.fires) or query.kind == "generation"
        ]
        edit = record.edit.changed(target_new=target)
        swapped.append(replace(record, edit=edit, queries=tuple(queries)))
    return swapped


def _record(
    entry: Mapping[str, Any],
    siblings: Sequence[Mapping[str, Any]],
    rng: random.Random,
    place: int,
) -> Record:
    subject = rng.choice(entry["subjects"])
    target, former = rng.sample(entry["objects"], 2)
    template = rng.choice(entry["terse"] if rng.random() < _TERSE else entry["clozes"])
    name = entry["name"]
    edit = Edit(
        id=f"{NAME}-{len(name)}-{place}",
        subject=subject,
        prompt=template,
        target_new=target,
        target_true=former,
        relation=name,
    )
    queries = [_query(template, subject, "edit", target)]
    for wordings, kind in (
        (entry["clozes"], "rephrase"),
        (entry["terse"], "rephrase"),
        (entry["questions"], "hop"),
        (entry["requests"], "hop"),
    ):
        other = rng.choice(wordings)
        if other != template:
            queries.append(_query(other, subject, kind, target))
    far = [e for e in siblings if e["name"] not in (name, *entry["near"]) and name not in e["near"]]
    if far:
        asked = rng.choice(far)
        wording = rng.choice([*asked["questions"], *asked["clozes"]])
        queries.append(Query(fill(wording, subject), "locality", fires=False))
    return Record(NAME, NAME, f"{name}-{place}", edit, name, tuple(queries), dev=False)


def _query(template: str, subject: str, kind: Any, target: str) -> Query:
    return Query(fill(template, subject), kind, answers=(target,), fires=True)
