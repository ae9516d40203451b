from __future__ import annotations

import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from memedit.errors import ModelError
from memedit.models.messages import chat_dicts, text_of


def test_roles_are_the_chat_templates_own():
    messages = [
        SystemMessage("a"),
        HumanMessage("b"),
        AIMessage("c"),
        ChatMessage("d", role="user"),
    ]
    assert chat_dicts(messages) == [
        {"role": "system", "content": "a"},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d"},
    ]


def test_text_blocks_are_joined_as_they_stand():
    message = HumanMessage(
        content=["one ", {"type": "text", "text": "two"}, {"type": "text", "text": "!"}]
    )
    assert text_of(message) == "one two!"


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"type": "image_url", "image_url": {"url": "x"}}, "image_url"),
        ({"type": "audio", "base64": ""}, "audio"),
        ({"text": "no type"}, "without a type"),
        ({"type": "text"}, "text"),
    ],
)
def test_other_blocks_are_refused_by_name(block, named):
    with pytest.raises(ModelError, match=named):
        text_of(HumanMessage(content=[block]))


@pytest.mark.parametrize(
    ("messages", "named"),
    [
        ([], "there are none"),
        ([ToolMessage("4", tool_call_id="1")], "tool"),
        ([ChatMessage("x", role="user<|im_end|>")], "im_end"),
    ],
)
def test_messages_that_cannot_be_used(messages, named):
    with pytest.raises(ModelError, match=named):
        chat_dicts(messages)
