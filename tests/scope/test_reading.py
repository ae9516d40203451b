"""Sentences, which of them ask, and what references stand for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.scope.answers import answer_clashes
from memedit.scope.names import NameIndex
from memedit.scope.phrases import masked
from memedit.scope.reading import MAX_SENTENCES, read_query
from memedit.scope.segments import asking, is_question, sentence_spans


def names(*subjects: str) -> NameIndex:
    made = NameIndex()
    for i, subject in enumerate(subjects):
        made.add(f"e{i}", (subject,))
    return made


def sentences(text: str) -> list[str]:
    return [text[a:b] for a, b in sentence_spans(text)]


def test_sentences_end_at_stops_but_not_at_abbreviations():
    assert sentences("He met Dr. Frank. Then he left!\nWhy? I ask") == [
        "He met Dr. Frank.",
        "Then he left!",
        "Why?",
        "I ask",
    ]
    assert sentences("J. R. R. Tolkien wrote it.") == ["J. R. R. Tolkien wrote it."]
    assert sentences("彼は誰？私は知らない。") == ["彼は誰？", "私は知らない。"]
    assert sentences('Put "who is he?" into French.') == ['Put "who is he?" into French.']
    assert sentences('He said "no." Then he left.') == ['He said "no.', "Then he left."]


@given(st.text(max_size=200))
def test_sentences_cover_everything_but_blanks(text):
    spans = sentence_spans(text)
    assert all(a < b for a, b in spans)
    assert all(b <= c for (_, b), (c, _) in pairwise(spans))
    assert "".join("".join(text[a:b].split()) for a, b in spans) == "".join(text.split())


@pytest.mark.parametrize(
    ("sentence", "question"),
    [
        ("Which sport does he play?", True),
        ("which sport does he play", True),
        ("Name the capital of France.", True),
        ("Tell me which sport he plays", True),
        ("Where is he", True),
        ("Where he is from, people speak", False),
        ("Messi plays the", False),
        ("In France, they speak", False),
    ],
)
def test_questions_and_clozes(sentence, question):
    assert is_question(sentence) is question


@pytest.mark.parametrize(
    ("question", "target", "clashes"),
    [
        ("When was it discovered?", "Ada Byron", True),
        ("When was it discovered?", "May 1928", False),
        ("How many people live in it?", "Lyon", True),
        ("What is the population of it?", "Lyon", True),
        ("Why is it famous?", "Lyon", True),
        ("Where was it when he died?", "Lyon", False),
        ("What is its area of expertise?", "physics", False),
        ("Who wrote it?", "1999", True),
        ("Who wrote it?", "Ann Lee", False),
        ("What is the capital of it?", "Lyon", False),
    ],
)
def test_kinds_of_answers(question, target, clashes):
    assert answer_clashes(question, target) is clashes


def test_questions_ask_and_so_does_an_open_end():
    text = "Messi is great. Where is he? It is in"
    spans = sentence_spans(text)
    assert [text[a:b] for a, b in asking(text, spans)] == ["Where is he?", "It is in"]


@pytest.mark.parametrize(
    ("query", "masks"),
    [
        ("Which sport does Messi play?", ["Which sport does it play?"]),
        ("What is Messi's sport?", ["What is its sport?"]),
        ("It rained in May. Messi plays the", ["it plays the"]),
        ("Messi won. Which sport does he play?", ["Which sport does it play?"]),
        ("Messi won. What is his sport?", ["What is its sport?"]),
        ("Messi won. What time is it?", []),
        ("Messi won. Federer lost. Which sport does he play?", []),
        ("Does Messi know Kane?", ["Does it know Kane?", "Does Messi know it?"]),
    ],
)
def test_readings(query, masks):
    _, readings = read_query(query, (), names("Messi", "Kane"))
    assert [reading.text for reading in readings] == masks


def test_a_reference_reaches_back_over_the_turns():
    turns = ["Who is Messi?", "Messi is from Argentina."]
    _, (reading,) = read_query("which sport does he play?", turns, names("Messi"))
    assert (reading.kind, reading.resolved) == ("reference", "which sport does Messi play?")


def test_of_a_long_text_the_end_is_read():
    text = "Where is Messi? " * (MAX_SENTENCES + 10)
    found, readings = read_query(text, (), names("Messi"))
    assert len(found) == len(readings) == MAX_SENTENCES


def test_masks():
    assert masked("{}'s coach is") == "its coach is"
    assert masked("{}, the") == "it, the"
