from __future__ import annotations

import pytest

from memedit.errors import QueryError, UnknownEditError


def snapshot(memory):
    return {
        (record.id, record.status, record.superseded_by, record.rank, record.edit)
        for record in memory.list(status="all")
    }


def test_every_revision_can_be_returned_to(memory, encoder, fact):
    seen = {0: snapshot(memory)}

    def note():
        seen[memory.revision] = snapshot(memory)

    (golf,) = memory.add(fact(target="golf"))
    note()
    (chess,) = memory.add(fact(target="chess"))
    note()
    memory.update(chess, target_new="poker", aliases=["Leo"])
    note()
    memory.restore(golf)
    note()
    memory.retire(golf)
    note()
    memory.add([fact("Ada"), fact(target="go", valid_from="2024")])
    note()
    for revision in [3, 1, 6, 0, 4, 2, 5, 6]:
        before = memory.revision
        assert memory.rollback(revision) == before + 1
        assert snapshot(memory) == seen[revision]
        for record in memory.list():
            (hit,) = memory.nearest(encoder.encode([record.edit.stated])[0], 1)
            assert hit == (record.id, pytest.approx(1.0, abs=1e-5))
        assert len(memory.nearest(encoder.encode(["x"])[0], 9)) == len(memory)


def test_ranks_return_too(memory, fact):
    (golf,) = memory.add(fact(target="golf", valid_from="2020", valid_to="2022"))
    memory.add(fact(target="chess", valid_from="2021", valid_to="2023"))
    memory.retire(golf)
    memory.rollback(2)
    assert [r.edit.target_new for r in memory.list(as_of="2021-06-01")] == ["chess"]


def test_ranks_return_where_nothing_else_changed(memory, fact):
    (golf,) = memory.add(fact(target="golf", valid_from="2020", valid_to="2022"))
    memory.add(fact(target="chess", valid_from="2021", valid_to="2023"))
    memory.retire(golf)
    memory.restore(golf)
    assert memory.rollback(2) == 5
    assert [r.edit.target_new for r in memory.list(as_of="2021-06-01")] == ["chess"]


def test_nothing_to_do_makes_no_revision(memory, fact):
    memory.add(fact())
    assert memory.rollback(1) == 1


def test_only_this_namespace(memory, fact):
    other = memory.in_namespace("other")
    other.add(fact())
    memory.add(fact())
    memory.rollback(0)
    assert (len(memory), len(other)) == (0, 1)


def test_erased_edits_stay_erased(memory, fact):
    gone, stays = memory.add([fact("Ada"), fact("Bob")])
    memory.retire([gone, stays])
    memory.erase(gone)
    memory.rollback(1)
    assert memory.record(gone).status == "erased"
    assert [record.id for record in memory.list()] == [stays]


def test_a_rolled_back_edit_is_gone_but_can_come_back(memory, fact):
    memory.add(fact("Ada"))
    edit = fact("Bob", id="bob")
    memory.add(edit)
    memory.rollback(1)
    with pytest.raises(UnknownEditError, match="taken out by a rollback"):
        memory.get("bob")
    assert "bob" not in memory
    assert memory.history("bob")[-1].after is None
    assert memory.history("bob")[-1].status_after == "rolled_back"
    assert memory.add(fact("Bob", "golf", id="bob")) == ["bob"]
    assert memory.get("bob").target_new == "golf"
    assert memory.stats().active == 2


@pytest.mark.parametrize("revision", [-1, 7])
def test_unknown_revision(memory, fact, revision):
    memory.add(fact())
    with pytest.raises(QueryError, match=f"revision: {revision} has not been; the store is at 1"):
        memory.rollback(revision)
