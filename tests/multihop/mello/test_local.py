"""The protocol on a local model: one batch a step, the worked examples read once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage
from pydantic import Field

from memedit.models.local import LocalChatModel
from memedit.multihop.mello import Budget, Limits, Mello
from memedit.multihop.mello.dialogue import beginning
from tests.models.tiny import tiny_chat_model
from tests.multihop.mello.scripted import (
    AUTHOR,
    BIRTH,
    BIRTH_REPLIES,
    Lookup,
    asked,
    step,
)  # fmt: skip

SPAIN = "Which sea is south of the country of Harrow Lane?"
SPAIN_REPLIES = [
    step("In which country is Harrow Lane?", "Spain"),
    "Intermediate answer: Spain\n" + step("Which sea is south of Spain?", "the Alboran Sea"),
    "Intermediate answer: the Alboran Sea\nFinal answer: the Alboran Sea",
]


class ScriptedLocal(LocalChatModel):
    """A real engine and tokenizer, with answers from a script."""

    script: dict[str, list[str]]
    batches: list[list[str]] = Field(default_factory=list)
    prefixes: list[Sequence[BaseMessage]] = Field(default_factory=list)
    arguments: list[dict[str, Any]] = Field(default_factory=list)

    def read_prefix(self, messages: Sequence[BaseMessage]) -> Any:
        self.prefixes.append(messages)
        return "the beginning"

    def generate_many(
        self, conversations: Sequence[list[BaseMessage]], **kwargs: Any
    ) -> list[AIMessage]:
        self.arguments.append(kwargs)
        self.batches.append([asked(messages) for messages in conversations])
        return [self._reply(messages) for messages in conversations]

    def _reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        replies = self.script[asked(messages)]
        text = replies[min((len(messages) - len(beginning())) // 2, len(replies) - 1)]
        read = len(self.prompt_ids(messages))
        written = len(text.encode())
        usage = {
            "input_tokens": read, "output_tokens": written, "total_tokens": read + written
        }  # fmt: skip
        return AIMessage(text, usage_metadata=usage)


def local(script: dict[str, list[str]], context: int = 16_000) -> ScriptedLocal:
    engine = tiny_chat_model().engine
    engine.model.config.max_position_embeddings = context
    return ScriptedLocal(engine=engine, model_name="tiny", script=script)


def test_each_step_is_one_batch_and_who_is_done_leaves_it() -> None:
    model = local({BIRTH: BIRTH_REPLIES, SPAIN: SPAIN_REPLIES, "Q?": ["Final answer: X"]})
    lookup = Lookup(AUTHOR)
    chains = Mello(model, lookup, limits=Limits(reminders=1)).answer_many([BIRTH, SPAIN, "Q?"])
    assert [chain.answer for chain in chains] == ["Lima", "the Alboran Sea", None]
    assert list(map(sorted, model.batches)) == [
        sorted([BIRTH, SPAIN, "Q?"]), sorted([BIRTH, SPAIN, "Q?"]), sorted([BIRTH, SPAIN])
    ]  # fmt: skip
    assert [len(batch) for batch in lookup.batches] == [2, 2]


def test_the_beginning_is_read_once() -> None:
    model = local({BIRTH: BIRTH_REPLIES, SPAIN: SPAIN_REPLIES})
    Mello(model, Lookup(AUTHOR), limits=Limits(reply_tokens=50)).answer_many([BIRTH, SPAIN])
    assert model.prefixes == [beginning()]
    for arguments in model.arguments:
        assert (arguments["prefix"], arguments["max_tokens"]) == ("the beginning", 50)


def test_tokens_are_counted_to_the_last_one() -> None:
    script = {BIRTH: BIRTH_REPLIES, SPAIN: SPAIN_REPLIES}
    whole = Mello(local(script), Lookup(AUTHOR)).run([BIRTH, SPAIN])
    assert whole.total.calls == 6 and whole.total.assumed == 0
    # The last call reserves a full reply, of which it takes a part.
    limits = Limits(reply_tokens=200)
    last = len(BIRTH_REPLIES[-1].encode())
    enough = whole.spent[0].tokens - last + limits.reply_tokens
    for tokens, answer in ((enough, "Lima"), (enough - 1, None)):
        budget = Budget(tokens_per_question=tokens)
        run = Mello(local(script), Lookup(AUTHOR), limits=limits, budget=budget).run([BIRTH])
        assert run.chains[0].answer == answer
        assert run.total.tokens <= tokens
        assert len(run.chains[0].hops) == (2 if answer else 1)


def test_a_batch_that_does_not_fit_the_budget_is_made_smaller() -> None:
    script = {BIRTH: BIRTH_REPLIES, SPAIN: SPAIN_REPLIES}
    limits = Limits(reply_tokens=5000)  # beginning and question have about 4,100
    whole = Mello(local(script), Lookup(AUTHOR), limits=limits).run([BIRTH, SPAIN])
    cases = (
        (whole.total.tokens, ["Lima", "the Alboran Sea"], [2, 2, 1, 1]),
        (whole.spent[0].tokens, ["Lima", None], [1, 1, 1]),  # and not two that stop half way
    )
    for tokens, answers, batches in cases:
        model = local(script)
        budget = Budget(tokens=tokens + limits.reply_tokens)
        run = Mello(model, Lookup(AUTHOR), limits=limits, budget=budget).run([BIRTH, SPAIN])
        assert [chain.answer for chain in run.chains] == answers
        assert [len(batch) for batch in model.batches] == batches
        assert run.total.tokens == tokens


def test_a_conversation_too_long_for_the_model_is_declined() -> None:
    model = local({BIRTH: BIRTH_REPLIES}, context=4000)
    long = "Who wrote " + "x" * 3000 + "?"
    chains = Mello(model, Lookup(AUTHOR)).answer_many([long, BIRTH])
    assert chains[0].answer is None and "context of 4,000" in chains[0].reason
    model = local({BIRTH: BIRTH_REPLIES})
    assert Mello(model, Lookup(AUTHOR)).answer_many([BIRTH])[0].answer == "Lima"


def test_a_random_model_is_declined_and_looks_nothing_up() -> None:
    model = tiny_chat_model()
    model.engine.model.config.max_position_embeddings = 16_000
    lookup = Lookup(AUTHOR)
    limits = Limits(reply_tokens=8, reminders=1)
    run = Mello(model, lookup, limits=limits).run([BIRTH, SPAIN])
    assert [chain.answer for chain in run.chains] == [None, None]
    assert all("reply" in chain.reason for chain in run.chains)
    assert [spent.calls for spent in run.spent] == [2, 2] and lookup.batches == []


@pytest.mark.real_model
def test_the_embedded_model_takes_a_step(smollm2: LocalChatModel) -> None:
    """It is too small to do well; what counts is that it keeps to the form and the chain ends."""
    limits = Limits(hops=1, reminders=0, reply_tokens=32)
    run = Mello(smollm2, Lookup(AUTHOR), limits=limits).run([BIRTH])
    assert run.chains[0].reason and run.total.assumed == 0
    assert 1 <= run.total.calls <= 3
