"""What a strategy for multi-hop questions gives back: the chain of hops, whatever found it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from memedit.edit import Edit

# Where a hop's answer comes from: a live edit, a plain fact of the memory, or the base model.
Source = Literal["edit", "fact", "base"]


@dataclass(frozen=True)
class Hop:
    """One step of a chain.

    Attributes:
        question: The sub-question, about the answer of the hop before it.
        tentative: What the base model said before the memory was looked at; None where it was
            not asked.
        source: Where the answer comes from.
        edit: The edit or fact that was followed; None where the base model answered.
        answer: The intermediate answer.
        score: How sure the strategy is of this hop, 0…1.
    """

    question: str
    tentative: str | None
    source: Source
    edit: Edit | None
    answer: str
    score: float

    def to_dict(self) -> dict[str, Any]:
        """The hop, JSON-ready."""
        return {
            "question": self.question,
            "tentative": self.tentative,
            "source": self.source,
            "edit": None if self.edit is None else self.edit.id,
            "answer": self.answer,
            "score": round(self.score, 6),
        }


@dataclass(frozen=True)
class Chain:
    """How a question was taken apart, and what came of it.

    Attributes:
        hops: The hops in order; where nothing came of it, as far as they went.
        answer: The last hop's answer; None where the strategy abstains.
        confident: Whether the chain may stand in for the base model's own answer; an abstention
            may too, where the base model's answer would surely be from before an edit.
        reason: Why it abstains or is not confident; otherwise what speaks for the chain.
    """

    hops: tuple[Hop, ...]
    answer: str | None
    confident: bool
    reason: str

    @property
    def edits(self) -> tuple[Edit, ...]:
        """The edits and facts the chain follows, in order."""
        return tuple(hop.edit for hop in self.hops if hop.edit is not None)

    @property
    def score(self) -> float:
        """How sure the least sure hop is, 0…1; 0.0 without hops."""
        return min((hop.score for hop in self.hops), default=0.0)

    @property
    def text(self) -> str:
        """What is answered: the answer, or that there is none."""
        return self.answer if self.answer is not None else f"I cannot tell. {self.reason}"

    @classmethod
    def abstention(cls, reason: str, hops: Sequence[Hop] = (), *, confident: bool = False) -> Chain:
        """No answer, and why; with the hops that were found before it came to that."""
        return cls(tuple(hops), None, confident, reason)

    def to_dict(self) -> dict[str, Any]:
        """The chain, JSON-ready."""
        return {
            "hops": [hop.to_dict() for hop in self.hops],
            "answer": self.answer,
            "confident": self.confident,
            "reason": self.reason,
        }


class Strategy(Protocol):
    """A way to answer questions over chains of facts.

    A strategy never raises over a question it cannot answer, or over a model that fails in the
    middle of a chain: it gives an abstention with the hops found so far.
    """

    def answer_many(self, questions: Sequence[str]) -> list[Chain]:
        """The chain of each question, in order; the questions advance together.

        Args:
            questions: Questions that can be understood by themselves, references resolved.
        """
