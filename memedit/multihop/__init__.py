"""Multi-hop questions: taken apart, each hop answered from an edit, a fact or the base model."""

from memedit.multihop.hops import Chain, Hop, Source, Strategy

__all__ = ["Chain", "Hop", "Source", "Strategy"]
