from __future__ import annotations

import pytest

from memedit.multihop.composition import looks_composed, says_more

PLAIN = """
Which sport does it play?
What is the capital of it?
Who wrote it?
What is the country of citizenship of it?
In which city was it born?
it plays the sport of
The mother tongue of it is
What is the name of the head of state of it?
Which sport is associated with it?
Who is its chief executive officer?
"""
COMPOSED = """
Who is the head of state of the country whose citizen wrote it?
What is the capital of the country that it is a citizen of?
Who is the spouse of the author of it?
Where does the sport associated with its coach come from?
Where was its author's mother born?
On which continent is the country where its founder was born?
What language do people speak in the country of the performer of it?
"""


@pytest.mark.parametrize("question", PLAIN.strip().splitlines())
def test_plain_questions_look_plain(question):
    assert not looks_composed(question)


@pytest.mark.parametrize("question", COMPOSED.strip().splitlines())
def test_composed_questions_look_composed(question):
    assert looks_composed(question)


def test_a_text_is_no_question():
    assert not looks_composed("word of the " * 100)


@pytest.mark.parametrize(
    ("question", "more"),
    [
        ("Who is the author of it?", False),
        ("Can you tell me who is the author of it?", False),
        ("Where was the author of it born?", True),
        ("Who is the mayor of it?", True),
    ],
)
def test_words_that_no_phrase_of_the_relation_has_ask_for_more(question, more):
    assert says_more(question, ["The author of it is"]) is more
