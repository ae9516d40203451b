"""What the memory hands out: records, events, hits, conflicts, statistics."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from memedit.edit import Edit

Status = Literal["active", "baked", "retired", "superseded", "erased", "rolled_back"]
BakeState = Literal["live", "unbaked", "lost"]

_DEFAULTS = {name: field.default for name, field in Edit.model_fields.items() if name != "id"}
_TUPLES = ("aliases", "paraphrases", "tags")
_DATES = ("valid_from", "valid_to")


@dataclass(frozen=True, slots=True)
class EditRecord:
    """An edit and its standing in the memory.

    Args:
        id: The edit's id.
        namespace: Where it lives.
        status: ``baked`` edits are in force like ``active`` ones, but it is the weights that answer
            from them; ``rolled_back`` only in :class:`Changes`, for an edit a rollback took out.
        edit: Its words; None once erased or rolled back.
        superseded_by: Id of the edit that replaced it.
        revision: The store's revision that last touched it.
        rank: Of the edits of one key that hold on a day, the one with the highest rank counts.
        created: When it was first added (UTC).
        changed: When it was last touched (UTC).
        row: Its number in the vector index.
        bake: The bake it was verified in, while its status is ``baked``.
    """

    id: str
    namespace: str
    status: Status
    edit: Edit | None
    superseded_by: str | None
    revision: int
    rank: int
    created: dt.datetime
    changed: dt.datetime
    row: int
    bake: str | None = None


@dataclass(frozen=True, slots=True)
class BakeRecord:
    """Edits that were written into weights together.

    Args:
        id: The bake's id, which is its delta's.
        namespace: Whose edits.
        method: What wrote them, such as ``memit``.
        settings: The method's settings.
        model: The name of the model they were written into.
        base: The hash of its untouched weights.
        checksum: SHA-256 of the delta's file.
        figures: What was measured when it was made.
        state: ``live`` while its delta belongs on the weights; ``lost`` where its file was.
        made: When (UTC).
        revision: The store's revision that made it.
        ended: The revision that took it out.
        edits: How many edits its delta holds.
        baked: How many of them are ``baked`` in it now.
    """

    id: str
    namespace: str
    method: str
    settings: Mapping[str, Any]
    model: str
    base: str
    checksum: str
    figures: Mapping[str, Any]
    state: BakeState
    made: dt.datetime
    revision: int
    ended: int | None
    edits: int
    baked: int


@dataclass(frozen=True, slots=True)
class Event:
    """What one mutation did to one edit.

    Args:
        revision: The revision the mutation made; all its events share it.
        time: When (UTC).
        actor: Who.
        reason: Why, as given; empty where none was, or where it was erased with the words.
        action: ``add``, ``update``, ``supersede``, ``retire``, ``restore``, ``erase``,
            ``rollback``, ``bake`` or ``unbake``.
        edit_id: Which edit.
        before: Its words before; None where it did not exist or its words are erased.
        after: Its words afterwards; None where it is gone or its words are erased.
        status_before: Its status before; None where it did not exist.
        status_after: Its status afterwards.
    """

    revision: int
    time: dt.datetime
    actor: str
    reason: str
    action: str
    edit_id: str
    before: Edit | None
    after: Edit | None
    status_before: Status | None
    status_after: Status


@dataclass(frozen=True, slots=True)
class SearchHit:
    """One result of a search.

    Args:
        record: The edit found.
        score: Cosine of the text and the edit's statement, -1 to 1.
        by: ``name`` where the text holds the edit's subject or alias, else ``meaning``.
    """

    record: EditRecord
    score: float
    by: Literal["name", "meaning"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Active edits that are worth a look together.

    Args:
        kind: ``overlap``: one fact with different targets on the same days, where the edit changed
            last counts; ``name``: one name stands for different subjects; ``relation``: one
            subject with two relations that are probably the same in other words.
        ids: The edits, in order of age.
        text: What is the matter, as one sentence.
    """

    kind: Literal["overlap", "name", "relation"]
    ids: tuple[str, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Stats:
    """The memory in figures; sizes in bytes, times in UTC, counts within the namespace."""

    namespace: str
    active: int
    baked: int
    retired: int
    superseded: int
    erased: int
    subjects: int
    relations: int
    revision: int
    namespaces: dict[str, int]
    first_change: dt.datetime | None
    last_change: dt.datetime | None
    database_bytes: int
    index_bytes: int
    encoder: str | None
    schema_version: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The records touched since a revision, in their present state, and the revision they show."""

    revision: int
    records: tuple[EditRecord, ...]


def payload_of(edit: Edit) -> str:
    """The edit's words as they are stored."""
    return edit.to_json()


def edit_of(payload: str) -> Edit:
    """The edit of a stored payload.

    Words are validated when they are written; validating them again on every reading would make
    a listing several times slower.
    """
    fields: dict[str, Any] = {**_DEFAULTS, **json.loads(payload)}
    for name in _TUPLES:
        if fields[name]:
            fields[name] = tuple(fields[name])
    for name in _DATES:
        if fields[name]:
            fields[name] = dt.date.fromisoformat(fields[name])
    return Edit.model_construct(**fields)


def words_of(edit: Edit) -> tuple[str, ...]:
    """Every wording of the edit, given or derived, to look for a text in."""
    given = (edit.relation, edit.target_new, edit.target_true, edit.question)
    return (
        *edit.names,
        *(text for text in given if text),
        *edit.paraphrases,
        edit.cloze,
        edit.stated,
    )


def record_of(row: tuple[Any, ...]) -> EditRecord:
    """A record from the columns that :func:`memedit.memory.queries.records` selects."""
    (number, id_, namespace, status, payload, superseded_by, revision, rank, created, changed,
     bake) = row  # fmt: skip
    return EditRecord(
        id=id_,
        namespace=namespace,
        status=status,
        edit=edit_of(payload) if payload else None,
        superseded_by=superseded_by,
        revision=revision,
        rank=rank,
        created=dt.datetime.fromisoformat(created),
        changed=dt.datetime.fromisoformat(changed),
        row=number,
        bake=bake,
    )
