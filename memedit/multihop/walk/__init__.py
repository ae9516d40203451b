"""The walk strategy: paths over the graph of live edits, ranked against the question."""

from memedit.multihop.walk.graph import Edge, FactGraph
from memedit.multihop.walk.strategy import Walk

__all__ = ["Edge", "FactGraph", "Walk"]
