"""Working out what a mutation touches before anything is written. Pure: no store, no vectors."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from memedit.edit import Edit
from memedit.errors import EditConflictError
from memedit.memory.records import EditRecord, Status
from memedit.memory.validity import Key, covers, same_words

OnConflict = Literal["supersede", "keep", "error"]

IN_FORCE: tuple[Status, ...] = ("active", "baked")


@dataclass(frozen=True, slots=True)
class Change:
    """The new state of one edit.

    Args:
        action: What the event says.
        before: Its record; None for an edit that is new to the store.
        edit: Its words from now on.
        status: Its status from now on.
        superseded_by: Id of the edit that replaces it.
        rank: Its rank from now on; None for the highest yet.
        bake: The bake it is verified in from now on, where it is baked.
    """

    action: str
    before: EditRecord | None
    edit: Edit
    status: Status
    superseded_by: str | None = None
    rank: int | None = None
    bake: str | None = None

    @property
    def words_differ(self) -> bool:
        """Whether the store's vectors, phrases and names of this edit, if any, are outdated."""
        return self.before is None or self.before.edit != self.edit


@dataclass(frozen=True, slots=True)
class PastState:
    """The state of an edit after some event."""

    edit: Edit
    status: Status
    superseded_by: str | None
    rank: int
    bake: str | None = None

    def without_bakes(self, live: Collection[str]) -> PastState:
        """The state, answered from memory where its bake is not among those that live on."""
        if self.status != "baked" or self.bake in live:
            return self
        return replace(self, status="active", bake=None)


class Planner:
    """Collects the changes of one mutation, with supersession applied edit by edit.

    Args:
        known: The records the mutation names, and the records in force (active or baked) of every
            key it touches.
        taken: Ids among the edits to add that are in use in other namespaces, with the namespace.
        ends: Ids of the bakes that end with the mutation.
    """

    def __init__(
        self,
        known: Iterable[EditRecord],
        taken: Mapping[str, str] | None = None,
        *,
        ends: Collection[str] = (),
    ) -> None:
        self.ends = ends
        self.changes: dict[str, Change] = {}
        self._known = {record.id: record for record in known}
        self._taken = taken or {}
        self._live: dict[Key, dict[str, Edit]] = {}
        for record in sorted(self._known.values(), key=lambda record: record.rank):
            if record.status in IN_FORCE and record.edit is not None:
                self._live.setdefault(record.edit.key, {})[record.id] = record.edit

    def add(self, edit: Edit, on_conflict: OnConflict = "supersede") -> str:
        """Adds an edit and supersedes those in force whose days it covers.

        Returns:
            The edit's id, or that of the edit in force which stays in its place.

        Raises:
            EditConflictError: The id is in use, or ``on_conflict="error"`` and there is an
                active edit to supersede.
        """
        live = self._live.get(edit.key, {})
        same = next((id_ for id_, other in live.items() if same_words(edit, other)), None)
        if same is not None:
            return same
        covered = [id_ for id_, other in live.items() if covers(edit, other)]
        if covered and on_conflict == "keep":
            return covered[-1]
        if covered and on_conflict == "error":
            raise EditConflictError(
                f"Edit {edit.id!r} ({edit.stated!r}) contradicts the active edit {covered[-1]!r} "
                f"({live[covered[-1]].stated!r}).",
                hint="Retire that one, or add with on_conflict='supersede' or 'keep'.",
            )
        self._require_free(edit.id)
        self._make_live(Change("add", self._known.get(edit.id), edit, "active"))
        return edit.id

    def supersede(self, edit_id: str, replacement: Edit) -> str:
        """Adds ``replacement`` in the place of an edit in force, whatever their keys."""
        new_id = self.add(replacement)
        before = self._known[edit_id]
        planned = self.changes.get(edit_id)
        if new_id != edit_id and (planned is None or planned.status in IN_FORCE):
            self._displace(edit_id, _words(before), by=new_id)
        return new_id

    def update(self, edit_id: str, changed: Edit) -> None:
        """Gives an edit other words; an active one supersedes what it now covers.

        Raises:
            EditConflictError: The edit is baked, and weights cannot be reworded.
        """
        before = self._known[edit_id]
        if changed == before.edit:
            return
        _require_in_memory(before)
        if before.status == "active":
            self._live[_words(before).key].pop(edit_id)
            self._make_live(Change("update", before, changed, "active"))
        else:
            self.changes[edit_id] = Change(
                "update", before, changed, before.status, before.superseded_by, before.rank
            )

    def retire(self, edit_id: str) -> None:
        """Takes an active edit out of use; any other is left as it is.

        Raises:
            EditConflictError: The edit is baked: the weights would go on answering from it.
        """
        before = self._known[edit_id]
        _require_in_memory(before)
        if before.status == "active":
            self.changes[edit_id] = Change(
                "retire", before, _words(before), "retired", rank=before.rank
            )

    def restore(self, edit_id: str) -> None:
        """Puts a retired or superseded edit back into use, in the place of what it covers."""
        before = self._known[edit_id]
        if before.status in ("retired", "superseded") and edit_id not in self.changes:
            self._make_live(Change("restore", before, _words(before), "active"))

    def bake(self, edit_id: str, bake: str) -> None:
        """Lets the weights answer from an active edit from now on."""
        before = self._known[edit_id]
        self.changes[edit_id] = Change(
            "bake", before, _words(before), "baked", rank=before.rank, bake=bake
        )

    def unbake_all(self, bakes: Collection[str] | None = None) -> None:
        """Lets the memory answer again from every known baked edit, or those of some bakes."""
        for edit_id, before in self._known.items():
            chosen = before.status == "baked" and (bakes is None or before.bake in bakes)
            if chosen and edit_id not in self.changes:
                self.changes[edit_id] = Change(
                    "unbake", before, _words(before), "active", rank=before.rank
                )

    def return_to(self, edit_id: str, past: PastState | None) -> None:
        """Gives an edit the state it had; None where it did not exist. Erased ones stay erased."""
        before = self._known[edit_id]
        if before.status == "erased":
            return
        now = past or PastState(_words(before), "rolled_back", None, before.rank)
        standing = (before.status, before.superseded_by, before.bake)
        if standing == (now.status, now.superseded_by, now.bake) and (
            now.status == "rolled_back" or (before.edit, before.rank) == (now.edit, now.rank)
        ):
            return
        self.changes[edit_id] = Change(
            "rollback", before, now.edit, now.status, now.superseded_by, now.rank, now.bake
        )

    def _make_live(self, change: Change) -> None:
        live = self._live.setdefault(change.edit.key, {})
        for other_id in [id_ for id_, other in live.items() if covers(change.edit, other)]:
            self._displace(other_id, live[other_id], by=change.edit.id)
        live[change.edit.id] = change.edit
        self.changes[change.edit.id] = change

    def _displace(self, edit_id: str, edit: Edit, *, by: str) -> None:
        self._live[edit.key].pop(edit_id)
        planned = self.changes.get(edit_id)
        if planned is not None:
            self.changes[edit_id] = replace(
                planned, status="superseded", superseded_by=by, bake=None
            )
            return
        before = self._known[edit_id]
        self.changes[edit_id] = Change("supersede", before, edit, "superseded", by, before.rank)

    def _require_free(self, edit_id: str) -> None:
        before = self._known.get(edit_id)
        if edit_id in self._taken:
            where = f"in namespace {self._taken[edit_id]!r}"
        elif before is not None and before.status != "rolled_back":
            where = f"by an edit that is {before.status}"
        elif edit_id in self.changes:
            where = "twice in this batch"
        else:
            return
        raise EditConflictError(
            f"The id {edit_id!r} is already used {where}.",
            hint="Leave the id out to get a fresh one, or change that edit with update.",
        )


def _require_in_memory(record: EditRecord) -> None:
    if record.status == "baked":
        raise EditConflictError(
            f"Edit {record.id!r} is baked: it lives in the weights (bake {record.bake!r}).",
            hint=f"Take it out with: memedit unbake {record.bake}. Or add a newer edit of the same "
            "subject and relation, which wins from memory.",
        )


def _words(record: EditRecord) -> Edit:
    assert record.edit is not None  # a planner is asked to change no erased edit
    return record.edit
