"""Chat models that say what a script has for them, and edits to be looked up."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from memedit import Edit
from memedit.multihop.mello import Retrieved
from memedit.multihop.mello.dialogue import beginning
from memedit.text import name_key


def asked(messages: Sequence[BaseMessage]) -> str:
    """The question a conversation is about."""
    first = messages[len(beginning())]
    return str(first.text).split("\n")[0].removeprefix("Question: ")


class Scripted(BaseChatModel):
    """Says for each question its replies, one a call, and the last one ever after.

    A reply is a text, a function that gives one, an exception to raise, or a number of seconds
    after which the reply is empty. Tokens are words.
    """

    script: dict[str, list[Any]]
    reports: bool = True
    model_name: str = "scripted"
    seen: list[tuple[str, list[BaseMessage], dict[str, Any]]] = Field(default_factory=list)
    running: int = 0
    most_running: int = 0
    pace: float = 0.0

    def model_post_init(self, context: Any) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, int] = defaultdict(int)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        question = asked(messages)
        with self._lock:
            replies = self.script[question]
            reply = replies[min(self._calls[question], len(replies) - 1)]
            self._calls[question] += 1
            self.seen.append((question, messages, kwargs))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        try:
            time.sleep(reply if isinstance(reply, float) else self.pace)
            reply = reply() if callable(reply) else reply
        finally:
            with self._lock:
                self.running -= 1
        if isinstance(reply, Exception):
            raise reply
        text = reply if isinstance(reply, str) else ""
        message = AIMessage(text, response_metadata={"finish_reason": "stop"})
        if self.reports:
            message.usage_metadata = usage(messages, message)
        return ChatResult(generations=[ChatGeneration(message=message)])

    def calls(self, question: str) -> int:
        return sum(question == one for one, _, _ in self.seen)

    def last_turn(self, question: str, call: int = -1) -> str:
        """What the model was told last in a call about a question."""
        return [str(messages[-1].text) for one, messages, _ in self.seen if one == question][call]


def usage(messages: Sequence[BaseMessage], message: AIMessage) -> Any:
    read = sum(len(str(m.text).split()) for m in messages)
    written = len(str(message.text).split())
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


class Lookup:
    """Looks sub-questions up word for word, and remembers the batches it was asked."""

    def __init__(self, *edits: Edit) -> None:
        self.edits = {name_key(edit.asked): edit for edit in edits}
        self.batches: list[list[str]] = []

    def __call__(self, sub_questions: Sequence[str]) -> list[Retrieved | None]:
        self.batches.append(list(sub_questions))
        edits = [self.edits.get(name_key(question)) for question in sub_questions]
        return [edit and Retrieved.of_edit(edit, 0.9) for edit in edits]


def step(question: str, tentative: str) -> str:
    return f"Sub-question: {question}\nTentative answer: {tentative}"


AUTHOR = Edit(
    id="author", subject="Harrow Lane", question="Who wrote Harrow Lane?", target_new="Ines Sol"
)
SPOUSE = Edit(
    id="spouse", subject="Ines Sol", question="Who is Ines Sol married to?", target_new="Bo Lund"
)

# Two hops, the first of them edited.
BIRTH = "Where was the author of Harrow Lane born?"
BIRTH_REPLIES = [
    step("Who wrote Harrow Lane?", "Jon Pell"),
    "Check: contradicts\nIntermediate answer: Ines Sol\n"
    + step("Where was Ines Sol born?", "Lima"),
    "Intermediate answer: Lima\nFinal answer: Lima",
]
