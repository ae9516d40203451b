"""What many conversations begin with, read once for several calls: the same answers."""

from __future__ import annotations

import pytest
import torch
from langchain_core.messages import AIMessage, HumanMessage

from memedit.models.local import LocalChatModel
from tests.models.tiny import tiny_chat_model

BEGINNING = [HumanMessage("Be brief, please."), AIMessage("I will.")]
QUESTIONS = ["Who?", "Where is it?", "Why and when?", "x"]


def conversations() -> list[list[HumanMessage | AIMessage]]:
    return [[*BEGINNING, HumanMessage(question)] for question in QUESTIONS]


def read_lengths(model: LocalChatModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens of each row every forward pass reads from here on."""
    network, lengths = model.engine.model, []
    forward = network.forward

    def counted(*args: object, **kwargs: object) -> object:
        lengths.append(kwargs["input_ids"].shape[1])
        return forward(*args, **kwargs)

    monkeypatch.setattr(network, "forward", counted)
    return lengths


@pytest.mark.parametrize("n", [1, 4])
def test_answers_after_a_prefix_are_those_without_it(n: int) -> None:
    model = tiny_chat_model(max_tokens=16)
    asked = conversations()[:n]
    prefix = model.read_prefix(BEGINNING)
    expected = [model.generate_many([one])[0] for one in asked]
    for _ in range(2):  # it is not used up
        answers = model.generate_many(asked, prefix=prefix, exact=True)
        assert [a.content for a in answers] == [e.content for e in expected]
        assert [a.usage_metadata for a in answers] == [e.usage_metadata for e in expected]


def test_the_prefix_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_chat_model(max_tokens=2)
    lengths = read_lengths(model, monkeypatch)
    prefix = model.read_prefix(BEGINNING)
    assert prefix is not None and lengths == [len(prefix.ids)]
    for asked in (conversations(), conversations()[:1]):
        lengths.clear()
        model.generate_many(asked, prefix=prefix)
        longest = max(len(model.prompt_ids(messages)) for messages in asked)
        assert lengths[0] == longest - len(prefix.ids)


def test_conversations_that_begin_otherwise_are_answered_too() -> None:
    model = tiny_chat_model(max_tokens=16)
    asked = [*conversations(), [HumanMessage("Something else.")]]
    answers = model.generate_many(asked, prefix=model.read_prefix(BEGINNING), exact=True)
    alone = [model.generate_many([one])[0].content for one in asked]
    assert [a.content for a in answers] == alone


def test_a_prefix_belongs_to_its_adapter() -> None:
    model = tiny_chat_model(max_tokens=2)
    prefix = model.read_prefix(BEGINNING)
    engine = model.engine
    engine.adapters = ("other",)  # the same weights under a name, which is all that counts here
    engine._switch = lambda adapter: setattr(engine, "_active", adapter)
    for layer in prefix.cache.layers:  # to be seen, should they be used
        layer.keys = torch.full_like(layer.keys, torch.nan)
    plain = [a.content for a in model.generate_many(conversations())]
    other = model.with_adapter("other").generate_many(conversations(), prefix=prefix)
    assert [a.content for a in other] == plain


def test_a_model_whose_cache_cannot_be_shared_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from memedit.models import engine

    monkeypatch.setattr(engine, "keeps_everything", lambda model: False)
    model = tiny_chat_model(max_tokens=2)
    assert model.read_prefix(BEGINNING) is None
    assert len(model.generate_many(conversations(), prefix=None)) == len(QUESTIONS)


def test_the_context_length_is_told() -> None:
    assert tiny_chat_model().context_length == 512
