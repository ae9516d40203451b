"""A loaded model's own weights, while what is baked is on them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from memedit.models.engine import LocalEngine

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class UnbakedEngine(LocalEngine):
    """A loaded model as it is without its bakes; weights, lock and adapters are the engine's.

    The bakes are off for the time of each call, and on again after it, to the last bit.

    Args:
        engine: The loaded model.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine  # what it has is looked up there, as others may change it

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def unbaked(self) -> LocalEngine:
        """Itself."""
        return self

    def add_adapter(self, path: Path, name: str) -> None:
        """See :meth:`memedit.models.engine.LocalEngine.add_adapter`."""
        self._engine.add_adapter(path, name)

    @contextlib.contextmanager
    def using(self, adapter: str | None) -> Iterator[PreTrainedModel]:
        """See :meth:`memedit.models.engine.LocalEngine.using`."""
        with self._engine.using(adapter) as model, self._engine.own_weights():
            yield model
