"""The methods by name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable

from langchain_core.language_models import BaseChatModel

from memedit.bake import method_names
from memedit.bake.methods import Watch
from memedit.errors import EvaluationError
from memedit.evaluate.methods.contract import Method
from memedit.evaluate.methods.in_context import InContext
from memedit.evaluate.methods.memory_pipeline import MemoryPipeline
from memedit.evaluate.methods.unedited import Unedited
from memedit.evaluate.methods.weights import WeightEditing
from memedit.scope.encoder import load_encoder

METHODS: dict[str, Callable[..., Method]] = {
    "base": Unedited,
    "in-context": lambda model: InContext(model, load_encoder()),
    "memory": MemoryPipeline,
    "multihop": functools.partial(MemoryPipeline, multihop="walk"),
    "mello": functools.partial(MemoryPipeline, multihop="mello"),
    **{name: functools.partial(WeightEditing, method=name) for name in method_names()},
}


def check_method(name: str) -> None:
    """Raises EvaluationError unless there is a method ``name``."""
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        raise EvaluationError(
            f"method: there is no {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(METHODS)}.",
        )


def make_method(
    name: str,
    model: BaseChatModel,
    *,
    hparams: str | None = None,
    seed: int = 0,
    watch: Watch | None = None,
) -> Method:
    """The method ``name`` over ``model``.

    Args:
        name: The method's name.
        model: The model it edits.
        hparams: Settings of a method that edits weights: a family's name or a TOML file.
        seed: Decides what such a method draws.
        watch: Told how far it is with its computing.

    Raises:
        EvaluationError: There is no such method, or it takes no ``hparams``.
        BakeError: It cannot edit this model's weights.
    """
    check_method(name)
    if name in method_names():
        return METHODS[name](model, hparams=hparams, seed=seed, watch=watch)
    if hparams is not None:
        raise EvaluationError(
            f"hparams: {name} has none.", hint=f"They are for {', '.join(method_names())}."
        )
    return METHODS[name](model)
