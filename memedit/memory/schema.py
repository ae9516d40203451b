"""The tables of a store, as migrations.

``edits`` holds every edit's present state and, of an erased one, the tombstone; rows are never
deleted, so that a row's number can be its id in the vector index for good. ``events`` holds the
state after each mutation, ``revisions`` who made it, when and why. ``bakes`` holds what was
written into weights, ``bake_edits`` which edits each delta holds, verified or not; an edit's own
``bake`` is set while its status is ``baked``, and at no other time. ``names``, ``vectors``,
``phrases`` and ``edit_phrases`` follow from the words and are written with them. ``probe_scores``
and ``calibrations`` hold what the scope threshold rests on: numbers, no words.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

APPLICATION_ID = 0x6D656D65  # "meme" in the file's header tells a store from other databases

migrations = Migrations("memedit")

_FIRST_TABLES = (
    """CREATE TABLE store (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        revision INTEGER NOT NULL,
        encoder TEXT,
        dimension INTEGER,
        scrub_due INTEGER NOT NULL DEFAULT 0
    )""",
    "INSERT INTO store (id, revision) VALUES (1, 0)",
    """CREATE TABLE revisions (
        revision INTEGER PRIMARY KEY,
        namespace TEXT NOT NULL,
        time TEXT NOT NULL,
        actor TEXT NOT NULL,
        reason TEXT NOT NULL
    )""",
    """CREATE TABLE edits (
        row INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        namespace TEXT NOT NULL,
        status TEXT NOT NULL,
        subject_key TEXT,
        relation_key TEXT,
        payload TEXT,
        superseded_by TEXT,
        revision INTEGER NOT NULL,
        rank INTEGER NOT NULL,
        created TEXT NOT NULL,
        changed TEXT NOT NULL
    )""",
    "CREATE INDEX edits_by_key ON edits (namespace, subject_key, relation_key)",
    "CREATE INDEX edits_by_revision ON edits (namespace, revision)",
    """CREATE TABLE names (
        row INTEGER NOT NULL REFERENCES edits (row),
        name_key TEXT NOT NULL,
        PRIMARY KEY (row, name_key)
    ) WITHOUT ROWID""",
    "CREATE INDEX names_by_key ON names (name_key)",
    """CREATE TABLE vectors (
        row INTEGER PRIMARY KEY REFERENCES edits (row),
        vector BLOB NOT NULL
    )""",
    """CREATE TABLE phrases (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL UNIQUE,
        vector BLOB NOT NULL
    )""",
    """CREATE TABLE edit_phrases (
        row INTEGER NOT NULL REFERENCES edits (row),
        phrase INTEGER NOT NULL REFERENCES phrases (id),
        PRIMARY KEY (row, phrase)
    ) WITHOUT ROWID""",
    "CREATE INDEX edit_phrases_by_phrase ON edit_phrases (phrase)",
    """CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        revision INTEGER NOT NULL REFERENCES revisions (revision),
        edit_id TEXT NOT NULL REFERENCES edits (id),
        action TEXT NOT NULL,
        status TEXT NOT NULL,
        payload TEXT,
        superseded_by TEXT,
        rank INTEGER NOT NULL
    )""",
    "CREATE INDEX events_by_edit ON events (edit_id, seq)",
    "CREATE INDEX events_by_revision ON events (revision)",
)
_CALIBRATIONS = (
    """CREATE TABLE probe_scores (
        row INTEGER PRIMARY KEY REFERENCES edits (row),
        digest TEXT NOT NULL,
        scores TEXT NOT NULL
    )""",
    """CREATE TABLE calibrations (
        namespace TEXT PRIMARY KEY,
        rate REAL NOT NULL,
        time TEXT NOT NULL,
        scorer TEXT,
        queries INTEGER NOT NULL,
        scores TEXT NOT NULL
    )""",
)
_BAKES = (
    """CREATE TABLE bakes (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        namespace TEXT NOT NULL,
        method TEXT NOT NULL,
        settings TEXT NOT NULL,
        model TEXT NOT NULL,
        base TEXT NOT NULL,
        checksum TEXT NOT NULL,
        figures TEXT NOT NULL,
        state TEXT NOT NULL,
        revision INTEGER NOT NULL REFERENCES revisions (revision),
        ended INTEGER REFERENCES revisions (revision)
    )""",
    """CREATE TABLE bake_edits (
        bake INTEGER NOT NULL REFERENCES bakes (number),
        row INTEGER NOT NULL REFERENCES edits (row),
        PRIMARY KEY (bake, row)
    ) WITHOUT ROWID""",
    "CREATE INDEX bake_edits_by_row ON bake_edits (row)",
    "ALTER TABLE edits ADD COLUMN bake TEXT REFERENCES bakes (id)",
    "CREATE INDEX edits_by_bake ON edits (bake) WHERE bake IS NOT NULL",
    "ALTER TABLE events ADD COLUMN bake TEXT REFERENCES bakes (id)",
)


@migrations()
def create_tables(db: Database) -> None:
    """The first schema."""
    for statement in _FIRST_TABLES:
        db.execute(statement)


@migrations()
def create_calibrations(db: Database) -> None:
    """What a namespace's threshold rests on (see :mod:`memedit.memory.calibrations`)."""
    for statement in _CALIBRATIONS:
        db.execute(statement)


@migrations()
def create_bakes(db: Database) -> None:
    """What has been written into weights (see :mod:`memedit.memory.bakes`)."""
    for statement in _BAKES:
        db.execute(statement)


_KNOWN = frozenset({create_tables.__name__, create_calibrations.__name__, create_bakes.__name__})


def unknown_steps(db: Database) -> list[str]:
    """Names of the steps applied to ``db`` that this version does not have."""
    return [step.name for step in migrations.applied(db) if step.name not in _KNOWN]
