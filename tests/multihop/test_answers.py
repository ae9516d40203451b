from __future__ import annotations

import pytest

from memedit.multihop.walk.answers import listed, short_answer


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("Paris", "What is the capital of France?", "Paris"),
        ("Paris.", "What is the capital of France?", "Paris"),
        ("The capital of France is Paris.", "What is the capital of France?", "Paris"),
        ("\n**Rita Dove**\nShe wrote poems.", "Who wrote Thomas?", "Rita Dove"),
        ("He plays the sport of basketball.", "Which sport does Al Oh play?", "basketball"),
        ("The sport is basketball.", "Which sport does Al Oh play?", "basketball"),
        ("University of Oxford", "Where did Al Oh study?", "University of Oxford"),
        ("", "Who?", None),
        ("I don't know.", "Who?", None),
        ("France", "What is the capital of France?", None),
    ],
)
def test_the_name_in_an_answer(text, question, answer):
    assert short_answer(text, question) == answer


def test_names_as_one_answer():
    assert listed(["A"]) == "A"
    assert listed(["A", "B"]) == "A and B"
    assert listed(["A", "B", "C"]) == "A, B and C"
