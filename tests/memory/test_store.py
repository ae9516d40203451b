"""Opening: what is refused, with which words, and that nothing is overwritten."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from memedit.errors import StoreError, StoreLockedError
from memedit.memory import EditMemory


def test_folders_are_made(tmp_path, encoder, fact):
    path = tmp_path / "a b" / "c#d?%41" / "facts.db"
    with EditMemory.open(path, encoder=encoder) as memory:
        memory.add(fact())
        assert memory.path == path
    assert path.is_file()
    with EditMemory.open(path, encoder=encoder, read_only=True) as memory:
        assert len(memory) == 1


def test_a_missing_store_is_not_made_where_it_must_exist(path):
    for options in ({"create": False}, {"read_only": True}):
        with pytest.raises(StoreError, match=r"There is no store at .*facts\.db"):
            EditMemory.open(path, **options)
    assert not path.exists()


def test_a_folder_is_no_store(tmp_path):
    with pytest.raises(StoreError, match="is a folder"):
        EditMemory.open(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="cannot be made"):
        EditMemory.open(tmp_path / "file" / "deep" / "facts.db")


@pytest.mark.parametrize(
    "content", [b"not a database, only text " * 100, b"SQLite format 3\0" * 99]
)
def test_another_file_is_refused_and_left_alone(path, content):
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not a database|not an edit store|damaged"):
        EditMemory.open(path)
    assert path.read_bytes() == content


def test_another_database_is_refused_and_left_alone(path):
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE edits (id)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="is not an edit store"):
        EditMemory.open(path)
    assert path.read_bytes() == before


def test_a_damaged_header_is_reported_and_left_alone(path, encoder, fact):
    with EditMemory.open(path, encoder=encoder) as memory:
        memory.add(fact())
    content = b"\0" * 100 + path.read_bytes()[100:]
    path.write_bytes(content)
    with pytest.raises(StoreError, match="restore the file from a backup"):
        EditMemory.open(path)
    assert path.read_bytes() == content


def test_damage_inside_is_reported(path, encoder, fact):
    with EditMemory.open(path, encoder=encoder) as memory:
        memory.add([fact(f"S{n}") for n in range(300)])
    content = bytearray(path.read_bytes())
    content[4096 * 2 :] = b"\xff" * len(content[4096 * 2 :])
    path.write_bytes(content)
    with pytest.raises(StoreError, match="is damaged"), EditMemory.open(path) as memory:
        memory.list()


def test_a_newer_schema_is_refused(path, encoder):
    EditMemory.open(path, encoder=encoder).close()
    with sqlite3.connect(path) as store:
        store.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) "
            "VALUES ('memedit', 'add_wings', '2100-01-01')"
        )
    store.close()
    with pytest.raises(StoreError, match="newer memedit.*'add_wings'.*pip install --upgrade"):
        EditMemory.open(path)


def test_an_empty_file_becomes_a_store(path, encoder, fact):
    path.touch()
    with pytest.raises(StoreError, match="is not an edit store"):
        EditMemory.open(path, create=False)
    with EditMemory.open(path, encoder=encoder) as memory:
        memory.add(fact())


def test_opening_does_not_change_a_store(memory, fact):
    memory.add(fact())
    with EditMemory.open(memory.path, encoder=memory.encoder) as again:
        assert again.revision == 1
        assert [event.actor for event in again.history()] == ["ada"]


def test_a_lock_is_waited_for_then_reported(memory, path, encoder, fact):
    memory.add(fact())
    blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    with EditMemory.open(path, encoder=encoder, lock_timeout=0.05) as hasty:
        with pytest.raises(StoreLockedError, match=r"facts\.db is being written"):
            hasty.add(fact("Ada"))
        assert len(hasty) == 1
        threading.Timer(0.2, blocker.execute, ["COMMIT"]).start()
        assert memory.add(fact("Ada"))  # waits five seconds at most
    blocker.close()


def test_phrase_vectors_do_not_wait_for_a_writer(path, encoder, fact):
    with EditMemory.open(path, encoder=encoder, lock_timeout=0.05) as memory:
        memory.add(fact())
        blocker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        blocker.execute("BEGIN IMMEDIATE")
        assert memory.phrase_vectors(["unseen"]).shape == (1, 16)
        blocker.close()


def test_read_only_reads_and_refuses_changes(memory, path, encoder, fact):
    memory.add(fact("Ada", id="ada"))
    with EditMemory.open(path, encoder=encoder, read_only=True) as reader:
        memory.add(fact("Bob"))
        assert len(reader) == 2
        assert reader.search("Ada")[0].record.id == "ada"
        assert reader.phrase_vectors(["unseen"]).shape == (1, 16)
        for change in (lambda: reader.add(fact("C")), lambda: reader.retire("ada"),
                       lambda: reader.erase("ada"), lambda: reader.rollback(0)):  # fmt: skip
            with pytest.raises(StoreError, match="open for reading only"):
                change()
    assert len(memory) == 2


@pytest.fixture
def public_folder():
    """A folder that other users may enter; pytest's own they may not."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in folder.iterdir():
            path.chmod(0o755)


@pytest.mark.skipif(os.name == "nt", reason="permissions are not POSIX's there")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize(
    ("folder_mode", "file_mode"), [(0o555, 0o444), (0o555, 0o644), (0o777, 0o444)]
)
def test_without_permission_to_write_it_opens_for_reading(
    public_folder, encoder, fact, folder_mode, file_mode
):
    path = public_folder / "locked" / "facts.db"
    with EditMemory.open(path, encoder=encoder) as memory:
        memory.add(fact())
    path.chmod(file_mode)
    path.parent.chmod(folder_mode)

    def look(results):
        if os.getuid() == 0:  # who may write anything
            os.setgid(65534)
            os.setuid(65534)
        with EditMemory.open(path, encoder=encoder) as reader:
            results.put(len(reader))
            try:
                reader.add(fact("Ada"))
            except StoreError as error:
                results.put(str(error))

    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    child = fork.Process(target=look, args=(results,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    assert results.get(timeout=5) == 1
    assert "open for reading only" in results.get(timeout=5)


def test_a_full_disk_writes_nothing_by_halves(memory, path, fact):
    memory.add(fact("Ada"))
    ((pages,),) = memory._store.rows("PRAGMA page_count")
    memory._store.rows(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="the disk is full"):
        memory.add([fact(f"S{n}", "x" * 500) for n in range(200)])
    memory._store.rows("PRAGMA max_page_count = 1000000")
    assert (len(memory), memory.revision, len(memory.history())) == (1, 1, 1)
    memory.add(fact("Bob"))
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_closed_store_says_so(path, encoder, fact):
    memory = EditMemory.open(path, encoder=encoder)
    view = memory.in_namespace("other")
    view.add(fact())
    view.close()
    assert memory.namespaces() == {"other": 1}
    memory.close()
    memory.close()
    for use in (memory.list, lambda: view.add(fact("Ada")), lambda: memory.revision):
        with pytest.raises(StoreError, match="is closed. Open it again"):
            use()


def test_in_memory(encoder, fact):
    with EditMemory.open(":memory:", encoder=encoder) as memory:
        (edit_id,) = memory.add(fact())
        assert memory.erase(edit_id) == 1
        assert memory.rebuild_index() == 0
        assert memory.stats().database_bytes > 0


def test_importing_the_memory_loads_neither_torch_nor_faiss():
    code = (
        "import sys, memedit.memory as m\n"
        "with m.EditMemory.open(':memory:') as memory: memory.list(); memory.stats()\n"
        "print([x for x in ('torch', 'faiss', 'sentence_transformers') if x in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
