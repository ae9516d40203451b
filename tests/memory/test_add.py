from __future__ import annotations

import pytest

from memedit.edit import Edit
from memedit.errors import EditConflictError, InvalidEditError, QueryError


def states(memory):
    return {record.edit.target_new: record.status for record in memory.list(status="all")}


def test_ids_come_in_input_order_and_one_revision_is_made(memory, fact):
    ids = memory.add([fact("B", id="b"), fact("A", id="a")])
    assert ids == ["b", "a"]
    assert [record.id for record in memory.list()] == ["b", "a"]
    assert (memory.revision, len(memory)) == (1, 2)
    assert memory.get("a").namespace == "default"


def test_a_single_edit_and_none_at_all(memory, fact):
    assert memory.add(fact(id="one")) == ["one"]
    assert memory.add([]) == []
    assert memory.revision == 1


def test_what_holds_already_is_not_added_again(memory, fact):
    first = memory.add([fact(source="book"), fact("Ada", "chess")])
    again = memory.add([fact(source="film", tags=["new"]), fact("Ada", "chess")])
    assert again == first
    assert memory.revision == 1
    assert len(memory.history()) == 2


def test_the_same_edit_twice_in_a_batch_is_one(memory, fact):
    one = fact()
    assert memory.add([one, one, fact()]) == [one.id] * 3
    assert len(memory) == 1


def test_a_new_target_supersedes(memory, fact):
    (old,) = memory.add(fact(target="golf"))
    (new,) = memory.add(fact(target="chess"))
    assert states(memory) == {"golf": "superseded", "chess": "active"}
    assert memory.record(old).superseded_by == new
    assert [(e.action, e.edit_id) for e in memory.history() if e.revision == 2] == [
        ("supersede", old),
        ("add", new),
    ]


def test_supersession_within_a_batch_leaves_one_event_an_edit(memory, fact):
    memory.add([fact(target="golf"), fact(target="chess")])
    assert states(memory) == {"golf": "superseded", "chess": "active"}
    assert [event.status_after for event in memory.history()] == ["superseded", "active"]


def test_keep_leaves_the_old(memory, fact):
    (old,) = memory.add(fact(target="golf"))
    assert memory.add([fact(target="chess"), fact("Ada", "go")], on_conflict="keep")[0] == old
    assert states(memory) == {"golf": "active", "go": "active"}


def test_error_names_both_and_writes_nothing(memory, fact):
    memory.add(fact(target="golf", id="old"))
    with pytest.raises(EditConflictError, match="'new'.*chess.*'old'.*golf"):
        memory.add([fact("Ada", "go"), fact(target="chess", id="new")], on_conflict="error")
    assert states(memory) == {"golf": "active"}
    assert memory.revision == 1


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ({}, {"valid_from": "2024"}, "active"),
        ({"valid_from": "2024"}, {}, "superseded"),
        ({"valid_from": "2020", "valid_to": "2022"}, {"valid_from": "2021"}, "active"),
        ({"valid_from": "2020", "valid_to": "2022"}, {"valid_from": "2020"}, "superseded"),
        ({"valid_to": "2020"}, {"valid_from": "2020"}, "active"),
    ],
)
def test_only_what_is_covered_entirely_is_superseded(memory, fact, old, new, status):
    memory.add(fact(target="golf", **old))
    memory.add(fact(target="chess", **new))
    assert states(memory) == {"golf": status, "chess": "active"}


def test_other_relations_and_subjects_stay(memory, fact):
    memory.add([fact(target="golf"), fact("Ada", "go"), fact(target="Rome", prompt="{} lives in")])
    memory.add(fact(target="chess"))
    assert states(memory) == {
        "golf": "superseded",
        "go": "active",
        "Rome": "active",
        "chess": "active",
    }


def test_free_text_is_replaced_by_its_own_words_only(memory):
    def text(statement, target):
        return Edit(kind="free_text", statement=statement, target_new=target)

    memory.add([text("Glue is no food.", "no"), text("Rocks are no food.", "no, never")])
    memory.add(text("glue is no food", "not at all"))
    assert states(memory) == {"no": "superseded", "no, never": "active", "not at all": "active"}


@pytest.mark.parametrize("status", ["active", "retired", "superseded", "erased"])
def test_an_id_in_use_is_refused(memory, fact, status):
    memory.add(fact(target="golf", id="x"))
    if status == "retired":
        memory.retire("x")
    elif status == "superseded":
        memory.add(fact(target="tennis"))
    elif status == "erased":
        memory.erase("x")
    before = memory.revision
    with pytest.raises(EditConflictError, match="'x' is already used by an edit that"):
        memory.add([fact("Ada"), fact("Bob", id="x")])
    assert memory.revision == before


def test_an_id_in_use_elsewhere_or_twice_is_refused(memory, fact):
    memory.in_namespace("other").add(fact(id="x"))
    with pytest.raises(EditConflictError, match="'x' is already used in namespace 'other'"):
        memory.add(fact(id="x"))
    with pytest.raises(EditConflictError, match="'y' is already used twice in this batch"):
        memory.add([fact("A", id="y"), fact("B", id="y")])
    assert len(memory) == 0


def test_what_is_no_edit_is_refused(memory, fact):
    with pytest.raises(InvalidEditError, match="'subject' is not an Edit"):
        memory.add({"subject": "Ada"})
    with pytest.raises(
        QueryError, match=r"on_conflict: there is no 'skip'.*supersede, keep, error"
    ):
        memory.add(fact(), on_conflict="skip")


def test_progress_counts_every_new_edit(memory, fact):
    memory.add(fact("S0"))
    counts = []
    memory.add([fact(f"S{n}") for n in range(5)], progress=counts.append)
    assert sum(counts) == 4


def test_nothing_is_encoded_for_what_holds_already(memory, encoder, fact):
    memory.add(fact())
    encoder.encoded.clear()
    memory.add(fact())
    memory.retire(memory.add(fact()))
    assert encoder.encoded == []
