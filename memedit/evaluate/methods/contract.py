"""What every editing method offers to the runner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from memedit.edit import Edit


@dataclass(frozen=True)
class Plan:
    """How one query is to be answered, once the method has decided.

    Attributes:
        messages: Exactly what the model gets.
        model: The model that answers.
        context: What stands before the prompt, as plain text, when continuations are scored.
        route: ``base`` or ``counterfactual``; None for a method that does not route.
        edits: The edits the answer is to follow.
        probability: The scope probability, 0…1; None without a router.
        seconds: What deciding took.
        trace: Why, for reports.
        hops: The hop trace of a question that was taken apart.
    """

    messages: list[BaseMessage]
    model: BaseChatModel
    context: str = ""
    route: str | None = None
    edits: tuple[Edit, ...] = ()
    probability: float | None = None
    seconds: float = 0.0
    trace: dict[str, Any] = field(default_factory=dict)
    hops: tuple[dict[str, Any], ...] = ()


class Method(Protocol):
    """An editing method: edits applied, queries planned, everything reverted.

    Plans are answered by the runner, many at a time. A method that changes the model's weights
    says ``detached = False``: its plans hold only until the next :meth:`apply` or :meth:`revert`.

    Example: ``apply([e1, e2])``, ``plan(["Who ...?"])``, the runner answers, ``revert()``; then
    ``state()`` is what it was before.
    """

    @property
    def name(self) -> str:
        """What the method is called in results."""

    @property
    def detached(self) -> bool:
        """Whether plans can still be answered after the edits have been reverted."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its answers beside the model: JSON-ready, part of a run's key."""

    def prepare(self) -> None:
        """Does what has to be done once before edits are applied, and is no edit's own cost."""

    def ahead(self, edits: Sequence[Edit]) -> None:
        """Does what can be done for many edits at once that will each be applied alone.

        Nothing is live then, nor afterwards. What it takes is those edits' own cost.
        """

    def refusals(self, edits: Sequence[Edit]) -> dict[str, str]:
        """Which of the edits it cannot apply, and why, by id, as far as that shows beforehand."""

    def apply(self, edits: Sequence[Edit]) -> None:
        """Makes edits live, beside those that are.

        Raises:
            MemEditError: An edit cannot be applied; then none of ``edits`` is live.
        """

    def plan(self, queries: Sequence[str]) -> list[Plan]:
        """How each query is to be answered with the edits that are live."""

    def ask(self, query: str, max_tokens: int) -> tuple[str, Plan]:
        """One query answered by itself, the way a user would ask it."""

    def revert(self) -> None:
        """Takes every edit back."""

    def state(self) -> str:
        """Names everything :meth:`apply` can change; equal before it and after :meth:`revert`."""

    def close(self) -> None:
        """Lets go of files and memory."""
