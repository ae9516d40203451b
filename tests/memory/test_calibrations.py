"""Calibrations kept with the edits: rate, traffic and probe scores of a namespace."""

from __future__ import annotations

import pytest

from memedit.errors import StoreError, UnknownNamespaceError
from memedit.memory import EditMemory
from memedit.memory.calibrations import StoredCalibration

SCORES = {"cloze": [0.25, 0.5], "question": []}


def kept(memory):
    return {edit_id: scores for edit_id, (_, scores) in memory.probe_scores().items()}


def test_a_calibration_comes_back_as_it_was_put(memory, path, encoder, fact):
    memory.add(fact())
    assert memory.calibration() is None
    memory.put_calibration(StoredCalibration(0.02, "scorer", 7, SCORES))
    with EditMemory.open(path, encoder=encoder) as other:
        found = other.calibration()
        assert (found.rate, found.scorer, found.queries) == (0.02, "scorer", 7)
        assert found.scores == SCORES
        assert found.time is not None
        other.put_calibration(StoredCalibration(0.03))
    assert memory.calibration().rate == 0.03
    assert memory.calibration().scores == {}
    memory.put_calibration(None)
    assert memory.calibration() is None


def test_it_is_a_new_revision_without_an_event(memory, fact):
    memory.add(fact())
    before, events = memory.revision, memory.history()
    memory.put_calibration(StoredCalibration(0.02))
    assert memory.revision == before + 1
    assert memory.history() == events
    assert memory.changes(before).records == ()


def test_namespaces_have_their_own(memory, fact):
    memory.add(fact())
    other = memory.in_namespace("other")
    (theirs,) = other.add(fact())
    other.put_calibration(StoredCalibration(0.1))
    other.keep_probe_scores({theirs: ("d", SCORES)})
    assert memory.calibration() is None
    assert memory.probe_scores() == {}
    memory.keep_probe_scores({}, gone=[theirs])
    assert kept(other) == {theirs: SCORES}
    with pytest.raises(UnknownNamespaceError, match="no namespace 'none'"):
        memory.in_namespace("none").put_calibration(StoredCalibration(0.1))


def test_probe_scores_are_kept_without_a_revision(memory, path, encoder, fact):
    one, two = memory.add([fact("Ada"), fact("Bob")])
    before = memory.revision
    memory.keep_probe_scores({one: ("d1", SCORES), two: ("d2", SCORES)})
    memory.keep_probe_scores({one: ("d3", {"cloze": [], "question": [1.0]})}, gone=[two])
    assert memory.revision == before
    with EditMemory.open(path, encoder=encoder) as other:
        assert other.probe_scores() == {one: ("d3", {"cloze": [], "question": [1.0]})}


def test_erasing_an_edit_takes_its_scores_along(memory, fact):
    one, two = memory.add([fact("Ada"), fact("Bob")])
    memory.keep_probe_scores({one: ("d", SCORES), two: ("d", SCORES)})
    memory.erase(one)
    assert kept(memory) == {two: SCORES}
    memory.keep_probe_scores({one: ("d", SCORES)})  # scored before, kept after
    assert kept(memory) == {two: SCORES}


def test_a_store_that_cannot_be_written_goes_without(memory, path, encoder, fact):
    (one,) = memory.add(fact())
    with EditMemory.open(path, encoder=encoder, read_only=True) as reader:
        reader.keep_probe_scores({one: ("d", SCORES)})
        assert reader.probe_scores() == {}
        with pytest.raises(StoreError, match="reading only"):
            reader.put_calibration(StoredCalibration(0.1))
    with (
        EditMemory.open(path, encoder=encoder, lock_timeout=0.01) as waiting,
        memory._store.writing(),
    ):
        waiting.keep_probe_scores({one: ("d", SCORES)})
    assert memory.probe_scores() == {}


def test_a_store_of_the_first_schema_is_brought_up_to_date(memory, path, encoder, fact):
    (one,) = memory.add(fact())
    for table in ("probe_scores", "calibrations"):
        memory._store.db[table].drop()
    memory._store.db.execute("DELETE FROM _sqlite_migrations WHERE name = 'create_calibrations'")
    memory._store.db.conn.commit()
    memory.close()
    with EditMemory.open(path, encoder=encoder) as again:
        again.keep_probe_scores({one: ("d", SCORES)})
        assert kept(again) == {one: SCORES}
