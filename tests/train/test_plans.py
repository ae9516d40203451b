from __future__ import annotations

import pytest

from memedit.evaluate.cases import Case, Query
from memedit.train.compositions import parts
from memedit.train.plans import COUNTERPARTS, chains, composed_family
from memedit.train.split import bucket, chain_is_dev
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
    question = Query(f"What is the P27 of the P50 of {subject}?", "multi_hop", ("x",), group="q")
    return Case(f"case-{number}", (fact(subject, relations[0], "Stephen King"),), (question, *hops))


def dev_subject(*, dev):
    return next(name for i in range(50) if (bucket(name := f"Book {i}") == 0) == dev)


def a_chain(*, dev):
    pairs = [(f"P{i}", f"P{j}") for i in range(9) for j in range(9)]
    return next(pair for pair in pairs if chain_is_dev(pair) == dev)


@pytest.mark.parametrize(
    ("subject_dev", "chain_dev", "side"),
    [(False, False, "train"), (True, False, "seen"), (False, True, "chain"), (True, True, "chain")],
)
def test_sides(subject_dev, chain_dev, side):
    one = case(dev_subject(dev=subject_dev), a_chain(dev=chain_dev))
    [question] = [q for q in chains([one]).questions if q.case]
    assert question.side == side


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
    told = composed_family(5, seed=3, walked=walked).told
    assert "P50 of it is" in told["author"]
    assert "author" not in composed_family(5, seed=3, walked=walked, without={"P50"}).told


def test_compositions_have_wordings_for_every_relation():
    family = composed_family(50, seed=3)
    assert len(family.questions) == 50
    assert all(family.told[name] for q in family.questions for name in q.relations)
