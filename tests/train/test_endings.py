"""Questions of MQuAKE with other ends."""

from __future__ import annotations

import random

import pytest

from memedit.train.compositions import Part
from memedit.train.endings import Endings
from memedit.train.split import chain_is_dev

PARTS = {
    "P36": [Part("capital", ("the capital of {}",), ("Which city governs {}?",), ())],
    "P30": [Part("continent", ("the continent of {}",), ("On which continent is {}?",), ())],
    "P35": [Part("state", (), ("Who reigns in {}?",), (), ("the head of state of {}",))],
}
INNER = "the country where the sport of it began"
CHAIN = ("P641", "P495", "P36")


def of(*questions):
    return Endings.of(questions, PARTS)


@pytest.mark.parametrize(
    "question",
    [
        f"What is the capital of {INNER}?",
        f"Which city is the capital of {INNER}?",
        f"Which city governs {INNER}?",
    ],
)
def test_what_is_asked_about_keeps_its_words(question):
    [inner] = of((question, CHAIN)).inners
    assert (inner.question, inner.relations) == (INNER, CHAIN[:-1])
    assert set(inner.hops) == {-1} and len(inner.hops) == len(INNER)


@pytest.mark.parametrize(
    ("question", "chain"),
    [
        ("What is the capital of the country?", CHAIN),  # of nothing that is masked
        (f"How far is the capital of {INNER}?", CHAIN),
        ("What is the capital of it?", ("P36",)),  # asks of the entity itself
        (f"What is the capital of {INNER}?", ("P641", "P495", "P99")),
    ],
)
def test_what_does_not_show_it_is_left_alone(question, chain):
    assert not of((question, chain)).inners


def test_something_else_is_asked_of_it():
    endings = of((f"What is the capital of {INNER}?", CHAIN))
    drawn = [one for seed in range(40) for one in endings.drawn(3, random.Random(seed))]
    assert {one.relations[-1] for one in drawn} == {
        name for name in PARTS if not chain_is_dev((*CHAIN[:-1], name))
    }
    assert all("country where the sport of it began" in one.question for one in drawn)
    assert all(one.relations[:-1] == CHAIN[:-1] for one in drawn)


def test_no_chain_is_made_that_is_kept_from_training():
    inner = next(
        name for i in range(200) if chain_is_dev((name := f"P{i}", "P30"))
    )  # a chain of two hops on the development side
    endings = of((f"What is the capital of {INNER}?", (inner, "P36")))
    drawn = [one for seed in range(60) for one in endings.drawn(2, random.Random(seed))]
    assert drawn and (inner, "P30") not in {one.relations for one in drawn}


def test_nothing_is_drawn_of_nothing():
    assert of().drawn(3, random.Random(1)) == []
