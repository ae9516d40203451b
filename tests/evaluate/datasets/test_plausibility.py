"""MEMIT-CSK: statements judged true or false."""

from __future__ import annotations

import pytest


def statement(prompt="a kettle boils water", label=1, **changes):
    triple = {"subject": "kettle", "verb": "boils", "object": "water", "neg": None}
    return {"prompt": prompt, "label": label} | triple | changes


def probe(**changes):
    """Kettles boil water: what changes with that judgement, and what does not."""
    fields = {
        "affected_paraphrase": ["Water is boiled by a kettle"],
        "affected_neighborhood_subject": ["a pot boils water"],
        "affected_neighborhood_verb": ["a kettle heats water"],
        "affected_neighborhood_object": ["a kettle boils tea"],
        "affected_reasoning": ["Step 1: Kettles get hot", "Hot things boil water"],
        "unaffected_neighborhood_subject": ["a spoon boils water"],
        "unaffected_neighborhood_object": ["a kettle boils stone"],
    }
    return statement(label=" False", id=4, predicted_label="True") | fields | changes


@pytest.mark.parametrize(
    ("label", "right", "wrong"),
    [
        (1, "True", "False"),
        (0, "False", "True"),
        (" False", "False", "True"),
        (" True", "True", "False"),
    ],
)
def test_the_edit_is_the_label(read, label, right, wrong):
    result = read("memit_csk_20q", statement(label=label))
    (case,) = result.cases
    (edit,) = case.edits
    (query,) = case.queries
    assert query.prompt == "Statement: a kettle boils water. True or False:"
    assert (query.kind, query.fires) == ("edit", True)
    assert (query.answers, query.old, query.new, query.true) == ((right,), (wrong,), right, wrong)
    assert (edit.kind, edit.subject, edit.cloze) == ("free_text", "kettle", query.prompt)
    assert (edit.target_new, edit.target_true) == (right, wrong)
    assert edit.stated == f'The statement "a kettle boils water" is {right.lower()}.'
    assert case.relation == "boils"


def test_a_statement_without_a_subject_is_kept_as_it_is(read):
    (case,) = read("memit_csk_20q", statement("wore socks.", subject=None)).cases
    assert case.edits[0].cloze == "Statement: wore socks. True or False:"


def test_probes_follow_the_edit_or_stay(read):
    result = read("memit_csk_20q_probe", probe())
    judged = [
        (q.kind, q.label, q.prompt.split(": ", 1)[1].split(".")[0], q.answers, q.fires)
        for q in result.cases[0].queries[1:]
    ]
    false, true = ("False",), ("True",)
    assert judged == [
        ("rephrase", "affected_paraphrase", "Water is boiled by a kettle", false, True),
        ("reasoning", "affected_neighborhood_subject", "a pot boils water", false, True),
        ("reasoning", "affected_neighborhood_verb", "a kettle heats water", false, True),
        ("reasoning", "affected_neighborhood_object", "a kettle boils tea", false, True),
        ("reasoning", "affected_reasoning", "Kettles get hot", true, None),
        ("reasoning", "affected_reasoning", "Hot things boil water", true, None),
        ("locality", "unaffected_neighborhood_subject", "a spoon boils water", (), False),
        ("locality", "unaffected_neighborhood_object", "a kettle boils stone", (), False),
    ]
    assert result.dropped == {}


def test_a_statement_is_judged_once_and_never_both_ways(read):
    told = probe(
        affected_neighborhood_verb=["A kettle boils water", "a pan boils water"],
        affected_neighborhood_object=["a pan boils water.", "a kettle boils stone"],
    )
    result = read("memit_csk_20q_probe", told)
    prompts = [query.prompt for query in result.cases[0].queries]
    assert prompts.count("Statement: a pan boils water. True or False:") == 1
    assert not any("stone" in prompt for prompt in prompts)
    assert result.dropped == {
        "query: it repeats another of its case": 2,
        "query: the statement is both to change and to stay": 2,
    }


def test_repeats_and_contradictions_are_left_out(read):
    result = read("memit_csk_pep3k", statement(), statement(), statement(label=0))
    assert len(result.cases) == 1
    assert result.dropped == {
        "record: it repeats an earlier one": 1,
        "record: an earlier one gives its subject and relation another target": 1,
    }


def test_a_broken_record_says_which_field(read):
    result = read(
        "memit_csk_pep3k_probe",
        statement(label=2),
        statement(prompt=None),
        probe(affected_paraphrase=5),
        {"prompt": "a kettle boils water", "subject": "kettle"},
        statement(),
    )
    assert len(result.cases) == 1
    words = ("label: 2", "prompt: None", "affected_paraphrase: 5", "label")
    for word, item in zip(words, result.malformed, strict=True):
        assert word in item.reason
