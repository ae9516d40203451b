"""Names in text: spelling, case, possessives, parts of names, and pieces of longer names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.scope.names import NameIndex, names_in
from memedit.text import name_key


def index(*names: str | tuple[str, ...]) -> NameIndex:
    made = NameIndex()
    for i, name in enumerate(names):
        made.add(f"e{i}", (name,) if isinstance(name, str) else name)
    return made


def found(names: NameIndex, text: str) -> list[tuple[str, str, str]]:
    return [(m.text, m.name, m.kind) for m in names.find(text)]


@pytest.mark.parametrize(
    ("name", "text", "mention"),
    [
        ("Lionel Messi", "Which sport does Lionel Messi play?", "Lionel Messi"),
        ("Lionel Messi", "what does lionel messi play", "lionel messi"),
        ("Lionel Messi", "What is Lionel Messi's sport?", "Lionel Messi"),
        ("Lionel Messi", "What is Lionel Messi’s sport?", "Lionel Messi"),
        ("José Martí", "Where was Jose Marti born?", "Jose Marti"),
        ("Jose Marti", "Where was José Martí born?", "José Martí"),
        ("J. R. R. Tolkien", "Who was J.R.R. Tolkien?", "J.R.R. Tolkien"),
        ("Yahoo!", "Who owns Yahoo?", "Yahoo"),
        ("東京", "東京の首都は何ですか", "東京"),
        ("القاهرة", "ما هي القاهرة؟", "القاهرة"),
        ("iPod", "Who makes the iPod?", "iPod"),
    ],
)
def test_full_names(name, text, mention):
    assert found(index(name), text) == [(mention, name, "full")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Paris", "Where was Paris Hilton born?"),
        ("York", "What is the capital of New York?"),
        ("Her", "What did he give her?"),
        ("It", "It rains."),
        ("Ron", "Where does Ronaldo live?"),
        ("Light", "How fast does light travel in Germany?"),
        ("Louis", "Where was Louis I of Spain born?"),
    ],
)
def test_what_only_looks_like_the_name(name, text):
    assert found(index(name), text) == []


@pytest.mark.parametrize(
    ("name", "text", "mention"),
    [
        ("Lionel Messi", "Which sport does Messi play?", "Messi"),
        ("Lionel Messi", "Which sport does Leo Messi play?", "Leo Messi"),
        ("Lionel Messi", "Which sport does L. Messi play?", "L. Messi"),
        ("Lionel Andrés Messi", "Which sport does Lionel Messi play?", "Lionel Messi"),
        ("Misery (novel)", "Who wrote Misery?", "Misery"),
    ],
)
def test_parts_of_a_name(name, text, mention):
    assert found(index(name), text) == [(mention, name, "partial")]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("Lionel Messi", "Jorge Messi"), "Which sport does Messi play?"),
        (("Lionel Messi",), "Which sport does Jorge Messi play?"),
        (("Ryder Bay",), "Where is the Bay?"),
        (("South Korea",), "Who rules Korea?"),
        (("University of Madrid",), "Where is Madrid?"),
        (("Tulsa King",), "Who is the King of Spain?"),
    ],
)
def test_parts_that_may_be_another_name(names, text):
    assert found(index(*names), text) == []


def test_an_alias_names_the_subject():
    assert found(index(("Elizabeth II", "the Queen", "QE2")), "Where was QE2 born?") == [
        ("QE2", "QE2", "full")
    ]


def test_the_longer_name_wins():
    names = index("Madrid", "Autonomous University of Madrid")
    assert found(names, "Where is the Autonomous University of Madrid?") == [
        ("Autonomous University of Madrid", "Autonomous University of Madrid", "full")
    ]


def test_edits_of_one_name_are_found_together_and_forgotten_one_by_one():
    names = index("Lyon", "Lyon")
    assert names.find("Lyon is in")[0].edit_ids == ("e0", "e1")
    names.remove("e0")
    assert names.find("Lyon is in")[0].edit_ids == ("e1",)
    names.remove("e1")
    names.remove("unknown")
    assert names.find("Lyon is in") == []
    assert len(names) == 0


def test_spans_that_look_like_names():
    text = "Who is Ada Lovelace? She met Charles de Gaulle and Mun Ka-young, 3 times in St. Ives."
    assert [text[a:b] for a, b in names_in(text)] == [
        "Ada Lovelace",
        "Charles de Gaulle",
        "Mun Ka-young",
        "St. Ives",
    ]


@given(st.lists(st.text(min_size=1, max_size=12), max_size=6), st.text(max_size=60))
def test_any_names_in_any_text(names, text):
    made = index(*names)
    for mention in made.find(text):
        assert 0 <= mention.start < mention.end <= len(text)
        assert text[mention.start : mention.end] == mention.text
        assert mention.edit_ids
    for i in range(len(names)):
        made.remove(f"e{i}")
    assert made.find(text) == []
    assert not made._lengths  # nothing is left behind


@given(st.text(st.characters(categories=("Lu", "Ll")), min_size=5, max_size=12).filter(name_key))
def test_a_name_alone_is_found(name):
    subject = f"{name} {name}"
    mentions = index(subject).find(f"Where is {subject}?")
    assert [m.name for m in mentions] == [subject]
