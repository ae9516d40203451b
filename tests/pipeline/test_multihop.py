"""Multi-hop questions through the edited model: the real encoder, a scripted language model."""

from __future__ import annotations

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from memedit import Edit, EditedModel, EditMemory

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
