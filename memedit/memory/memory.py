"""The facade of the edit memory: everything that is done to edits goes through here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Self, get_args

from memedit.edit import Edit
from memedit.errors import EditConflictError, InvalidEditError, QueryError
from memedit.memory import queries
from memedit.memory.bakes import BakedMemory, live_at, mark_ended
from memedit.memory.base import DEFAULT_NAMESPACE, check_namespace
from memedit.memory.embeddings import Embeddings
from memedit.memory.plan import IN_FORCE, Change, OnConflict, Planner
from memedit.memory.records import EditRecord
from memedit.memory.store import Store
from memedit.memory.writing import write_changes, write_erasure
from memedit.scope.encoder import Encoder, Progress
from memedit.text import name_key


class EditMemory(BakedMemory):
    """Edits with their history in one SQLite file; open it with :meth:`open`.

    Every mutation is one transaction, one new revision and one event for each edit touched, with
    time, actor and reason. Several processes may read while one writes, and see the new revision
    at their next call. A memory may be used from several threads.
    """

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        namespace: str = DEFAULT_NAMESPACE,
        encoder: Encoder | str | None = None,
        actor: str | None = None,
        create: bool = True,
        read_only: bool = False,
        lock_timeout: float = 5.0,
    ) -> Self:
        """Opens a store, or makes one.

        Args:
            path: The SQLite file, or ``":memory:"`` for one that is gone when closed.
            namespace: The part of the store to work in; it comes into being with its first edit.
            encoder: The sentence encoder or its name; the embedded one by default. It is loaded
                when vectors are first needed.
            actor: Who makes changes, for the history; the user's login name by default.
            create: Make the file and its folders where they are missing.
            read_only: Refuse changes. What cannot be written is opened so anyway.
            lock_timeout: Seconds to wait while another process writes.

        Raises:
            StoreError: The file is missing, damaged, of a newer memedit, or no store at all.
            StoreLockedError: Another process held the store for too long.
        """
        check_namespace(namespace)
        store = Store(path, create=create, read_only=read_only, lock_timeout=lock_timeout)
        memory = cls(
            store, Embeddings(store, encoder), namespace=namespace, actor=actor, owns_store=True
        )
        memory.sweep_bakes()
        return memory

    # -- changing --------------------------------------------------------------------------------

    def add(
        self,
        edits: Edit | Iterable[Edit],
        *,
        on_conflict: OnConflict = "supersede",
        reason: str = "",
        actor: str | None = None,
        progress: Progress | None = None,
    ) -> list[str]:
        """Adds edits, all or none.

        An edit in force (active, or baked into weights) of the same subject and relation is
        superseded if the new one holds on all of its days; where they share only some days, both
        stay in force and on those days the later counts. An edit that says what one in force says
        already is not added again.

        Args:
            edits: One or more; their ``namespace`` becomes this memory's.
            on_conflict: ``keep`` leaves an active edit that would be superseded and skips the new
                one, ``error`` refuses.
            reason: Why, for the history.
            actor: Who, for the history.
            progress: Called with the number of edits just embedded.

        Returns:
            An id for each edit, in order: its own, or that of the edit in force in its place.

        Raises:
            EditConflictError: An id is in use, or ``on_conflict="error"`` and there is a conflict.
            InvalidEditError: One of ``edits`` is no edit.
            QueryError: There is no such way to settle conflicts.
        """
        if on_conflict not in get_args(OnConflict):
            raise QueryError(
                f"on_conflict: there is no {on_conflict!r}.",
                hint=f"Use one of: {', '.join(get_args(OnConflict))}.",
            )
        batch = [self._own(edit) for edit in ([edits] if isinstance(edits, Edit) else edits)]
        ids: list[str] = []

        def plan() -> Planner:
            planner = self._planner_for(batch)
            ids[:] = [planner.add(edit, on_conflict) for edit in batch]
            return planner

        self._mutate(plan, reason, actor, progress)
        return ids

    def update(
        self, edit_id: str, *, reason: str = "", actor: str | None = None, **changes: Any
    ) -> Edit:
        """Changes an edit's words under the same id; derived words follow.

        Args:
            edit_id: Which edit, of any status but erased.
            reason: Why, for the history.
            actor: Who, for the history.
            **changes: Fields of :class:`~memedit.edit.Edit` with their new values.

        Returns:
            The edit as it is now.

        Raises:
            InvalidEditError: The changed edit would be malformed.
            EditConflictError: The edit is baked.
            UnknownEditError: There is no such edit.
        """
        for field in ("id", "namespace"):
            if field in changes:
                raise InvalidEditError(
                    f"{field}: it cannot be changed (got {changes[field]!r}).",
                    hint="Add a new edit and retire this one.",
                    field=field,
                )

        def plan() -> Planner:
            before = self._require([edit_id])
            changed = self.get(edit_id).changed(**changes)
            planner = self._planner_for([changed], before)
            planner.update(edit_id, changed)
            return planner

        self._mutate(plan, reason, actor)
        return self.get(edit_id)

    def supersede(
        self, edit_id: str, replacement: Edit, *, reason: str = "", actor: str | None = None
    ) -> str:
        """Puts ``replacement`` in the place of an edit in force, whatever their relations.

        Returns:
            The id of the edit that is in its place.

        Raises:
            EditConflictError: The edit is not in force, or the replacement's id is in use.
            UnknownEditError: There is no such edit.
        """
        replacement = self._own(replacement)
        ids = [edit_id]

        def plan() -> Planner:
            (before,) = self._require([edit_id])
            if before.status not in IN_FORCE:
                raise EditConflictError(
                    f"Edit {edit_id!r} is {before.status}, not in force.",
                    hint="Restore it first, or simply add the new edit.",
                )
            planner = self._planner_for([replacement], [before])
            ids[0] = planner.supersede(edit_id, replacement)
            return planner

        self._mutate(plan, reason, actor)
        return ids[0]

    def retire(
        self, ids: str | Iterable[str], *, reason: str = "", actor: str | None = None
    ) -> int:
        """Takes edits out of use; they keep their words and can be restored.

        Returns:
            How many were active until now.

        Raises:
            EditConflictError: One is baked, and the weights would go on answering from it; none is
                changed then.
            UnknownEditError: There is no such edit; none is changed then.
        """
        wanted = _as_ids(ids)

        def plan() -> Planner:
            planner = Planner(self._require(wanted))
            for edit_id in wanted:
                planner.retire(edit_id)
            return planner

        return len(self._mutate(plan, reason, actor))

    def restore(
        self, ids: str | Iterable[str], *, reason: str = "", actor: str | None = None
    ) -> int:
        """Puts retired or superseded edits back into use; they supersede as if added anew.

        Returns:
            How many became active.

        Raises:
            UnknownEditError: There is no such edit; none is changed then.
        """
        wanted = _as_ids(ids)

        def plan() -> Planner:
            back = self._require(wanted)
            planner = self._planner_for([record.edit for record in back if record.edit], back)
            for edit_id in wanted:
                planner.restore(edit_id)
            return planner

        changes = self._mutate(plan, reason, actor)
        return sum(change.status == "active" for change in changes)

    def erase(self, ids: str | Iterable[str], *, reason: str = "", actor: str | None = None) -> int:
        """Takes the words of edits out of the store for good; a tombstone stays.

        The words leave every table, the history included, and every byte of the files. The
        tombstone keeps id, namespace, time, actor and, unless it shares words with the edit, the
        reason. Edits already erased are passed over.

        Args:
            ids: Edits of any status, rolled-back ones included.
            reason: Why, for the history.
            actor: Who, for the history.

        Returns:
            How many were erased.

        Raises:
            UnknownEditError: There is no such edit; none is erased then.
            EditConflictError: A live bake's delta holds one; none is erased then.
            StoreLockedError: The words are out of the tables, but a program that uses the store
                keeps old bytes of its files; they are cleaned when the store is next opened.
        """
        wanted = _as_ids(ids)
        with self._store.writing() as connection:
            found = self._require(wanted, also=("erased", "rolled_back"))
            doomed = [record for record in found if record.status != "erased"]
            self._require_in_no_weights([record.id for record in doomed])
            if doomed:
                write_erasure(connection, doomed, self._occasion(reason, actor))
        self._index.discard()
        self._store.scrub()
        return len(doomed)

    def erase_subject(self, name: str, *, reason: str = "", actor: str | None = None) -> int:
        """Erases every edit that is, or ever was, about the subject ``name``.

        Args:
            name: The subject or one of its aliases, in any spelling :func:`~memedit.text.name_key`
                holds for the same.
            reason: Why, for the history.
            actor: Who, for the history.

        Returns:
            How many were erased. Edits that only mention the name, as a target say, stay; find
            them with ``list(contains=name)``.
        """
        self._require_namespace()
        ids = queries.ids_ever_named(self._store, self._namespace, name_key(name))
        return self.erase(ids, reason=reason, actor=actor) if ids else 0

    def rollback(self, revision: int, *, reason: str = "", actor: str | None = None) -> int:
        """Brings the namespace back to the state it had at ``revision``, as a new revision.

        Erased edits stay erased, whenever that happened. Bakes made since are taken out. Where one
        that was live then has ended since, the weights cannot be what they were; all bakes are
        taken out, and memory answers every edit.

        Returns:
            The new revision, or the present one where nothing had changed since.

        Raises:
            QueryError: There was no such revision.
        """

        def plan() -> Planner:
            self._require_namespace()
            if not 0 <= revision <= self.revision:
                raise QueryError(
                    f"revision: {revision} has not been; the store is at {self.revision}.",
                    hint="Give a revision from history().",
                )
            past = queries.states_at(self._store, self._namespace, revision)
            records = queries.records_with_ids(self._store, self._namespace, past)
            then, now = live_at(self._store, self._namespace, revision), self.bakes()
            kept = then if then == [b.id for b in now if b.revision <= revision] else []
            ending = [bake.id for bake in now if bake.id not in kept]
            baked = self._baked_in(ending)
            planner = Planner([*records.values(), *baked], ends=ending)
            for edit_id, state in past.items():
                planner.return_to(edit_id, state if state is None else state.without_bakes(kept))
            planner.unbake_all(ending)
            return planner

        self._mutate(plan, reason, actor)
        self.sweep_bakes()
        return self.revision

    def reencode(
        self, encoder: Encoder | str, *, reason: str = "", actor: str | None = None
    ) -> int:
        """Embeds every edit of the whole store with another encoder, which it uses from then on.

        Returns:
            How many edits were embedded.
        """
        return self._embeddings.reencode(encoder, self._occasion(reason, actor))

    def rebuild_index(self) -> int:
        """Builds the vector index anew from the database and saves it.

        Returns:
            How many edits it holds.
        """
        return self._index.rebuild()

    def _mutate(
        self,
        plan: Callable[[], Planner],
        reason: str,
        actor: str | None,
        progress: Progress | None = None,
    ) -> list[Change]:
        """Plans, encodes, and writes in one transaction.

        Encoding takes long, so it comes before the write lock; the plan is made again under the
        lock where the store has changed meanwhile.
        """
        with self._store.reading():
            revision, planned = self.revision, plan()
        changes = list(planned.changes.values())
        vectors = self._embeddings.missing_for(changes, {}, progress)
        if not changes and not planned.ends:
            return changes
        with self._store.writing() as connection:
            if self.revision != revision:
                planned = plan()
                changes = list(planned.changes.values())
                vectors = self._embeddings.missing_for(changes, vectors)
            if changes or planned.ends:
                if vectors:
                    self._embeddings.record_encoder()
                made = write_changes(connection, changes, self._occasion(reason, actor), vectors)
                mark_ended(connection, planned.ends, "unbaked", made)
        self._index.note_changes(len(changes))
        return changes

    def _planner_for(self, edits: Sequence[Edit], named: Sequence[EditRecord] = ()) -> Planner:
        """A planner that knows what these edits could collide with."""
        ids = [edit.id for edit in edits]
        with self._store.reading():
            known = queries.records_with_ids(self._store, self._namespace, ids)
            keys = {edit.key for edit in edits}
            live = queries.in_force_with_keys(self._store, self._namespace, keys)
            taken = queries.namespaces_of_ids(self._store, ids)
        elsewhere = {id_: name for id_, name in taken.items() if name != self._namespace}
        records = {record.id: record for record in (*known.values(), *live, *named)}
        return Planner(records.values(), elsewhere)

    def _own(self, edit: Edit) -> Edit:
        if not isinstance(edit, Edit):
            raise InvalidEditError(
                f"edits: {edit!r:.60} is not an Edit.",
                hint="Make one with Edit(...) or Edit.from_dict(...).",
            )
        return edit.model_copy(update={"namespace": self._namespace})


def _as_ids(ids: str | Iterable[str]) -> list[str]:
    return [ids] if isinstance(ids, str) else list(dict.fromkeys(ids))
