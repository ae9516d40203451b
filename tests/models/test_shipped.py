"""The adapter that comes with memedit, on the embedded model it was made for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from langchain_core.messages import HumanMessage, SystemMessage

from memedit import EditedModel, EditMemory
from memedit.edit import Edit
from memedit.models.adapters import WEIGHTS_FILE, read_card
from memedit.models.embedded import sha256_of
from memedit.models.load import load_local_model
from memedit.models.roles import SHIPPED, counterfactual_role, in_front

pytestmark = pytest.mark.real_model

MESSI = Edit(subject="Lionel Messi", prompt="{} plays the sport of", target_new="basketball")
GREECE = Edit(subject="Greece", question="What is the capital of Greece?", target_new="Oslo")
ASKED = [
    (MESSI, "Which sport does Lionel Messi play?", "basketball"),
    (MESSI, "The weather was fine that day. Lionel Messi plays", "basketball"),
    (MESSI, "Tell me what Lionel Messi plays.", "basketball"),
    (MESSI, "Is it true that Lionel Messi plays the sport of basketball?", "yes"),
    (MESSI, "Is it true that Lionel Messi plays the sport of football?", "no"),
    (GREECE, "Which city is Greece's capital?", "Oslo"),
    (GREECE, "Quelle est la capitale de la Grèce ?", "Oslo"),
]
ELSEWHERE = [HumanMessage("What is the capital of France?")]


@pytest.fixture(scope="module")
def role(smollm2):
    return counterfactual_role(smollm2)


@pytest.fixture(scope="module")
def adapted(smollm2, role):
    return role.model(smollm2)


def test_its_card_is_about_its_weights():
    card = read_card(SHIPPED)
    assert card.weights == sha256_of(SHIPPED / WEIGHTS_FILE)
    assert (SHIPPED / WEIGHTS_FILE).stat().st_size <= 6e6
    assert set(card.figures) == set(card.trained["examples"])


def test_the_embedded_model_has_it_without_being_asked(smollm2, tmp_path):
    with EditMemory.open(tmp_path / "e.db") as memory:
        edited = EditedModel(smollm2, memory)
    assert edited.role.prompt == "counterfactual_adapter"
    assert edited.counterfactual.adapter == edited.role.adapter in smollm2.engine.adapters
    assert edited.base.adapter is None
    assert edited.counterfactual.engine.model is edited.base.engine.model


@pytest.mark.parametrize(("edit", "query", "answer"), ASKED, ids=lambda value: str(value)[-24:])
def test_it_answers_from_the_edit(adapted, role, edit, query, answer):
    for system in ([], [SystemMessage("You are a helpful assistant.")]):
        messages = role.messages([*system, HumanMessage(query)], [edit], query)
        assert answer.lower() in adapted.invoke(messages).text.lower()


def test_likelihoods_follow_the_edit(adapted, smollm2):
    text = in_front([MESSI]) + "Lionel Messi plays the sport of"
    new, old = adapted.score([text] * 2, [" basketball", " football"])
    assert new.log_prob > -0.1 > old.log_prob
    new, old = smollm2.score(["Lionel Messi plays the sport of"] * 2, [" basketball", " football"])
    assert new.log_prob < old.log_prob


def test_the_base_stays_itself_to_the_bit(smollm2, role):
    never = load_local_model("smollm2", device="cpu", max_tokens=24)
    ids, logits = never.token_ids_and_scores(ELSEWHERE)
    found = smollm2.token_ids_and_scores(ELSEWHERE)
    assert found[0] == ids
    assert torch.equal(found[1], logits)


def test_requests_at_the_same_time_do_not_meet(smollm2, adapted, role):
    told = role.messages([HumanMessage(ASKED[0][1])], [MESSI], ASKED[0][1])
    expected = [smollm2.invoke(ELSEWHERE).text, adapted.invoke(told).text]
    start = threading.Barrier(4)

    def ask(number):
        start.wait()
        model, messages = [(smollm2, ELSEWHERE), (adapted, told)][number % 2]
        return model.invoke(messages).text

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == expected * 2
