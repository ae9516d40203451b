"""ConflictEdit: what the later of two edits leaves true."""

from __future__ import annotations

import pytest

MOTHER = {"id": "P25", "prompt": "The mother of {} is", "query": "Who is the mother of {}?"}
CHILD = {"id": "P40", "prompt": "The child of {} is", "query": "Who is the child of {}?"}
SPOUSE = {"id": "P26", "prompt": "The spouse of {} is", "query": "Who is the spouse of {}?"}


def triple(relation, subject, old, new=None):
    labels = {"subject": subject, "object": old} | ({"new_object": new} if new else {})
    return {"relation": relation} | {k: {"id": "Q1", "label": v} for k, v in labels.items()}


def reverse(child="Ada", old="Bea", new="Cleo", later="Dora"):
    """The mother of ``child`` becomes ``new``; then the child of ``new`` becomes ``later``."""
    return {
        "type": "reverse",
        "rule": "P25>P40",
        "triples": [triple(MOTHER, child, old), triple(CHILD, old, child)],
        "prerequisites": [],
        "edits": [triple(MOTHER, child, old, new), triple(CHILD, new, child, later)],
    }


def composite(father="Emil", child="Finn", old="Gina", new="Hela", later="Ines"):
    """The child's mother is the father's spouse: first she, then the father's spouse changes."""
    return {
        "type": "composite",
        "rule": "P40&P25>P26",
        "triples": [
            triple(CHILD, father, child),
            triple(MOTHER, child, old),
            triple(SPOUSE, father, old),
        ],
        "prerequisites": [0],
        "edits": [triple(MOTHER, child, old, new), triple(SPOUSE, father, old, later)],
    }


def test_both_edits_are_made_in_order(read):
    (case,) = read("conflict_edit_reverse", reverse()).cases
    first, second = case.edits
    assert (first.stated, second.stated) == (
        "The mother of Ada is Cleo.",
        "The child of Cleo is Dora.",
    )
    assert (first.asked, first.relation, first.target_true) == (
        "Who is the mother of Ada?",
        "P25",
        "Bea",
    )
    assert case.relation == "P25>P40"


@pytest.mark.parametrize(
    ("record", "prompt", "question", "new", "implied", "old"),
    [
        (reverse(), "The child of Cleo is", "Who is the child of Cleo?", "Dora", "Ada", "Ada"),
        (
            composite(),
            "The spouse of Emil is",
            "Who is the spouse of Emil?",
            "Ines",
            "Hela",
            "Gina",
        ),
    ],
)
def test_the_later_edit_wins_over_what_the_earlier_implies(
    read, record, prompt, question, new, implied, old
):
    result = read("conflict_edit_reverse", record)
    queries = [*result.queries("edit"), *result.queries("rephrase")]
    assert [query.prompt for query in queries] == [prompt, question]
    for query in queries:
        assert (query.answers, query.new, query.true, query.old) == ((new,), new, implied, (old,))
        assert (query.fires, query.edit) == (True, 1)


def test_reverse_asks_the_inverse_of_the_later_edit(read):
    (query,) = read("conflict_edit_reverse", reverse()).queries("reverse")
    assert (query.prompt, query.answers) == ("The mother of Dora is", ("Cleo",))
    assert (query.fires, query.label) == (None, "reverse.implied")


def test_composite_asks_what_rule_and_tied_fact_now_imply(read):
    result = read("conflict_edit_composite", composite())
    (query,) = result.queries("reverse")
    assert (query.prompt, query.answers) == ("The mother of Finn is", ("Ines",))
    assert (query.new, query.true, query.old) == ("Ines", "Hela", ("Gina",))
    (tied,) = result.queries("locality")
    assert (tied.prompt, tied.answers, tied.true) == ("The child of Emil is", ("Finn",), "Finn")
    assert (tied.fires, tied.label) == (False, "composite.tied")


def test_coverage_is_two_edits_of_one_fact(read):
    record = {
        "type": "coverage",
        "rule": "P25",
        "triples": [],
        "prerequisites": [],
        "edits": [triple(MOTHER, "Ada", "Bea", "Cleo"), triple(MOTHER, "Ada", "Cleo", "Dora")],
    }
    result = read("conflict_edit_coverage", record)
    (query,) = result.queries("edit")
    assert (query.prompt, query.answers, query.true) == ("The mother of Ada is", ("Dora",), "Cleo")
    assert [query.kind for query in result.cases[0].queries] == ["edit", "rephrase"]


def test_an_edit_of_two_records_is_one_edit(read):
    one, other = composite(), composite(father="Jan", later="Kim")
    first, second = read("conflict_edit_composite", one, other).cases
    assert first.edits[0] == second.edits[0]
    assert first.edits[1].id != second.edits[1].id


def test_repeats_contradictions_and_what_is_true_are_left_out(read):
    result = read(
        "conflict_edit_reverse",
        reverse(),
        reverse(),
        reverse(new="Lea"),
        composite(new="GINA"),
    )
    assert len(result.cases) == 1
    assert result.dropped == {
        "record: it repeats an earlier one": 1,
        "record: an earlier one gives its subject and relation another target": 1,
        "record: its target is already true": 1,
    }


def test_a_broken_record_says_what_is_wrong(read):
    one_edit = reverse() | {"edits": reverse()["edits"][:1]}
    unknown = reverse() | {"type": "sideways"}
    untied = composite() | {"prerequisites": [9]}
    unlabelled = reverse()
    unlabelled["edits"][1]["new_object"] = {"id": "Q9"}
    result = read("conflict_edit_reverse", one_edit, unknown, untied, unlabelled, reverse())
    assert len(result.cases) == 1
    reasons = [item.reason for item in result.malformed]
    assert "edits" in reasons[0]
    assert "type: 'sideways'" in reasons[1]
    assert len(reasons) == 4
    assert "label" in reasons[3]
