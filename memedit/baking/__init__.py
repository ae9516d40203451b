"""The life of a bake: edits out of a memory into weights, verified, and back again.

memory → what can be baked → delta (:mod:`memedit.bake`) → verified edit by edit → file → store

:func:`~memedit.baking.make.bake` writes, :func:`~memedit.baking.undo.unbake` takes back, and
:class:`~memedit.baking.weights.BakedWeights` keeps a loaded model at what the store says.
"""
