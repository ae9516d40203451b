"""One SQLite file: opening it with care, transactions, and errors in plain words."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from memedit.errors import StoreError, StoreLockedError
from memedit.memory.schema import APPLICATION_ID, migrations, unknown_steps

_log = logging.getLogger(__name__)

IN_MEMORY = ":memory:"


class Store:
    """A connection to one store, safe to use from several threads.

    Args:
        path: The file, or ``":memory:"``.
        create: Make the file and its folders where they are missing.
        read_only: Refuse to write. A file or folder that cannot be written is opened so anyway.
        lock_timeout: Seconds to wait for another process that writes.

    Raises:
        StoreError: There is no such file, or it is not a store this version can read.
        StoreLockedError: Another process held the store for longer than ``lock_timeout``.
    """

    def __init__(
        self, path: str | Path, *, create: bool, read_only: bool, lock_timeout: float
    ) -> None:
        self.path = Path(path) if str(path) == IN_MEMORY else Path(path).expanduser().absolute()
        self.in_memory = str(path) == IN_MEMORY
        self.lock_timeout = lock_timeout
        self._lock = threading.RLock()
        create = create and not read_only
        self._require_file(create)
        self.read_only = read_only or not (self.in_memory or _writable(self.path))
        with self._plain_errors():
            connection = self._connect()
            try:
                self.db = Database(connection, execute_plugins=False)
                self._prepare(create)
            except BaseException:
                connection.close()
                raise

    # -- reading and writing ---------------------------------------------------------------------

    def rows(self, sql: str, parameters: Sequence[Any] | dict[str, Any] = ()) -> list[Any]:
        """All rows of a query, as tuples."""
        with self._lock, self._plain_errors():
            return self.db.execute(sql, parameters).fetchall()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """All queries in the block see one and the same revision."""
        with self._lock, self._plain_errors(), self.db.atomic():
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: everything in the block is written, or nothing is.

        Raises:
            StoreLockedError: Another process holds the write lock.
            StoreError: The store is read-only, the disk is full, or the file is damaged.
        """
        if self.read_only:
            raise StoreError(
                f"The store {self.path} is open for reading only.",
                hint="Make the file and its folder writable, or open it without read_only=True.",
            )
        with self._lock, self._plain_errors(), self.db.atomic():
            # A write as the first statement takes the write lock before anything is read, so
            # that no other process can come between what is read here and what is written.
            self.db.execute("UPDATE store SET revision = revision")
            yield self.db.conn

    def state(self) -> tuple[int, str | None, int | None]:
        """The revision, and the fingerprint and dimension of the encoder once there are vectors."""
        ((revision, encoder, dimension),) = self.rows(
            "SELECT revision, encoder, dimension FROM store"
        )
        return revision, encoder, dimension

    @property
    def schema_version(self) -> int:
        """How many migrations have been applied."""
        with self._lock, self._plain_errors():
            return len(migrations.applied(self.db))

    @property
    def index_folder(self) -> Path | None:
        """The folder of the index files beside the database; None for a store in memory."""
        return None if self.in_memory else self.path.with_name(f"{self.path.name}.index")

    def close(self) -> None:
        """Closes the connection; a second time does nothing."""
        with self._lock:
            self.db.close()

    def scrub(self) -> None:
        """Rewrites the files so that deleted words are in none of their unused bytes.

        ``secure_delete`` zeroes deleted rows, but not the copies that rows leave behind when they
        move to another page. VACUUM writes every page anew, and emptying the write-ahead log
        removes the pages of earlier transactions. What a kill or a reader prevents is made up
        for when the store is next opened.

        Raises:
            StoreLockedError: Another program kept the old pages in use, or the disk is full.
        """
        with self._lock, self._plain_errors():
            ((due,),) = self.db.execute("SELECT scrub_due FROM store").fetchall()
            if not due or self.in_memory:
                return
            try:
                self.db.execute("VACUUM")
                ((busy, _, _),) = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            except sqlite3.OperationalError as error:
                raise self._unscrubbed(str(error)) from error
            if busy:
                raise self._unscrubbed("another program is reading it")
            self.db.execute("UPDATE store SET scrub_due = 0")

    def _unscrubbed(self, why: str) -> StoreLockedError:
        return StoreLockedError(
            f"The words are erased from every table of {self.path}, but unused bytes of its files "
            f"may still hold them ({why}).",
            hint="Close the programs that use the store, then open it again: that cleans it.",
        )

    # -- opening ---------------------------------------------------------------------------------

    def _require_file(self, create: bool) -> None:
        if self.in_memory or self.path.is_file():
            return
        if self.path.is_dir():
            raise StoreError(
                f"The store {self.path} is a folder.", hint="Give the path of a file in it."
            )
        if not create:
            raise StoreError(
                f"There is no store at {self.path}.",
                hint="Check the path, or add a first edit to make one.",
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The folder {self.path.parent} cannot be made ({error.strerror}).",
                hint="Give a path in a folder you may write to.",
            ) from error

    def _connect(self) -> sqlite3.Connection:
        if not self.read_only:
            return sqlite3.connect(self.path, timeout=self.lock_timeout, check_same_thread=False)
        connection = self._connect_uri("mode=ro")
        try:
            connection.execute("SELECT 1 FROM sqlite_master").fetchall()
        except sqlite3.OperationalError:
            connection.close()
            log = self.path.with_name(f"{self.path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise  # the last changes are in the log, and it cannot be read
            # Without a writable folder SQLite cannot make the files it shares between readers;
            # with nothing in the log they are not needed.
            return self._connect_uri("immutable=1")
        return connection

    def _connect_uri(self, options: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?{options}",
            uri=True,
            timeout=self.lock_timeout,
            check_same_thread=False,
        )

    def _prepare(self, create: bool) -> None:
        ((application,),) = self.rows("PRAGMA application_id")
        ((tables,),) = self.rows("SELECT count(*) FROM sqlite_master")
        if application != APPLICATION_ID and (tables or application or not create):
            raise StoreError(
                f"The file {self.path} is not an edit store.",
                hint="Give the path of a store, or of a file that does not exist yet.",
            )
        unknown = unknown_steps(self.db)
        if unknown:
            raise StoreError(
                f"The store {self.path} was made by a newer memedit (its schema has the step "
                f"{unknown[0]!r}).",
                hint="Upgrade with: pip install --upgrade memedit",
            )
        self.rows("PRAGMA foreign_keys = ON")
        if not self.read_only:
            self._prepare_writing()
        elif migrations.pending(self.db):
            raise StoreError(
                f"The store {self.path} has the schema of an older memedit.",
                hint="Open it once for writing, so that it is brought up to date.",
            )

    def _prepare_writing(self) -> None:
        self.rows("PRAGMA secure_delete = ON")
        self._enable_log()
        self.rows("PRAGMA synchronous = FULL")
        if migrations.pending(self.db):
            self._make_tables()
        try:
            self.scrub()
        except StoreLockedError as error:
            _log.warning("%s", error)

    def _make_tables(self) -> None:
        # The lock comes first, so that of several processes opening a new file one makes the
        # tables and the others find them.
        self.db.execute("BEGIN IMMEDIATE")
        with self.db.conn:
            migrations.apply(self.db)
            self.db.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _enable_log(self) -> None:
        """Write-ahead logging: readers go on while one process writes."""
        deadline = time.monotonic() + self.lock_timeout
        while True:
            try:
                self.db.execute("PRAGMA journal_mode = WAL").fetchall()
                return
            except sqlite3.OperationalError as error:
                # The busy timeout does not apply to this statement.
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    @contextlib.contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _store_error(error, self.path) from error


def _writable(path: Path) -> bool:
    if path.exists() and not os.access(path, os.W_OK):
        return False
    return os.access(path.parent, os.W_OK)


_PLAIN = {
    sqlite3.SQLITE_READONLY: ("cannot be written", "Make the file and its folder writable."),
    sqlite3.SQLITE_FULL: (
        "could not be written because the disk is full",
        "Make room and try again; nothing was changed.",
    ),
    sqlite3.SQLITE_IOERR: (
        "could not be read or written",
        "Check the disk and its free space, then try again.",
    ),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "Check the path and its permissions."),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged",
        "Restore it from a backup, or save what is left with: sqlite3 FILE .recover",
    ),
    sqlite3.SQLITE_NOTADB: (
        "is not a database, or its beginning is damaged",
        "Give the path of a store, or restore the file from a backup.",
    ),
}


def _store_error(error: sqlite3.Error, path: Path) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreLockedError(
            f"The store {path} is being written by another program.",
            hint="Try again when it has finished, or open with a longer lock_timeout.",
        )
    if primary in _PLAIN:
        text, hint = _PLAIN[primary]
        return StoreError(f"The store {path} {text} ({error}).", hint=hint)
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return StoreError(
            f"The store {path} is closed.", hint="Open it again with EditMemory.open."
        )
    return StoreError(
        f"The store {path} failed: {error}.", hint="Try again; if it stays, report it."
    )
