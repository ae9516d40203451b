"""The unedited base model: the column beside every figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from memedit.edit import Edit
from memedit.evaluate.methods.contract import Plan


class Unedited:
    """The base model, which takes no notice of edits.

    Args:
        model: The model.
    """

    name = "base"
    detached = True

    def __init__(self, model: BaseChatModel) -> None:
        self.model = model
        self.settings: dict[str, Any] = {}

    def prepare(self) -> None:
        """Does nothing."""

    def ahead(self, edits: Sequence[Edit]) -> None:
        """Does nothing."""

    def refusals(self, edits: Sequence[Edit]) -> dict[str, str]:
        """None."""
        return {}

    def apply(self, edits: Sequence[Edit]) -> None:
        """Does nothing."""

    def plan(self, queries: Sequence[str]) -> list[Plan]:
        """Every query as it is."""
        return [Plan([HumanMessage(query)], self.model) for query in queries]

    def ask(self, query: str, max_tokens: int) -> tuple[str, Plan]:
        """The base model's own answer."""
        [plan] = self.plan([query])
        return str(self.model.invoke(plan.messages, max_tokens=max_tokens).text), plan

    def revert(self) -> None:
        """Does nothing."""

    def state(self) -> str:
        """Always the same."""
        return "unedited"

    def close(self) -> None:
        """Does nothing."""
