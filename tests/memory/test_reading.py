from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.edit import Edit
from memedit.errors import InvalidEditError, QueryError, StoreError, UnknownNamespaceError
from memedit.memory import EditMemory


@pytest.fixture
def filled(memory, fact):
    memory.add(
        [
            fact("Lionel Messi", "golf", id="golf", aliases=["Leo Messi"], tags=["sport", "new"]),
            fact("Ada Lovelace", "chess", id="chess", source="book"),
            fact("Łódź", "Émile", id="mayor", relation="mayor", prompt="The mayor of {} is"),
            fact("Paris", "go", id="past", valid_to="2020"),
            fact("Paris", "poker", id="present", valid_from="2020"),
        ]
    )
    memory.retire("chess")
    return memory


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ({}, ["golf", "mayor", "past", "present"]),
        ({"status": "retired"}, ["chess"]),
        ({"status": "all"}, ["golf", "chess", "mayor", "past", "present"]),
        ({"subject": "lionel MESSI"}, ["golf"]),
        ({"subject": "Leo Messi"}, ["golf"]),
        ({"subject": "Messi"}, []),
        ({"subject": "Lodz"}, ["mayor"]),
        ({"relation": "Mayor"}, ["mayor"]),
        ({"relation": "{} plays the sport of"}, ["golf", "past", "present"]),
        ({"tag": "new"}, ["golf"]),
        ({"tag": "ne"}, []),
        ({"source": "book", "status": "all"}, ["chess"]),
        ({"contains": "éMILE"}, ["mayor"]),
        ({"contains": "paris plays", "limit": 1}, ["past"]),
        ({"contains": "paris plays", "offset": 1}, ["present"]),
        ({"as_of": "2019"}, ["golf", "mayor", "past"]),
        ({"as_of": dt.date(2020, 1, 1), "subject": "Paris"}, ["present"]),
        ({"as_of": dt.datetime(2020, 1, 1, 12), "contains": "Paris"}, ["present"]),
        ({"limit": 2, "offset": 1}, ["mayor", "past"]),
    ],
)
def test_list_filters(filled, filters, ids):
    assert [record.id for record in filled.list(**filters)] == ids


def test_as_of_must_be_a_date(filled):
    with pytest.raises(QueryError, match="as_of: 'soon' is not a date. Write YYYY"):
        filled.list(as_of="soon")


def test_status_must_be_one_there_is(filled):
    with pytest.raises(QueryError, match="status: there is no 'rolled_back'"):
        filled.list(status="rolled_back")


def test_len_and_contains_count_active_edits(filled):
    assert len(filled) == 4
    assert "golf" in filled
    assert "chess" not in filled
    assert "nobody" not in filled
    assert 7 not in filled


def test_search_puts_named_edits_first(filled):
    hits = filled.search("Which sport does LEO MESSI play?")
    assert (hits[0].record.id, hits[0].by) == ("golf", "name")
    assert {hit.record.id for hit in hits} == {"golf", "mayor", "past", "present"}
    assert all(hit.by == "meaning" for hit in hits[1:])
    assert [hit.score for hit in hits[1:]] == sorted((h.score for h in hits[1:]), reverse=True)
    assert len(filled.search("Paris", 1)) == 1


def test_search_as_of(filled):
    assert [hit.record.id for hit in filled.search("Paris", as_of="2019") if hit.by == "name"] == [
        "past"
    ]


def test_search_of_nothing_and_of_megabytes(memory, filled):
    with pytest.raises(QueryError, match="text: it is empty"):
        filled.search(" \n")
    assert filled.search("Lodz " + "word " * 2_000_000)[0].record.id == "mayor"


def test_search_in_an_empty_memory(memory):
    assert memory.search("anything") == []


def test_history_of_one_and_of_all(filled):
    assert [event.edit_id for event in filled.history()] == [
        "golf", "chess", "mayor", "past", "present", "chess",
    ]  # fmt: skip
    added, retired = filled.history("chess")
    assert (added.before, added.after.target_new, added.status_before) == (None, "chess", None)
    assert (retired.before, retired.after) == (added.after, added.after)
    assert (retired.status_before, retired.status_after) == ("active", "retired")
    assert added.time.tzinfo is dt.UTC
    assert added.time <= retired.time <= dt.datetime.now(dt.UTC)
    assert filled.history(limit=2)[0].edit_id == "present"
    assert filled.history("chess", limit=1) == [retired]


def test_conflicts_of_days(memory, fact):
    memory.add(fact(target="golf", id="a", valid_to="2022"))
    memory.add(fact(target="chess", id="b", valid_from="2021"))
    memory.add(fact(target="CHESS", id="c", valid_from="2023"))
    (found,) = memory.conflicts()
    assert (found.kind, found.ids) == ("overlap", ("a", "b"))
    assert found.text.index("chess") < found.text.index("golf")
    memory.retire("b")
    assert memory.conflicts() == []


def test_conflicts_of_names(memory, fact):
    memory.add(
        [fact("Washington", id="a"), fact("George Washington", id="b", aliases=["washington"])]
    )
    memory.add(fact("Washington", "Seattle", id="c", prompt="The largest city of {} is"))
    (found,) = memory.conflicts()
    assert (found.kind, set(found.ids)) == ("name", {"a", "b", "c"})
    assert "'Washington', 'George Washington'" in found.text


def test_conflicts_of_relations_in_other_words(memory, fact):
    same = ["What sport does {} play?"]  # one phrase in common
    memory.add(fact(target="golf", id="a", paraphrases=same))
    memory.add(fact(target="chess", id="b", relation="sport", paraphrases=same))
    memory.add(fact(target="Rome", id="c", relation="home", prompt="{} lives in"))
    assert memory.conflicts() == []
    (found,) = memory.conflicts(near=True)
    assert (found.kind, found.ids) == ("relation", ("a", "b"))


def test_stats(filled, fact):
    filled.in_namespace("other").add(fact())
    filled.erase("golf")
    stats = filled.stats()
    assert (stats.active, stats.retired, stats.superseded, stats.erased) == (3, 1, 0, 1)
    assert (stats.subjects, stats.relations) == (2, 2)
    assert stats.namespaces == filled.namespaces() == {"default": 3, "other": 1}
    assert (stats.revision, stats.encoder, stats.schema_version) == (4, "hash", 3)
    assert stats.first_change < stats.last_change
    assert stats.database_bytes >= filled.path.stat().st_size > 0


def test_unknown_namespace_is_named_with_the_known(memory, fact):
    memory.in_namespace("work").add(fact())
    elsewhere = memory.in_namespace("wrok")
    for read in [elsewhere.list, elsewhere.stats, elsewhere.history, lambda: len(elsewhere),
                 lambda: elsewhere.changes(0), lambda: elsewhere.retire("x")]:  # fmt: skip
        with pytest.raises(UnknownNamespaceError, match="'wrok'.*'default', 'work'"):
            read()
    elsewhere.add(fact("Ada"))
    assert len(elsewhere) == 1
    elsewhere.erase([record.id for record in elsewhere.list()])
    assert elsewhere.list() == []


@pytest.mark.parametrize("name", ["", "  ", "a\nb"])
def test_a_namespace_needs_a_name(memory, path, name):
    with pytest.raises(InvalidEditError, match="namespace"):
        memory.in_namespace(name)
    with pytest.raises(InvalidEditError, match="namespace"):
        EditMemory.open(path, namespace=name)


def test_changes_since(filled, fact):
    everything = filled.changes(0)
    assert [record.id for record in everything.records] == ["golf", "mayor", "past", "present"]
    assert everything.revision == filled.revision == 2
    filled.erase("golf")
    filled.update("mayor", target_new="Zoé")
    filled.add(fact("New", id="new"))
    filled.rollback(4)
    later = filled.changes(everything.revision)
    assert {(record.id, record.status, record.edit is None) for record in later.records} == {
        ("golf", "erased", True),
        ("mayor", "active", False),
        ("new", "rolled_back", True),
    }
    assert filled.changes(later.revision) == type(later)(filled.revision, ())


def test_export_is_whole_or_not_at_all(filled, tmp_path):
    file = tmp_path / "out.jsonl"
    assert filled.export(file) == 4
    assert [Edit.from_json(line).id for line in file.read_text("utf-8").splitlines()] == [
        "golf", "mayor", "past", "present",
    ]  # fmt: skip
    assert filled.export(file, status="all") == 5
    with pytest.raises(StoreError, match="cannot be written"):
        filled.export(tmp_path / "missing" / "out.jsonl")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


text = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12).filter(
    str.strip
)


@given(st.lists(st.builds(
    lambda subject, target, tags, start: Edit(
        subject="S" + subject, prompt="{} is", target_new=target, tags=tags, valid_from=start
    ), text, text, st.lists(text, max_size=2), st.none() | st.dates(),
), max_size=6))  # fmt: skip
def test_export_and_import_again_is_the_same_memory(tmp_path_factory, make_encoder, edits):
    folder = tmp_path_factory.mktemp("round")
    with (
        EditMemory.open(":memory:", encoder=make_encoder()) as one,
        EditMemory.open(":memory:", encoder=make_encoder()) as other,
    ):
        one.add(edits)
        count = one.export(folder / "edits.jsonl")
        lines = (folder / "edits.jsonl").read_bytes().decode().split("\n")  # U+2028 ends no line
        other.add([Edit.from_json(line) for line in lines if line])
        assert [record.edit for record in other.list()] == [record.edit for record in one.list()]
        assert count == len(one)
