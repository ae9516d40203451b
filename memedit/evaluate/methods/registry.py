"""The methods by name."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable

from langchain_core.language_models import BaseChatModel

from memedit.errors import EvaluationError
from memedit.evaluate.methods.contract import Method
from memedit.evaluate.methods.in_context import InContext
from memedit.evaluate.methods.memory_pipeline import MemoryPipeline
from memedit.evaluate.methods.unedited import Unedited
from memedit.scope.encoder import load_encoder

METHODS: dict[str, Callable[[BaseChatModel], Method]] = {
    "base": Unedited,
    "in-context": lambda model: InContext(model, load_encoder()),
    "memory": MemoryPipeline,
    "multihop": functools.partial(MemoryPipeline, multihop=True),
}


def check_method(name: str) -> None:
    """Raises EvaluationError unless there is a method ``name``."""
    if name not in METHODS:
        near = difflib.get_close_matches(name, METHODS, n=1)
        raise EvaluationError(
            f"method: there is no {name!r}.",
            hint=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(METHODS)}.",
        )


def make_method(name: str, model: BaseChatModel) -> Method:
    """The method ``name`` over ``model``.

    Raises:
        EvaluationError: There is no such method.
    """
    check_method(name)
    return METHODS[name](model)
