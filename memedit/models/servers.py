"""Chat models behind servers: what their clients do of their own accord."""

from __future__ import annotations

from typing import Any

from langchain_core.language_models import BaseChatModel


def without_own_retries(model: BaseChatModel) -> BaseChatModel:
    """``model`` making one request a call, so that whoever counts calls counts requests.

    The OpenAI client, on which ``ChatOpenAI`` and its kin are built, sends a request that failed
    up to two times more without telling. Other clients are left as they are; where they retry, tell
    them not to (most take ``max_retries=0``).

    Args:
        model: Any chat model; it is left as it is.
    """
    client: Any = getattr(model, "root_client", None)
    if not callable(getattr(client, "with_options", None)):
        return model
    once = client.with_options(max_retries=0)
    update = {"max_retries": 0, "root_client": once, "client": once.chat.completions}
    return model.model_copy(update=update)
