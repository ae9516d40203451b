"""The benchmarks' schemas, with records written by hand in each."""

from __future__ import annotations

import gzip
import json

import pytest

from memedit import forms
from memedit.errors import ImportFormatError
from memedit.importers import load_edits

COUNTERFACT = {
    "case_id": 17,
    "pararel_idx": 3,
    "requested_rewrite": {
        "prompt": "{} is brewed in",
        "relation_id": "P159",
        "target_new": {"str": "Lisbon", "id": "Q597"},
        "target_true": {"str": "Dublin", "id": "Q1761"},
        "subject": "Guinness",
    },
    "paraphrase_prompts": ["A harp is on the label. Guinness comes from"],
    "neighborhood_prompts": ["Murphy's is brewed in"],
    "attribute_prompts": [],
    "generation_prompts": ["Guinness is made in"],
}
FLAT = {
    "case_id": 4,
    "prompt": "The river through Vienna is",
    "target_new": "the Rhine",
    "subject": "Vienna",
    "ground_truth": "the Danube",
    "rephrase_prompt": "Through Vienna flows",
    "locality_prompt": "The river through Cairo is",
    "locality_ground_truth": "the Nile",
}
ZSRE = {
    "subject": "Mount Ararat",
    "src": "In which country is Mount Ararat?",
    "pred": "Armenia",
    "rephrase": "Mount Ararat lies in what country?",
    "alt": "Georgia",
    "answers": ["Turkey", "Türkiye"],
    "loc": "nq question: who wrote the iliad",
    "loc_ans": "Homer",
    "cond": "Armenia >> Georgia || In which country is Mount Ararat?",
}
SLIM = {
    "case_id": 9,
    "subject": "Sirius",
    "src": "What colour is Sirius?",
    "rephrase": "Sirius has what colour?",
    "alt": "green",
    "loc": "nq question: how far is the moon",
    "loc_ans": "far",
}


def rewrite(subject, prompt, new, old, *, relation, question):
    return {
        "prompt": prompt,
        "relation_id": relation,
        "target_new": {"str": new, "id": "Q1"},
        "target_true": {"str": old, "id": "Q2"},
        "subject": subject,
        "question": question,
    }


BORN = rewrite(
    "Ada Lovelace", "{} was born in", "Rome", "London",
    relation="P19", question="Where was Ada Lovelace born?",
)  # fmt: skip
CAPITAL = rewrite(
    "Italy", "The capital of {} is", "Turin", "Rome",
    relation="P36", question="What is the capital of the Italian Republic?",
)  # fmt: skip
MQUAKE = [
    {"case_id": 1, "requested_rewrite": [BORN, CAPITAL], "questions": ["?"], "new_answer": "Turin"},
    {"case_id": 2, "requested_rewrite": [CAPITAL], "questions": ["?"], "new_answer": "Turin"},
]


@pytest.fixture
def written(tmp_path):
    """Writes records as a JSON list and gives the path."""

    def write(records, name="edits.json"):
        path = tmp_path / name
        path.write_text(json.dumps(records), encoding="utf-8")
        return path

    return write


def words(edit):
    return {key: value for key, value in edit.to_dict().items() if key != "id"}


def test_counterfact_in_its_original_schema(written):
    (edit,) = load_edits(written([COUNTERFACT]), "counterfact")
    assert words(edit) == {
        "subject": "Guinness",
        "prompt": "{} is brewed in",
        "target_new": "Lisbon",
        "target_true": "Dublin",
        "relation": "P159",
        "source": "counterfact:17",
    }


def test_counterfact_in_the_flat_schema(written):
    (edit,) = load_edits(written([FLAT]), "counterfact")
    assert words(edit) == {
        "subject": "Vienna",
        "prompt": "The river through {} is",
        "target_new": "the Rhine",
        "target_true": "the Danube",
        "source": "counterfact:4",
    }


def test_zsre_takes_alt_as_the_target_and_answers_as_the_truth(written):
    (edit,) = load_edits(written([ZSRE]), "zsre")
    assert (edit.target_new, edit.target_true) == ("Georgia", "Turkey")
    assert edit.question == "In which country is Mount Ararat?"
    assert edit.prompt == forms.cloze_from_question("In which country is {}?")
    assert edit.source == "zsre:1"


def test_zsre_without_answers_knows_no_old_target(written):
    (edit,) = load_edits(written([SLIM]), "zsre")
    assert (edit.target_new, edit.target_true, edit.source) == ("green", None, "zsre:9")


def test_zsre_in_easyedits_schema(written):
    record = {
        "subject": "Sirius", "prompt": "What colour is Sirius?", "target_new": "green",
        "ground_truth": ["white", "blue"], "rephrase_prompt": "Sirius has what colour?",
    }  # fmt: skip
    (edit,) = load_edits(written([record]), "zsre")
    assert (edit.question, edit.target_true) == ("What colour is Sirius?", "white")


def test_mquake_makes_one_edit_of_each_rewrite_and_merges_repetitions(written):
    edits = load_edits(written(MQUAKE), "mquake")
    assert [(edit.subject, edit.target_new) for edit in edits] == [
        ("Ada Lovelace", "Rome"),
        ("Italy", "Turin"),
    ]
    assert edits.summary.merged == 1
    assert edits[0].question == "Where was Ada Lovelace born?"
    assert edits[0].relation == "P19"
    assert edits[0].source == "mquake:1"


def test_mquake_leaves_out_a_question_without_the_subject(written):
    edits = load_edits(written(MQUAKE), "mquake")
    assert edits[1].question is None


@pytest.mark.parametrize(
    ("ground_truth", "expected"),
    [
        ("white", "white"),
        (["white"], "white"),
        ([["white", "blue-white"]], "white"),
        ([], None),
        (None, None),
        ("<|endoftext|>", None),
    ],
)
def test_easyedit_ground_truth_in_all_its_shapes(written, ground_truth, expected):
    record = {
        "subject": "Sirius", "prompt": "The colour of Sirius is", "target_new": "green",
        "ground_truth": ground_truth,
    }  # fmt: skip
    (edit,) = load_edits(written([record]), "easyedit")
    assert edit.target_true == expected
    assert edit.prompt == "The colour of {} is"


@pytest.mark.parametrize(
    ("record", "name"),
    [(COUNTERFACT, "counterfact"), (FLAT, "counterfact"), (ZSRE, "zsre"), (SLIM, "zsre"),
     (MQUAKE[0], "mquake")],
)  # fmt: skip
def test_evaluation_data_never_becomes_part_of_an_edit(written, record, name):
    for edit in load_edits(written([record]), name):
        assert edit.paraphrases == ()
        assert edit.aliases == ()
        assert edit.tags == ()


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (COUNTERFACT, "counterfact"),
        (FLAT, "counterfact"),
        (ZSRE, "zsre"),
        (SLIM, "zsre"),
        (MQUAKE[0], "mquake"),
        ({"subject": "a", "prompt": "a is", "target_new": "b", "portability": {}}, "easyedit"),
        ({"subject": "a", "prompt": "{} is", "target_new": "b"}, "jsonl"),
    ],
)
def test_auto_tells_the_format_by_the_first_record(written, record, name):
    assert load_edits(written([record])).summary.format == name


def test_records_that_cannot_be_used_are_left_out_and_counted(written):
    no_subject = {**FLAT, "subject": "Berlin"}
    same_target = {**FLAT, "target_new": "The Danube"}
    empty = {**FLAT, "target_new": " "}
    lacking = {"case_id": 5, "prompt": "The river through Vienna is"}
    records = [FLAT, no_subject, same_target, empty, lacking, "Vienna", no_subject]
    edits = load_edits(written(records), "counterfact")
    summary = edits.summary
    assert (len(edits), summary.taken, summary.skipped) == (1, 1, 6)
    assert summary.reasons == {
        "prompt: the subject … does not occur in ….": 2,
        "target_new: … equals target_true, so nothing would change.": 1,
        "target_new: it is empty.": 1,
        "Fields are missing: subject, target_new.": 1,
        "The record is not an object but str.": 1,
    }
    assert summary.examples["prompt: the subject … does not occur in …."] == [
        "record 2",
        "record 7",
    ]


def test_a_case_with_a_malformed_rewrite_gives_no_edits_at_all(written):
    half = {"case_id": 3, "requested_rewrite": [BORN, {**CAPITAL, "subject": ""}]}
    edits = load_edits(written([half]), "mquake")
    assert list(edits) == []
    assert edits.summary.reasons == {"subject: it is empty.": 1}


def test_no_more_than_the_limit_is_taken(written):
    records = [{**FLAT, "case_id": n} for n in range(5)]
    edits = load_edits(written(records), "counterfact", limit=2)
    assert [edit.source for edit in edits] == ["counterfact:0", "counterfact:1"]
    assert edits.summary.taken == 2


def test_progress_counts_every_record(written):
    seen = []
    load_edits(written([FLAT, {**FLAT, "subject": "Berlin"}]), "counterfact", progress=seen.append)
    assert seen == [1, 1]


def test_gzip_and_jsonl_are_told_by_the_bytes(tmp_path):
    path = tmp_path / "edits.json.gz"
    lines = "\n".join(json.dumps(record) for record in (FLAT, {**FLAT, "case_id": 5}))
    path.write_bytes(gzip.compress(lines.encode()))
    assert [edit.source for edit in load_edits(path)] == ["counterfact:4", "counterfact:5"]


@pytest.mark.parametrize(
    ("records", "name", "said"),
    [
        ([ZSRE], "counterfact", "record 1: not a counterfact record; its fields are"),
        ([ZSRE], "counterfact", "Try format='zsre'."),
        ([{"text": "a"}], "auto", "of no known format; its fields are text."),
        (["a"], "auto", "a record must be a JSON object, not str."),
    ],
)
def test_another_schema_is_one_clear_error(written, records, name, said):
    with pytest.raises(ImportFormatError) as caught:
        load_edits(written(records), name)
    assert said in str(caught.value)


def test_an_unknown_format_lists_the_known_ones(written):
    with pytest.raises(ImportFormatError, match=r"'csv' is not known.*auto, mquake, counterfact"):
        load_edits(written([FLAT]), "csv")
