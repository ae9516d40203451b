from __future__ import annotations

import pytest

from memedit.train.clauses import phrase_of


@pytest.mark.parametrize(
    ("question", "phrase"),
    [
        ("Who is the author of {}?", "the author of {}"),
        ("What was {}'s job?", "{}'s job"),
        ("Who wrote {}?", "the person who wrote {}"),
        ("In which city was {} born?", "the city where {} was born"),
        ("For which club does {} play?", "the club for which {} plays"),
        ("Which degree did {} get?", "the degree {} got"),
        ("which town did {} move to", "the town {} moved to"),
        ("Which university is in {}?", "the university that is in {}"),
        ("Which writer penned {}?", "the writer who penned {}"),
        ("Where does {} live?", "the place where {} lives"),
        ("What does {} have?", None),
        ("I wonder who wrote {}.", None),
        ("Is {} a club?", None),
        ("Whose book is {}?", None),
    ],
)
def test_questions_become_phrases(question, phrase):
    assert phrase_of(question) == phrase
