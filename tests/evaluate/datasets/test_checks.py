from __future__ import annotations

import pytest

from memedit.edit import Edit
from memedit.evaluate.cases import Case, Dropped, Malformed, Query
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.reader import Record


def make(data, case_id, dropped):
    """Cases of ``{"edit": (subject, relation, target), "asks": [...]}``."""
    edits = ()
    if "edit" in data:
        subject, relation, target = data["edit"]
        edits = (Edit(id=case_id, subject=subject, relation=relation, target_new=target),)
    if data.get("leave out"):
        raise checks.LeftOut("record: it is left out")
    if data.get("note"):
        dropped.add("query: noted", case_id)
    return Case(case_id, edits, tuple(Query(ask, "edit") for ask in data.get("asks", ())))


def run(*data, **options):
    dropped = Dropped()
    records = [d if isinstance(d, Record) else Record(n, d) for n, d in enumerate(data, 1)]
    return list(checks.each_record("set", make, **options)(iter(records), dropped)), dropped


def test_repeats_and_contradictions_are_left_out():
    items, dropped = run(
        {"edit": ("Ys", "ruler", "Dahut")},
        {"edit": ("YS", "ruler", "dahut")},  # the same in other letters
        {"edit": ("Ys", "ruler", "Gradlon")},
        {"edit": ("Ys", "coast", "Gradlon")},
        {"edit": ("Ker-Is", "ruler", "Gradlon")},
    )
    assert [item.id for item in items] == ["set-1", "set-4", "set-5"]
    assert dropped.reasons == {checks.REPEATED: 1, checks.CONFLICT: 1}
    assert dropped.examples[checks.CONFLICT] == ["set-3"]


def test_one_fact_in_two_prompts_is_no_repeat():
    def two_prompts(data, case_id, dropped):
        edit = Edit(subject="Ys", prompt=data["prompt"], relation="P1", target_new="Dahut")
        return Case(case_id, (edit,), ())

    records = [Record(1, {"prompt": "{} obeys"}), Record(2, {"prompt": "The ruler of {} is"})]
    assert len(list(checks.each_record("set", two_prompts)(records, Dropped()))) == 2


def test_where_cases_share_edits_only_the_same_questions_repeat():
    edit = ("Ys", "ruler", "Dahut")
    items, dropped = run(
        {"edit": edit, "asks": ["a"]},
        {"edit": edit, "asks": ["b"]},
        {"edit": edit, "asks": ["a"]},
        {"edit": ("Ys", "ruler", "Gradlon"), "asks": ["a"]},
        repeats=True,
    )
    assert [item.id for item in items] == ["set-1", "set-2"]
    assert dropped.reasons == {checks.REPEATED: 1, checks.CONFLICT: 1}


def test_a_record_that_fails_leaves_no_trace():
    items, dropped = run(
        {"edit": ("Ys", "ruler", "Dahut"), "asks": 7, "note": True},
        {"edit": ("Ys", "ruler", "Gradlon"), "asks": ["a"], "note": True},
        {"edit": ("Ys", "ruler", "Gradlon"), "asks": ["a"], "note": True},
    )
    assert isinstance(items[0], Malformed) and isinstance(items[1], Case) and len(items) == 2
    assert dropped.reasons == {"query: noted": 1, checks.REPEATED: 1}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Record(1, None, "the file is cut off"), "the file is cut off"),
        ([1], "the record is not an object: [1]"),
        ({"edit": None}, "a field is not of the type it should be"),
        ({"edit": ("Ys", "ruler")}, "not enough values"),
        ({"edit": ("", "ruler", "Dahut")}, "subject: it is empty"),
        ({"edit": ("Ys", "ruler", "")}, "target_new: it is empty"),
        ({"edit": ("Ys", "ruler", 7)}, "target_new:"),
    ],
)
def test_a_broken_record_is_malformed_with_its_reason(data, reason):
    (item,), dropped = run(data)
    assert isinstance(item, Malformed) and item.id == "set-1" and reason in item.reason
    assert not dropped.reasons


def test_a_missing_field_is_named():
    def wants(data, case_id, dropped):
        return Case(case_id, (), (Query(checks.text(data, "src"), "edit"),))

    (item,) = checks.each_record("set", wants)([Record(1, {})], Dropped())
    assert item == Malformed("set-1", "src: the field is missing")


def test_lines_can_be_records():
    def line(data, case_id, dropped):
        return Case(case_id, (), (Query(data, "knows"),))

    read = checks.each_record("set", line, of=str)
    case, bad = read([Record(3, "a line"), Record(4, {})], Dropped())
    assert case.queries[0].prompt == "a line" and case.id == "set-3"
    assert bad.reason == "the record is not a line of text: {}"


def test_ids_are_the_records_own_where_they_can_be():
    items, _ = run(
        {"case_id": 7, "asks": ["a"]},
        {"case_id": 7, "asks": ["b"]},  # given twice
        {"case_id": "no id!", "asks": ["c"]},
        {"asks": ["d"]},
        {"leave out": True},
    )
    assert [item.id for item in items] == ["set-7", "set-r2", "set-r3", "set-4"]


def test_a_query_asked_twice_counts_once_with_all_its_answers():
    def twice(data, case_id, dropped):
        one, other = (Query("a", "one_hop", (x, "c"), old=(x,)) for x in ("x", "y"))
        return Case(case_id, (), (one, Query("a", "edit"), other, Query("a", "edit", edit=1)))

    dropped = Dropped()
    (case,) = checks.each_record("set", twice)([Record(1, {})], dropped)
    assert [(q.kind, q.answers, q.old) for q in case.queries] == [
        ("one_hop", ("x", "c", "y"), ("x", "y")),
        ("edit", (), ()),
        ("edit", (), ()),
    ]
    assert dropped.reasons == {checks.REPEATED_QUERY: 1}


def test_answers_are_flattened_each_once():
    assert checks.answers("Syria", [["Syria", " sy "], [], [""]], None) == ("Syria", "sy")
    assert checks.answers() == ()
    with pytest.raises(ValueError, match="answer: 7 is not a text"):
        checks.answers([["a", 7]])


def test_fields_are_checked_and_named():
    data = {"t": " a ", "l": ["a", "b"], "o": {"x": 1}, "os": [{}], "n": 1, "e": "  "}
    assert checks.text(data, "t") == "a"
    assert checks.texts(data, "l") == ("a", "b") and checks.texts(data, "t") == ("a",)
    assert checks.texts(data, "none") == () and checks.objects(data, "none") == []
    assert checks.fields(data, "o") == {"x": 1} and checks.objects(data, "os") == [{}]
    for call, key, message in (
        (checks.text, "n", "n: 1 is not a text"),
        (checks.text, "e", "e: '  ' is empty"),
        (checks.texts, "n", "n: 1 is not a list of texts"),
        (checks.fields, "n", "n: 1 is not an object"),
        (checks.objects, "l", r"l: \['a', 'b'\] is not a list of objects"),
    ):
        with pytest.raises(ValueError, match=message):
            call(data, key)


def test_an_edit_is_refused_where_its_target_is_true_or_its_subject_absent():
    edit = checks.request_edit("Who rules Ys?", "Ys", "Dahut", ("Gradlon", "Mark"), id="e-1")
    assert (edit.question, edit.target_true, edit.id) == ("Who rules Ys?", "Gradlon", "e-1")
    with pytest.raises(checks.LeftOut) as left_out:
        checks.request_edit("Who rules Ys?", "Ys", "márk", ("Gradlon", "Mark"))
    assert left_out.value.reason == checks.ALREADY_TRUE
    with pytest.raises(checks.LeftOut) as left_out:
        checks.request_edit("Who rules Paris?", "Ys", "Dahut", ())
    assert left_out.value.reason == checks.NO_SUBJECT
