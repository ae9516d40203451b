from __future__ import annotations

import pytest

from memedit.evaluate.cases import Condition
from memedit.evaluate.datasets import checks
from memedit.evaluate.datasets.ripple import NO_CONDITION, NO_WORDING

CRITERIA = (
    "Relation_Specificity", "Logical_Generalization", "Subject_Aliasing", "Compositionality_I",
    "Compositionality_II", "Forgetfulness",
)  # fmt: skip


def answer(value, *aliases):
    return {"value": value, "aliases": list(aliases)}


def query(prompt, *answers, **changes):
    return {
        "prompt": prompt,
        "answers": list(answers),
        "query_type": "regular",
        "subject_id": "Q1",
        "relation": "X",
        "target_ids": ["Q9"],
    } | changes


def test(queries, conditions=(), joined="OR"):
    return {
        "test_queries": list(queries),
        "test_condition": joined,
        "condition_queries": list(conditions),
    }


test.__test__ = False


def record(
    new="The name of the mother of Dahut is Malgven.",
    old="The name of the mother of Dahut is Ahes.",
    relation="MOTHER",
    **tests,
):
    edit = {"prompt": new, "subject_id": "Q1", "relation": relation, "target_id": "Q7"}
    if old:
        edit["original_fact"] = {"prompt": old}
    return {
        "example_type": "counter_fact",
        "edit": edit,
        **{name: tests.get(name, []) for name in CRITERIA},
    }


@pytest.mark.parametrize(
    ("relation", "new", "old", "expected"),
    [
        ("MOTHER", "The name of the mother of Dahut is Malgven.",
         "The name of the mother of Dahut is Ahes.", ("Dahut", "Malgven", "Ahes")),
        # A subject that holds the wording's words, with the original fact to tell by.
        ("AUTHOR", "The name of the author of What Is Is is Mark.",
         "The name of the author of What Is Is is Marke.", ("What Is Is", "Mark", "Marke")),
        ("AUTHOR", "The name of the author of The Sea is High is Mark.",
         "The name of the author of The Sea is High is Iseult.",
         ("The Sea is High", "Mark", "Iseult")),
        # A target that does.
        ("FOLLOWS", "Book Two follows The Sea follows.", None,
         ("Book Two", "The Sea follows", None)),
        ("SIBLING", "The names of the siblings of Dahut are Mark.",
         "The names of the siblings of Dahut are Marc.", ("Dahut", "Mark", "Marc")),
        ("COUNTRY", "The name of the country which Ys is associated with is Norway.",
         "The name of the country which Ys is associated with is North Frisia.",
         ("Ys", "Norway", "North Frisia")),
        ("HEAD_OF_STATE", "The name of the head of state of the Isle of Man is Mark Jr..",
         None, ("the Isle of Man", "Mark Jr.", None)),
        ("PLACE_OF_BIRTH", "The place of birth of Dahut is Ys.", None, ("Dahut", "Ys", None)),
        ("FOLLOWED_BY", "list of kings is followed by list of queens.",
         "list of kings is followed by list of knights.",
         ("list of kings", "list of queens", "list of knights")),
    ],
)  # fmt: skip
def test_subject_and_targets_are_told_from_the_sentences(read, relation, new, old, expected):
    (case,) = read("rippleedits", record(new, old, relation)).cases
    (edit,) = case.edits
    assert (edit.subject, edit.target_new, edit.target_true) == expected
    assert edit.relation == case.relation == relation and edit.source == "rippleedits:1"
    (asked,) = case.queries
    assert f"{asked.prompt} {edit.target_new}." == new
    assert (asked.kind, asked.answers, asked.new) == ("edit", (expected[1],), expected[1])


def test_each_test_is_a_group_with_its_conditions(read):
    known = query("The capital of Oz is", answer("Emerald City"))
    record_ = record(
        Relation_Specificity=[test([query("Dahut's eyes are", answer("green", "emerald"))])],
        Logical_Generalization=[
            test([query("a", answer("x")), query("b", answer("y"), answer("z"))], joined="AND")
        ],
        Subject_Aliasing=[
            test([query("Ahes's mother is", answer("Malgven", "Malgwen"), target_ids=["Q7"])])
        ],
        Compositionality_I=[
            test([query("c", answer("x"), query_type="two_hop", target_ids=["Q7"])], [known]),
            test([query("d", answer("x"))], [known, query("e")]),
        ],
        Compositionality_II=[test([query("f", answer("x"), subject_id="Q2")])],
        Forgetfulness=[test([query("g, which is not Malgven, is", answer("Ahes"))])],
    )
    result = read("rippleedits", record_)
    edit, *queries = sorted(result.cases[0].queries, key=lambda q: q.group)
    assert edit.answers == ("Malgven", "Malgwen") and edit.old == ("Ahes",)
    old = ("Ahes",)
    assert [(q.group, q.label, q.kind, q.answers, q.old, q.fires, q.test) for q in queries] == [
        ("Compositionality_I-0", "Compositionality_I", "one_hop", ("x",), (), None, "OR"),
        ("Compositionality_I-1", "Compositionality_I", "one_hop", ("x",), (), None, "OR"),
        ("Compositionality_II-0", "Compositionality_II", "two_hop_subject", ("x",), (), None, "OR"),
        ("Forgetfulness-0", "Forgetfulness", "forgetting", ("Ahes",), ("Ahes",), None, "OR"),
        ("Logical_Generalization-0", "Logical_Generalization", "reverse", ("x",), (), None, "AND"),
        ("Logical_Generalization-0", "Logical_Generalization", "reverse", ("y", "z"), (), None,
         "AND"),
        ("Relation_Specificity-0", "Relation_Specificity", "locality", ("green", "emerald"),
         ("green", "emerald"), False, "OR"),
        ("Subject_Aliasing-0", "Subject_Aliasing", "alias", ("Malgven", "Malgwen"), old, True,
         "OR"),
    ]  # fmt: skip
    capital = Condition("The capital of Oz is", ("Emerald City",))
    assert [q.conditions for q in queries[:3]] == [(capital,), (capital,), ()]
    assert result.dropped == {NO_CONDITION: 1}


def test_a_forgetting_test_is_told_wherever_it_is_filed(read):
    misfiled = test([query("The mother of Dahut, which is not Malgven, is", answer("Ahes"))])
    other = test([query("x, which is not Malgven, is", answer("y"), subject_id="Q2")])
    result = read("rippleedits", record(Compositionality_II=[misfiled, other]))
    (forgetting,), (two_hop,) = result.queries("forgetting"), result.queries("two_hop_subject")
    assert (forgetting.label, forgetting.group) == ("Forgetfulness", "Compositionality_II-0")
    assert two_hop.label == "Compositionality_II"


def test_queries_without_answers_are_left_out(read):
    result = read(
        "rippleedits",
        record(
            Logical_Generalization=[
                test([query("a"), query("b", answer("x"))]),
                test([query("c"), query("d", answer("x"))], joined="AND"),
                test([query("e")], [query("f")]),
            ]
        ),
    )
    assert [q.prompt for q in result.queries("reverse")] == ["b"]
    assert result.dropped == {checks.NO_ANSWER: 4}


def test_left_out_and_broken(read):
    other = "The name of the mother of Dahut is Iseult."
    result = read(
        "rippleedits",
        record(),
        record(),
        record(other),
        record("The mother of Dahut is Malgven."),
        record(relation="UNHEARD_OF"),
        record(old="The name of the mother of Dahut is malgven."),
        record(relation=7),
        record(Forgetfulness=[test([query("a", answer("x"))], joined="XOR")]),
        record(Forgetfulness=7),
        {"edit": []},
    )
    assert len(result.cases) == 1
    assert result.dropped == {
        checks.REPEATED: 1,
        checks.CONFLICT: 1,
        NO_WORDING: 2,
        checks.ALREADY_TRUE: 1,
    }
    assert [m.reason for m in result.malformed] == [
        "relation: 7 is not a text",
        "test_condition: 'XOR' is neither OR nor AND",
        "Forgetfulness: 7 is not a list of objects",
        "edit: [] is not an object",
    ]
