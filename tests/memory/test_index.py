"""FAISS against NumPy, and the index file through everything that can befall it."""

from __future__ import annotations

import logging
import sqlite3

import numpy as np
import pytest

from memedit.errors import QueryError
from memedit.memory import EditMemory, index


@pytest.fixture
def vectors_of(encoder):
    """Brute force: the statements' vectors by edit id."""

    def vectors(memory):
        records = memory.list()
        return [record.id for record in records], encoder.encode([r.edit.stated for r in records])

    return vectors


def brute_force(ids, vectors, query, k):
    cosines = vectors @ query
    return [(ids[i], pytest.approx(float(cosines[i]), abs=1e-5)) for i in np.argsort(-cosines)[:k]]


def add_many(memory, fact, count=120):
    return memory.add([fact(f"Subject {n}") for n in range(count)])


def index_file(memory):
    (file,) = memory._store.index_folder.glob("*.faiss")
    return file


@pytest.fixture
def saved(monkeypatch):
    """Index files from ten edits on."""
    monkeypatch.setattr(index, "WORTH_SAVING", 10)


def test_nearest_is_brute_force(memory, encoder, fact, vectors_of):
    ids = add_many(memory, fact)
    memory.retire(ids[::3])
    memory.update(ids[1], target_new="golf")
    for query in encoder.encode(["one", "two", "three"]):
        assert memory.nearest(query, 7) == brute_force(*vectors_of(memory), query, 7)
    memory.restore(ids[0])
    memory.erase(ids[4])
    assert memory.nearest(query, 7) == brute_force(*vectors_of(memory), query, 7)


def test_an_erased_vector_is_in_no_file(saved, memory, encoder, fact):
    ids = add_many(memory, fact)
    vector = encoder.encode([memory.get(ids[7]).stated])[0].tobytes()
    assert vector in index_file(memory).read_bytes()
    memory.erase(ids[7])
    memory.close()
    files = [path for path in memory.path.parent.rglob("*") if path.is_file()]
    assert not [path for path in files if vector in path.read_bytes()]


def test_more_than_there_are(memory, encoder, fact):
    query = encoder.encode(["x"])[0]
    assert memory.nearest(query, 5) == []
    ids = add_many(memory, fact, 3)
    assert {id_ for id_, _ in memory.nearest(query, 5)} == set(ids)
    assert memory.nearest(query, 0) == []
    memory.retire(ids)
    assert memory.nearest(query, 5) == []


@pytest.mark.parametrize("bad", [np.ones(7), np.full(16, np.nan), np.ones((2, 16))])
def test_a_vector_that_does_not_fit(memory, fact, bad):
    add_many(memory, fact, 3)
    with pytest.raises(QueryError, match="Give 16 finite numbers"):
        memory.nearest(bad, 1)


def test_cells_find_what_brute_force_finds(monkeypatch, path, make_encoder, fact):
    monkeypatch.setattr(index, "FLAT_LIMIT", 50)

    class Clustered(make_encoder):
        """Twenty clusters, as edits about alike things have."""

        def encode(self, texts, *, progress=None):
            near = super().encode([f"cluster {sum(text.encode()) % 20}" for text in texts])
            mixed = near + 0.2 * super().encode(texts, progress=progress)
            return mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    encoder = Clustered()
    with EditMemory.open(path, encoder=encoder) as memory:
        ids = add_many(memory, fact, 400)
        assert memory._index.refreshed().trained_on == 400
        found = []
        for n in range(0, 400, 10):
            stated = [memory.get(edit_id).stated for edit_id in ids]
            query = encoder.encode([stated[n]])[0]
            wanted = {id_ for id_, _ in brute_force(ids, encoder.encode(stated), query, 10)}
            hits = memory.nearest(query, 10)
            assert hits[0] == (ids[n], pytest.approx(1.0, abs=1e-5))
            found.append(len(wanted & {id_ for id_, _ in hits}) / 10)
        assert np.mean(found) >= 0.95
        memory.retire(ids[1:100])
        assert memory._index.refreshed().index.ntotal == 301
        memory.restore(ids[1:50])
        assert {hit.record.id for hit in memory.search("Subject 7", 3) if hit.by == "name"} == {
            ids[7]
        }
        memory.rebuild_index()
        memory.close()
        with EditMemory.open(path, encoder=encoder) as again:
            assert again._index.refreshed().trained_on == 350
            again.retire(ids[100:])
            assert again._index.refreshed().trained_on == 350
            again.retire(ids[:40])
            assert again._index.refreshed().trained_on == 0


def test_the_file_is_used_and_brought_up_to_date(saved, memory, path, encoder, fact, monkeypatch):
    ids = add_many(memory, fact)
    file = index_file(memory)
    memory.retire(ids[0])
    memory.close()
    monkeypatch.setattr(index.VectorIndex, "_rebuilt", None)  # any rebuilding would now fail
    with EditMemory.open(path, encoder=encoder) as again:
        again.add(fact("Ada", id="ada"))
        query = encoder.encode([again.get("ada").stated])[0]
        assert again.nearest(query, 1)[0][0] == "ada"
        assert len(again.nearest(query, 500)) == 120
    assert file.exists()


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def change_header(content):
    return content.replace(b'"revision": 1', b'"revision": 0')


@pytest.mark.parametrize(
    "damage", [cut, flip, change_header, lambda content: b"", lambda c: b"\n" * 9]
)
def test_a_damaged_file_is_built_anew(
    saved, memory, path, encoder, fact, vectors_of, damage, caplog
):
    add_many(memory, fact)
    memory.close()
    file = index_file(memory)
    file.write_bytes(damage(file.read_bytes()))
    with EditMemory.open(path, encoder=encoder) as again:
        query = encoder.encode(["x"])[0]
        with caplog.at_level(logging.WARNING):
            assert again.nearest(query, 9) == brute_force(*vectors_of(again), query, 9)
        assert "is damaged; the index is built anew" in caplog.text


def test_a_missing_file_is_built_anew(saved, memory, path, encoder, fact):
    add_many(memory, fact)
    memory.close()
    index_file(memory).unlink()
    with EditMemory.open(path, encoder=encoder) as again:
        assert len(again.nearest(encoder.encode(["x"])[0], 500)) == 120
    assert index_file(memory).exists()


def test_the_file_of_a_past_that_a_backup_undid(saved, memory, path, encoder, fact, vectors_of):
    add_many(memory, fact, 20)
    with sqlite3.connect(path) as store, sqlite3.connect(path.with_suffix(".bak")) as backup:
        store.backup(backup)
    backup.close()
    store.close()
    memory.add([fact(f"Undone {n}") for n in range(20)])
    memory.close()
    path.with_suffix(".bak").replace(path)
    with EditMemory.open(path, encoder=encoder) as again:
        again.add(fact("Ada"))
        again.add(fact("Bob"))  # the store has passed the revision of the file
        query = encoder.encode(["x"])[0]
        assert again.nearest(query, 30) == brute_force(*vectors_of(again), query, 30)


def test_a_file_that_cannot_be_saved_is_no_error(saved, memory, fact, caplog):
    memory._store.index_folder.write_text("a file where the folder should be")
    ids = add_many(memory, fact)
    assert len(memory.nearest(memory.encoder.encode(["x"])[0], 500)) == len(ids)
    assert "was not saved" in caplog.text


def test_what_a_killed_process_left_is_cleared_away(saved, memory, fact):
    add_many(memory, fact, 20)
    torn = index_file(memory).with_name(f".{index_file(memory).name}.1a2b")
    torn.write_bytes(b"half")
    memory.rebuild_index()
    assert not torn.exists()
    torn.write_bytes(b"half")
    memory.erase(memory.list()[0].id)
    assert not torn.exists()


def test_few_edits_leave_no_file(memory, encoder, fact):
    add_many(memory, fact, 20)
    memory.nearest(encoder.encode(["x"])[0], 1)
    memory.close()
    assert not memory._store.index_folder.exists()


def test_rebuild_counts_and_saves(memory, fact):
    add_many(memory, fact, 5)
    assert memory.rebuild_index() == 5
    assert index_file(memory).exists()
    assert memory.stats().index_bytes == index_file(memory).stat().st_size


def test_namespaces_do_not_see_each_other(memory, encoder, fact):
    other = memory.in_namespace("other")
    other.add(fact("Ada"))
    (mine,) = memory.add(fact("Ada"))
    query = encoder.encode(["x"])[0]
    assert [id_ for id_, _ in memory.nearest(query, 5)] == [mine]
    assert [hit.record.id for hit in memory.search("Ada")] == [mine]
