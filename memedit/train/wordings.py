"""Relations in many wordings, gathered from training records: what masked pairs are drawn from.

A *wording* is a sentence that asks for or states a relation, its subject masked as it is when a
query is routed. Wordings of one relation are in scope of each other's edits; wordings of two
relations are not, unless the relations are kin, that is, hard to tell apart from words alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from memedit.edit import Edit
from memedit.evaluate.cases import Query
from memedit.forms import SLOT
from memedit.scope.names import NameIndex
from memedit.scope.phrases import masked
from memedit.scope.reading import read_query
from memedit.train.sources import Record

# CounterFact's relations that are asked for in the same words ("created by" is said of a maker and
# of a developer, "located in" of a country and of a city, "plays" of jazz, of football and of a
# lute): two or more wordings shared, those apart that fit nearly any relation.
COUNTERFACT_KIN = (
    {"P176", "P178"},
    {"P17", "P131", "P276", "P30"},
    {"P495", "P740"},
    {"P364", "P407"},
    {"P364", "P37"},
    {"P101", "P106", "P39"},
    {"P136", "P641"},
    {"P136", "P1303"},
    {"P413", "P641"},
)


@dataclass
class Relation:
    """One relation of one family.

    Attributes:
        family: Where its wordings come from; relations of two families are never compared.
        name: Its name, id or first template.
        asked: Masked sentences a query may be.
        told: Masked prompts and questions an edit may be stored under.
        targets: Objects such an edit may give.
        kin: Names of relations that are no counter-examples.
    """

    family: str
    name: str
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    kin: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Labelled:
    """A query and an edit whose label the data set itself gives.

    Args:
        family: The family of its record.
        query: The query's masked sentence.
        told: The edit's masked prompt.
        target: The edit's object.
        label: Whether the edit answers the query.
    """

    family: str
    query: str
    told: str
    target: str
    label: bool


def masked_reading(query: str, edit: Edit) -> str | None:
    """The sentence of ``query`` that would be compared with the edit, or None if it names it not.

    The same reader as at run time, so that training sees what it will be asked.
    """
    names = NameIndex()
    names.add(edit.id, edit.names)
    _, readings = read_query(query, (), names)
    return readings[-1].text if readings else None


def relations(records: Iterable[Record]) -> list[Relation]:
    """The relations of fact records, each with all its wordings.

    Records that name no relation are grouped by their prompt's words.
    """
    found: dict[tuple[str, str], Relation] = {}
    name_of: dict[tuple[str, str], str] = {}  # data sets of a family may name relations differently
    for record in records:
        if record.edit.kind != "fact":
            continue
        name = _relation_name(record)
        if record.family != "counterfact":
            name = name_of.setdefault((record.family, masked(record.edit.prompt)), name)
        relation = found.setdefault((record.family, name), Relation(record.family, name))
        if record.family == "counterfact":
            relation.kin = set().union(*(kin for kin in COUNTERFACT_KIN if name in kin))
        _add(relation.told, masked(record.edit.prompt))
        if record.edit.question:
            _add(relation.told, masked(record.edit.question_template))
        _add(relation.targets, record.edit.target_new)
        _add(relation.asked, masked(record.edit.prompt))
        for query in record.queries:
            if _asks_the_edit(query):
                text = masked_reading(query.prompt, record.edit)
                if text:
                    _add(relation.asked, text)
    return list(found.values())


def labelled(records: Iterable[Record]) -> Iterator[Labelled]:
    """The pairs that data sets label themselves, in and out of scope."""
    for record in records:
        if record.edit.kind != "fact":
            continue
        told = masked(record.edit.prompt)
        for query in record.queries:
            if query.kind in ("locality", "rephrase", "edit"):
                text = masked_reading(query.prompt, record.edit)
                if text and text != told:
                    label = query.kind != "locality"
                    yield Labelled(record.family, text, told, record.edit.target_new, label)


def bank() -> list[Relation]:
    """The relations written for memedit, with their wordings (``bank/*.jsonl``)."""
    entries = bank_entries()
    found = {entry["name"]: Relation("bank", entry["name"]) for entry in entries}
    for entry in entries:
        relation = found[entry["name"]]
        for near in entry["near"]:
            relation.kin.add(near)
            found[near].kin.add(relation.name)
        told = [masked(t) for key in ("clozes", "terse", "questions") for t in entry[key]]
        for text in told:
            _add(relation.told, text)
        for text in (*told, *map(masked, entry["requests"])):
            _add(relation.asked, text)
        for target in entry["objects"]:
            _add(relation.targets, target)
    return list(found.values())


def bank_entries() -> list[Mapping[str, Any]]:
    """The bank's lines as they are written."""
    folder = resources.files("memedit.train").joinpath("bank")
    files = sorted(folder.iterdir(), key=lambda path: path.name)
    return [
        json.loads(line)
        for file in files
        if file.name.endswith(".jsonl")
        for line in file.read_text("utf-8").splitlines()
    ]


def chat() -> list[str]:
    """Masked sentences that name a subject and ask for none of its facts (``bank/chat.txt``)."""
    text = resources.files("memedit.train").joinpath("bank", "chat.txt").read_text("utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [masked(line) for line in lines if SLOT in line and not line.startswith("#")]


def _relation_name(record: Record) -> str:
    if record.family in ("counterfact", "mquake") and record.relation.startswith("P"):
        return record.relation
    return masked(record.edit.question_template if record.family == "zsre" else record.edit.prompt)


def _asks_the_edit(query: Query) -> bool:
    if query.kind == "generation":
        return True  # CounterFact's, which its rephrasings are taken from
    return query.fires is True and query.kind in ("edit", "rephrase", "hop")


def _add(texts: list[str], text: str) -> None:
    if text and text not in texts:
        texts.append(text)
