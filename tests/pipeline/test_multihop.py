"""Multi-hop questions through the edited model: the real encoder, a scripted language model."""

from __future__ import annotations

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memedit import Edit, EditedModel, EditMemory
from memedit.errors import QueryError
from tests.multihop.mello.scripted import Scripted, step

CHAIN = (
    Edit(id="author", subject="Misery", prompt="The author of {} is", relation="P50",
         target_new="Richard Dawkins"),
    Edit(id="citizen", subject="Richard Dawkins", prompt="{} is a citizen of", relation="P27",
         target_new="Samoa"),
    Edit(id="capital", subject="Samoa", prompt="The capital of {} is", relation="P36",
         target_new="Lyon"),
)  # fmt: skip
TWO = "What is the country of citizenship of the author of Misery?"
THREE = "What is the capital of the country that the author of Misery is a citizen of?"
PLAIN = "Who is the author of Misery?"
ELSEWHERE = "What is the mother tongue of the composer of Tosca?"

pytestmark = pytest.mark.real_model


@pytest.fixture
def chained(tmp_path):
    with EditMemory.open(tmp_path / "chains.db") as memory:
        memory.add(CHAIN)
        yield EditedModel(
            FakeListChatModel(responses=["the model's own answer"]), memory, multihop=True
        )


@pytest.mark.parametrize(
    ("question", "answer", "ids"),
    [(TWO, "Samoa", ["author", "citizen"]), (THREE, "Lyon", ["author", "citizen", "capital"])],
)
def test_a_chain_of_edits_gives_the_answer(chained, question, answer, ids):
    given = chained.ask(question)
    assert (given.text, given.route, given.model) == (answer, "multihop", "multihop")
    assert [edit.id for edit in given.edits] == ids
    assert given.chain is not None
    assert [hop.edit.id for hop in given.chain.hops] == ids
    assert given.to_dict()["chain"]["answer"] == answer


def test_every_face_gives_the_same(chained):
    assert "".join(str(chunk.text) for chunk in chained.stream(TWO)) == "Samoa"
    assert [answer.text for answer in chained.ask_many([TWO, PLAIN, THREE])][::2] == [
        "Samoa",
        "Lyon",
    ]
    message = chained.as_chat_model().invoke(TWO)
    assert message.text == "Samoa"
    assert message.response_metadata["memedit"]["route"] == "multihop"


def test_plain_questions_go_their_way(chained):
    answer = chained.ask(PLAIN)
    assert (answer.route, answer.chain) == ("counterfactual", None)
    elsewhere = chained.ask(ELSEWHERE)
    assert (elsewhere.route, elsewhere.text) == ("base", "the model's own answer")


def test_a_change_of_the_memory_changes_the_chain(chained):
    assert chained.ask(TWO).text == "Samoa"
    chained.memory.add(CHAIN[1].changed(target_new="Peru").model_copy(update={"id": "later"}))
    assert chained.ask(TWO).text == "Peru"
    chained.memory.retire("author")
    assert chained.ask(TWO).text == "the model's own answer"


def conversed(question, *replies):
    """A model that takes a question apart in these replies."""
    return Scripted(script={question: list(replies)})


def test_a_capable_model_takes_questions_apart_itself(tmp_path):
    said = conversed(
        TWO,
        step("Who is the author of Misery?", "Stephen King"),
        "Check: contradicts\nIntermediate answer: Richard Dawkins\n"
        + step("What is the country of citizenship of Richard Dawkins?", "United Kingdom"),
        "Check: contradicts\nIntermediate answer: Samoa\nFinal answer: Samoa",
    )
    with EditMemory.open(tmp_path / "chains.db") as memory:
        memory.add(CHAIN)
        answer = EditedModel(said, memory, multihop="mello").ask(TWO)
    assert (answer.text, answer.route) == ("Samoa", "multihop")
    assert [hop.tentative for hop in answer.chain.hops] == ["Stephen King", "United Kingdom"]
    assert [edit.id for edit in answer.edits] == ["author", "citizen"]
    told = str(said.seen[0][1][-1].text)
    assert all(edit.asked in told for edit in CHAIN[:2])  # the edits on its way, beforehand


def test_a_model_that_talks_nonsense_leaves_the_question_as_it_was(tmp_path):
    with EditMemory.open(tmp_path / "chains.db") as memory:
        memory.add(CHAIN)
        model = EditedModel(conversed(TWO, "blah"), memory, multihop="mello")
        decision = model.route(TWO)
    assert decision.route != "multihop"


def test_there_are_two_strategies(tmp_path):
    with (
        EditMemory.open(tmp_path / "chains.db") as memory,
        pytest.raises(QueryError, match="no strategy 'react'"),
    ):
        EditedModel(conversed(TWO), memory, multihop="react")
