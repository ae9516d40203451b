"""What every part of the edit memory's facade needs: the store, its vectors, its checks."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from memedit.edit import parse_date
from memedit.errors import (
    InvalidEditError,
    QueryError,
    UnknownEditError,
    UnknownNamespaceError,
)
from memedit.memory import queries
from memedit.memory.embeddings import Embeddings
from memedit.memory.index import VectorIndex
from memedit.memory.records import EditRecord
from memedit.memory.store import Store
from memedit.memory.validity import winners
from memedit.memory.writing import Occasion
from memedit.scope.encoder import Encoder
from memedit.text import find_control_character

DEFAULT_NAMESPACE = "default"

Day = dt.date | str


class MemoryBase:
    """A namespace of an open store.

    Args:
        store: The database.
        embeddings: Its vectors.
        namespace: The part of the store to work in.
        actor: Who makes changes.
        owns_store: Whether closing the memory closes the store.
    """

    def __init__(
        self,
        store: Store,
        embeddings: Embeddings,
        *,
        namespace: str,
        actor: str | None,
        owns_store: bool,
    ) -> None:
        check_namespace(namespace)
        self._store = store
        self._embeddings = embeddings
        self._namespace = namespace
        self._actor = actor
        self._owns_store = owns_store
        self._index = VectorIndex(store, namespace)
        self._exists = namespace == DEFAULT_NAMESPACE

    def in_namespace(self, namespace: str) -> Self:
        """A view of another namespace on the same connection; it closes with this memory."""
        return type(self)(
            self._store,
            self._embeddings,
            namespace=namespace,
            actor=self._actor,
            owns_store=False,
        )

    def close(self) -> None:
        """Saves the vector index where that is worthwhile and closes the store."""
        self._index.save_if_worthwhile()
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, namespace={self._namespace!r})"

    @property
    def path(self) -> Path:
        """The store's file."""
        return self._store.path

    @property
    def namespace(self) -> str:
        """The part of the store this memory works in."""
        return self._namespace

    @property
    def in_memory(self) -> bool:
        """Whether the store is gone when it is closed."""
        return self._store.in_memory

    @property
    def read_only(self) -> bool:
        """Whether the store refuses changes."""
        return self._store.read_only

    @property
    def revision(self) -> int:
        """The store's revision now; every mutation, in any namespace, adds one."""
        return self._store.state()[0]

    @property
    def encoder(self) -> Encoder:
        """The sentence encoder, loaded at first use.

        Raises:
            EncoderError: It cannot be loaded, or the store was made with another one.
        """
        return self._embeddings.encoder

    # -- checking --------------------------------------------------------------------------------

    def _require_namespace(self) -> None:
        if self._exists:
            return
        known = queries.namespaces(self._store)
        if self._namespace not in known:
            listed = ", ".join(repr(name) for name in {DEFAULT_NAMESPACE: 0, **known})
            raise UnknownNamespaceError(
                f"The store {self.path} has no namespace {self._namespace!r}.",
                hint=f"It has {listed}; adding an edit makes a new one.",
            )
        self._exists = True

    def _require(self, ids: Iterable[str], *, also: Sequence[str] = ()) -> list[EditRecord]:
        """The records of these ids, in order; erased and rolled-back ones only if in ``also``."""
        self._require_namespace()
        wanted = list(ids)
        found = queries.records_with_ids(self._store, self._namespace, wanted)
        for edit_id in wanted:
            status = found[edit_id].status if edit_id in found else None
            if status is None or (status in ("erased", "rolled_back") and status not in also):
                raise self._unknown(edit_id, status)
        return [found[edit_id] for edit_id in wanted]

    def _unknown(self, edit_id: str, status: str | None) -> UnknownEditError:
        if status == "erased":
            return UnknownEditError(
                f"Edit {edit_id!r} was erased.", hint="Add it anew under another id."
            )
        if status == "rolled_back":
            return UnknownEditError(
                f"Edit {edit_id!r} was taken out by a rollback.",
                hint="Add it anew, or roll back to a revision that has it.",
            )
        elsewhere = queries.namespaces_of_ids(self._store, [edit_id])
        return UnknownEditError(
            f"There is no edit {edit_id!r} in namespace {self._namespace!r}.",
            hint=f"It is in namespace {elsewhere[edit_id]!r}."
            if elsewhere
            else "List the edits to see their ids.",
        )

    def _rows_on(self, day: Day) -> list[int]:
        """Rows of the active edits that count on a day."""
        active = queries.records(
            self._store, "e.namespace = ? AND e.status = 'active'", [self._namespace]
        )
        return [record.row for record in winners(active, as_day(day))]

    def _occasion(self, reason: str, actor: str | None) -> Occasion:
        return Occasion(self._namespace, actor or self._actor or _login_name(), reason)


def as_day(day: Day) -> dt.date:
    """A day given as a date or in words.

    Raises:
        QueryError: It is not a date.
    """
    if isinstance(day, dt.datetime):
        return day.date()
    if isinstance(day, dt.date):
        return day
    try:
        return parse_date(day)
    except ValueError as error:
        text, _, hint = str(error).partition("; ")
        raise QueryError(f"as_of: {text}.", hint=f"{hint[0].upper()}{hint[1:]}.") from None


def check_namespace(namespace: str) -> None:
    """Refuses what cannot be a namespace's name.

    Raises:
        InvalidEditError: It is empty or holds control characters.
    """
    if not namespace.strip() or find_control_character(namespace, allow=""):
        raise InvalidEditError(
            f"namespace: {namespace!r} cannot be a name.",
            hint="Use letters, digits or any other visible characters.",
            field="namespace",
        )


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # no such user, or a system without users
        return "unknown"
