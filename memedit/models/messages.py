"""LangChain messages as the plain dictionaries a chat template wants. Text only."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.messages import BaseMessage, ChatMessage

from memedit.errors import ModelError

_ROLES = {"human": "user", "ai": "assistant", "system": "system"}


def chat_dicts(messages: Sequence[BaseMessage]) -> list[dict[str, str]]:
    """``messages`` as ``{"role": ..., "content": ...}`` dictionaries.

    Raises:
        ModelError: There are none, one has a role local models do not know, or one holds
            something other than text.
    """
    if not messages:
        raise ModelError("messages: there are none.", hint="Give at least one message.")
    return [{"role": _role(message), "content": text_of(message)} for message in messages]


def text_of(message: BaseMessage) -> str:
    """The message's text; blocks of text are joined as they stand.

    Raises:
        ModelError: A content block is not text; the message names its type.
    """
    if isinstance(message.content, str):
        return message.content
    return "".join(_block_text(block) for block in message.content)


def _block_text(block: object) -> str:
    if isinstance(block, str):
        return block
    kind = block.get("type", "without a type") if isinstance(block, dict) else type(block).__name__
    if isinstance(block, dict) and kind == "text" and isinstance(block.get("text"), str):
        return str(block["text"])
    raise ModelError(
        f"messages: a content block of type {kind!r} is not text.",
        hint="Local models read text only; leave the block out, or use a model that takes it.",
    )


def _role(message: BaseMessage) -> str:
    role = message.role if isinstance(message, ChatMessage) else _ROLES.get(message.type)
    if role is None or role not in _ROLES.values():
        raise ModelError(
            f"messages: a message of type {role or message.type!r} is not known to local models.",
            hint="Send system, human and AI messages.",
        )
    return role
