from __future__ import annotations

import pytest

from memedit.evaluate.cases import Case, Query
from memedit.train.compositions import Composition, parts
from memedit.train.plans import (
    COUNTERPARTS,
    Family,
    Planned,
    around_composition,
    chains,
    with_bank,
    written_parts,
)
from memedit.train.split import chain_is_dev, chain_subject_is_dev
from tests.multihop.conftest import fact


def case(subject="Misery", relations=("P50", "P27"), number=1):
    subjects = [subject, "Stephen King", "Samoa"]
    hops = [
        Query(
            f"What is {relation} of {name}?",
            "hop",
            ("x",),
            meta={
                "hop": i,
                "cloze": f"{relation} of {name} is",
                "subject": name,
                "relation": relation,
            },
        )
        for i, (relation, name) in enumerate(zip(relations, subjects, strict=False))
    ]
    word = "What" if number == 1 else "Which"  # a question is known once, whoever it is about
    question = Query(f"{word} is the P27 of the P50 of {subject}?", "multi_hop", ("x",), group="q")
    return Case(f"case-{number}", (fact(subject, relations[0], "Stephen King"),), (question, *hops))


def dev_subject(*, dev):
    return next(name for i in range(50) if chain_subject_is_dev(name := f"Book {i}") == dev)


def a_chain(*, dev):
    pairs = [(f"P{i}", f"P{j}") for i in range(9) for j in range(9)]
    return next(pair for pair in pairs if chain_is_dev(pair) == dev)


@pytest.mark.parametrize(
    ("subject_dev", "chain_dev", "side"),
    [(False, False, "train"), (True, False, "seen"), (False, True, "chain"), (True, True, "chain")],
)
def test_sides(subject_dev, chain_dev, side):
    one = case(dev_subject(dev=subject_dev), a_chain(dev=chain_dev))
    trained = case(dev_subject(dev=False), a_chain(dev=chain_dev), number=2)
    sides = {q.case: q.side for q in chains([one, trained]).questions if q.case}
    assert sides[one.id] == side


def test_a_relation_left_out_is_nowhere_in_training():
    one = case(dev_subject(dev=False), a_chain(dev=False))
    left_out = a_chain(dev=False)[0]
    family = chains([one], without={left_out})
    assert all(left_out not in question.relations for question in family.on("train"))
    assert family.on("relation")


def test_questions_are_masked_and_know_their_chain():
    family = chains([case("Misery")])
    [question] = [q for q in family.questions if q.case]
    assert question.question == "What is the P27 of the P50 of it?"
    assert question.relations == ("P50", "P27")
    assert family.told == {
        "P50": ["P50 of it is", "What is P50 of it?"],
        "P27": ["P27 of it is", "What is P27 of it?"],
    }


def test_cases_without_a_chain_are_passed_over():
    bare = case()
    hops = tuple(Query(q.prompt, q.kind, q.answers, meta={"hop": 0}) for q in bare.queries)
    assert chains([Case("bare", bare.edits, hops)]).questions == []


def test_counterparts_are_relations_of_the_bank():
    names = {part.name for part in parts()}
    assert {name for counterparts in COUNTERPARTS.values() for name in counterparts} <= names


def test_what_edits_call_a_relation_is_a_wording_of_its_counterpart():
    walked = chains([case(relations=("P50", "P27"))])
    family = with_bank(walked, written_parts())
    assert "P50 of it is" in family.told["author"]
    assert "author" in family.kin["P50"] and family.walked == {"P50", "P27"}


def test_a_relation_left_out_is_left_out_under_every_name():
    walked = chains([case(relations=("P50", "P27"))], without={"P50"})
    family = with_bank(walked, written_parts(without={"P50"}), without={"P50"})
    assert "P50" not in family.told and "author" not in family.told


INNER = Composition("the author of it", ("author",), (0,) * 16)


def test_a_question_is_put_around_a_composition():
    made = around_composition(Planned("Where was it born?", ("P19",), case="c"), INNER)
    assert made is not None and not made.case
    assert made.question == "Where was the author of it born?"
    assert made.relations == ("author", "P19")
    asked = [c for c, hop in zip(made.question, made.hops, strict=True) if hop == 0]
    assert "".join(asked) == "the author of it" and set(made.hops) == {0, -1}


@pytest.mark.parametrize(
    "question", ["Where was the it born?", "Is it what it is?", "Who is its heir?", "Who is it' x?"]
)
def test_what_would_be_no_sentence_is_left_alone(question):
    assert around_composition(Planned(question, ("P19",)), INNER) is None


def test_hops_that_are_passed_over_stay_so_around_a_composition():
    made = around_composition(
        Planned("What sport does it play?", ("P413", "P641"), passed=(0,)), INNER
    )
    assert made is not None and made.passed == (1,)
    assert made.readings == [("author", "P413", "P641"), ("author", "P641")]


def test_a_question_is_known_once_for_each_chain():
    first, again = case("Misery"), case("Emma")
    other = case("Dracula", ("P50", "P19"))
    kept = [q.relations for q in chains([first, again, other]).questions if q.case]
    assert kept == [("P50", "P27"), ("P50", "P19")]


def test_a_chain_with_many_questions_is_drawn_less_than_as_often():
    family = Family([Planned(f"{i}?", ("P50", "P27")) for i in range(4)] + [Planned("?", ("P19",))])
    questions, weights = family.weighted
    assert len(questions) == 5 and weights == [0.5] * 4 + [1.0]


def test_no_composition_is_longer_than_what_is_read():
    question = Planned("Where was it born?", ("P1", "P2", "P3", "P4"))
    assert around_composition(question, INNER) is None


def test_a_chain_of_no_training_case_counts_as_never_seen():
    seen = case(dev_subject(dev=True), a_chain(dev=False))
    assert [q.side for q in chains([seen]).questions if q.case] == ["chain"]
