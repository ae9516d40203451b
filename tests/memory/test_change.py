from __future__ import annotations

import pytest

from memedit.errors import EditConflictError, InvalidEditError, UnknownEditError


def active(memory):
    return {record.edit.target_new for record in memory.list()}


def test_update_keeps_the_id_and_rewrites_what_follows(memory, encoder, fact):
    (edit_id,) = memory.add(fact(target="golf", statement="Messi golfs."))
    edit = memory.update(edit_id, target_new="chess", aliases=["Leo"], reason="typo")
    assert edit == memory.get(edit_id)
    assert edit.stated == "Lionel Messi plays the sport of chess."
    assert [record.id for record in memory.list(subject="leo")] == [edit_id]
    assert memory.nearest(encoder.encode([edit.stated])[0], 1) == [
        (edit_id, pytest.approx(1.0, abs=1e-5))
    ]
    assert memory.history(edit_id)[-1].reason == "typo"


def test_update_without_a_difference_writes_nothing(memory, fact):
    (edit_id,) = memory.add(fact())
    memory.update(edit_id, target_new="basketball")
    assert memory.revision == 1


def test_update_is_validated_and_leaves_all_as_it_was(memory, fact):
    (edit_id,) = memory.add(fact())
    with pytest.raises(InvalidEditError, match="slot"):
        memory.update(edit_id, prompt="no slot here")
    with pytest.raises(InvalidEditError, match="id: it cannot be changed"):
        memory.update(edit_id, id="other")
    assert memory.revision == 1


def test_update_onto_the_key_of_another_supersedes_it(memory, fact):
    one, other = memory.add([fact("Ada", "golf"), fact("Bob", "chess")])
    memory.update(other, subject="Ada")
    assert memory.record(one).superseded_by == other
    assert active(memory) == {"chess"}


def test_update_of_a_retired_edit_leaves_it_retired(memory, fact):
    (edit_id,) = memory.add(fact(target="golf"))
    memory.retire(edit_id)
    memory.add(fact(target="chess"))
    memory.update(edit_id, target_new="poker")
    assert memory.record(edit_id).status == "retired"
    assert active(memory) == {"chess"}


def test_supersede_whatever_the_keys(memory, fact):
    (old,) = memory.add(fact(target="golf"))
    new = memory.supersede(old, fact("Leo Messi", "Rome", prompt="{} lives in"))
    assert memory.record(old).superseded_by == new
    assert active(memory) == {"Rome"}


def test_supersede_by_what_another_says_already(memory, fact):
    old, other = memory.add([fact("Ada", "golf"), fact("Bob", "chess")])
    assert memory.supersede(old, fact("Bob", "chess")) == other
    assert memory.record(old).superseded_by == other
    assert memory.supersede(other, fact("Bob", "chess")) == other
    assert memory.revision == 2


def test_supersede_on_some_days_only_still_replaces(memory, fact):
    (old,) = memory.add(fact(target="golf"))
    memory.supersede(old, fact(target="chess", valid_from="2024"))
    assert active(memory) == {"chess"}


def test_supersede_needs_an_active_edit(memory, fact):
    (old,) = memory.add(fact())
    memory.retire(old)
    with pytest.raises(EditConflictError, match="retired, not in force"):
        memory.supersede(old, fact(target="chess"))


def test_retire_and_restore_count_what_they_change(memory, fact):
    ids = memory.add([fact("Ada"), fact("Bob")])
    assert memory.retire(ids) == 2
    assert (memory.retire(ids), len(memory), memory.revision) == (0, 0, 2)
    assert memory.restore(ids[0]) == 1
    assert memory.restore(ids[0]) == 0
    assert [record.id for record in memory.list()] == [ids[0]]


def test_restore_takes_the_place_of_the_live_holder(memory, fact):
    (old,) = memory.add(fact(target="golf"))
    (new,) = memory.add(fact(target="chess"))
    assert memory.restore(old) == 1
    assert active(memory) == {"golf"}
    assert memory.record(old).superseded_by is None
    assert memory.record(new).superseded_by == old


def test_restored_edit_counts_on_shared_days(memory, fact):
    (old,) = memory.add(fact(target="golf", valid_from="2020", valid_to="2022"))
    memory.add(fact(target="chess", valid_from="2021", valid_to="2023"))
    memory.retire(old)
    memory.restore(old)
    assert [r.edit.target_new for r in memory.list(as_of="2021-06-01")] == ["golf"]


def test_restore_of_two_with_one_key_leaves_the_last(memory, fact):
    (golf,) = memory.add(fact(target="golf"))
    (chess,) = memory.add(fact(target="chess"))
    memory.retire(chess)
    assert memory.restore([golf, chess]) == 1
    assert active(memory) == {"chess"}


@pytest.mark.parametrize("action", ["retire", "restore", "erase"])
def test_one_unknown_id_among_several_changes_nothing(memory, fact, action):
    (known,) = memory.add(fact())
    with pytest.raises(UnknownEditError, match="no edit 'nobody' in namespace 'default'"):
        getattr(memory, action)([known, "nobody"])
    assert (memory.revision, len(memory)) == (1, 1)


def test_an_id_of_another_namespace_is_named_in_the_hint(memory, fact):
    memory.in_namespace("other").add(fact(id="x"))
    with pytest.raises(UnknownEditError, match="It is in namespace 'other'"):
        memory.get("x")


def test_actor_and_reason_are_recorded(memory, fact):
    (edit_id,) = memory.add(fact(), reason="heard it")
    memory.retire(edit_id, actor="bob", reason="not so")
    assert [(e.actor, e.reason) for e in memory.history()] == [
        ("ada", "heard it"),
        ("bob", "not so"),
    ]
