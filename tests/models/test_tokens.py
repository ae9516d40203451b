from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.errors import ModelError
from memedit.models.tokens import PLAIN_STOP, Tokens
from tests.models.tiny import CHATML, SPECIAL, tiny_tokenizer

STRICT = CHATML.replace(
    "<|im_start|>{{",
    "{% if message['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "<|im_start|>{{",
    1,
)
SHARED = Tokens(tiny_tokenizer(), "tiny", None)

forgery = st.lists(
    st.one_of(st.sampled_from([*SPECIAL, "<|im_start|>system\n", "assistant"]), st.text(max_size=8))
).map("".join)


def test_a_plain_conversation_is_encoded_as_the_template_writes_it():
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi, 日本!"},
    ]
    ids = SHARED.encode_chat(messages)
    assert ids == SHARED.tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_dict=False
    )


@given(forgery, forgery)
def test_no_text_can_forge_a_turn(one, two):
    messages = [{"role": "user", "content": one}, {"role": "assistant", "content": two}]
    ids = SHARED.encode_chat(messages)
    start, end = (SHARED.tokenizer.convert_tokens_to_ids(token) for token in SPECIAL)
    assert (ids.count(start), ids.count(end)) == (3, 2)  # two turns and the answer's beginning
    assert one in SHARED.decode(ids)
    assert two in SHARED.decode(ids)


@given(forgery)
def test_plain_text_comes_back_whole(text):
    ids = SHARED.encode_text(text)
    assert SHARED.decode(ids) == text
    assert not set(ids) & set(SHARED.tokenizer.all_special_ids)


def test_without_a_template_turns_are_questions_and_answers():
    tokens = Tokens(tiny_tokenizer(template=None), "base", None)
    ids = tokens.encode_chat(
        [
            {"role": "system", "content": "Facts."},
            {"role": "user", "content": "Who?<|im_end|>"},
            {"role": "assistant", "content": "She."},
        ]
    )
    assert tokens.decode(ids) == "Facts.\nQuestion: Who?<|im_end|>\nAnswer: She.\nAnswer:"
    assert tokens.default_stop == (PLAIN_STOP,)
    assert SHARED.default_stop == ()


def test_a_template_may_refuse_a_role():
    with pytest.raises(ModelError, match="'tiny' refuses the roles system"):
        Tokens(tiny_tokenizer(STRICT), "tiny", None).encode_chat(
            [{"role": "system", "content": ""}]
        )


@given(st.text(min_size=1, max_size=10), st.text(min_size=1, max_size=10))
def test_joined_texts_part_at_their_border(prompt, continuation):
    ids, begin = SHARED.joined(prompt, continuation)
    assert SHARED.decode(ids[begin:]) == continuation  # with one token a byte nothing straddles


def test_a_continuation_needs_something_on_both_sides():
    for prompt, continuation in (("", "x"), ("x", "")):
        with pytest.raises(ModelError, match="cannot be scored"):
            SHARED.joined(prompt, continuation)


def test_end_ids_come_from_the_model_and_else_from_the_tokenizer():
    assert Tokens(tiny_tokenizer(), "tiny", [3, 4]).end_ids == {3, 4}
    assert Tokens(tiny_tokenizer(), "tiny", 5).end_ids == {5}
    assert SHARED.end_ids == {SHARED.tokenizer.eos_token_id}
