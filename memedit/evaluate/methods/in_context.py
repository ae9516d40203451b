"""Plain in-context editing: the nearest edits in the prompt, whatever is asked.

Zheng et al. 2023 (IKE, arXiv 2305.12740) put the edit and demonstrations before every prompt; here
without demonstrations. Where several edits are live the nearest by cosine are taken, as MeLLo's
retriever does (Zhong et al. 2023, arXiv 2305.14795), with no threshold: some edit always is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import HumanMessage

from memedit.edit import Edit
from memedit.evaluate.methods.contract import Plan
from memedit.models.prompts import prompt_hash
from memedit.models.roles import Role, in_front
from memedit.scope.encoder import Encoder, Vectors

ROLE = Role(name="in-context", prompt="in_context")


class InContext:
    """The base model with the nearest edits in its prompt.

    Args:
        model: The model.
        encoder: Finds the nearest edits.
        facts: How many edits to put into the prompt.
    """

    name = "in-context"
    detached = True

    def __init__(self, model: BaseChatModel, encoder: Encoder, *, facts: int = 1) -> None:
        self.model = model
        self.encoder = encoder
        self.facts = facts
        self.settings: dict[str, Any] = {
            "facts": facts,
            "encoder": encoder.fingerprint,
            "prompt": prompt_hash(ROLE.prompt),
        }
        self._edits: list[Edit] = []
        self._vectors: Vectors = np.zeros((0, encoder.dimension), dtype=np.float32)

    def prepare(self) -> None:
        """Does nothing."""

    def ahead(self, edits: Sequence[Edit]) -> None:
        """Does nothing."""

    def refusals(self, edits: Sequence[Edit]) -> dict[str, str]:
        """None."""
        return {}

    def apply(self, edits: Sequence[Edit]) -> None:
        """Makes edits live."""
        vectors = self.encoder.encode([edit.stated for edit in edits])
        self._edits = [*self._edits, *edits]
        self._vectors = np.concatenate([self._vectors, vectors])

    def plan(self, queries: Sequence[str]) -> list[Plan]:
        """Every query with its nearest edits before it."""
        started = time.perf_counter()
        if not self._edits or not queries:
            return [Plan([HumanMessage(query)], self.model) for query in queries]
        cosines = self.encoder.encode(queries) @ self._vectors.T
        order = np.argsort(-cosines, axis=1, kind="stable")[:, : self.facts]
        plans = [
            self._plan(query, row, cosines[i])
            for i, (query, row) in enumerate(zip(queries, order, strict=True))
        ]
        seconds = (time.perf_counter() - started) / len(queries)
        return [replace(plan, seconds=seconds) for plan in plans]

    def ask(self, query: str, max_tokens: int) -> tuple[str, Plan]:
        """One answer."""
        [plan] = self.plan([query])
        return str(self.model.invoke(plan.messages, max_tokens=max_tokens).text), plan

    def revert(self) -> None:
        """Takes every edit back."""
        self._edits = []
        self._vectors = self._vectors[:0]

    def state(self) -> str:
        """The live edits."""
        return ",".join(edit.id for edit in self._edits)

    def close(self) -> None:
        """Does nothing."""

    def _plan(self, query: str, nearest: Vectors, cosines: Vectors) -> Plan:
        edits = tuple(self._edits[int(i)] for i in nearest)
        return Plan(
            messages=ROLE.messages([HumanMessage(query)], edits, query),
            model=self.model,
            context=in_front(edits),
            edits=edits,
            trace={"cosines": [round(float(cosines[int(i)]), 4) for i in nearest]},
        )
