from __future__ import annotations

import random
from dataclasses import replace

import pytest

from memedit.train.compositions import Part, compose, compositions, parts


@pytest.fixture(scope="module")
def bank():
    return parts()


def part(name, phrase, question):
    names, questions = (tuple(filter(None, [words])) for words in (phrase, question))
    return Part(name, names, questions, (f"told {name}",))


def test_each_relations_object_stands_for_the_next_ones_subject():
    chosen = [
        part("author", "the person who wrote {}", ""),
        part("home", "the town {} lives in", ""),
        part("mayor", "", "who is the mayor of {}?"),
    ]
    made = compose(chosen, random.Random(0))
    assert made.question == "Who is the mayor of the town the person who wrote it lives in?"
    assert made.relations == ("author", "home", "mayor")


def test_every_letter_knows_its_hop():
    chosen = [part("mother", "the mother of {}", ""), part("age", "", "How old is {}?")]
    made = compose(chosen, random.Random(0))
    spans = {
        hop: "".join(c for c, h in zip(made.question, made.hops, strict=True) if h == hop)
        for hop in (0, 1)
    }
    assert spans == {0: "the mother of it", 1: "How old is ?"}


def test_a_possessive_belongs_to_what_stands_before_it():
    writer, mother = part("author", "the writer of {}", ""), part("mother", "{}'s mother", "")
    assert compose([mother], random.Random(0), named=True).question == "its mother"
    both = replace(mother, names=("{}'s mother", "the mother of {}"))
    made = {compose([writer, both], random.Random(i), named=True).question for i in range(9)}
    assert made == {"the mother of the writer of it"}


def test_articles_are_not_doubled():
    chosen = [part("a", "the river {} lies on", ""), part("b", "", "Where is the {} from?")]
    made = compose(chosen, random.Random(0))
    assert made.question == "Where is the river it lies on from?"


def test_the_bank_gives_as_many_as_one_wants(bank):
    drawn = compositions(bank, 300, seed=1)
    assert drawn == compositions(bank, 300, seed=1) != compositions(bank, 300, seed=2)
    assert len({composition.question for composition in drawn}) == 300
    assert {len(composition.relations) for composition in drawn} == {1, 2, 3, 4}
    assert all(len(composition.hops) == len(composition.question) for composition in drawn)
    assert all("{}" not in composition.question for composition in drawn)
    known = {part.name for part in bank}
    assert all(set(composition.relations) <= known for composition in drawn)
