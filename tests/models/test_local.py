from __future__ import annotations

import asyncio
import logging
import threading

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from langchain_core.messages import HumanMessage, SystemMessage

from memedit.errors import ModelError
from tests.models.tiny import tiny_chat_model

SHARED = tiny_chat_model(max_tokens=12)
QUESTIONS = ["Who?", "What is the capital of Freedonia?", "x", "Why is that so?", "日本語"]


def human(text):
    return [HumanMessage(text)]


def test_greedy_answers_are_those_of_transformers(tiny):
    ids, logits = tiny.token_ids_and_scores(human("Who?"))
    prompt = torch.tensor([tiny.prompt_ids(human("Who?"))])
    expected = tiny.engine.model.generate(
        prompt, attention_mask=torch.ones_like(prompt), do_sample=False, max_new_tokens=12
    )[0, prompt.shape[1] :]
    assert ids == expected.tolist()
    assert logits.shape == (len(ids), tiny.engine.model.config.vocab_size)
    assert logits.argmax(-1).tolist() == ids


def test_a_models_own_sampling_defaults_are_not_in_the_way(tiny, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # to caplog
    expected = tiny.invoke("Who?").content
    defaults = {"do_sample": True, "temperature": 0.7, "top_p": 0.8, "top_k": 20}
    tiny.engine.model.generation_config.update(**defaults)
    assert tiny.invoke("Who?").content == expected
    assert caplog.records == []


def test_repeated_calls_agree_bit_by_bit(tiny):
    first, second = (tiny.token_ids_and_scores(human("Who?")) for _ in range(2))
    assert first[0] == second[0]
    assert torch.equal(first[1], second[1])


@hypothesis_settings(max_examples=25)
@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=2), max_size=3))
def test_a_stream_is_the_answer_in_pieces(text, stop):
    whole = SHARED.invoke(human(text), stop=stop)
    chunks = list(SHARED.stream(human(text), stop=stop))
    merged = sum(chunks[1:], chunks[0])
    assert merged.content == whole.content
    assert merged.usage_metadata == whole.usage_metadata
    assert (
        merged.response_metadata.items()
        >= {
            "model_name": "tiny",
            "finish_reason": whole.response_metadata["finish_reason"],
        }.items()
    )
    assert [c.chunk_position for c in chunks] == [None] * (len(chunks) - 1) + ["last"]


def test_a_batch_gives_what_single_calls_give(tiny):
    many = tiny.generate_many([human(q) for q in QUESTIONS])
    single = [tiny.invoke(human(q)) for q in QUESTIONS]
    assert [m.content for m in many] == [s.content for s in single]
    assert [m.usage_metadata for m in many] == [s.usage_metadata for s in single]
    assert [m.response_metadata for m in many] == [s.response_metadata for s in single]


def test_nothing_to_do_is_done(tiny):
    assert tiny.generate_many([]) == []
    assert tiny.score([], []) == []


def test_a_stop_string_ends_the_answer_before_it(tiny):
    whole = tiny.invoke("Who?")
    assert whole.response_metadata["finish_reason"] == "length"
    stop = whole.content[4:6]
    cut = tiny.invoke("Who?", stop=[stop, "never there"])
    assert cut.content == whole.content[: whole.content.index(stop)]
    assert cut.response_metadata["finish_reason"] == "stop"
    assert cut.usage_metadata["output_tokens"] < whole.usage_metadata["output_tokens"]
    again = tiny.model_copy(update={"stop": [stop]}).invoke("Who?")
    assert again.content == cut.content


def test_an_end_token_ends_the_answer():
    tiny = tiny_chat_model(max_tokens=12)
    ids, _ = tiny.token_ids_and_scores(human("Who?"))
    tiny.engine.model.generation_config.eos_token_id = [ids[3]]
    ended = tiny_chat_model(max_tokens=12)
    ended.engine.model.generation_config.eos_token_id = [ids[3]]
    ended.engine.tokens.end_ids = frozenset([ids[3]])
    shorter, _ = ended.token_ids_and_scores(human("Who?"))
    assert shorter == ids[: ids.index(ids[3]) + 1]
    assert ended.invoke("Who?").response_metadata["finish_reason"] == "stop"


def test_max_tokens_by_call_and_by_model(tiny):
    assert tiny.invoke("Who?", max_tokens=3).usage_metadata["output_tokens"] == 3
    assert tiny.bind(max_tokens=5).invoke("Who?").usage_metadata["output_tokens"] == 5
    assert tiny.invoke("Who?").usage_metadata["output_tokens"] == 12


def test_sampling_is_repeatable_and_leaves_the_global_state_alone(tiny):
    state = torch.random.get_rng_state()
    one, two = (tiny.invoke("Who?", temperature=1.0, seed=3).content for _ in range(2))
    assert one == two
    assert one != tiny.invoke("Who?", temperature=1.0, seed=4).content
    assert one != tiny.invoke("Who?").content
    many = tiny.generate_many([human("Who?")] * 2, temperature=1.0, seed=3)
    assert [m.content for m in many] == [one, one]
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("argument", ["max_new_tokens", "tools", "top_p"])
def test_an_unknown_argument_is_named(tiny, argument):
    with pytest.raises(ModelError, match=argument):
        tiny.invoke("Who?", **{argument: 1})


def test_bad_values_are_named(tiny):
    with pytest.raises(ModelError, match="max_tokens"):
        tiny.invoke("Who?", max_tokens=0)
    with pytest.raises(ModelError, match="temperature"):
        list(tiny.stream("Who?", temperature=-1))


def test_a_prompt_longer_than_the_context_is_refused(tiny):
    with pytest.raises(ModelError, match="reads at most 511"):
        tiny.invoke("a" * 600)
    almost = tiny.invoke("a" * 470, max_tokens=500)
    assert almost.usage_metadata["total_tokens"] == 512


def test_a_failure_inside_the_stream_reaches_the_caller(tiny):
    with pytest.raises(ModelError, match="reads at most 511"):
        list(tiny.stream("a" * 600))


def test_closing_a_stream_ends_the_generation(tiny):
    threads = set(threading.enumerate())
    stream = tiny.stream("Who?", max_tokens=400)
    next(stream)
    stream.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(timeout=30)
        assert not thread.is_alive()
    assert tiny.invoke("Who?").content  # the lock is free again


async def test_async_calls_agree_with_sync_ones(tiny):
    expected = [tiny.invoke(q).content for q in QUESTIONS]
    answers = await asyncio.gather(*(tiny.ainvoke(q) for q in QUESTIONS))
    assert [a.content for a in answers] == expected
    assert "".join([c.content async for c in tiny.astream(QUESTIONS[1])]) == expected[1]
    assert [a.content for a in await tiny.abatch(QUESTIONS)] == expected
    assert [a.content for a in tiny.batch(QUESTIONS)] == expected


def test_completion_goes_on_from_plain_text(tiny):
    text = tiny.complete("Once upon", max_tokens=6)
    ids = torch.tensor([tiny.engine.tokens.encode_text("Once upon")])
    expected = tiny.engine.model.generate(
        ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6
    )
    assert text == tiny.engine.tokens.decode(expected[0, ids.shape[1] :].tolist())
    with pytest.raises(ModelError, match="prompt: it is empty"):
        tiny.complete("")


def test_a_model_that_goes_on_is_asked_without_chat_turns(tiny):
    going_on = tiny.model_copy(update={"completion": True})
    messages = [SystemMessage("Once"), HumanMessage("upon")]
    assert going_on.prompt_ids(messages) == tiny.engine.tokens.encode_text("Once\n\nupon")
    answers = going_on.generate_many([[HumanMessage(q)] for q in QUESTIONS], max_tokens=5)
    assert [a.content for a in answers] == [tiny.complete(q, max_tokens=5) for q in QUESTIONS]
    assert [a.content for a in answers] != [tiny.invoke(q, max_tokens=5).content for q in QUESTIONS]
    assert going_on.with_adapter(None).completion


def test_scores_are_sums_of_log_probabilities(tiny):
    prompts, continuations = ["Once", "The cat sat", "a"], [" upon a", " on", "bcdefgh"]
    scores = tiny.score(prompts, continuations)
    for prompt, continuation, score in zip(prompts, continuations, scores, strict=True):
        begin = len(prompt.encode())
        ids = torch.tensor([tiny.engine.tokens.encode_text(prompt + continuation)])
        with torch.inference_mode():
            logs = tiny.engine.model(ids).logits[0].log_softmax(-1)
        expected = sum(float(logs[i - 1, ids[0, i]]) for i in range(begin, ids.shape[1]))
        assert score.log_prob == pytest.approx(expected, abs=1e-4)
        assert score.tokens == len(continuation.encode())


def test_a_model_without_a_template_stops_at_the_next_question():
    tiny = tiny_chat_model(template=None, max_tokens=4)
    assert tiny.invoke([SystemMessage("Facts."), HumanMessage("Who?")]).content


def test_token_counts_are_the_models_own(tiny):
    assert tiny.get_num_tokens("日本") == 6


def test_callbacks_hear_each_piece_once(tiny):
    from langchain_core.callbacks import BaseCallbackHandler

    heard = []

    class Listener(BaseCallbackHandler):
        def on_llm_new_token(self, token, **kwargs):
            heard.append(token)

    chunks = list(tiny.stream("Who?", config={"callbacks": [Listener()]}))
    assert heard == [c.content for c in chunks]
