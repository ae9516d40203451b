"""Writing a mutation: a revision, an event for each edit touched, the edits, what follows."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from memedit.edit import Edit
from memedit.memory.plan import Change
from memedit.memory.queries import IN_LIST, as_list
from memedit.memory.records import EditRecord, edit_of, payload_of
from memedit.scope.phrases import relation_phrases
from memedit.text import name_key

_UPSERT_EDIT = """
    INSERT INTO edits (row, id, namespace, status, subject_key, relation_key, payload,
        superseded_by, revision, rank, created, changed, bake)
    VALUES (:row, :id, :namespace, :status, :subject_key, :relation_key, :payload,
        :superseded_by, :revision, :rank, :time, :time, :bake)
    ON CONFLICT (row) DO UPDATE SET status = excluded.status, subject_key = excluded.subject_key,
        relation_key = excluded.relation_key, payload = excluded.payload,
        superseded_by = excluded.superseded_by, revision = excluded.revision,
        rank = excluded.rank, changed = excluded.changed, bake = excluded.bake
"""
_INSERT_EVENT = """
    INSERT INTO events (seq, revision, edit_id, action, status, payload, superseded_by, rank,
        bake)
    VALUES (:seq, :revision, :id, :action, :status, :event_payload, :superseded_by, :rank, :bake)
"""


@dataclass(frozen=True, slots=True)
class Occasion:
    """Where, by whom and why a mutation is made."""

    namespace: str
    actor: str
    reason: str


def write_changes(
    connection: sqlite3.Connection,
    changes: Sequence[Change],
    occasion: Occasion,
    vectors: Mapping[str, bytes],
) -> int:
    """Writes ``changes`` as one revision.

    Args:
        connection: Inside a transaction.
        changes: One an edit, in the order in which they were made.
        occasion: Goes into the history.
        vectors: By text, of all new statements and of the phrases the store does not hold.

    Returns:
        The revision.
    """
    revision, time = _new_revision(connection, occasion)
    seq = _next(connection, "SELECT max(seq) FROM events")
    row = _next(connection, "SELECT max(row) FROM edits")
    written, reworded = [], []
    for change in changes:
        number = change.before.row if change.before else row
        row += change.before is None
        written.append(
            _parameters(change, occasion, number, seq) | {"revision": revision, "time": time}
        )
        if change.words_differ:
            reworded.append((number, change.edit))
        seq += 1
    connection.executemany(_UPSERT_EDIT, written)
    connection.executemany(_INSERT_EVENT, written)
    _write_derived(connection, reworded, vectors)
    return revision


def write_erasure(
    connection: sqlite3.Connection, records: Sequence[EditRecord], occasion: Occasion
) -> int:
    """Takes every word of these edits out of the tables and leaves tombstones.

    A reason stays where it belongs to other edits too and shares no word with these.

    Returns:
        The revision.
    """
    ids = [record.id for record in records]
    keys = _word_keys(connection, ids)
    _erase_reasons(connection, ids, keys)
    kept_reason = "" if _mentions(occasion.reason, keys) else occasion.reason
    revision, time = _new_revision(
        connection, Occasion(occasion.namespace, occasion.actor, kept_reason)
    )
    connection.execute("UPDATE store SET scrub_due = 1")
    seq = _next(connection, "SELECT max(seq) FROM events")
    connection.execute(f"UPDATE events SET payload = NULL WHERE edit_id {IN_LIST}", [as_list(ids)])
    connection.execute(
        f"""UPDATE edits SET status = 'erased', subject_key = NULL, relation_key = NULL,
            payload = NULL, superseded_by = NULL, revision = ?, changed = ?
        WHERE id {IN_LIST}""",
        [revision, time, as_list(ids)],
    )
    connection.executemany(
        """INSERT INTO events (seq, revision, edit_id, action, status, rank)
        VALUES (?, ?, ?, 'erase', 'erased', ?)""",
        ((seq + n, revision, record.id, record.rank) for n, record in enumerate(records)),
    )
    rows = as_list(record.row for record in records)
    for table in ("names", "edit_phrases", "vectors", "probe_scores"):
        connection.execute(f"DELETE FROM {table} WHERE row {IN_LIST}", [rows])
    delete_unused_phrases(connection)
    return revision


def write_empty_revision(connection: sqlite3.Connection, occasion: Occasion) -> int:
    """A revision that touches no edit, so that other processes look again.

    Returns:
        The revision.
    """
    return _new_revision(connection, occasion)[0]


def store_phrases(connection: sqlite3.Connection, vectors: Mapping[str, bytes]) -> None:
    """Keeps the vectors of phrases, by text."""
    connection.executemany(
        "INSERT INTO phrases (text, vector) VALUES (?, ?) ON CONFLICT (text) DO NOTHING",
        vectors.items(),
    )


def delete_unused_phrases(connection: sqlite3.Connection) -> None:
    """Deletes the phrases that belong to no edit."""
    connection.execute("DELETE FROM phrases WHERE id NOT IN (SELECT phrase FROM edit_phrases)")


def _new_revision(connection: sqlite3.Connection, occasion: Occasion) -> tuple[int, str]:
    time = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
    ((revision,),) = connection.execute(
        "UPDATE store SET revision = revision + 1 RETURNING revision"
    ).fetchall()
    connection.execute(
        "INSERT INTO revisions VALUES (?, ?, ?, ?, ?)",
        (revision, occasion.namespace, time, occasion.actor, occasion.reason),
    )
    return revision, time


def _next(connection: sqlite3.Connection, highest: str) -> int:
    ((value,),) = connection.execute(highest).fetchall()
    return (value or 0) + 1


def _parameters(change: Change, occasion: Occasion, row: int, seq: int) -> dict[str, object]:
    subject_key, relation_key = change.edit.key
    payload = payload_of(change.edit)
    return {
        "row": row,
        "seq": seq,
        "id": change.edit.id,
        "namespace": occasion.namespace,
        "action": change.action,
        "status": change.status,
        "subject_key": subject_key,
        "relation_key": relation_key,
        "payload": payload,
        "event_payload": None if change.status == "rolled_back" else payload,
        "superseded_by": change.superseded_by,
        "rank": seq if change.rank is None else change.rank,
        "bake": change.bake,
    }


def _write_derived(
    connection: sqlite3.Connection,
    edits: Sequence[tuple[int, Edit]],
    vectors: Mapping[str, bytes],
) -> None:
    """Names, phrases and vectors of new words, in place of those of the old."""
    rows = as_list(row for row, _ in edits)
    for table in ("names", "edit_phrases"):
        connection.execute(f"DELETE FROM {table} WHERE row {IN_LIST}", [rows])
    connection.executemany(
        "INSERT INTO names VALUES (?, ?)",
        ((row, key) for row, edit in edits for key in {name_key(name) for name in edit.names}),
    )
    connection.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
        ((row, vectors[edit.stated]) for row, edit in edits),
    )
    links = [(row, phrase) for row, edit in edits for phrase in relation_phrases(edit)]
    store_phrases(connection, {text: vectors[text] for _, text in links if text in vectors})
    connection.executemany(
        "INSERT INTO edit_phrases SELECT ?, id FROM phrases WHERE text = ?", links
    )


def _word_keys(connection: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    """The names, targets and statements these edits ever had, in normal form."""
    payloads = connection.execute(
        f"""SELECT payload FROM events WHERE payload IS NOT NULL AND edit_id {IN_LIST}""",
        [as_list(ids)],
    )
    keys = set()
    for (payload,) in payloads:
        edit = edit_of(payload)
        keys |= {
            name_key(text)
            for text in (*edit.names, edit.target_new, edit.target_true or "", edit.stated)
        }
    return keys - {""}


def _mentions(reason: str, keys: Iterable[str]) -> bool:
    """Whether ``reason`` holds one of ``keys``, or a word of one that is more than a particle."""
    spoken = name_key(reason)
    single = {word for key in keys for word in key.split() if len(word) > 3}
    return any(f" {key} " in f" {spoken} " for key in keys) or not single.isdisjoint(spoken.split())


def _erase_reasons(connection: sqlite3.Connection, ids: Sequence[str], keys: set[str]) -> None:
    reasons = connection.execute(
        f"""SELECT revision, reason, sum(edit_id NOT {IN_LIST})
        FROM revisions JOIN events USING (revision)
        WHERE reason <> '' AND revision IN (SELECT revision FROM events WHERE edit_id {IN_LIST})
        GROUP BY revision""",
        [as_list(ids), as_list(ids)],
    ).fetchall()
    connection.executemany(
        "UPDATE revisions SET reason = '' WHERE revision = ?",
        [(rev,) for rev, reason, others in reasons if not others or _mentions(reason, keys)],
    )
