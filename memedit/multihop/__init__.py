"""Compositional questions: taken apart, each hop resolved on its own, the chain put together."""
