"""PokeMQA and DUNE: which questions an edit ought to answer."""

from __future__ import annotations

import hashlib
import json

import pytest

from memedit import Edit
from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.evaluate.datasets.scope_pairs import is_live

NORLAND = "The capital of Norland is Vik"


def pair(sentence, *questions):
    return {"edit": sentence, "questions": list(questions)}


def test_the_live_half_is_told_by_the_keys_hash():
    edit = Edit.from_sentence(NORLAND)
    assert edit.key == ("norland", "the capital of is")
    digest = hashlib.sha256(b"norland\nthe capital of is").hexdigest()
    assert is_live(edit) is (int(digest[:2], 16) % 2 == 0)


def test_about_half_of_all_edits_are_live():
    edits = [Edit.from_sentence(f"The capital of Land{i} is Vik") for i in range(400)]
    assert 160 < sum(map(is_live, edits)) < 240


def test_another_target_does_not_change_the_half():
    other = NORLAND.replace("Vik", "Oslo")
    assert is_live(Edit.from_sentence(NORLAND)) is is_live(Edit.from_sentence(other))


@pytest.fixture
def halves():
    """A live and a resting sentence."""
    sentences = [
        f"The capital of {name} is Vik" for name in ("Norland", "Estmark", "Sudria", "Ulm")
    ]
    live = [sentence for sentence in sentences if is_live(Edit.from_sentence(sentence))]
    return live[0], next(sentence for sentence in sentences if sentence not in live)


def test_questions_of_a_live_edit_ought_to_fire(read, halves):
    result = read("pokemqa", pair(halves[0], "Which city?", "What is the capital?", "Which city?"))
    (case,) = result.cases
    assert case.edits[0].target_new == "Vik"
    assert [q.prompt for q in case.queries] == ["Which city?", "What is the capital?"]
    for query in case.queries:
        assert (query.kind, query.fires, query.answers) == ("rephrase", True, ("Vik",))
    assert result.dropped == {"query: it repeats another of its case": 1}


def test_questions_of_the_other_half_ought_not_to(read, halves):
    result = read("pokemqa", pair(halves[1], "Which city?"))
    (case,) = result.cases
    assert case.edits == ()
    (query,) = case.queries
    assert (query.kind, query.fires, query.answers) == ("locality", False, ())


@pytest.mark.parametrize("half", [0, 1])
def test_a_sentence_again_asks_only_what_is_new(read, halves, half):
    sentence = halves[half]
    result = read(
        "pokemqa",
        pair(sentence, "One?", "Two?"),
        pair(sentence, "Two?", "Three?"),
        pair(sentence, "One?"),
    )
    first, second = result.cases
    assert [query.prompt for query in second.queries] == ["Three?"]
    assert first.edits == second.edits
    assert result.dropped == {
        "query: an earlier record of the same edit asks it": 1,
        "record: it repeats an earlier one": 1,
    }


@pytest.mark.parametrize("half", [0, 1])
def test_another_target_for_the_same_fact_is_left_out(read, halves, half):
    sentence = halves[half]
    result = read("pokemqa", pair(sentence, "One?"), pair(sentence.replace("Vik", "Oslo"), "Two?"))
    assert len(result.cases) == 1
    assert result.dropped == {
        "record: an earlier one gives its subject and relation another target": 1
    }


def test_a_broken_pair_says_what_is_wrong(read, halves):
    result = read(
        "pokemqa",
        pair(halves[0]),
        {"questions": ["One?"]},
        pair("no sentence", "One?"),
        pair(halves[0], 4),
        pair(halves[0], "One?"),
    )
    assert len(result.cases) == 1
    reasons = [item.reason for item in result.malformed]
    for word, reason in zip(("questions", "edit", "sentence", "4"), reasons, strict=True):
        assert word in reason


# -- DUNE ------------------------------------------------------------------------------------------


@pytest.fixture
def dune(tmp_path):
    """``dune((text, label), ...)``: cases, malformed, and what was dropped."""

    def read(*records):
        path = tmp_path / "dune.jsonl"
        lines = (json.dumps(dict(zip(("text", "label"), pair, strict=True))) for pair in records)
        path.write_text("\n".join(lines))
        data = load_dataset("dune", path)
        items = list(data)
        cases = [item for item in items if isinstance(item, Case)]
        malformed = [item for item in items if isinstance(item, Malformed)]
        return cases, malformed, dict(data.dropped.reasons)

    return read


def test_questions_of_one_information_are_one_case(dune):
    cases, malformed, dropped = dune(
        ("Information: 3 + 4 = 7 Question: Ann has 3 nuts and gets 4. How many?", 1),
        ("Information: Owls hunt\nat night. Question: When do owls hunt?", 1),
        ("Information: 3 + 4 = 7 Question: When do owls hunt?", 0),
    )
    assert (malformed, dropped) == ([], {})
    sums, owls = cases
    assert [(q.prompt, q.kind, q.fires, q.answers) for q in sums.queries] == [
        ("Ann has 3 nuts and gets 4. How many?", "rephrase", True, ()),
        ("When do owls hunt?", "locality", False, ()),
    ]
    assert (sums.edits[0].kind, sums.edits[0].stated) == ("free_text", "3 + 4 = 7")
    assert owls.edits[0].stated == "Owls hunt\nat night."
    assert owls.edits[0].target_new == "Owls hunt at night."


def test_a_question_again_is_left_out_and_so_is_one_labelled_otherwise(dune):
    question = "Information: 3 + 4 = 7 Question: How many?"
    cases, _, dropped = dune((question, 1), (question, 1), (question, 0))
    assert [query.fires for query in cases[0].queries] == [True]
    assert dropped == {
        "query: it repeats another of its case": 1,
        "query: it was labelled otherwise before for the same information": 1,
    }


def test_a_broken_record_does_not_stop_the_others(dune):
    cases, malformed, _ = dune(
        ("Question: How many?", 1),
        ("Information: 3 + 4 = 7", 1),
        ("Information: 3 + 4 = 7 Question: How many?", 2),
        (None, 1),
        ("Information: 3 + 4 = 7 Question: How many?", 1),
    )
    assert len(cases) == 1
    assert [item.reason.split(":")[0] for item in malformed] == ["text", "text", "label", "text"]
