"""Which questions are taken apart, and what becomes of the route."""

from __future__ import annotations

import pytest

from memedit.composer import Composer, retrieved
from memedit.multihop.decision import ChainDecision
from memedit.scope.decision import Decision
from memedit.scope.names import NameIndex
from tests.multihop.conftest import Oracle, fact

AUTHOR = fact("Misery", "author", "Richard Dawkins", id="author")
CITIZEN = fact("Richard Dawkins", "citizenship", "Samoa", id="citizen")
QUESTION = "What is the citizenship of the author of Misery?"


@pytest.fixture
def composer(encoder, planner):
    """Makes a composer over edits."""

    def make(*edits, answers=None):
        names = NameIndex()
        for edit in edits:
            names.add(edit.id, edit.names)
        made = Composer(names, encoder, encoder.encode, Oracle(answers or {}))
        made.ranker = planner
        made.put((edit, rank) for rank, edit in enumerate(edits))
        return made

    return make


def base(question):
    return Decision("base", (), 0.0, 0.5, ("nothing",), question=question)


def one_edit(question, edit, probability):
    return Decision("counterfactual", (edit,), probability, 0.5, ("an edit",), question=question)


def test_a_chain_over_edits_takes_the_route(composer):
    [decision] = composer(AUTHOR, CITIZEN).settle([base(QUESTION)], None)
    assert isinstance(decision, ChainDecision)
    assert decision.route == "multihop"
    assert [edit.id for edit in decision.edits] == ["author", "citizen"]
    assert decision.chain.answer == "Samoa"
    assert decision.to_dict()["chain"]["hops"][0]["edit"] == "author"


def test_a_composed_question_is_not_answered_by_the_one_edit_that_scope_found(composer):
    decided = one_edit(QUESTION, AUTHOR, 0.99)
    [decision] = composer(AUTHOR, CITIZEN).settle([decided], None)
    assert decision.route == "multihop"


@pytest.mark.parametrize(
    "question", ["Who is the author of Misery?", "Why is the sky blue?", "Hello!", ""]
)
def test_what_asks_for_one_fact_is_left_to_scope(composer, question):
    made = composer(AUTHOR, CITIZEN)
    for decided in (base(question), one_edit(question, AUTHOR, 0.99)):
        assert made.settle([decided], None) == [decided]
    assert made.ask.asked == []


def test_a_plain_question_is_not_walked_for(composer, monkeypatch):
    made = composer(AUTHOR, CITIZEN)
    monkeypatch.setattr(made.ranker, "read", lambda questions: pytest.fail("it was read"))
    decided = one_edit("Who is the author of Misery?", AUTHOR, 0.99)
    assert made.settle([decided], None) == [decided]


def test_an_edit_that_gives_another_kind_of_thing_is_gone_on_from(composer, monkeypatch):
    made, read = composer(AUTHOR, CITIZEN), []
    monkeypatch.setattr(
        made.ranker, "read", lambda texts: read.append(texts) or made.ranker.plans(texts)
    )
    question = "Which country does the author of Misery come from?"
    made.settle([one_edit(question, AUTHOR, 0.99)], None)
    assert read == [["Which country does the author of it come from?"]]


def test_without_edits_nothing_is_looked_at(composer):
    decided = base(QUESTION)
    assert composer().settle([decided], None) == [decided]


def test_a_chain_that_meets_no_edit_is_the_base_models(composer):
    # "citizenship" is edited for somebody else, so the chain has to be walked to know.
    answers = {
        "Who is the author of Emma?": "Jane Austen",
        "What is the citizenship of Jane Austen?": "England",
    }
    question = "What is the citizenship of the author of Emma?"
    [decision] = composer(CITIZEN, answers=answers).settle([base(question)], None)
    assert decision.route == "base"
    assert decision.edits == ()
    assert [hop.source for hop in decision.chain.hops] == ["base", "base"]


def test_a_chain_that_ends_nowhere_says_so_instead_of_the_old_answer(composer):
    home = fact("Ann Lee", "citizenship", "Kenya")
    question = "Who is the monarch of the citizenship of Ann Lee?"
    [decision] = composer(home).settle([base(question)], None)
    assert decision.route == "multihop"
    assert decision.chain.answer is None
    assert decision.chain.text.startswith("I cannot tell. ")


def test_what_is_dropped_no_longer_leads_on(composer):
    made = composer(AUTHOR, CITIZEN)
    made.drop("citizen")
    [decision] = made.settle([base(QUESTION)], None)
    assert not (isinstance(decision, ChainDecision) and decision.chain.answer == "Samoa")


def test_what_scope_finds_for_a_sub_question_is_its_surest_edit_or_nothing():
    found = Decision("counterfactual", (AUTHOR, CITIZEN), 0.8, 0.5, ())
    nothing, something = retrieved([base("Who?"), found])
    assert nothing is None
    assert (something.edit, something.answer, something.score) == (AUTHOR, "Richard Dawkins", 0.8)
