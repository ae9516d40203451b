"""Reading records, events and figures from a store."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from memedit.memory.plan import PastState
from memedit.memory.records import EditRecord, Event, Stats, edit_of, record_of, words_of
from memedit.memory.store import Store
from memedit.text import name_key, words

_COLUMNS = (
    "e.row, e.id, e.namespace, e.status, e.payload, e.superseded_by, e.revision, e.rank, "
    "e.created, e.changed, e.bake"
)
IN_LIST = "IN (SELECT value FROM json_each(?))"  # one parameter for a list of any length

_FILTERS = {
    "status": "e.status = ?",
    "not_status": "e.status <> ?",
    "subject_or_alias": "e.row IN (SELECT row FROM names WHERE name_key = ?)",
    "relation": "e.relation_key = ?",
    "tag": "? IN (SELECT value FROM json_each(e.payload, '$.tags'))",
    "source": "json_extract(e.payload, '$.source') = ?",
    "rows": f"e.row {IN_LIST}",
}

_LONGEST_NAME = 12  # words
_MOST_WORDS = 1_000  # of a text in which names are looked for

_HISTORY = """
    SELECT event.revision, made.time, made.actor, made.reason, event.action, event.edit_id,
        lag(event.payload) OVER earlier, event.payload, lag(event.status) OVER earlier,
        event.status
    FROM events event JOIN revisions made USING (revision)
    WHERE made.namespace = ? {one_edit}
    WINDOW earlier AS (PARTITION BY event.edit_id ORDER BY event.seq)
    ORDER BY event.seq DESC LIMIT ?
"""


def as_list(values: Iterable[Any]) -> str:
    """``values`` as the parameter of :data:`IN_LIST`."""
    return json.dumps(list(values))


def records(store: Store, where: str, parameters: Sequence[Any] = ()) -> list[EditRecord]:
    """The records for which ``where`` (SQL over ``edits e``) is true, in order of age.

    ``where`` may end in a LIMIT; it must then hold its own ORDER BY.
    """
    order = "" if "ORDER BY" in where else " ORDER BY e.row"
    found = store.rows(f"SELECT {_COLUMNS} FROM edits e WHERE {where}{order}", parameters)
    return [record_of(row) for row in found]


def records_with_ids(store: Store, namespace: str, ids: Iterable[str]) -> dict[str, EditRecord]:
    """The records of these ids, erased and rolled-back ones included."""
    found = records(store, f"e.namespace = ? AND e.id {IN_LIST}", (namespace, as_list(ids)))
    return {record.id: record for record in found}


def in_force_with_keys(
    store: Store, namespace: str, keys: Iterable[tuple[str, str]]
) -> list[EditRecord]:
    """The active and baked records of these keys (see :attr:`memedit.Edit.key`)."""
    # CROSS JOIN keeps SQLite from parsing the list of keys once for every edit.
    where = """e.row IN (
        SELECT found.row FROM json_each(?) wanted CROSS JOIN edits found
            ON found.namespace = ?
            AND found.subject_key = json_extract(wanted.value, '$[0]')
            AND found.relation_key = json_extract(wanted.value, '$[1]')
        WHERE found.status IN ('active', 'baked'))"""
    return records(store, where, (as_list(keys), namespace))


def listed(
    store: Store,
    namespace: str,
    filters: Mapping[str, object],
    *,
    contains: str | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> list[EditRecord]:
    """Records in order of age, those that pass every filter.

    Args:
        store: Where they are.
        namespace: Whose.
        filters: Values by the names in :data:`_FILTERS`; None sets no condition.
        contains: Text anywhere in the edit's words, whatever the case.
        limit: At most so many.
        offset: Pass over so many first.
    """
    chosen = {name: value for name, value in filters.items() if value is not None}
    where = " AND ".join(["e.namespace = ?", *(_FILTERS[name] for name in chosen)])
    parameters = [namespace, *chosen.values()]
    if contains is None:
        page = [-1 if limit is None else limit, offset]
        return records(store, f"{where} ORDER BY e.row LIMIT ? OFFSET ?", [*parameters, *page])
    wanted = contains.casefold()  # SQLite ignores case in ASCII only
    found = [
        record
        for record in records(store, where, parameters)
        if record.edit and wanted in "\n".join(words_of(record.edit)).casefold()
    ]
    return found[offset : None if limit is None else offset + limit]


def ids_of_rows(store: Store, rows: Iterable[int]) -> dict[int, str]:
    """Edit ids by row."""
    return dict(store.rows(f"SELECT row, id FROM edits WHERE row {IN_LIST}", [as_list(rows)]))


def namespaces_of_ids(store: Store, ids: Iterable[str]) -> dict[str, str]:
    """The namespaces of those ids that are in the store."""
    return dict(store.rows(f"SELECT id, namespace FROM edits WHERE id {IN_LIST}", [as_list(ids)]))


def ids_ever_named(store: Store, namespace: str, key: str) -> list[str]:
    """Ids of the edits that have, or had in any state, a name of this normal form."""
    found = store.rows(
        """SELECT edit_id, payload FROM events JOIN revisions USING (revision)
        WHERE namespace = ? AND payload IS NOT NULL""",
        [namespace],
    )
    had = (id_ for id_, payload in found if key in map(name_key, edit_of(payload).names))
    return list(dict.fromkeys(had))


def rows_named_in(store: Store, namespace: str, text: str) -> list[int]:
    """Rows of the active edits whose subject or alias stands in ``text`` as whole words."""
    spoken = [word for word, _, _ in words(text)][:_MOST_WORDS]
    candidates = {
        " ".join(spoken[start:end])
        for start in range(len(spoken))
        for end in range(start + 1, min(start + _LONGEST_NAME, len(spoken)) + 1)
    } or {name_key(text)}
    found = store.rows(
        f"""SELECT DISTINCT e.row FROM names JOIN edits e USING (row)
        WHERE name_key {IN_LIST} AND e.namespace = ? AND e.status = 'active'""",
        (as_list(candidates), namespace),
    )
    return [row for (row,) in found]


def history(store: Store, namespace: str, edit_id: str | None, limit: int | None) -> list[Event]:
    """The last ``limit`` events of the namespace, or of one of its edits, oldest first."""
    query = _HISTORY.format(one_edit="AND event.edit_id = ?" if edit_id else "")
    parameters = (namespace, *([edit_id] if edit_id else []), -1 if limit is None else limit)
    return [_event(row) for row in reversed(store.rows(query, parameters))]


def states_at(store: Store, namespace: str, revision: int) -> dict[str, PastState | None]:
    """What the edits touched after ``revision`` were then; None for those that did not exist."""
    found = store.rows(
        """WITH touched AS (
            SELECT event.edit_id, max(event.seq) FILTER (WHERE event.revision <= :revision) AS seq
            FROM events event JOIN revisions made USING (revision)
            WHERE made.namespace = :namespace
            GROUP BY event.edit_id HAVING max(event.revision) > :revision
        )
        SELECT touched.edit_id, past.payload, past.status, past.superseded_by, past.rank,
            past.bake
        FROM touched LEFT JOIN events past USING (seq)""",
        {"namespace": namespace, "revision": revision},
    )
    return {
        id_: PastState(edit_of(payload), status, superseded_by, rank, bake) if payload else None
        for id_, payload, status, superseded_by, rank, bake in found
    }


def namespaces(store: Store) -> dict[str, int]:
    """Every namespace ever written to, with the number of its active edits."""
    found = store.rows(
        "SELECT namespace, sum(status = 'active') FROM edits GROUP BY namespace ORDER BY namespace"
    )
    return dict(found)


def stats(store: Store, namespace: str) -> Stats:
    """The figures of a namespace and of the store around it."""
    statuses = dict(
        store.rows("SELECT status, count(*) FROM edits WHERE namespace = ? GROUP BY 1", [namespace])
    )
    ((subjects, relations),) = store.rows(
        """SELECT count(DISTINCT nullif(subject_key, '')), count(DISTINCT relation_key)
        FROM edits WHERE namespace = ? AND status = 'active'""",
        [namespace],
    )
    ((first, last),) = store.rows(
        "SELECT min(time), max(time) FROM revisions WHERE namespace = ?", [namespace]
    )
    revision, encoder, _ = store.state()
    return Stats(
        namespace=namespace,
        active=statuses.get("active", 0),
        baked=statuses.get("baked", 0),
        retired=statuses.get("retired", 0),
        superseded=statuses.get("superseded", 0),
        erased=statuses.get("erased", 0),
        subjects=subjects,
        relations=relations,
        revision=revision,
        namespaces=namespaces(store),
        first_change=dt.datetime.fromisoformat(first) if first else None,
        last_change=dt.datetime.fromisoformat(last) if last else None,
        database_bytes=_database_bytes(store),
        index_bytes=_size(*store.index_folder.glob("*.faiss")) if store.index_folder else 0,
        encoder=encoder,
        schema_version=store.schema_version,
    )


def _event(row: tuple[Any, ...]) -> Event:
    revision, time, actor, reason, action, edit_id, before, after, had, has = row
    return Event(
        revision=revision,
        time=dt.datetime.fromisoformat(time),
        actor=actor,
        reason=reason,
        action=action,
        edit_id=edit_id,
        before=edit_of(before) if before else None,
        after=edit_of(after) if after else None,
        status_before=had,
        status_after=has,
    )


def _database_bytes(store: Store) -> int:
    if store.in_memory:
        ((pages,),), ((size,),) = store.rows("PRAGMA page_count"), store.rows("PRAGMA page_size")
        return int(pages * size)
    return _size(store.path, store.path.with_name(f"{store.path.name}-wal"))


def _size(*paths: Path) -> int:
    return sum(path.stat().st_size for path in paths if path.exists())
