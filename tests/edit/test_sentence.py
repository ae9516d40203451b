"""Plain sentences taken apart: the three shapes, corrections, and what is refused."""

from __future__ import annotations

import pytest

from memedit.errors import InvalidEditError
from memedit.sentence import split_sentence


@pytest.mark.parametrize(
    ("text", "subject", "prompt", "target"),
    [
        ("Lionel Messi now plays basketball.", "Lionel Messi", "{} plays", "basketball"),
        ("messi plays tennis", "messi", "{} plays", "tennis"),
        ("The capital of France is Lyon.", "France", "The capital of {} is", "Lyon"),
        ("The CEO of Acme Corp. is Ada Byron.", "Acme Corp.", "The CEO of {} is", "Ada Byron"),
        (
            "The Prime Minister of Albania is Vita",
            "Albania",
            "The Prime Minister of {} is",
            "Vita",
        ),
        ("Elvis Presley's father is Bob Dylan", "Elvis Presley", "{}'s father is", "Bob Dylan"),
        (
            "The Hague is located in the continent of Asia",
            "The Hague",
            "{} is located in the continent of",
            "Asia",
        ),
        (
            "The university where Gustav I of Sweden was educated is Trinity College Dublin",
            "Gustav I of Sweden",
            "The university where {} was educated is",
            "Trinity College Dublin",
        ),
        (
            "The headquarters of Acme is located in the city of New York",
            "Acme",
            "The headquarters of {} is located in the city of",
            "New York",
        ),
        ("Anna Bell is employed by MI5", "Anna Bell", "{} is employed by", "MI5"),
        (
            "The author of The Lord of the Rings is Ann Lee",
            "The Lord of the Rings",
            "The author of {} is",
            "Ann Lee",
        ),
        (
            "Marie Curie worked as a deep-sea diver.",
            "Marie Curie",
            "{} worked as a",
            "deep-sea diver",
        ),
        (
            "Mali national football team plays rugby",
            "Mali national football team",
            "{} plays",
            "rugby",
        ),
        ("Jane died in Washington, D.C.", "Jane", "{} died in", "Washington, D.C."),
    ],
)
def test_shapes(text, subject, prompt, target):
    split = split_sentence(text)
    assert (split.subject, split.prompt, split.target) == (subject, prompt, target)


def test_a_wrong_split_is_corrected_by_the_user():
    text = "Tomorrow Never Knows was sung by the Ronettes"
    split = split_sentence(text, subject="Tomorrow Never Knows", target="the Ronettes")
    assert split.prompt == "{} was sung by"


def test_a_subject_at_the_end_is_turned_round():
    split = split_sentence("Lyon is the capital of France", subject="France", target="Lyon")
    assert split.prompt == "The capital of {} is"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("Messi does not play football", "says what is not true"),
        ("Messi no longer plays football", "no longer"),
        ("Which sport does Messi play?", "is a question"),
        ("Hello", "cannot tell"),
    ],
)
def test_what_states_no_fact_is_refused(text, says):
    with pytest.raises(InvalidEditError, match=says):
        split_sentence(text)


def test_corrections_must_occur_in_the_sentence():
    with pytest.raises(InvalidEditError, match="'Ronaldo' does not occur"):
        split_sentence("Messi plays tennis", subject="Ronaldo")
