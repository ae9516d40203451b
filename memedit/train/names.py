"""Pairs of names to tell apart: what a text says, a known name, and whether both mean the same.

Names that belong together come from the data sets' own lists of aliases, from questions that ask by
another name, and from rules (:mod:`memedit.train.respelling`). Names that do not are looked for
where they are most alike: names that the product's own first look would put forward, names that
lie near by meaning, and names beside a live subject in the same data. Everything comes from the
training side: no record kept for development is read, and no subject of one is named.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from memedit.errors import TrainingError
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.datasets.source import read_records
from memedit.scope.encoder import Encoder
from memedit.scope.likeness import compare
from memedit.scope.names import NameIndex
from memedit.scope.variants import VariantIndex
from memedit.text import name_key
from memedit.train.respelling import namesake, respelt
from memedit.train.sources import RECIPE, Record
from memedit.train.split import bucket

MAX_NAME_CHARS = 80
MAX_ALIASES = 8  # of one thing: a few countries have forty
MAX_ALIKE = 4  # names that are held apart from one surface, at most
RESPELT = 0.6  # of the names, that get a spelling by rule
NEAREST = 12
NEGATIVES = 2  # for each pair that belongs together
# Of the pairs that do not belong together, where they are from; what one lacks the next one fills.
SHARES = {"namesake": 0.5, "neighbour": 0.2, "made": 0.1, "meaning": 0.2}
FITTED_ONE_IN = 4  # names kept from the matcher, on which the weights of names are fitted
_LISTED = ("rippleedits", "knowedit", "knowedit_recent")  # parts whose answers have lists of names


@dataclass(frozen=True)
class NamePair:
    """Two names, and whether they mean the same.

    Args:
        surface: The name as a text says it.
        name: The known name.
        label: Whether both name one thing.
        source: Where the pair is from: ``alias`` (a list of aliases), ``subject`` (a question that
            asks by another name), ``respelt`` (by rule); ``namesake`` (what the first look puts
            forward), ``neighbour`` (another subject of the same relation), ``made`` (by rule) or
            ``meaning`` (near by meaning).
    """

    surface: str
    name: str
    label: bool
    source: str


@dataclass
class Thing:
    """What several names mean.

    Args:
        name: Its first name.
        aliases: Its other names, as lists give them, with where from.
    """

    name: str
    aliases: dict[str, str] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """The normal forms of all its names."""
        return {name_key(name) for name in (self.name, *self.aliases)}


def name_for_fitting(name: str) -> bool:
    """Whether a name is kept from the matcher for the weights of the decision."""
    return bucket(name, of=FITTED_ONE_IN) == 0


def name_pairs(
    data: Path, records: Sequence[Record], encoder: Encoder, *, seed: int = 0
) -> list[NamePair]:
    """Pairs of names from the training side, one that belongs together to two that do not.

    Args:
        data: The folder of the data sets, for the lists of aliases that records do not hold.
        records: The recipe's records, those for development included: what they name is left out.
        encoder: Tells which names lie near by meaning.
        seed: Decides what is drawn.

    Returns:
        The pairs, shuffled; each pair of normal forms once.

    Raises:
        DataSetError: A file of the recipe is missing or unreadable.
        TrainingError: No record for training names anything.
    """
    rng = random.Random(seed)
    dev = _dev_subjects(records)
    things = known_things(data, records)
    if not things:
        raise TrainingError(
            "names: the training side of the records names nothing.",
            hint="Give the recipe's records, those with dev=False among them.",
        )
    positives = list(_unlike(_belonging(things, rng), dev))
    pools = {
        "namesake": _namesakes(positives, things),
        "neighbour": _neighbours(records, things, dev),
        "made": _made(things, dev, rng),
        "meaning": _near_by_meaning(positives, things, encoder),
    }
    taken = {_pair_key(pair) for pair in positives}
    negatives = _drawn(pools, NEGATIVES * len(positives), taken, rng)
    pairs = [*positives, *negatives]
    rng.shuffle(pairs)
    return pairs


def known_things(data: Path, records: Sequence[Record]) -> list[Thing]:
    """Everything the training side names, with its aliases; development subjects are left out.

    Args:
        data: The folder of the data sets.
        records: The recipe's records, those for development included.
    """
    dev = _dev_subjects(records)
    things: dict[str, Thing] = {}
    for names, source in _named(data, records):
        thing = things.setdefault(name_key(names[0]), Thing(names[0]))
        for alias in names[1:]:
            if name_key(alias) != name_key(thing.name):
                thing.aliases.setdefault(alias, source)
    return [
        thing
        for key, thing in things.items()
        if not _is_held_out(key, dev) and thing.keys.isdisjoint(dev) and _is_name(thing.name)
    ]


# -- what belongs together -------------------------------------------------------------------------


def _named(data: Path, records: Sequence[Record]) -> Iterator[tuple[Sequence[str], str]]:
    """Lists of names of one thing, its own name first, and where each list is from."""
    held_out = {(record.part, record.case) for record in records if record.dev}
    training = [record for record in records if (record.part, record.case) not in held_out]
    for record in training:
        if record.edit.kind == "fact":
            yield record.edit.names, "subject"
            for query in record.queries:
                if query.kind == "alias" and (alias := _slot_of(query.prompt, record.edit.prompt)):
                    yield (record.edit.subject, alias), "subject"
        if record.family == "mquake":
            answers = (names for query in record.queries for names in (query.answers, query.old))
            yield from ((names, "alias") for names in answers if names)
    cases = {(record.part, record.case) for record in training}
    yield from ((names, "alias") for names in _listed(data, cases) if names)


def _listed(data: Path, cases: Collection[tuple[str, str]]) -> Iterator[list[str]]:
    """The lists of names in the raw records of these cases, by part and id."""
    for part in RECIPE:
        if part.name not in _LISTED or not any(name == part.name for name, _ in cases):
            continue
        path = load_dataset(part.dataset, data / part.pattern if part.pattern else data).path
        for record in read_records(path):
            if (part.name, f"{part.dataset}-{record.place}") in cases:
                yield from _lists_in(record.data)


def _slot_of(prompt: str, template: str) -> str:
    """What stands in a prompt where the template has its slot; empty where it is not of it."""
    head, _, tail = template.partition("{}")
    if not (prompt.startswith(head) and prompt.endswith(tail)):
        return ""
    return prompt[len(head) : len(prompt) - len(tail)].strip()


def _lists_in(value: Any) -> Iterator[list[str]]:
    """The lists of names within a raw record: RippleEdits' answers, KnowEdit's lists of lists."""
    if isinstance(value, dict):
        if isinstance(value.get("value"), str) and isinstance(value.get("aliases"), list):
            yield [value["value"], *map(str, value["aliases"])]
        for key, inner in value.items():
            if key == "ground_truth" and isinstance(inner, list):
                yield from (list(map(str, names)) for names in inner if isinstance(names, list))
            else:
                yield from _lists_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _lists_in(inner)


def _belonging(things: Sequence[Thing], rng: random.Random) -> Iterator[NamePair]:
    """Aliases with their names, either way round, and names respelt by rule."""
    for thing in things:
        aliases = [alias for alias in thing.aliases if _is_name(alias)]
        for alias in rng.sample(aliases, min(MAX_ALIASES, len(aliases))):
            surface, name = (alias, thing.name) if rng.random() < 0.75 else (thing.name, alias)
            yield NamePair(surface, name, True, thing.aliases[alias])
        made = respelt(thing.name, rng) if rng.random() < RESPELT else None
        if made:
            yield NamePair(made, thing.name, True, "respelt")


def _unlike(pairs: Iterable[NamePair], dev: Collection[str]) -> Iterator[NamePair]:
    """The pairs without repeats, development subjects, and names of one normal form.

    The last need no judging: the product takes them for the same.
    """
    seen = set()
    for pair in pairs:
        key = _pair_key(pair)
        if key[0] != key[1] and key not in seen and not any(name in dev for name in key):
            seen.add(key)
            yield pair


# -- what does not ---------------------------------------------------------------------------------


def _namesakes(positives: Sequence[NamePair], things: Sequence[Thing]) -> list[NamePair]:
    """Surfaces and names with the names of others that the product would compare them with."""
    index, owners = VariantIndex(), _owners(things)
    for thing in things:
        index.add(tuple(name_key(thing.name).split()), thing.name)
    surfaces = {pair.surface: owners[name_key(pair.name)] for pair in positives}
    surfaces |= {thing.name: [thing] for thing in things}
    return [
        NamePair(surface, found.name, False, "namesake")
        for surface, mine in surfaces.items()
        for found in index.find(surface, (), MAX_ALIKE)
        if _apart(surface, mine, owners[name_key(found.name)])
    ]


def _neighbours(
    records: Sequence[Record], things: Sequence[Thing], dev: Collection[str]
) -> list[NamePair]:
    """Names in prompts about other subjects, with the live subjects they might be taken for."""
    index, owners = NameIndex(), _owners(things)
    training = [record for record in records if not record.dev and record.edit.kind == "fact"]
    for record in training:
        if record.edit.subject_key in owners:
            index.add(record.edit.id, [record.edit.subject])
    prompts = {q.prompt for r in training for q in r.queries if q.kind in ("locality", "attribute")}
    return [
        NamePair(variant.text, variant.name, False, "neighbour")
        for prompt in sorted(prompts)
        if not index.find(prompt)
        for variant in index.find_variants(prompt, limit=MAX_ALIKE)
        if not _is_held_out(key := name_key(variant.text), dev)
        and _apart(variant.text, owners.get(key, []), owners[name_key(variant.name)])
    ]


def _made(things: Sequence[Thing], dev: Collection[str], rng: random.Random) -> list[NamePair]:
    """Names with namesakes made by rule."""
    names = [thing.name for thing in things]
    keys = {key for thing in things for key in thing.keys}
    made = [(namesake(name, rng, names), name) for name in names]
    return [
        NamePair(other, name, False, "made")
        for other, name in made
        if other and (key := name_key(other)) not in keys and not _is_held_out(key, dev)
    ]


def _near_by_meaning(
    positives: Sequence[NamePair], things: Sequence[Thing], encoder: Encoder
) -> list[NamePair]:
    """Surfaces with the names of others that lie nearest on the frozen encoder."""
    owners = _owners(things)
    names = encoder.encode([thing.name for thing in things])
    surfaces = encoder.encode([pair.surface for pair in positives])
    pairs = []
    for pair, vector in zip(positives, surfaces, strict=True):
        mine = owners[name_key(pair.name)]
        cosines = names @ vector
        nearest = np.argpartition(-cosines, min(NEAREST, len(things) - 1))[:NEAREST]
        pairs += [
            NamePair(pair.surface, things[i].name, False, "meaning")
            for i in sorted(nearest)
            if _apart(pair.surface, mine, [things[i]])
        ]
    return pairs


def _drawn(
    pools: dict[str, list[NamePair]], wanted: int, taken: set[Any], rng: random.Random
) -> list[NamePair]:
    """Pairs from the pools by their shares; what a pool lacks comes from the ones after it.

    The more alike two names are, the likelier their pair is drawn.
    """
    drawn: list[NamePair] = []
    due = 0.0
    for source, share in SHARES.items():
        due += share * wanted
        pool = [pair for pair in pools[source] if name_key(pair.surface) != name_key(pair.name)]
        pool.sort(key=lambda pair: rng.random() - compare(pair.surface, pair.name).score)
        for pair in pool:
            if len(drawn) >= round(due):
                break
            if (key := _pair_key(pair)) not in taken:
                taken.add(key)
                drawn.append(pair)
    return drawn


def _dev_subjects(records: Iterable[Record]) -> set[str]:
    return {record.edit.subject_key for record in records if record.dev}


def _is_held_out(key: str, dev: Collection[str]) -> bool:
    """Whether a name is kept for development, or would be if a record had it as its subject."""
    return key in dev or bucket(key) == 0


def _owners(things: Iterable[Thing]) -> dict[str, list[Thing]]:
    """The things that go by a name's normal form."""
    owners: dict[str, list[Thing]] = defaultdict(list)
    for thing in things:
        for key in thing.keys:
            owners[key].append(thing)
    return owners


def _apart(surface: str, mine: Iterable[Thing], theirs: Iterable[Thing]) -> bool:
    """Whether nothing says that the surface, or what it means, is also called what the others are.

    Lists of aliases are not complete, so a common name is enough for doubt.
    """
    keys = {name_key(surface)}.union(*(thing.keys for thing in mine))
    return all(keys.isdisjoint(thing.keys) for thing in theirs)


def _is_name(text: str) -> bool:
    """Whether a text can be a subject's name: capitals or digits, not too long, not one letter."""
    shaped = any(ch.isupper() or ch.isdigit() for ch in text) or not text.isascii()
    return shaped and len(name_key(text)) > 1 and len(text) <= MAX_NAME_CHARS


def _pair_key(pair: NamePair) -> tuple[str, str]:
    return name_key(pair.surface), name_key(pair.name)
