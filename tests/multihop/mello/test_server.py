"""The protocol over a real socket, through OpenAI's client."""

from __future__ import annotations

import threading

import pytest
from fastapi import HTTPException

from memedit.models.load import load_model
from memedit.models.servers import without_own_retries
from memedit.multihop.mello import Budget, Mello, Patience
from tests.models.local_server import serving
from tests.multihop.mello.scripted import (
    AUTHOR,
    BIRTH,
    BIRTH_REPLIES,
    Lookup,
    Scripted,
)  # fmt: skip


@pytest.fixture
def served():
    """A scripted model behind a server, and the chat model that asks it."""
    model = Scripted(script={})
    with serving(model) as address:
        chat = load_model("openai:scripted", base_url=address)
        yield model, chat
        chat.root_client.close()


def test_a_chain_over_http(served) -> None:
    model, chat = served
    model.script[BIRTH] = BIRTH_REPLIES
    run = Mello(chat, Lookup(AUTHOR)).run([BIRTH])
    assert run.chains[0].answer == "Lima" and run.chains[0].hops[0].edit == AUTHOR
    assert run.total.calls == 3 and run.total.assumed == 0
    assert run.total.tokens > 0


def test_requests_are_counted_and_not_only_calls(served) -> None:
    """The client sends a refused request again by itself, unless it is told not to."""
    model, chat = served
    model.script[BIRTH] = [HTTPException(429), *BIRTH_REPLIES]
    budget, patience = Budget(calls_per_question=3), Patience(backoff=0.01)
    run = Mello(chat, Lookup(AUTHOR), budget=budget, patience=patience).run([BIRTH])
    assert run.total.calls == len(model.seen) == 3
    assert "budget of 3 calls" in run.chains[0].reason and len(run.chains[0].hops) == 1


def test_a_server_that_stops_answering(served) -> None:
    model, chat = served
    over = threading.Event()
    model.script[BIRTH] = [BIRTH_REPLIES[0], lambda: str(over.wait(20))]
    patience = Patience(timeout=2, attempts=1)
    [chain] = Mello(chat, Lookup(AUTHOR), patience=patience).answer_many([BIRTH])
    over.set()
    assert chain.answer is None and "no answer within 2 s" in chain.reason
    assert model.calls(BIRTH) == 2


def test_a_server_that_is_not_there() -> None:
    # An address of its own: models of one address share a connection pool, which is closed here.
    chat = load_model("openai:scripted", base_url="http://127.0.0.1:9/nobody")
    patience = Patience(attempts=2, backoff=0.01)
    run = Mello(chat, Lookup(AUTHOR), patience=patience).run([BIRTH])
    assert run.chains[0].answer is None and "in 2 tries" in run.chains[0].reason
    assert run.total.calls == 2
    chat.root_client.close()


def test_the_callers_own_model_goes_on_trying_again(served) -> None:
    model, chat = served
    once = without_own_retries(chat)
    assert once.root_client.max_retries == 0
    assert chat.root_client.max_retries > 0 and chat.client is not once.client
    assert without_own_retries(model) is model
