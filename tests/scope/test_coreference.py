"""References to earlier turns: what is found, what is left alone, how the question then reads."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memedit.scope.coreference import REACH
from memedit.scope.kinds import (
    MAN,
    NOTHING,
    PERSON,
    THINGS,
    WOMAN,
    Sort,
    noun_sort,
    sort_asked_for,
    sort_from_relations,
    sort_in_text,
    sort_of_name,
)
from memedit.scope.names import NameIndex
from memedit.scope.reading import TURNS, read_query
from memedit.scope.references import find_references, hidden_spans, is_foreign
from memedit.scope.topics import topics_in

CONVERSATIONS = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "conversations.jsonl").read_text().splitlines()
]


def index(*subjects: str) -> NameIndex:
    names = NameIndex()
    for place, subject in enumerate(subjects):
        names.add(f"e{place}", (subject,))
    return names


def found(ask, turns, *subjects, told=None):
    """The subjects that are found and the question as it was understood."""
    _, readings = read_query(ask, turns, index(*subjects), told)
    for reading in readings:
        ask = ask.replace(reading.sentence, reading.resolved)
    return [reading.mention.name for reading in readings], ask


@pytest.mark.parametrize("row", CONVERSATIONS, ids=lambda row: f"{row['id']} {row['about']}")
def test_conversations(row):
    prompts = [prompt.replace("{}", "it") for prompt in row["live"].values()]
    subjects, question = found(
        row["ask"], row["turns"], *row["live"], told=lambda ids: [prompts[int(i[1:])] for i in ids]
    )
    assert set(subjects) == set(row["subjects"])
    assert question == row.get("question", question)


def test_there_are_conversations_with_and_without_a_subject():
    assert len(CONVERSATIONS) > 150
    assert sum(not row["subjects"] for row in CONVERSATIONS) > 60


@pytest.mark.parametrize(
    ("sentence", "forms"),
    [
        ("Where does he live?", ["subject"]),
        ("Who knows her?", ["object"]),
        ("Who knows her mother?", ["possessive"]),
        ("What is it's capital?", ["possessive"]),
        ("It's a nice day", ["subject"]),
        ("Who coaches that famous club?", ["noun"]),
        ("Who is the player?", []),
        ("Which is the city with the most bridges?", []),
        ("Who is the author of the book?", ["noun"]),
        ("What is the party leader's name?", []),
        ("Who lives there?", ["place"]),
        ("Is there life on Mars?", []),
        ("Where is the former based?", ["former"]),
        ("What did the former write?", ["former"]),
        ("Who is the former president?", []),
        ("Is it raining?", []),
        ("Is it true that he left?", ["subject"]),
        ("Who said “he is late”?", []),
        ("Print `its` twice.", []),
        ("Who directed Her?", []),
        ("WHO IS HE?", ["subject"]),
        ("Wo kommt das her?", []),
        ("¿He de ir?", []),
        ("Which president lost his son?", []),
        ("Which player did his son meet?", ["possessive"]),
    ],
)
def test_references_in_a_sentence(sentence, forms):
    assert [reference.form for reference in find_references(sentence)] == forms


def test_references_tell_what_they_ask_for():
    (he,) = find_references("Is he tall?")
    (capital,) = find_references("What is its capital?")
    (it,) = find_references("What is it?")
    assert he.sort == MAN
    assert capital.sort.kinds == {"country"}
    assert it.sort.kinds == THINGS


def test_hidden_spans_are_quotations_and_code():
    text = "A \"b\" c `d` 'e f' it's ```g"
    assert [text[a:b] for a, b in hidden_spans(text)] == ['"b"', "`d`", "'e f'", "```g"]
    assert hidden_spans("the Beatles' and it's") == []


@pytest.mark.parametrize(
    ("text", "foreign"),
    [("Where is he?", False), ("¿Quién?", True), ("Wer ist das?", True), ("Paris", False)],
)
def test_sentences_in_other_languages(text, foreign):
    assert is_foreign(text) is foreign


@pytest.mark.parametrize(
    ("name", "sort"),
    [
        ("Lionel Messi", MAN),
        ("Marie Curie", WOMAN),
        ("Marie", NOTHING),
        ("Manchester United", Sort(THINGS)),
        ("Rite of Spring", Sort(THINGS)),
        ("Joan of Arc", WOMAN),
        ("Zork", NOTHING),
        ("", NOTHING),
    ],
)
def test_what_a_name_tells(name, sort):
    assert sort_of_name(name) == sort


@pytest.mark.parametrize(
    ("text", "name", "sort"),
    [
        ("The actress Zork came", "Zork", Sort(PERSON, "f")),
        ("Zork is an old football club", "Zork", Sort(frozenset({"group"}))),
        ("Who is Zork?", "Zork", Sort(PERSON)),
        ("the capital of Zork is", "Zork", Sort(frozenset({"country"}))),
        ("We met in Zork", "Zork", Sort(THINGS)),
        ("Zork's novel is long", "Zork", Sort(PERSON)),
        ("Zork and others", "Zork", NOTHING),
    ],
)
def test_what_a_text_tells(text, name, sort):
    start = text.index(name)
    assert sort_in_text(text, start, start + len(name)) == sort


def test_what_relations_tell():
    assert sort_from_relations(["it plays the sport of"]).kinds == {"person"}
    assert sort_from_relations(["The head coach of it is"]).kinds == {"group"}
    assert sort_from_relations(["who is its author?"]).kinds == {"work"}
    assert sort_from_relations(["it is related to"]) == NOTHING


def test_vague_evidence_adds_nothing_to_what_is_known():
    city = Sort(frozenset({"city"}))
    assert Sort(THINGS) | city == city == city | Sort(THINGS)
    assert (city | Sort(PERSON)).kinds == {"city", "person"}
    assert Sort(THINGS) | NOTHING == Sort(THINGS)


def test_what_a_question_asks_for():
    assert sort_asked_for("And who wrote it?") == Sort(PERSON)
    assert sort_asked_for("Which club is best?") == noun_sort("club")
    assert sort_asked_for("He left.") == NOTHING


def test_topics_of_a_sentence():
    topics = topics_in("Yes, my brother met Ann Lee and Bo Li in an English pub.", ())
    said = [(t.name, t.prominent, t.joined) for t in topics]
    assert said == [
        ("", False, False),
        ("Ann Lee", True, False),
        ("Bo Li", True, True),
        ("", False, False),
    ]


@pytest.mark.parametrize(
    ("ask", "question"),
    [
        ("Who is from there?", "Who is from Peru?"),
        ("How do I get there?", "How do I get to Peru?"),
        ("What do people eat there?", "What do people eat in Peru?"),
        ("What language do they speak?", "What language do people in Peru speak?"),
        ("What is its capital, and is it big?", "What is Peru's capital, and is it big?"),
        ("How did this country's capital grow?", "How did Peru's capital grow?"),
    ],
)
def test_a_resolved_question_reads_well(ask, question):
    assert found(ask, ["Peru is a country."], "Peru") == (["Peru"], question)


def test_references_to_two_subjects():
    turns = ["Ada Byron wrote a poem.", "Yes. She lived in London."]
    assert found("When did she leave that city?", turns, "Ada Byron", "London") == (
        ["Ada Byron", "London"],
        "When did Ada Byron leave London?",
    )


def test_a_named_subject_and_one_that_is_referred_to():
    _, readings = read_query(
        "Does Roger Federer know him?",
        ["Lionel Messi is an athlete."],
        index("Lionel Messi", "Roger Federer"),
    )
    assert [(r.mention.name, r.kind, r.text) for r in readings] == [
        ("Roger Federer", "full", "Does it know him?"),
        ("Lionel Messi", "reference", "Does Roger Federer know it?"),
    ]
    assert {r.resolved for r in readings} == {"Does Roger Federer know Lionel Messi?"}


def test_the_relation_of_the_question_before_goes_to_the_next_subject():
    turns = ["What is the capital of Chile?", "Santiago."]
    _, (reading,) = read_query("And Peru?", turns, index("Peru"))
    assert (reading.text, reading.kind) == ("What is the capital of it?", "full")
    assert (reading.sentence, reading.question) == ("And Peru?", True)


def test_what_was_said_long_ago_is_no_topic():
    turns = ["Messi won.", *["Hm."] * (REACH - 1)]
    assert found("Is he tall?", turns, "Messi")[0] == ["Messi"]
    assert found("Is he tall?", [*turns, "Hm."], "Messi")[0] == []


@pytest.mark.parametrize("pairs", [2, 20, 80])
def test_a_topic_is_kept_as_long_as_it_is_spoken_of(pairs):
    turns = ["Who is Rafael Nadal?", "A Spaniard."]
    turns += ["What else did he do?", "He won again, in Paris."] * pairs
    assert len(turns) < TURNS[-1]
    assert found("Is he tall?", turns, "Rafael Nadal")[0] == ["Rafael Nadal"]


def test_long_and_odd_conversations_are_quick():
    names = index(*(f"Name{i} Surname{i}" for i in range(2000)))
    long = "He won in Paris. His uncle met Ann Lee, who had a boat; it sank. " * 20
    odd = ["a" * 100_000, "It's \" " * 9000, "``` " * 9000, "the " * 9000, "Ab, " * 9000]
    started = time.process_time()
    read_query("Where is it, and who is he?", [*odd, *[long] * 100], names)
    assert time.process_time() - started < 5


def test_a_query_that_names_all_it_needs_is_read_as_if_alone():
    query = "Which sport does Rafael Nadal play?"
    names = index("Rafael Nadal", "Peru")
    assert read_query(query, ["Peru is a country."] * 3, names) == read_query(query, (), names)


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=5), st.text(max_size=60))
def test_no_text_is_too_odd(turns, ask):
    turns = [*turns, "Rafael Nadal lives in Peru."]
    sentences, readings = read_query(ask, turns, index("Rafael Nadal", "Peru"))
    assert all(reading.sentence in sentences for reading in readings)
    assert all(reading.mention.name in ("Rafael Nadal", "Peru") for reading in readings)
