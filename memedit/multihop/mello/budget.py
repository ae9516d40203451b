"""What a batch of questions may cost, kept to exactly: a call that could exceed it is not made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from langchain_core.messages import BaseMessage

from memedit.errors import ModelError


@dataclass(frozen=True)
class Budget:
    """The most that may be spent. A call tried again is another call; None is no limit.

    Args:
        calls_per_question: Calls of the model for one question.
        tokens_per_question: Tokens read and written for one question.
        calls: Calls for all questions of a batch.
        tokens: Tokens for all questions of a batch.

    Raises:
        ModelError: A limit is below 1.
    """

    calls_per_question: int | None = None
    tokens_per_question: int | None = None
    calls: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ModelError(
                    f"{name}: {value} allows nothing.", hint="Give 1 or more, or None."
                )


@dataclass(frozen=True)
class Spent:
    """What was spent.

    Attributes:
        calls: Calls of the model, those that failed included.
        tokens: Tokens read and written.
        assumed: How many of the tokens nobody reported. They count as many as they can have been.
    """

    calls: int = 0
    tokens: int = 0
    assumed: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls, self.tokens + other.tokens, self.assumed + other.assumed
        )


class Ledger:
    """Who may call, and who has spent what; a question has one call at a time.

    Args:
        budget: The limits.
        questions: How many questions share them.
    """

    def __init__(self, budget: Budget, questions: int) -> None:
        self.budget = budget
        self.spent = [Spent()] * questions
        self.total = Spent()  # without what is reserved
        self._reserved: dict[int, int] = {}  # question -> tokens its running call may take
        self._reserved_tokens = 0

    def refusal(self, question: int, tokens: int) -> str | None:
        """Why a call can never be made any more; None where it still can.

        Args:
            question: Whose call it is.
            tokens: The most it can take.
        """
        budget, own, total = self.budget, self.spent[question], self.total
        for what, limit, spent, needed in (
            ("the question's budget of {} calls", budget.calls_per_question, own.calls, 1),
            ("the question's budget of {} tokens", budget.tokens_per_question, own.tokens, tokens),
            ("the batch's budget of {} calls", budget.calls, total.calls, 1),
            ("the batch's budget of {} tokens", budget.tokens, total.tokens, tokens),
        ):
            if limit is not None and spent + needed > limit:
                left = f"{spent:,} are spent and the next call may take {needed:,}"
                return f"{what.format(format(limit, ','))} does not reach: {left}"
        return None

    def has_room(self, tokens: int) -> bool:
        """Whether a call fits beside those that are running, were they to take all they can."""
        budget, total = self.budget, self.total
        calls = total.calls + len(self._reserved) + 1
        needed = total.tokens + self._reserved_tokens + tokens
        return (budget.calls is None or calls <= budget.calls) and (
            budget.tokens is None or needed <= budget.tokens
        )

    def reserve(self, question: int, tokens: int) -> None:
        """Takes note that a call has started which can take so many tokens."""
        self._reserved[question] = tokens
        self._reserved_tokens += tokens

    def settle(self, question: int, *, reported: int | None, at_most: int | None = None) -> None:
        """Takes note that the question's call has ended.

        Args:
            question: Whose call it was.
            reported: The tokens it took; None where nobody said.
            at_most: The most it can have taken, where nobody said; what was reserved where None.
        """
        reserved = self._reserved.pop(question)
        self._reserved_tokens -= reserved
        guess = reserved if at_most is None else min(reserved, at_most)
        cost = (
            Spent(calls=1, tokens=guess, assumed=guess)
            if reported is None
            else Spent(calls=1, tokens=reported)
        )
        self.spent[question] += cost
        self.total += cost


# What a provider writes around a message: role, separators, end.
_TOKENS_AROUND = 16


class ByteCount:
    """The most tokens that messages can have for a model whose tokenizer is not here.

    A token is at least one byte of UTF-8. Once a call has reported how many tokens it read, what
    it shares with a later one counts as that many, so the bound soon becomes a close one.

    Args:
        shared: With how many messages every conversation begins.
    """

    def __init__(self, shared: int) -> None:
        self._shared = shared
        self._shared_tokens: int | None = None
        self._known: dict[int, tuple[list[BaseMessage], int]] = {}

    def at_most(self, question: int, messages: Sequence[BaseMessage]) -> int:
        """The most tokens a conversation can have.

        Args:
            question: Whose conversation it is.
            messages: All of it, the shared beginning included.
        """
        bound = _bytes(messages)
        if self._shared_tokens is not None:
            bound = min(bound, self._shared_tokens + _bytes(messages[self._shared :]))
        before, tokens = self._known.get(question, ([], 0))
        if before and list(messages[: len(before)]) == before:
            bound = min(bound, tokens + _bytes(messages[len(before) :]))
        return bound

    def learn(self, question: int, messages: Sequence[BaseMessage], tokens: int) -> None:
        """Takes note of how many tokens a conversation had."""
        if tokens < 1:
            return
        self._known[question] = (list(messages), tokens)
        self._shared_tokens = min(tokens, self._shared_tokens or tokens)


def _bytes(messages: Sequence[BaseMessage]) -> int:
    return sum(len(str(m.text).encode(errors="replace")) + _TOKENS_AROUND for m in messages)


def tokens_of_text(text: str) -> int:
    """The most tokens a text can have."""
    return len(text.encode(errors="replace")) + _TOKENS_AROUND
