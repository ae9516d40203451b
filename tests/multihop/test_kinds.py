from __future__ import annotations

import pytest

from memedit.multihop.walk.kinds import asked_kind, ends_elsewhere


@pytest.mark.parametrize(
    ("question", "relation", "elsewhere"),
    [
        ("In which city is the author of it a citizen?", "it is a citizen of", True),
        ("In which city is the author of it a citizen?", "the capital of it is", False),
        ("From which continent does the performer of it come?", "the director of it is", True),
        ("Who is the head of the country of it?", "it is a citizen of", True),
        ("Who is the spouse of the author of it?", "it is married to", False),
        ("Where was the author of it born?", "it is a citizen of", False),
        ("Which city is it in?", "it is associated with", False),
    ],
)
def test_ends(question, relation, elsewhere):
    assert ends_elsewhere(question, relation) == elsewhere


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("What is the name of the capital city of the home of it?", "city"),
        ("What is the name of the person who coaches it?", "who"),
        ("Which person founded the religion of it?", "who"),
        ("Where does its country lie?", "place"),
        ("Which continent is the birthplace of it located in?", "continent"),
        ("From which country does it come, and what is its official language?", "language"),
        ("The man who leads it was born in which city?", "city"),
        ("In which country is the head of state of its sport?", None),
        ("What does it eat?", None),
        ("Tell me about it.", None),
    ],
)
def test_the_noun_behind_the_question_word_tells_what_is_asked_for(question, kind):
    assert asked_kind(question) == kind
