"""What lives in weights, as the store sees it: marking, ending, superseding, rolling back."""

from __future__ import annotations

import sqlite3

import pytest
from sqlite_utils import Database

from memedit.errors import EditConflictError, StoreError, StoreLockedError, UnknownBakeError
from memedit.memory import EditMemory
from memedit.memory.bakes import NewBake
from memedit.memory.schema import APPLICATION_ID, migrations


@pytest.fixture
def bake(memory):
    """Records a bake of some edits with a delta file of a few bytes."""

    def make(bake_id, edits, verified=None, returned=(), after=None):
        path = memory.delta_path(bake_id)
        new = NewBake(
            id=bake_id,
            method="memit",
            settings={"layers": [1]},
            model="tiny",
            base="0123",
            edits=edits,
            after=[b.id for b in memory.bakes()] if after is None else after,
            figures={"relative": 0.1},
        )
        with memory.baking():
            path.write_bytes(bake_id.encode())
            words = {i: memory.get(i) for i in (edits if verified is None else verified)}
            return memory.record_bake(new, words, returned)

    return make


def standing(memory):
    return {r.id: (r.status, r.bake) for r in memory.list(status="all")}


def test_verified_edits_leave_the_lookup_path_and_stay_listed(memory, encoder, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b"), fact("Cid", id="c")])
    before = memory.revision
    assert bake("one", ["a", "b"], verified=["a"]) == ["a"]
    assert standing(memory) == {"a": ("baked", "one"), "b": ("active", None), "c": ("active", None)}
    assert [r.id for r in memory.list(status="baked")] == ["a"]
    assert memory.get("a") == fact("Ada", id="a", namespace="default")
    assert "a" not in dict(memory.nearest(encoder.encode(["x"])[0], 9))
    assert "a" not in [hit.record.id for hit in memory.search("Ada", 9)]
    (changed,) = memory.changes(before).records
    assert (changed.id, changed.status) == ("a", "baked")
    (made,) = memory.bakes()
    assert (made.id, made.state, made.edits, made.baked) == ("one", "live", 2, 1)
    assert (made.revision, made.figures, made.base) == (memory.revision, {"relative": 0.1}, "0123")
    assert memory.held_by(["a", "b", "c"]) == {"a": ["one"], "b": ["one"]}
    assert (memory.stats().active, memory.stats().baked, len(memory)) == (2, 1, 2)
    assert memory.history("a")[-1].action == "bake"
    assert memory.history("a")[-1].reason == "bake one (memit)"


def test_ending_a_bake_brings_its_edits_back_with_their_rank(memory, encoder, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    ranks = {r.id: r.rank for r in memory.list()}
    bake("one", ["a"])
    bake("two", ["b"])
    assert memory.end_bake(["one"], returned=["b"], live=["one", "two"]) == ["a", "b"]
    assert standing(memory) == {"a": ("active", None), "b": ("active", None)}
    assert {r.id: r.rank for r in memory.list()} == ranks
    assert len(memory.nearest(encoder.encode(["x"])[0], 9)) == 2
    assert [b.id for b in memory.bakes()] == ["two"]
    assert memory.bake("one").state == "unbaked"
    assert memory.bake("one").ended == memory.revision
    assert not memory.delta_path("one").exists()
    assert memory.delta_path("two").exists()
    assert memory.end_bake(["one"]) == []  # a second time does nothing
    with pytest.raises(UnknownBakeError, match="no bake 'three'.*Live are: two"):
        memory.end_bake(["three"])


def test_a_newer_edit_wins_and_the_baked_one_is_superseded(memory, fact, bake):
    memory.add(fact(target="golf", id="old"))
    bake("one", ["old"])
    assert memory.add(fact(target="golf")) == ["old"]  # it is in force already
    memory.add(fact(target="chess", id="new"))
    assert standing(memory) == {"old": ("superseded", None), "new": ("active", None)}
    assert memory.held_by(["old"]) == {"old": ["one"]}
    assert memory.end_bake(["one"]) == []
    assert standing(memory) == {"old": ("superseded", None), "new": ("active", None)}


def test_an_edit_of_some_days_only_stands_beside_a_baked_one(memory, fact, bake):
    memory.add(fact(target="golf", id="old"))
    bake("one", ["old"])
    memory.add(fact(target="chess", id="new", valid_from="2030", valid_to="2031"))
    assert standing(memory) == {"old": ("baked", "one"), "new": ("active", None)}
    memory.end_bake(["one"])
    assert [r.id for r in memory.list(as_of="2030-05-01")] == ["new"]


def test_what_would_contradict_the_weights_is_refused_with_the_remedy(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    bake("one", ["a", "b"], verified=["a"])
    for attempt in (
        lambda: memory.retire(["b", "a"]),
        lambda: memory.update("a", target_new="golf"),
    ):
        with pytest.raises(EditConflictError, match="'a' is baked.*weights.*memedit unbake one"):
            attempt()
    for edit_id in "ab":  # the delta holds both
        with pytest.raises(EditConflictError, match="cannot be erased.*memedit unbake one"):
            memory.erase(edit_id)
    with pytest.raises(EditConflictError, match="memedit unbake one"):
        memory.erase_subject("Bob")
    assert standing(memory) == {"a": ("baked", "one"), "b": ("active", None)}
    memory.end_bake(["one"])
    assert memory.erase(["a", "b"]) == 2


def test_an_edit_changed_while_it_was_baked_stays_in_memory(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    stale = memory.get("a")
    memory.update("a", target_new="poker")
    new = NewBake("one", "memit", {}, "tiny", "01", ["a", "b"], [], {})
    with memory.baking():
        memory.delta_path("one").write_bytes(b"x")
        assert memory.record_bake(new, {"a": stale, "b": memory.get("b")}) == ["b"]
    assert standing(memory) == {"a": ("active", None), "b": ("baked", "one")}
    revision = memory.revision
    with pytest.raises(EditConflictError, match="was changed while"):
        memory.delta_path("two").write_bytes(b"x")
        memory.record_bake(
            NewBake("two", "memit", {}, "tiny", "01", ["a"], ["one"], {}), {"a": stale}
        )
    assert memory.revision == revision
    assert [b.id for b in memory.bakes(all=True)] == ["one"]


def test_a_bake_on_top_of_what_is_gone_is_refused(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    bake("one", ["a"])
    with pytest.raises(StoreLockedError, match="have changed meanwhile.*live are one"):
        bake("two", ["b"], after=[])
    with pytest.raises(StoreLockedError, match="have changed meanwhile"):
        memory.end_bake(["one"], live=["one", "two"])
    assert standing(memory)["b"] == ("active", None)


def test_a_bake_may_return_edits_of_earlier_ones(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    bake("one", ["a"])
    bake("two", ["b"], returned=["a"])
    assert standing(memory) == {"a": ("active", None), "b": ("baked", "two")}


def test_a_rollback_takes_out_the_bakes_made_since(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    bake("one", ["a"])
    there = memory.revision
    bake("two", ["b"])
    memory.add(fact("Ada", "chess", id="new"))
    assert standing(memory)["a"] == ("superseded", None)
    memory.rollback(there)
    assert standing(memory) == {"a": ("baked", "one"), "b": ("active", None)}
    assert [b.id for b in memory.bakes()] == ["one"]
    memory.rollback(1)
    assert standing(memory) == {"a": ("active", None), "b": ("active", None)}
    assert memory.bakes() == []


def test_a_rollback_over_an_ended_bake_leaves_everything_to_memory(memory, fact, bake):
    memory.add([fact("Ada", id="a"), fact("Bob", id="b")])
    bake("one", ["a"])
    bake("two", ["b"])
    there = memory.revision
    memory.end_bake(["one"])
    memory.rollback(there)
    assert standing(memory) == {"a": ("active", None), "b": ("active", None)}
    assert memory.bakes() == []


def test_leftovers_are_swept_when_the_store_is_opened(memory, path, encoder, fact, bake):
    memory.add(fact("Ada", id="a"))
    bake("one", ["a"])
    stray, torn = memory.delta_path("stray"), memory.delta_path("x").with_name(".x.safetensors.a1")
    for left in (stray, torn):
        left.write_bytes(b"left by a kill")
    with memory.baking(), EditMemory.open(path, encoder=encoder):
        assert stray.exists()  # whoever bakes may be about to name it
    with EditMemory.open(path, encoder=encoder, read_only=True):
        assert stray.exists()
    with EditMemory.open(path, encoder=encoder) as other:
        assert not stray.exists() and not torn.exists()
        assert other.delta_path("one").read_bytes() == b"one"
        with other.baking(), pytest.raises(StoreLockedError, match="another program"):
            other._bake_files.locked(timeout=0).__enter__()


def test_namespaces_have_their_own_bakes(memory, fact, bake):
    memory.add(fact("Ada", id="a"))
    bake("one", ["a"])
    other = memory.in_namespace("other")
    assert other.bakes() == []
    other.add(fact("Ada"))
    other.rollback(0)
    assert [b.id for b in memory.bakes()] == ["one"]


def test_a_store_in_memory_cannot_bake(encoder):
    with (
        EditMemory.open(":memory:", encoder=encoder) as memory,
        pytest.raises(StoreError, match="has no place for what is baked"),
        memory.baking(),
    ):
        pass


def test_a_store_from_before_there_were_bakes_is_brought_up_to_date(path, encoder, fact):
    raw = sqlite3.connect(path)
    migrations.apply(Database(raw), stop_before="create_bakes")
    raw.execute("INSERT INTO revisions VALUES (1, 'default', '2026-01-01T00:00:00+00:00', 'x', '')")
    raw.execute(
        """INSERT INTO edits (row, id, namespace, status, subject_key, relation_key, payload,
            revision, rank, created, changed)
        VALUES (1, 'a', 'default', 'retired', 'ada', 'plays', ?, 1, 1, '2026-01-01',
            '2026-01-01')""",
        [fact("Ada", id="a").to_json()],
    )
    raw.execute("UPDATE store SET revision = 1")
    raw.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    raw.commit()
    raw.close()
    with EditMemory.open(path, encoder=encoder) as memory:
        assert standing(memory) == {"a": ("retired", None)}
        assert memory.restore("a") == 1
        assert (memory.bakes(), memory.stats().baked) == ([], 0)
