"""The tests of obedience, on models with and without an adapter, local and behind a server."""

from __future__ import annotations

import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from memedit.models.load import load_model
from memedit.models.roles import COUNTERFACTUAL, Role
from memedit.train.counterfactual.obedience import obedience
from memedit.train.counterfactual.tasks import draw, pools
from tests.models import real
from tests.models.local_server import serving
from tests.models.tiny import tiny_chat_model
from tests.train.counterfactual_data import records

PLAIN = Role("counterfactual", "counterfactual_adapter")


def tasks_of(*kinds, count=4):
    found = pools(records())
    return draw({kind: found[kind] for kind in kinds}, count, 0, each=True)


def test_an_answer_is_right_that_states_the_object():
    tasks = tasks_of("completion")
    said = [f"It is {tasks[0].answers[0]}.", f"It is not {tasks[1].answers[0]}.", "Paris", ""]
    [found] = obedience(FakeListChatModel(responses=said), PLAIN, tasks)
    assert (found.kind, found.asked, found.right, found.share) == ("completion", 4, 1, 0.25)
    assert found.wrong == tuple(zip(tasks[1:], said[1:], strict=True))
    assert found.to_dict() == {"asked": 4, "right": 1, "share": 0.25}


def test_where_the_edit_does_not_matter_the_base_is_right():
    tasks = tasks_of("unrelated", count=2)
    said = ["Same.", "One thing.", "Same.", "Another."]  # told the edit, then not told it
    model = GenericFakeChatModel(messages=iter(AIMessage(text) for text in said))
    [found] = obedience(model, PLAIN, tasks)
    assert (found.asked, found.right) == (2, 1)
    assert found.wrong == ((tasks[1], "One thing."),)


def test_likelihoods_are_read_of_local_models_alone():
    tasks = tasks_of("text", "text_unrelated")
    assert obedience(FakeListChatModel(responses=["x"]), PLAIN, tasks) == []
    tiny = tiny_chat_model()
    text, unrelated = obedience(tiny, PLAIN, tasks)
    assert (text.asked, unrelated.asked) == (4, 4)
    assert all(said.endswith("nats") for _, said in (*text.wrong, *unrelated.wrong))


def test_a_model_behind_a_server_is_asked_the_same(tmp_path):
    tasks = tasks_of("question", "yes_no", "unrelated", "system", count=2)
    tiny = tiny_chat_model()
    with serving(tiny) as address:
        remote = load_model("openai:tiny", base_url=address)
        here, there = (obedience(model, COUNTERFACTUAL, tasks) for model in (tiny, remote))
        remote.root_client.close()
    assert [found.kind for found in there] == ["question", "yes_no", "unrelated", "system"]
    assert here == there


@pytest.mark.real_model
def test_a_capable_model_plays_the_role_with_a_prompt_alone():
    model = real.smollm2()
    tasks = tasks_of("question", count=6)
    [found] = obedience(model, COUNTERFACTUAL, tasks)
    assert found.right >= 5
