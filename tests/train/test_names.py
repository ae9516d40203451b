"""Pairs of names: what belongs together, what does not, and that development stays out."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from memedit import Edit
from memedit.errors import TrainingError
from memedit.evaluate.cases import Query
from memedit.scope.likeness import compare
from memedit.text import name_key
from memedit.train import respelling
from memedit.train.name_weights import compared
from memedit.train.names import SHARES, NamePair, known_things, name_for_fitting, name_pairs
from memedit.train.respelling import namesake, respelt
from memedit.train.sources import Record
from memedit.train.split import bucket

WORDS = (
    "Arden Bellow Corvin Dalton Emrys Fenwick Garrick Halden Ingram Jessop Kestrel Lorne".split()
)
PROMPT = "The spouse of {} is"


class Letters:
    """An encoder of a kind: how often each letter stands in a text."""

    fingerprint = "letters"
    dimension = 26

    def encode(self, texts, *, progress=None):
        counts = [[text.lower().count(chr(97 + i)) + 0.01 for i in range(26)] for text in texts]
        vectors = np.array(counts, dtype=np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def training(names):
    return [name for name in names if bucket(name) != 0]


SUBJECTS = training(f"{a} {b}" for a in WORDS for b in WORDS if a != b)


def record(subject, *queries, part="zsre", case="", dev=False):
    own = f"{part}-{subject.replace(' ', '-')}"
    edit = Edit(id=own, subject=subject, prompt=PROMPT, target_new="Mo")
    family = "mquake" if part == "mquake" else part
    return Record(part, family, case or own, edit, "spouse", queries, dev)


def alias(name):
    return Query(PROMPT.format(name), "alias", ("Mo",), fires=True)


def pairs_of(records, data, **options) -> list[NamePair]:
    return name_pairs(data, records, Letters(), **options)


def said(pairs, source):
    return {(pair.surface, pair.name) for pair in pairs if pair.source == source}


def either_way(one, other):
    return {(one, other), (other, one)}


def test_a_question_by_another_name_gives_a_pair(tmp_path):
    subject, others = SUBJECTS[0], [record(s) for s in SUBJECTS[1:40]]
    pairs = pairs_of([record(subject, alias("Quillon")), *others], tmp_path)
    assert said(pairs, "subject") & either_way("Quillon", subject)
    assert all(pair.label for pair in pairs if pair.source in ("alias", "subject", "respelt"))
    assert not any(pair.label for pair in pairs if pair.source in SHARES)


def test_lists_of_aliases_are_read_from_the_training_side_only(tmp_path):
    def raw(value, *aliases):
        query = {"answers": [{"value": value, "aliases": list(aliases)}]}
        return {"Subject_Aliasing": [{"test_queries": [query]}]}

    kept, held = SUBJECTS[:2]
    listed = [raw(SUBJECTS[5], "Oddname"), raw(SUBJECTS[6], "Secret")]
    (tmp_path / "popular.json").write_text(json.dumps(listed))
    records = [
        record(kept, part="rippleedits", case="rippleedits-1"),
        record(held, part="rippleedits", case="rippleedits-2", dev=True),
    ]
    things = {thing.name: thing for thing in known_things(tmp_path, records)}
    assert things[SUBJECTS[5]].aliases == {"Oddname": "alias"}
    assert SUBJECTS[6] not in things
    assert held not in things


def test_knowedits_and_mquakes_lists_are_read(tmp_path):
    raw = [{"portability": {"Reasoning": [{"ground_truth": [[SUBJECTS[7], "Byname"], "Plain"]}]}}]
    (tmp_path / "test_cf.json").write_text(json.dumps(raw))
    (folder := tmp_path / "knowedit").mkdir()
    (folder / "wiki_counterfact_test_cf.public.json.gz").write_text(json.dumps(raw))
    hop = Query("Who?", "hop", (SUBJECTS[8], "Hopname"))
    asked = Query("Who?", "multi_hop", ("Mo",), old=(SUBJECTS[9], "Oldname"))
    records = [
        record(SUBJECTS[0], part="knowedit", case="knowedit-1"),
        record(SUBJECTS[1], hop, asked, part="mquake", case="mquake-1"),
    ]
    things = {thing.name: thing for thing in known_things(tmp_path, records)}
    assert set(things[SUBJECTS[7]].aliases) == {"Byname"}
    assert set(things[SUBJECTS[8]].aliases) == {"Hopname"}
    assert set(things[SUBJECTS[9]].aliases) == {"Oldname"}


def test_no_development_subject_is_named(tmp_path):
    dev = next(f"{a} {b}" for a in WORDS for b in WORDS if a != b and bucket(f"{a} {b}") == 0)
    held = SUBJECTS[3]
    also = training(f"{first} Oswin" for first in WORDS)[0]  # called what another one is called
    neighbour = Query(PROMPT.format(held), "locality", fires=False)
    records = [
        *(record(s, neighbour) for s in SUBJECTS[4:40]),
        record(dev),
        record(held, dev=True),
        record(also, alias(held)),
    ]
    keys = {
        name_key(name) for pair in pairs_of(records, tmp_path) for name in (pair.surface, pair.name)
    }
    assert keys.isdisjoint({name_key(dev), name_key(held), name_key(also)})


def test_two_apart_to_one_together_and_none_twice(tmp_path):
    records = [record(s, alias(f"{s} Quillon")) for s in SUBJECTS[:60]]
    pairs = pairs_of(records, tmp_path)
    keys = [(name_key(pair.surface), name_key(pair.name)) for pair in pairs]
    assert len(set(keys)) == len(keys)
    assert all(surface != name for surface, name in keys)
    together = sum(pair.label for pair in pairs)
    assert len(pairs) - together == pytest.approx(2 * together, rel=0.1)
    assert {pair.source for pair in pairs} >= {"subject", "respelt", "namesake", "made", "meaning"}


def test_names_that_may_mean_the_same_are_not_held_apart(tmp_path):
    one, other = SUBJECTS[0], SUBJECTS[1]
    records = [record(one, alias("Shared")), record(other, alias("Shared"))]
    records += [record(s) for s in SUBJECTS[2:40]]
    apart = {(p.surface, p.name) for p in pairs_of(records, tmp_path) if not p.label}
    assert apart.isdisjoint(either_way(one, other) | {("Shared", one), ("Shared", other)})


def test_neighbours_are_taken_for_live_subjects(tmp_path):
    subject = SUBJECTS[0]
    surname = subject.split()[1]
    stranger = training(f"{first} Oswin {surname}" for first in WORDS)[0]
    query = Query(PROMPT.format(stranger), "locality", fires=False)
    pairs = pairs_of([record(subject, query), *(record(s) for s in SUBJECTS[:20])], tmp_path)
    assert (stranger, subject) in said(pairs, "neighbour")


def test_pairs_depend_on_the_seed_alone(tmp_path):
    records = [record(s, alias(f"{s} Quillon")) for s in SUBJECTS[:20]]
    assert pairs_of(records, tmp_path) == pairs_of(records, tmp_path)
    assert pairs_of(records, tmp_path) != pairs_of(records, tmp_path, seed=1)


def test_nothing_to_train_on_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="dev=False"):
        pairs_of([record(SUBJECTS[0], dev=True)], tmp_path)


@pytest.mark.parametrize(
    ("rule", "name", "made"),
    [
        (respelling._without_middle, "John Ronald Tolkien", {"John Tolkien"}),
        (respelling._turned, "Ada Lovelace", {"Lovelace, Ada", "Lovelace Ada"}),
        (respelling._initials, "Ada Lovelace", {"A. Lovelace", "A Lovelace", "Lovelace A"}),
        (respelling._renumbered, "Henry VIII", {"Henry 8"}),
        (respelling._renumbered, "Rocky 2", {"Rocky II"}),
        (respelling._abbreviated, "Mount Everest", {"Mt. Everest"}),
        (respelling._joined, "Spider-Man", {"SpiderMan", "Spider Man"}),
        (respelling._joined, "Mac Donald", {"MacDonald"}),
        (respelling._bare, "The Firm (novel)", {"Firm"}),
        (respelling._bare, "Memphis, Tennessee", {"Memphis"}),
        (respelling._as_initials, "New York City", {"NYC", "N.Y.C."}),
        (respelling._other_initial, "George W. Bush", None),
        (respelling._other_number, "Toy Story 3", None),
    ],
)
def test_rules(rule, name, made):
    results = {rule(name, random.Random(seed)) for seed in range(30)}
    assert results == made if made else name not in results and None not in results


@pytest.mark.parametrize("name", ["Ada Lovelace", "Constantinople", "Henry VIII", "Spider-Man"])
def test_respelt_names_stay_alike(name):
    for seed in range(40):
        made = respelt(name, random.Random(seed))
        assert made and made != name
        assert compare(made, name).score > 0.5


def test_a_name_without_a_rule_stays_unmade():
    assert respelt("Ur", random.Random(0)) is None
    assert namesake("New Delhi", random.Random(0), ["Ur"]) is None


def test_namesakes_are_others():
    others = ["Jorge Quillon"]
    made = {namesake("Lionel Messi", random.Random(seed), others) for seed in range(9)}
    assert made == {"Jorge Messi"}
    paris = {namesake("Paris", random.Random(seed), others) for seed in range(60)}
    assert "Paris Quillon" in paris and "Lake Paris" in paris
    assert namesake("Rocky 2", random.Random(1), others) not in (None, "Rocky 2")


# -- what the weights of names are fitted on -----------------------------------------------------


def test_names_that_only_look_like_a_known_one_are_nobodys():
    subjects = [name for name in SUBJECTS if name_for_fitting(name)]
    found = list(compared([record(name) for name in subjects], Letters(), random.Random(0)))
    assert found and not any(pair.same for pair in found)
    alike = [pair for pair in found if set(pair.shown.split()) & set(pair.name.split())]
    assert alike and all(name_key(pair.shown) != name_key(pair.name) for pair in alike)


def test_an_alias_is_the_subjects_and_no_other_ones():
    subjects = [name for name in SUBJECTS if name_for_fitting(name)]
    own = record(subjects[0], alias(f"{subjects[0]} Junior"))
    others = [record(name) for name in subjects[1:]]
    pairs = [p for p in compared([own, *others], Letters(), random.Random(0)) if p.same]
    assert {pair.name for pair in pairs} == {subjects[0]}
