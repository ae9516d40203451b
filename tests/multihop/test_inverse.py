from __future__ import annotations

import pytest

from memedit.multihop.walk.inverse import asks_backwards

PLAYS, OWNED, CAPITAL = "{} plays the sport of", "{} is owned by", "The capital of {} is"


@pytest.mark.parametrize(
    ("question", "prompt"),
    [
        ("Who plays it?", PLAYS),
        ("Which players play the sport of it?", PLAYS),
        ("Who was born in it?", "{} was born in"),
        ("What does it own?", OWNED),
        ("Which companies are owned by it?", OWNED),
        ("it is the capital of which country?", CAPITAL),
        ("Whose capital is it?", CAPITAL),
    ],
)
def test_what_asks_for_the_subject(question, prompt):
    assert asks_backwards(question, prompt)


@pytest.mark.parametrize(
    ("question", "prompt"),
    [
        ("Which sport does it play?", PLAYS),
        ("Why do people play it?", PLAYS),
        ("Who is it?", PLAYS),
        ("Who owns it?", OWNED),
        ("What is the capital of it?", CAPITAL),
        ("Where is it?", CAPITAL),
        ("it", PLAYS),
    ],
)
def test_what_does_not(question, prompt):
    assert not asks_backwards(question, prompt)
