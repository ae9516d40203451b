from __future__ import annotations

import random

import pytest

from memedit.train.compositions import Part, compose, compositions, parts


@pytest.fixture(scope="module")
def bank():
    return parts()


def part(name, phrase, question):
    return Part(name, (phrase,), (question,), (f"told {name}",))


def test_each_relations_object_stands_for_the_next_ones_subject():
    chosen = [
        part("author", "the person who wrote {}", ""),
        part("home", "the town {} lives in", ""),
        part("mayor", "", "who is the mayor of {}?"),
    ]
    made = compose(chosen, random.Random(0))
    assert made.question == "Who is the mayor of the town the person who wrote it lives in?"
    assert made.relations == ("author", "home", "mayor")


def test_a_name_may_be_told_in_the_possessive():
    chosen = [part("mother", "the mother of {}", ""), part("age", "", "How old is {}?")]
    made = {compose(chosen, random.Random(seed)).question for seed in range(20)}
    assert made == {"How old is the mother of it?", "How old is its mother?"}


def test_articles_are_not_doubled():
    chosen = [part("a", "the river {} lies on", ""), part("b", "", "Where is the {} from?")]
    made = compose(chosen, random.Random(0))
    assert made.question == "Where is the river it lies on from?"


def test_the_bank_gives_as_many_as_one_wants(bank):
    drawn = compositions(bank, 300, seed=1)
    assert drawn == compositions(bank, 300, seed=1) != compositions(bank, 300, seed=2)
    assert len({composition.question for composition in drawn}) == 300
    assert {len(composition.relations) for composition in drawn} == {1, 2, 3, 4}
    assert all("{}" not in composition.question for composition in drawn)
    known = {part.name for part in bank}
    assert all(set(composition.relations) <= known for composition in drawn)
