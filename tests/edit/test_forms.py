"""Forms turned into one another."""

from __future__ import annotations

import pytest

from memedit import forms
from memedit.text import fold, name_key, words


@pytest.mark.parametrize(
    ("relation", "cloze"),
    [
        ("capital", "The capital of {} is"),
        ("COUNTRY_OF_CITIZENSHIP", "The country of citizenship of {} is"),
        ("plays the sport of", "{} plays the sport of"),
        ("is located in", "{} is located in"),
        ("head coach", "The head coach of {} is"),
    ],
)
def test_cloze_from_relation(relation, cloze):
    assert forms.cloze_from_relation(relation) == cloze


@pytest.mark.parametrize(
    ("cloze", "question"),
    [
        ("The capital of {} is", "What is the capital of {}?"),
        ("The author of {} is", "Who is the author of {}?"),
        ("{}'s father is", "Who is {}'s father?"),
        ("What is the twin city of {}? It is", "What is the twin city of {}?"),
        ("{}, who plays the", "{}, who plays the what?"),
    ],
)
def test_question_from_cloze(cloze, question):
    assert forms.question_from_cloze(cloze) == question


def test_a_name_is_found_as_whole_words_only():
    assert forms.template_of("Ronaldo and Ron play", ("Ron",)) == "Ronaldo and {} play"
    assert forms.template_of("Ronaldo plays", ("Ron",)) is None
    assert forms.template_of("梅西踢什么运动?", ("梅西",)) == "{}踢什么运动?"


def test_the_longest_name_becomes_the_slot():
    assert forms.template_of("New York City is", ("New York", "New York City")) == "{} is"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("José Martí", "jose marti"),
        ("Łódź", "Lodz"),
        ("J. R. R. Tolkien", "j r r tolkien"),
        ("Ghil'ad", "ghil ad"),
        ("Cafe\u0301", "Café"),
        ("ＡＢＣ", "abc"),
    ],
)
def test_spellings_of_one_name(one, other):
    assert name_key(one) == name_key(other)


def test_words_keep_their_place_in_the_text():
    text = "Was Łukasz’s 東京 trip?"
    for word, start, end in words(text):
        assert fold(text[start:end]) == word
    assert [word for word, _, _ in words(text)] == ["was", "lukasz", "s", "東", "京", "trip"]
