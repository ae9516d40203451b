"""What of a namespace lives in weights: the bakes, and which of their edits the weights answer.

A bake is a delta file beside the store and a row in it. The row alone decides: the file is written
before the row, and deleted after the row says that the bake has ended, so that whatever happens in
between, the store never names a delta that was not whole when it was named.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memedit.edit import Edit
from memedit.errors import EditConflictError, StoreError, StoreLockedError, UnknownBakeError
from memedit.memory.bake_files import BakeFiles, checksum
from memedit.memory.calibrations import CalibratedMemory
from memedit.memory.plan import Planner
from memedit.memory.queries import IN_LIST, as_list, records, records_with_ids
from memedit.memory.records import BakeRecord, BakeState, EditRecord
from memedit.memory.store import Store
from memedit.memory.writing import write_changes

_BAKES = """
    SELECT b.id, b.namespace, b.method, b.settings, b.model, b.base, b.checksum, b.figures, b.state,
        made.time, b.revision, b.ended,
        (SELECT count(*) FROM bake_edits held WHERE held.bake = b.number),
        (SELECT count(*) FROM edits e WHERE e.bake = b.id)
    FROM bakes b JOIN revisions made USING (revision)
    WHERE b.namespace = ? ORDER BY b.number
"""
_HELD = f"""
    SELECT e.id, b.id FROM bake_edits held
        JOIN bakes b ON b.number = held.bake JOIN edits e USING (row)
    WHERE b.state = 'live' AND e.id {IN_LIST} ORDER BY b.number
"""


@dataclass(frozen=True)
class NewBake:
    """A bake that is to be recorded; its delta file lies in its place.

    Attributes:
        id: The delta's id.
        method: What made it.
        settings: The method's settings, as JSON knows them.
        model: The name of the model.
        base: The hash of the untouched weights.
        edits: Ids of all edits the delta holds.
        after: Ids of the live bakes it was made on top of, in their order.
        figures: What was measured. No words of edits: what is erased must be gone from here too.
    """

    id: str
    method: str
    settings: Mapping[str, Any]
    model: str
    base: str
    edits: Sequence[str]
    after: Sequence[str]
    figures: Mapping[str, Any]


class BakedMemory(CalibratedMemory):
    """The part of the facade that keeps bakes; see :class:`memedit.EditMemory`."""

    # -- reading ---------------------------------------------------------------------------------

    def bakes(self, *, all: bool = False) -> list[BakeRecord]:
        """The namespace's bakes in the order in which they were made.

        Args:
            all: Also those that have ended.
        """
        found = [_record(row) for row in self._store.rows(_BAKES, [self._namespace])]
        return [bake for bake in found if all or bake.state == "live"]

    def bake(self, bake_id: str) -> BakeRecord:
        """One of the namespace's bakes, ended or not.

        Raises:
            UnknownBakeError: There is no such bake.
        """
        known = self.bakes(all=True)
        for bake in known:
            if bake.id == bake_id:
                return bake
        listed = ", ".join(bake.id for bake in known if bake.state == "live")
        raise UnknownBakeError(
            f"There is no bake {bake_id!r} in namespace {self._namespace!r}.",
            hint=f"Live are: {listed}." if listed else "Nothing is baked there.",
        )

    def held_by(self, ids: Iterable[str]) -> dict[str, list[str]]:
        """The live bakes whose deltas hold these edits, verified or not, by edit id."""
        held: dict[str, list[str]] = {}
        for edit_id, bake_id in self._store.rows(_HELD, [as_list(ids)]):
            held.setdefault(edit_id, []).append(bake_id)
        return held

    def delta_path(self, bake_id: str) -> Path:
        """Where a bake's delta file is."""
        return self._bake_files.path(bake_id)

    # -- changing --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def baking(self) -> Iterator[None]:
        """Keeps other processes from baking meanwhile; writing edits goes on.

        Raises:
            StoreLockedError: Another process bakes.
            StoreError: The store is in memory or read-only.
        """
        if self._store.read_only:
            raise StoreError(
                f"The store {self.path} is open for reading only, so nothing can be baked.",
                hint="Make the file and its folder writable.",
            )
        with self._bake_files.locked(self._store.lock_timeout):
            yield

    def record_bake(
        self,
        new: NewBake,
        verified: Mapping[str, Edit],
        returned: Collection[str] = (),
        *,
        reason: str = "",
        actor: str | None = None,
    ) -> list[str]:
        """Records a bake and marks its verified edits, in one transaction.

        Args:
            new: The bake.
            verified: The edits that verified, by id, with the words they were verified with.
            returned: Ids of edits baked earlier that no longer verify; memory answers them again.
            reason: Why, for the history.
            actor: Who, for the history.

        Returns:
            Ids of the edits that are baked now: those verified that nobody changed meanwhile.

        Raises:
            StoreLockedError: The namespace's bakes have changed since the delta was computed.
            EditConflictError: Every verified edit was changed meanwhile.
            OSError: The delta file cannot be read.
        """
        digest = checksum(self.delta_path(new.id))
        with self._store.writing() as connection:
            self._require_live(new.after)
            known = records_with_ids(self._store, self._namespace, [*verified, *returned])
            planner = Planner(known.values())
            marked = [
                edit_id
                for edit_id, edit in verified.items()
                if known[edit_id].status == "active" and known[edit_id].edit == edit
            ]
            if not marked:
                raise EditConflictError(
                    "Every edit that verified was changed while it was being baked.",
                    hint="Bake again; nothing was changed by this bake.",
                )
            reason = reason or f"bake {new.id} ({new.method})"
            number = self._insert(connection, new, digest)
            planner.unbake_all()
            for edit_id in marked:
                planner.bake(edit_id, new.id)
            changes = list(planner.changes.values())
            revision = write_changes(connection, changes, self._occasion(reason, actor), {})
            connection.execute("UPDATE bakes SET revision = ? WHERE number = ?", [revision, number])
        return marked

    def end_bake(
        self,
        ids: Sequence[str],
        returned: Collection[str] = (),
        *,
        state: BakeState = "unbaked",
        live: Sequence[str] | None = None,
        reason: str = "",
        actor: str | None = None,
    ) -> list[str]:
        """Takes bakes out: their baked edits are answered from memory again.

        Args:
            ids: Which bakes; those that have ended are passed over.
            returned: Ids of edits of other bakes that memory is to answer again as well.
            state: What becomes of the bakes.
            live: The live bakes that ``returned`` was found with, if these must still be live.
            reason: Why, for the history.
            actor: Who, for the history.

        Returns:
            Ids of the edits that are active again.

        Raises:
            UnknownBakeError: There is no such bake; none is taken out then.
            StoreLockedError: The namespace's bakes have changed.
        """
        with self._store.writing() as connection:
            found = [self.bake(bake_id) for bake_id in ids]
            if live is not None:
                self._require_live(live)
            ending = [bake.id for bake in found if bake.state == "live"]
            if not ending:
                return []
            planner = Planner(
                [
                    *self._baked_in(ending),
                    *records_with_ids(self._store, self._namespace, returned).values(),
                ]
            )
            planner.unbake_all()
            reason = reason or f"{state} {', '.join(ending)}"
            changes = list(planner.changes.values())
            revision = write_changes(connection, changes, self._occasion(reason, actor), {})
            mark_ended(connection, ending, state, revision)
        self.sweep_bakes()
        return list(planner.changes)

    def sweep_bakes(self) -> None:
        """Deletes delta files that no live bake names, unless another process is baking."""
        if not (self._store.in_memory or self._store.read_only):
            self._bake_files.sweep(self._live_anywhere)

    # -- internal --------------------------------------------------------------------------------

    @property
    def _bake_files(self) -> BakeFiles:
        if self._store.in_memory:
            raise StoreError(
                "A store in memory has no place for what is baked.",
                hint="Open the store from a file.",
            )
        return BakeFiles(self.path.with_name(f"{self.path.name}.bakes"))

    def _require_in_no_weights(self, ids: Sequence[str]) -> None:
        for edit_id, bakes in self.held_by(ids).items():
            raise EditConflictError(
                f"Edit {edit_id!r} cannot be erased: it lives in the weights as well (bakes: "
                f"{', '.join(bakes)}).",
                hint=f"Take it out first: memedit unbake {bakes[-1]}",
            )

    def _live_anywhere(self) -> set[str]:
        return {id_ for (id_,) in self._store.rows("SELECT id FROM bakes WHERE state = 'live'")}

    def _baked_in(self, bakes: Sequence[str]) -> list[EditRecord]:
        return records(self._store, f"e.status = 'baked' AND e.bake {IN_LIST}", [as_list(bakes)])

    def _require_live(self, expected: Sequence[str]) -> None:
        live = [bake.id for bake in self.bakes()]
        if live != list(expected):
            raise StoreLockedError(
                f"The bakes of namespace {self._namespace!r} have changed meanwhile (live are "
                f"{', '.join(live) or 'none'}).",
                hint="Try again; nothing was changed.",
            )

    def _insert(self, connection: sqlite3.Connection, new: NewBake, digest: str) -> int:
        # The revision is written with the edits; until then the one before stands here.
        cursor = connection.execute(
            """INSERT INTO bakes (id, namespace, method, settings, model, base, checksum, figures,
                state, revision)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'live', (SELECT max(revision) FROM revisions))""",
            (
                new.id,
                self._namespace,
                new.method,
                json.dumps(dict(new.settings)),
                new.model,
                new.base,
                digest,
                json.dumps(dict(new.figures)),
            ),
        )
        number = cursor.lastrowid
        assert number is not None
        connection.execute(
            f"INSERT INTO bake_edits SELECT ?, row FROM edits WHERE namespace = ? AND id {IN_LIST}",
            (number, self._namespace, as_list(new.edits)),
        )
        return number


def mark_ended(
    connection: sqlite3.Connection, ids: Iterable[str], state: BakeState, revision: int
) -> None:
    """Writes that bakes have ended."""
    connection.execute(
        f"UPDATE bakes SET state = ?, ended = ? WHERE id {IN_LIST}",
        (state, revision, as_list(ids)),
    )


def live_at(store: Store, namespace: str, revision: int) -> list[str]:
    """Ids of the bakes that were live at a revision, in the order they were made."""
    found = store.rows(
        """SELECT id FROM bakes WHERE namespace = ? AND revision <= ?
            AND (ended IS NULL OR ended > ?) ORDER BY number""",
        [namespace, revision, revision],
    )
    return [id_ for (id_,) in found]


def _record(row: tuple[Any, ...]) -> BakeRecord:
    (id_, namespace, method, settings, model, base, digest, figures, state, made, revision, ended,
     edits, baked) = row  # fmt: skip
    return BakeRecord(
        id=id_,
        namespace=namespace,
        method=method,
        settings=json.loads(settings),
        model=model,
        base=base,
        checksum=digest,
        figures=json.loads(figures),
        state=state,
        made=dt.datetime.fromisoformat(made),
        revision=revision,
        ended=ended,
        edits=edits,
        baked=baked,
    )
