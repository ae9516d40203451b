from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.match import exact, normalise, same, states


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("The Café, 1,900!", "cafe 1900"),
        ("  an\tapple ", "apple"),
        ("Ｐａｒｉｓ", "paris"),  # full-width letters
        ("ﬁnland", "finland"),  # a ligature
        ("It costs 3.5 dollars.", "it costs 3_5 dollars"),
        ("in 1990. Then", "in 1990 then"),
        ("Serie A", "serie a"),
        ("The", "the"),
        ("€ ", "€"),
        ("", ""),
    ],
)
def test_normal_form(text, form):
    assert normalise(text) == form


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("It is Perth.", ["Perth"]),
        ("PERTH, of course", ["perth"]),
        ("The capital is Perth's neighbour", ["Perth"]),
        ("He lives in the USA", ["United States", "USA"]),  # an alias
        ("the United States of America", ["The United States"]),
        ("in Sao Paulo", ["São Paulo"]),
        ("in São Paulo", ["Sao Paulo"]),  # decomposed
        ("1,900 people", ["1900"]),
        ("born in 1990.", ["1990"]),
        ("Jean Luc Picard", ["Jean-Luc Picard"]),
        ("答案是北京。", ["北京"]),  # no blanks: a substring
        ("written in C++.", ["C++"]),
        ("C", ["C"]),
        ("x!", ["X"]),
        ("7 of them", ["7"]),
        ("He plays in Serie A today", ["Serie A"]),
        ("It is not only Perth", ["Perth"]),
        ("No, it is not Lima. Perth", ["Perth"]),
        ("Is it Lima or not? Perth.", ["Perth"]),
        ("not Perth, I said, but then: Perth", ["Perth"]),  # one of two stands
        ("The verdict: not guilty", ["not guilty"]),
    ],
)
def test_an_answer_stands_in_the_text(text, answers):
    assert states(text, answers)


@pytest.mark.parametrize(
    ("text", "answers"),
    [
        ("", ["Perth"]),
        ("It is Perth.", []),
        ("It is Perth.", ["", "  ", "."]),
        ("in 1900", ["19"]),
        ("1,900 people", ["900", "1"]),
        ("3.5 per cent", ["5", "3"]),
        ("Perthshire", ["Perth"]),
        ("a town called Perth", ["A"]),  # one letter within a text
        ("George C. Scott in Africa.", ["C", "A."]),
        ("written in C.", ["C++"]),
        ("tell us who did it", ["US", "WHO", "IT"]),  # acronyms in capitals only
        ("vitamin C", ["Vitamin A"]),
        ("日本", ["日"]),
        ("It is not Perth", ["Perth"]),
        ("It isn't Perth", ["Perth"]),
        ("It isn’t in the Perth area", ["Perth"]),
        ("He was never in Perth", ["Perth"]),
        ("It is no longer Perth.", ["Perth"]),
        ("not a Perth", ["Perth"]),
    ],
)
def test_an_answer_does_not_stand_in_the_text(text, answers):
    assert not states(text, answers)


def test_an_answer_inside_a_longer_name_counts():
    assert states("New York", ["York"])


def test_exact_normalised_and_strict():
    assert exact("the Perth.", ["Perth"])
    assert not exact("It is Perth", ["Perth"])
    assert exact(" Perth\n", ["Lima", "Perth"], strict=True)
    assert not exact("perth", ["Perth"], strict=True)
    assert not exact("Perth.", ["Perth"], strict=True)
    assert not exact("", [""], strict=True)
    assert not exact("", [""])


def test_same_is_equality_of_normal_forms():
    assert same("The answer: Perth.", "the answer Perth")
    assert same("", " ")
    assert not same("Perth", "")


_ANYTHING = st.text(max_size=30)


@given(_ANYTHING)
def test_normalising_is_reflexive_and_total(text):
    assert same(text, text)
    assert same(text, f"  {text}\n")


@given(_ANYTHING, st.lists(_ANYTHING, max_size=3))
def test_strict_equality_implies_normalised_equality(text, answers):
    if exact(text, answers, strict=True):
        assert exact(text, answers)


@given(st.lists(_ANYTHING | st.sampled_from(["…", "\u0301", "\u200b", "."]), max_size=3))
def test_an_empty_text_states_nothing(answers):
    for text in ("", " "):
        assert not states(text, answers)
        assert not exact(text, answers)
        assert not exact(text, answers, strict=True)


@given(st.lists(st.sampled_from("Perth Lima Oslo not is in 19 1900 the".split()), max_size=8))
def test_a_further_answer_never_takes_a_hit_away(tokens):
    text = " ".join(tokens)
    assert states(text, ["Perth"]) <= states(text, ["Perth", "Oslo"])
    assert states(text, ["Perth"]) <= ("Perth" in tokens)
