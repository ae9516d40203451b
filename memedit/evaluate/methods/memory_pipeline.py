"""The product itself: an edit memory, its scope classifier and the roles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage

from memedit.edit import Edit
from memedit.evaluate.methods.contract import Plan
from memedit.memory import EditMemory
from memedit.models.prompts import prompt_hash
from memedit.models.roles import in_front
from memedit.multihop.decision import ChainDecision
from memedit.multihop.walk.planner import shipped_fingerprint
from memedit.pipeline import EditedModel, MultiHop
from memedit.scope.conformal import DEFAULT_RATE
from memedit.scope.decision import Decision
from memedit.scope.encoder import Encoder, load_encoder
from memedit.scope.matcher import Matcher


class MemoryPipeline:
    """An :class:`~memedit.pipeline.EditedModel` over a store of its own.

    Args:
        model: The base model.
        encoder: The store's encoder; the embedded one where None.
        threshold: Least probability that counts as in scope; calibrated where None.
        multihop: How questions that are put together of several are taken apart; not at all where
            False.
    """

    detached = True

    def __init__(
        self,
        model: BaseChatModel,
        encoder: Encoder | None = None,
        *,
        threshold: float | None = None,
        multihop: MultiHop | Literal[False] = False,
    ) -> None:
        self.name = {False: "memory", "walk": "multihop", "mello": "mello"}[multihop]
        self.model = model
        self.multihop = multihop
        self.encoder = encoder or load_encoder()
        self.threshold = threshold
        self._open()
        matcher = Matcher.shipped(self.encoder)
        self.settings: dict[str, Any] = {
            "threshold": f"calibrated to {DEFAULT_RATE}" if threshold is None else threshold,
            "encoder": self.encoder.fingerprint,
            "matcher": matcher.fingerprint if matcher else None,
            "decomposer": shipped_fingerprint() if multihop else None,
            "prompt": prompt_hash(self.edited.role.prompt),
            "adapter": self.edited.role.adapter,
        }

    def prepare(self) -> None:
        """Does nothing."""

    def ahead(self, edits: Sequence[Edit]) -> None:
        """Does nothing."""

    def refusals(self, edits: Sequence[Edit]) -> dict[str, str]:
        """None."""
        return {}

    def apply(self, edits: Sequence[Edit]) -> None:
        """Adds the edits to the memory."""
        self.memory.add(edits)

    def plan(self, queries: Sequence[str]) -> list[Plan]:
        """Routes every query."""
        return [
            self._plan(decision, model, messages)
            for decision, model, messages in self.edited.prepare_many(
                [[HumanMessage(q)] for q in queries]
            )
        ]

    def ask(self, query: str, max_tokens: int) -> tuple[str, Plan]:
        """One answer from the edited model."""
        answer = self.edited.ask(query, max_tokens=max_tokens)
        decision = answer.decision
        model: BaseChatModel = self.edited.base
        messages: list[BaseMessage] = [HumanMessage(query)]
        if decision.route == "counterfactual":
            model = self.edited.counterfactual
            messages = self.edited.role.messages(messages, decision.edits, decision.question)
        return answer.text, self._plan(decision, model, messages)

    def revert(self) -> None:
        """Begins a new store; the old one is deleted."""
        self.close()
        self._open()

    def state(self) -> str:
        """The live edits."""
        return ",".join(sorted(record.id for record in self.memory.list()))

    def close(self) -> None:
        """Closes and deletes the store."""
        self.memory.close()
        self._folder.cleanup()

    def _open(self) -> None:
        self._folder = TemporaryDirectory(prefix="memedit-eval-")
        self.memory = EditMemory.open(Path(self._folder.name) / "edits.db", encoder=self.encoder)
        self.edited = EditedModel(
            self.model, self.memory, threshold=self.threshold, multihop=self.multihop
        )

    def _plan(self, decision: Decision, model: BaseChatModel, messages: list[BaseMessage]) -> Plan:
        chain = decision.chain if isinstance(decision, ChainDecision) else None
        return Plan(
            messages=messages,
            model=model,
            context=in_front(decision.edits),
            route=decision.route,
            edits=decision.edits,
            probability=decision.probability,
            seconds=decision.seconds,
            trace={
                "reasons": list(decision.reasons),
                "candidates": [
                    {"edit": c.edit.stated, "probability": round(c.probability, 4)}
                    for c in decision.candidates[:3]
                ],
            },
            hops=tuple(hop.to_dict() for hop in chain.hops) if chain else (),
        )
