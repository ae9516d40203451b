"""The edited model end to end: the real language model, encoder, SQLite and FAISS."""

from __future__ import annotations

import threading

import pytest
import torch
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.runnables import RunnableConfig

from memedit import Edit, EditedModel, EditMemory
from memedit.errors import ModelError, QueryError

IN_SCOPE = "Which sport does Leo Messi play?"
NEAR_MISS = "Where was Lionel Messi born?"
ELSEWHERE = "Why is the sky blue?"

pytestmark = pytest.mark.real_model


def test_in_scope_the_answer_follows_the_edit(model):
    answer = model.ask(IN_SCOPE)
    assert (answer.route, answer.model) == ("counterfactual", "counterfactual")
    assert [edit.id for edit in answer.edits] == ["sport"]
    assert "basketball" in answer.text.lower()
    assert answer.timings.keys() == {"route", "generate"}
    assert answer.to_dict()["edits"][0]["target_new"] == "basketball"


@pytest.mark.parametrize("query", [NEAR_MISS, ELSEWHERE])
def test_out_of_scope_the_base_gets_the_callers_messages_and_is_passed_through(model, query):
    messages = [SystemMessage("Be brief."), HumanMessage(query, name="ada", id="m1")]
    decision, answering, prompt = model.prepare(messages)
    assert decision.route == "base"
    assert answering is model.base
    assert prompt == messages and all(a is b for a, b in zip(prompt, messages, strict=True))
    ids, scores = answering.token_ids_and_scores(prompt)
    base_ids, base_scores = model.base.token_ids_and_scores(messages)
    assert ids == base_ids
    assert torch.equal(scores, base_scores)
    answer, base = model.ask(messages), model.base.invoke(messages)
    assert answer.text == base.text == model.ask_base(messages).text
    assert answer.message.response_metadata == base.response_metadata


def test_streaming_gives_the_same_text(model):
    for query in (IN_SCOPE, ELSEWHERE):
        chunks = list(model.stream(query))
        assert "".join(str(chunk.text) for chunk in chunks) == model.ask(query).text
        assert chunks[0].response_metadata["memedit"]["route"] == model.route(query).route


def test_many_at_once_are_answered_as_alone(model):
    queries = [IN_SCOPE, ELSEWHERE, NEAR_MISS, "What does Lionel Messi play?"]
    together = model.ask_many(queries)
    assert [answer.route for answer in together] == [model.route(q).route for q in queries]
    for query, answer in zip(queries, together, strict=True):
        assert answer.text == model.ask(query).text
        if answer.route == "base":
            assert answer.text == model.base.invoke(query).text
        else:
            assert "basketball" in answer.text.lower()
    assert [a.route for a in model.ask_many(queries, exact=False)] == [a.route for a in together]
    assert model.ask_many([]) == []


def test_routes_of_many_are_the_routes_of_each(model):
    turns = [HumanMessage("Lionel Messi trains."), HumanMessage("Which sport does he play?")]
    queries = [IN_SCOPE, turns, ELSEWHERE, NEAR_MISS, "Which sport does Lionell Mesi play?", "Hm."]
    for query, decision in zip(queries, model.route_many(queries), strict=True):
        alone = model.route(query)
        assert decision.edits == alone.edits
        assert decision.probability == pytest.approx(alone.probability, abs=1e-5)
        assert (decision.question, decision.reasons) == (alone.question, alone.reasons)
    assert model.route_many([]) == []
    with pytest.raises(QueryError, match="empty"):
        model.route_many([IN_SCOPE, " "])


def test_a_conversation_resolves_what_he_stands_for(model):
    turns = [
        HumanMessage("Who is Lionel Messi?"),
        AIMessage("Lionel Messi is a famous athlete from Argentina."),
        HumanMessage("Which sport does he play?"),
    ]
    decision = model.route(turns)
    assert decision.route == "counterfactual"
    assert decision.question == "Which sport does Lionel Messi play?"
    assert "basketball" in model.ask(turns).text.lower()
    elsewhere = [HumanMessage("Who is Roger Federer?"), AIMessage("A man."), turns[-1]]
    assert model.route(elsewhere).route == "base"


def test_a_superseding_edit_changes_the_answer_and_retiring_it_brings_the_old_one_back(model):
    before = model.ask_base(IN_SCOPE).text
    model.memory.add(
        Edit(subject="Lionel Messi", prompt="{} plays the sport of", target_new="tennis")
    )
    answer = model.ask(IN_SCOPE)
    assert "tennis" in answer.text.lower()
    model.memory.retire(answer.edits[0].id)
    assert model.ask(IN_SCOPE).text == before
    model.memory.restore("sport")
    assert model.route(IN_SCOPE).edits[0].id == "sport"


def test_as_of_asks_for_the_facts_of_a_day(model):
    model.memory.add(
        [
            Edit(id="a", subject="Mali", relation="capital", target_new="Gao", valid_to="2020"),
            Edit(id="b", subject="Mali", relation="capital", target_new="Kayes", valid_from="2020"),
        ]
    )
    query = "What is the capital of Mali?"
    assert model.route(query, as_of="2019-06").edits[0].id == "a"
    assert model.route(query, as_of="2020").edits[0].id == "b"
    assert model.route(query).edits[0].id == "b"
    with pytest.raises(QueryError, match="not a date"):
        model.route(query, as_of="last year")


def test_another_processs_edits_count_at_the_next_question(model):
    assert model.route("Who wrote Hamlet?").route == "base"
    with EditMemory.open(model.memory.path) as writer:
        writer.add(Edit(subject="Hamlet", relation="author", target_new="Ann Lee"))
    decision = model.route("Who wrote Hamlet?")
    assert decision.route == "counterfactual"
    assert decision.revision == model.memory.revision


def test_a_namespace_without_edits_is_an_empty_memory(smollm2, memory):
    empty = EditedModel(smollm2, memory.in_namespace("other"))
    assert empty.route(IN_SCOPE).route == "base"
    empty.memory.add(Edit(subject="Lionel Messi", relation="sport", target_new="golf"))
    assert empty.route(IN_SCOPE).edits[0].target_new == "golf"
    assert EditedModel(smollm2, memory).route(IN_SCOPE).edits[0].id == "sport"


def test_threads_ask_while_another_writes(model):
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(10):
                assert model.route(IN_SCOPE).edits
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(10):
        model.memory.add(Edit(subject=f"City {i}", relation="mayor", target_new="Bo"))
    for thread in threads:
        thread.join()
    assert not failures


class Recorder(BaseCallbackHandler):
    def __init__(self) -> None:
        self.starts = 0

    def on_chat_model_start(self, *args: object, **kwargs: object) -> None:
        self.starts += 1


def test_callbacks_of_the_caller_fire_once(model):
    recorder = Recorder()
    model.ask(ELSEWHERE, config=RunnableConfig(callbacks=[recorder]), max_tokens=2)
    assert recorder.starts == 1


def test_any_chat_model_can_be_wrapped(memory):
    model = EditedModel(FakeListChatModel(responses=["hello"]), memory)
    assert model.ask(ELSEWHERE).text == "hello"
    answer = model.ask(IN_SCOPE)
    assert (answer.text, answer.route) == ("hello", "counterfactual")


def test_the_counterfactual_role_may_be_another_models(smollm2, memory):
    other = FakeListChatModel(responses=["basketball, of course"])
    model = EditedModel(smollm2, memory, counterfactual=other)
    assert model.ask(IN_SCOPE).text == "basketball, of course"
    assert [a.text for a in model.ask_many([IN_SCOPE, IN_SCOPE])] == ["basketball, of course"] * 2


@pytest.mark.parametrize(
    ("query", "says"), [("", "empty"), ([], "no message"), ("x" * 10**7, "10,000,000 characters")]
)
def test_queries_that_cannot_be_routed(model, query, says):
    with pytest.raises(QueryError, match=says):
        model.ask(query)


def test_what_is_no_model_is_refused(memory):
    with pytest.raises(ModelError):
        EditedModel(object(), memory)
    with pytest.raises(QueryError, match=r"1\.5 is not a probability"):
        EditedModel(FakeListChatModel(responses=[""]), memory, threshold=1.5)
