from __future__ import annotations

from dataclasses import dataclass

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage

from memedit.edit import Edit
from memedit.models.local import LocalChatModel
from memedit.models.roles import COUNTERFACTUAL
from tests.models import real


@dataclass(frozen=True)
class Decision:
    route: str
    edits: tuple[Edit, ...] = ()
    probability: float | None = None


@dataclass
class RoutedByName:
    """Stands in for the pipeline: an edit is in scope where its subject's name occurs."""

    base: BaseChatModel
    edit: Edit
    counterfactual: BaseChatModel | None = None
    as_of: object = None

    def prepare(
        self, messages: list[BaseMessage], *, as_of: object = None
    ) -> tuple[Decision, BaseChatModel, list[BaseMessage]]:
        self.as_of = as_of
        question = messages[-1].text
        if self.edit.subject not in question:
            return Decision("base"), self.base, messages
        changed = COUNTERFACTUAL.messages(messages, [self.edit], question)
        model = self.counterfactual or self.base
        return Decision("counterfactual", (self.edit,), 0.99), model, changed


@pytest.fixture(scope="session")
def smollm2() -> LocalChatModel:
    return real.smollm2()
