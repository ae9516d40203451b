"""A chat model whose answer is settled before it is asked.

Where a chain of hops has given the answer no model has anything to add; callers get it through the
same interface as any other answer: invoked, streamed, batched, with callbacks.
"""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class SettledChatModel(BaseChatModel):
    """Gives one answer, whatever it is asked.

    Args:
        answer: The text.
    """

    answer: str
    cache: bool | None = False

    @property
    def _llm_type(self) -> str:
        return "memedit-settled"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        ends = [at for text in stop or () if (at := self.answer.find(text)) >= 0]
        text = self.answer[: min(ends, default=len(self.answer))]
        return ChatResult(generations=[ChatGeneration(message=AIMessage(text))])
