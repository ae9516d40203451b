"""A routing decision that a chain of hops stands behind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from memedit.multihop.hops import Chain
from memedit.scope.decision import Decision

NO_CHAIN = Chain.abstention("The question was not taken apart.")


@dataclass(frozen=True)
class ChainDecision(Decision):
    """Where a multi-hop question goes and why.

    Attributes:
        chain: The hops; its answer is the answer of the route ``multihop``.
    """

    chain: Chain = NO_CHAIN

    def to_dict(self) -> dict[str, Any]:
        """The decision, JSON-ready."""
        return {**super().to_dict(), "chain": self.chain.to_dict()}
