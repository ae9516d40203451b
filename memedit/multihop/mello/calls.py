"""Calls of the model for many questions at once, and those of a local model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, BaseMessage

from memedit.models.local import LocalChatModel
from memedit.multihop.mello.budget import Ledger, tokens_of_text

# A model that goes on in the user's name has nothing more to say.
_STOP = ["\nFact:", "\nQuestion:"]
_CUT_OFF = ("length", "max_tokens", "MAX_TOKENS")


@dataclass(frozen=True)
class Call:
    """A call that is to be made.

    Attributes:
        question: Whose it is, by place in the batch; a question has one call at a time.
        messages: What the model is to reply to.
        hops: How far the question has come. The furthest go first, so that a budget which does not
            reach for all brings some to their end.
    """

    question: int
    messages: list[BaseMessage]
    hops: int

    @property
    def order(self) -> tuple[int, int]:
        """Its place in the queue."""
        return -self.hops, self.question


@dataclass(frozen=True)
class Done:
    """What came of a call.

    Attributes:
        question: Whose it was.
        text: The reply; None where there is none.
        failure: Why there is none.
    """

    question: int
    text: str | None
    failure: str = ""


class Caller(Protocol):
    """Makes calls, several at a time."""

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls in; they need not start yet."""

    def collect(self) -> list[Done]:
        """What has come of some of them, at least one; [] where nothing is outstanding."""


class LocalCaller:
    """Calls of a local model: all that wait are answered in one batch.

    Args:
        model: The model.
        ledger: What may be spent.
        beginning: The messages every conversation begins with; they are read once.
        max_tokens: The most tokens of a reply.
    """

    def __init__(
        self,
        model: LocalChatModel,
        ledger: Ledger,
        beginning: Sequence[BaseMessage],
        max_tokens: int,
    ) -> None:
        self._model = model
        self._ledger = ledger
        self._prefix = model.read_prefix(beginning)
        self._max_tokens = max_tokens
        self._waiting: list[Call] = []

    def submit(self, calls: Sequence[Call]) -> None:
        """Takes calls in for the next batch."""
        self._waiting += calls

    def collect(self) -> list[Done]:
        """The replies to all calls that the budget has room for together."""
        done, chosen = [], []
        queue = sorted(self._waiting, key=lambda call: call.order, reverse=True)
        while queue:
            call = queue[-1]
            tokens = len(self._model.prompt_ids(call.messages)) + self._max_tokens
            refusal = self._too_long(tokens) or self._ledger.refusal(call.question, tokens)
            if refusal is None and not self._ledger.has_room(tokens):
                break  # until this batch is done
            queue.pop()
            if refusal is None:
                self._ledger.reserve(call.question, tokens)
                chosen.append(call)
            else:
                done.append(Done(call.question, None, refusal))
        self._waiting = queue
        if chosen:
            replies = self._model.generate_many(
                [call.messages for call in chosen],
                stop=_STOP,
                prefix=self._prefix,
                max_tokens=self._max_tokens,
            )
            for call, reply in zip(chosen, replies, strict=True):
                self._ledger.settle(call.question, reported=reported_tokens(reply))
                done.append(Done(call.question, reply_text(reply)))
        return done

    def _too_long(self, tokens: int) -> str | None:
        room = self._model.context_length
        if room is None or tokens <= room:
            return None
        return f"{tokens:,} tokens do not fit into the model's context of {room:,}"


def reply_text(message: AIMessage) -> str:
    """What a model wrote; without its last line where it was cut off in the middle of it."""
    text = str(message.text)
    metadata: dict[str, Any] = message.response_metadata
    ended = metadata.get("finish_reason") or metadata.get("stop_reason")
    return text.rpartition("\n")[0] if ended in _CUT_OFF else text


def reported_tokens(message: AIMessage) -> int | None:
    """The tokens a call took, read and written, where the model says."""
    usage = message.usage_metadata
    return usage["input_tokens"] + usage["output_tokens"] if usage else None


def most_tokens(message: AIMessage, prompt: int) -> int:
    """The most tokens a call can have taken whose model does not say, the prompt's ``prompt``."""
    return prompt + tokens_of_text(str(message.text))
