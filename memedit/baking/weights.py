"""A loaded model's weights, kept at the live bakes of one namespace."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from langchain_core.language_models import BaseChatModel

from memedit.errors import BakeError
from memedit.memory.bake_files import checksum
from memedit.models.local import LocalChatModel

if TYPE_CHECKING:
    from memedit.bake import Delta, Editable
    from memedit.memory import BakeRecord, EditMemory
    from memedit.models.engine import LocalEngine

_log = logging.getLogger(__name__)

# One for each loaded model: it alone knows what its weights were.
_EDITABLE: WeakKeyDictionary[LocalEngine, Editable] = WeakKeyDictionary()
_EDITABLE_LOCK = threading.Lock()


def editable_of(engine: LocalEngine) -> Editable:
    """The one editable view of a loaded model; hold ``engine.using(None)`` while it is used.

    Raises:
        ModelError: Its layers cannot be found.
    """
    from memedit.bake import Editable

    with _EDITABLE_LOCK:
        if engine not in _EDITABLE:
            editable = _EDITABLE[engine] = Editable.of(engine)
            engine.own_weights = editable.untouched
        return _EDITABLE[engine]


@contextlib.contextmanager
def untouched(model: BaseChatModel) -> Iterator[None]:
    """Inside the block a local model has its own weights, whatever has been baked into it."""
    engine: LocalEngine | None = model.engine if isinstance(model, LocalChatModel) else None
    if engine is None:
        yield
        return
    with engine.using(None), engine.own_weights():
        yield


class BakedWeights:
    """The base model of a namespace: its own weights with the deltas of the live bakes on them.

    Nothing is looked at, let alone hashed, where nothing is baked. Another process's bakes go on,
    and come off, at the next :meth:`follow`.

    Args:
        base: The base model.
        memory: Whose bakes.
    """

    def __init__(self, base: BaseChatModel, memory: EditMemory) -> None:
        self._base = base
        self._memory = memory
        self._own: tuple[str, ...] = ()  # what was on the weights when it was last looked at

    def check(self) -> None:
        """Refuses weights that carry the bakes of another namespace.

        Raises:
            BakeError: They do.
        """
        on = self._on()
        if on == self._own:
            return
        if not set(on) <= {bake.id for bake in self._memory.bakes(all=True)}:
            raise BakeError(
                f"model: its weights carry bakes of another namespace than "
                f"{self._memory.namespace!r} of {self._memory.path} ({', '.join(on)}).",
                hint="Load the model once for each namespace that has bakes.",
            )
        self._own = on

    def follow(self) -> None:
        """Brings the weights to what the store says.

        Bakes whose delta file is missing or damaged are taken out of the store, with those made on
        top of them: their edits are answered from memory again, and the log says so.

        Raises:
            BakeError: The edits are baked into other weights than these, or the model has no
                weights here, or it carries another namespace's bakes.
        """
        self.check()
        live = self._memory.bakes()
        if not live and not self._on():
            return
        engine = engine_of(self._base, live)
        with engine.using(None):
            model = editable_of(engine)
            self._check_base(model, live)
            deltas = self._deltas(model, live)
            for delta_id in self._on():
                if delta_id not in deltas:
                    model.revert(delta_id)
            for delta in deltas.values():
                if delta is not None:
                    model.apply(delta)

    # -- internal --------------------------------------------------------------------------------

    def _on(self) -> tuple[str, ...]:
        engine = self._base.engine if isinstance(self._base, LocalChatModel) else None
        model = None if engine is None else _EDITABLE.get(engine)
        return () if model is None else tuple(delta.id for delta in model.applied)

    def _check_base(self, model: Editable, live: Sequence[BakeRecord]) -> None:
        for bake in live:
            if bake.base != model.base:
                raise BakeError(
                    f"model: its weights have the hash {model.base}; edits of namespace "
                    f"{self._memory.namespace!r} are baked into {bake.model!r} with the hash "
                    f"{bake.base}.",
                    hint="Load that model, in the number format it had, or return the edits to "
                    "memory: memedit unbake --all",
                )

    def _deltas(self, model: Editable, live: Sequence[BakeRecord]) -> dict[str, Delta | None]:
        """The deltas that belong on the weights, in order; None for one that is on already."""
        on = self._on()
        deltas: dict[str, Delta | None] = {}
        for number, bake in enumerate(live):
            if bake.id in on:
                deltas[bake.id] = None
                continue
            try:
                deltas[bake.id] = self._load(bake)
            except (BakeError, OSError) as error:
                self._lose(live[number:], str(error))
                break
        return deltas

    def _load(self, bake: BakeRecord) -> Delta:
        from memedit.bake import load_delta

        path = self._memory.delta_path(bake.id)
        if checksum(path) != bake.checksum:
            raise BakeError(f"{path} is not the file that was written.")
        return load_delta(path)

    def _lose(self, bakes: Sequence[BakeRecord], why: str) -> None:
        """Takes out a bake whose delta cannot be had, and those that were made on top of it.

        Raises:
            BakeError: The store cannot be written.
        """
        lost, *later = (bake.id for bake in bakes)
        if self._memory.read_only:
            raise BakeError(
                f"bake {lost}: its delta cannot be read ({why}).",
                hint="Open the store for writing once: its edits then return to memory.",
            )
        # In this order a kill in between leaves the lost one live, to be found again.
        returned = self._memory.end_bake(later)
        returned += self._memory.end_bake([lost], state="lost")
        _log.warning(
            "Bake %s is lost: %s%s Memory answers %d edits again; bake them anew with: memedit "
            "bake",
            lost,
            why,
            f" Taken out with it: {', '.join(later)}." if later else "",
            len(returned),
        )


def engine_of(model: BaseChatModel, live: Sequence[BakeRecord] = ()) -> LocalEngine:
    """The engine of a local model.

    Args:
        model: Any chat model.
        live: Bakes that are in force, for the error.

    Raises:
        BakeError: The model is a remote one; its weights are not here to be changed.
    """
    if isinstance(model, LocalChatModel):
        engine: LocalEngine = model.engine
        return engine
    if live:
        raise BakeError(
            f"model: edits of namespace {live[0].namespace!r} are baked into the weights of "
            f"{live[0].model!r}; a {type(model).__name__} has no weights here.",
            hint="Use that model, or return the edits to memory: memedit unbake --all",
        )
    raise BakeError(
        f"model: a {type(model).__name__} has no weights here, so nothing can be baked into it.",
        hint="Bake into a local model: the embedded one, a folder, a hub id or a GGUF file.",
    )
