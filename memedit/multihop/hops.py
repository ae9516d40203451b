"""What every multi-hop strategy gives back: the chain of hops that led to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from memedit.edit import Edit

Source = Literal["edit", "base", "fact"]


@dataclass(frozen=True)
class Hop:
    """One step of a chain.

    Attributes:
        question: The sub-question.
        tentative: The base model's own answer, where it was asked for one.
        source: Where the answer comes from: a live edit, the base model's weights, or a plain
            fact beside the edits.
        edit: The edit, where the source is one.
        answer: The intermediate answer.
        score: How sure the source was found to be, 0…1; 0.0 where nothing scored it.
    """

    question: str
    tentative: str | None
    source: Source
    edit: Edit | None
    answer: str
    score: float


@dataclass(frozen=True)
class Chain:
    """How a compositional question was answered, or how far it came.

    Attributes:
        hops: The hops in order; the partial trace where there is no answer.
        answer: The answer; None is an honest abstention.
        confident: Whether nothing on the way gave reason to doubt the answer.
        reason: Why the chain ended as it did, for a person.
    """

    hops: tuple[Hop, ...]
    answer: str | None
    confident: bool
    reason: str


class Strategy(Protocol):
    """A way of answering compositional questions."""

    def answer_many(self, questions: Sequence[str]) -> list[Chain]:
        """One chain for each question, in order."""
