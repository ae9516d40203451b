"""Servers that are slow, refuse or break off, and budgets that hold nevertheless."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, HumanMessage

from memedit.errors import ModelError
from memedit.multihop.mello import Budget, Limits, Mello, Patience, Spent
from memedit.multihop.mello.budget import ByteCount, Ledger
from memedit.multihop.mello.calls import reply_text
from memedit.multihop.mello.dialogue import beginning
from memedit.multihop.mello.remote import RemoteCaller, is_transient, retry_after
from tests.multihop.mello.scripted import (
    AUTHOR,
    BIRTH,
    BIRTH_REPLIES,
    Lookup,
    Scripted,
    step,
)  # fmt: skip

QUICK = Patience(timeout=5, backoff=0.01)
MANY = [f"Question {i}?" for i in range(12)]


def scripts(questions: list[str] = MANY) -> dict[str, list[object]]:
    """Two hops for each question, the sub-questions its own."""
    return {
        q: [
            step(f"Who wrote {q}", f"Author of {q}"),
            f"Intermediate answer: Author of {q}\n{step(f'Where is the author of {q}', 'Rome')}",
            "Intermediate answer: Rome\nFinal answer: Rome",
        ]
        for q in questions
    }


class StatusError(Exception):
    """What clients raise for an HTTP status."""

    def __init__(self, status_code: int) -> None:
        super().__init__(f"status {status_code}")
        self.status_code = status_code


# -- many at once ----------------------------------------------------------------------------------


def test_questions_advance_together_within_the_limit() -> None:
    model = Scripted(script=scripts(), pace=0.02)
    run = Mello(model, Lookup(), patience=Patience(concurrency=4)).run(MANY)
    assert [chain.answer for chain in run.chains] == ["Rome"] * len(MANY)
    assert [chain.hops[0].answer for chain in run.chains] == [f"Author of {q}" for q in MANY]
    assert 2 <= model.most_running <= 4
    assert [spent.calls for spent in run.spent] == [3] * len(MANY)


def test_a_slow_question_does_not_hold_up_the_others() -> None:
    script, slow = scripts(), MANY[0]
    others, waited = threading.Event(), []
    seen: list[str] = []

    def lookup(asked: list[str]) -> list[None]:
        seen.extend(question for question in asked if not question.endswith(slow))
        if len(seen) == 2 * (len(MANY) - 1):
            others.set()
        return [None] * len(asked)

    def first() -> str:
        waited.append(others.wait(20))
        return step(f"Who wrote {slow}", f"Author of {slow}")

    script[slow] = [first, *script[slow][1:]]
    patience = Patience(concurrency=3)
    chains = Mello(Scripted(script=script), lookup, patience=patience).answer_many(MANY)
    assert waited == [True] and all(chain.answer == "Rome" for chain in chains)


def test_replies_that_come_together_are_looked_up_together() -> None:
    lookup = Lookup()
    model = Scripted(script=scripts(), pace=0.1)
    Mello(model, lookup, patience=Patience(concurrency=12)).answer_many(MANY)
    assert sum(map(len, lookup.batches)) == 24 and len(lookup.batches) < 24


# -- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [StatusError(429), StatusError(503), ConnectionResetError("gone"), TimeoutError()]
)
def test_what_may_pass_is_tried_again(error: Exception) -> None:
    model = Scripted(script={BIRTH: [BIRTH_REPLIES[0], error, error, *BIRTH_REPLIES[1:]]})
    run = Mello(model, Lookup(AUTHOR), patience=QUICK).run([BIRTH])
    assert run.chains[0].answer == "Lima" and run.chains[0].confident
    assert run.spent[0].calls == 5
    assert run.spent[0].assumed > 0  # what the failed calls cost, nobody said


@pytest.mark.parametrize("error", [StatusError(401), StatusError(400), ValueError("no such model")])
def test_what_will_not_pass_ends_the_chain_at_once(error: Exception) -> None:
    model = Scripted(script={BIRTH: [BIRTH_REPLIES[0], error]})
    run = Mello(model, Lookup(AUTHOR), patience=QUICK).run([BIRTH])
    assert run.chains[0].answer is None and str(error) in run.chains[0].reason
    assert model.calls(BIRTH) == 2


def test_tries_are_bounded_and_the_trace_is_kept() -> None:
    model = Scripted(script={BIRTH: [*BIRTH_REPLIES[:2], StatusError(500)]})
    [chain] = Mello(model, Lookup(AUTHOR), patience=QUICK).answer_many([BIRTH])
    assert chain.answer is None and "in 3 tries" in chain.reason
    assert [hop.answer for hop in chain.hops] == ["Ines Sol"]
    assert model.calls(BIRTH) == 5


def test_a_call_that_hangs_in_the_middle_of_a_chain_is_given_up() -> None:
    model = Scripted(script={BIRTH: [*BIRTH_REPLIES[:2], 20.0], **scripts(MANY[:2])})
    patience = Patience(timeout=1, attempts=2, backoff=0)
    started = time.monotonic()
    run = Mello(model, Lookup(AUTHOR), patience=patience).run([BIRTH, *MANY[:2]])
    assert time.monotonic() - started < 15
    hung, *others = run.chains
    assert hung.answer is None and "no answer within 1 s" in hung.reason
    assert [hop.answer for hop in hung.hops] == ["Ines Sol"]
    assert [chain.answer for chain in others] == ["Rome", "Rome"]
    assert run.spent[0].calls == 4 and run.spent[0].assumed > 0


def test_a_late_reply_is_not_taken_for_the_next_ones() -> None:
    """The first try answers after it was given up, just before the second does."""
    second_runs = threading.Event()

    def first() -> str:
        second_runs.wait(20)
        return step("Who wrote A?", "X")

    def second() -> str:
        second_runs.set()
        time.sleep(0.1)
        return step("Who wrote B?", "Y")

    model = Scripted(script={"Q?": [first, second, "Final answer: unknown"]})
    lookup = Lookup()
    patience = Patience(timeout=1, attempts=2, backoff=0)
    Mello(model, lookup, patience=patience).answer_many(["Q?"])
    assert lookup.batches == [["Who wrote B?"]]


def refused(**headers: str) -> Exception:
    """A refusal as clients raise it that keep the response."""
    error = RuntimeError("slow down")
    error.response = SimpleNamespace(
        status_code=429, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    return error


def test_a_server_is_waited_for_as_long_as_it_asks() -> None:
    model = Scripted(script={BIRTH: [refused(retry_after="0.3"), *BIRTH_REPLIES]})
    started = time.monotonic()
    [chain] = Mello(model, Lookup(AUTHOR), patience=QUICK).answer_many([BIRTH])
    assert chain.answer == "Lima" and time.monotonic() - started >= 0.3


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (refused(retry_after="2.5"), 2.5),
        (refused(retry_after="Wed, 21 Oct 2026 07:28:00 GMT"), 0),
        (refused(retry_after="-1"), 0),
        (refused(), 0),
        (ValueError(), 0),
    ],
)
def test_how_long_it_asks_to_wait(error: Exception, seconds: float) -> None:
    assert retry_after(error) == seconds


def test_errors_without_a_status_are_known_by_their_class() -> None:
    class APIConnectionError(Exception):
        pass

    class MyError(APIConnectionError):
        pass

    assert is_transient(MyError()) and not is_transient(KeyError("x"))


@pytest.mark.parametrize(
    "field", [{"concurrency": 0}, {"attempts": 0}, {"timeout": 0}, {"backoff": -1}]
)
def test_patience_is_checked(field: dict[str, int]) -> None:
    with pytest.raises(ModelError, match=next(iter(field))):
        Patience(**field)


@pytest.mark.parametrize("key", ["finish_reason", "stop_reason"])
def test_a_line_that_was_cut_off_is_not_read(key: str) -> None:
    text = "Sub-question: Who wrote Emma?\nTentative answer: Jane Au"
    message = AIMessage(text, response_metadata={key: "length"})
    assert reply_text(message) == "Sub-question: Who wrote Emma?"
    assert reply_text(AIMessage(text, response_metadata={key: "stop"})) == text


# -- budgets ---------------------------------------------------------------------------------------


def test_a_question_makes_no_call_beyond_its_budget() -> None:
    for calls in (1, 2, 3):
        model = Scripted(script={BIRTH: BIRTH_REPLIES})
        run = Mello(model, Lookup(AUTHOR), budget=Budget(calls_per_question=calls)).run([BIRTH])
        assert model.calls(BIRTH) == run.spent[0].calls == calls
        assert (run.chains[0].answer == "Lima") == (calls == 3)
        assert calls == 3 or "the question's budget of" in run.chains[0].reason
        assert len(run.chains[0].hops) == calls - 1


def test_tries_count_as_calls() -> None:
    model = Scripted(script={BIRTH: [StatusError(500), StatusError(500), *BIRTH_REPLIES]})
    budget = Budget(calls_per_question=2)
    run = Mello(model, Lookup(AUTHOR), budget=budget, patience=QUICK).run([BIRTH])
    assert model.calls(BIRTH) == run.spent[0].calls == 2
    assert run.chains[0].answer is None


def test_a_batch_that_cannot_reach_for_all_finishes_some() -> None:
    model = Scripted(script=scripts(), pace=0.01)
    budget, patience = Budget(calls=15), Patience(concurrency=2)
    run = Mello(model, Lookup(), budget=budget, patience=patience).run(MANY)
    assert len(model.seen) == run.total.calls == 15
    answered = [chain for chain in run.chains if chain.answer is not None]
    assert len(answered) >= 4  # of three calls each; one call each, were all begun first
    assert all("budget of 15 calls" in c.reason for c in run.chains if c.answer is None)


def used(model: Scripted) -> int:
    """What the script's calls have really taken."""
    prompts = sum(len(str(m.text).split()) for _, messages, _ in model.seen for m in messages)
    said = sum(
        len(str(model.script[q][min(n, len(model.script[q]) - 1)]).split())
        for q in model.script
        for n in range(model.calls(q))
    )
    return prompts + said


@settings(max_examples=40)
@given(st.integers(1, 40_000), st.booleans())
def test_tokens_are_never_more_than_the_budget(tokens: int, reports: bool) -> None:
    questions = MANY[:4]
    model = Scripted(script=scripts(questions), reports=reports)
    patience = Patience(concurrency=2)
    run = Mello(model, Lookup(), budget=Budget(tokens=tokens), patience=patience).run(questions)
    assert used(model) <= run.total.tokens <= tokens
    assert (run.total.assumed == run.total.tokens) != reports or not model.seen
    if reports and model.seen:
        assert run.total == Spent(len(model.seen), used(model))


def test_token_budgets_are_used_up_to_the_last_call_that_fits() -> None:
    script = {BIRTH: BIRTH_REPLIES}
    whole = Mello(Scripted(script=script), Lookup(AUTHOR)).run([BIRTH]).total
    limits = Limits(reply_tokens=60)
    count = ByteCount(len(beginning()))
    first = count.at_most(0, [*beginning(), HumanMessage(f"Question: {BIRTH}")]) + 60
    for tokens, calls in ((first - 1, 0), (first, 1)):
        model = Scripted(script=script)
        budget = Budget(tokens_per_question=tokens)
        run = Mello(model, Lookup(AUTHOR), budget=budget, limits=limits).run([BIRTH])
        assert run.total.calls >= calls if calls else run.total.calls == 0
    # Once a call has said what it read, the bound of the next is close.
    budget = Budget(tokens_per_question=max(first, whole.tokens + 400))
    run = Mello(Scripted(script=script), Lookup(AUTHOR), budget=budget, limits=limits).run([BIRTH])
    assert run.chains[0].answer == "Lima" and run.total == whole


@pytest.mark.parametrize("name", ["calls", "tokens", "calls_per_question", "tokens_per_question"])
def test_a_budget_of_nothing_is_a_mistake(name: str) -> None:
    with pytest.raises(ModelError, match=name):
        Budget(**{name: 0})


def test_a_call_waits_for_room_that_others_may_leave() -> None:
    ledger = Ledger(Budget(tokens=100), 2)
    ledger.reserve(0, 80)
    assert ledger.refusal(1, 30) is None and not ledger.has_room(30)
    ledger.settle(0, reported=20)
    assert ledger.has_room(80) and not ledger.has_room(81)
    assert ledger.refusal(1, 81) is not None
    assert ledger.total == Spent(1, 20, 0)


def test_what_nobody_reports_counts_as_much_as_it_can_have_been() -> None:
    ledger = Ledger(Budget(), 1)
    ledger.reserve(0, 80)
    ledger.settle(0, reported=None)
    ledger.reserve(0, 80)
    ledger.settle(0, reported=None, at_most=30)
    assert ledger.total == Spent(2, 110, 110)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=5), st.text(max_size=40))
def test_the_bound_on_tokens_holds_for_words_and_for_bytes(said: list[str], more: str) -> None:
    for tokens_of in (lambda m: 4 + len(m.text.split()), lambda m: 4 + len(m.text.encode())):
        count = ByteCount(1)
        before = [HumanMessage(text) for text in said]
        real = sum(map(tokens_of, before))
        assert real <= count.at_most(0, before)
        count.learn(0, before, real)
        assert count.at_most(0, before) == real
        after = [*before, HumanMessage(more)]
        assert real + tokens_of(after[-1]) <= count.at_most(0, after)
        other = [before[0], HumanMessage(more)]
        assert sum(map(tokens_of, other)) <= count.at_most(1, other)


def test_the_model_is_told_how_much_to_write() -> None:
    model = Scripted(script={BIRTH: BIRTH_REPLIES})
    Mello(model, Lookup(AUTHOR), limits=Limits(reply_tokens=77)).answer_many([BIRTH])
    assert {kwargs["max_tokens"] for _, _, kwargs in model.seen} == {77}


def test_nothing_outstanding_is_nothing_to_wait_for() -> None:
    caller = RemoteCaller(Scripted(script={}), Ledger(Budget(), 0), (), 9, Patience())
    assert caller.collect() == []
