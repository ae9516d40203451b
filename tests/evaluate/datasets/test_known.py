"""known_1000: prompts without an edit."""

from __future__ import annotations


def record(**changes):
    fact = {
        "known_id": 7,
        "subject": "Mount Ulwe",
        "attribute": "Torvania",
        "template": "{} lies in",
        "prediction": " Torvania, north of",
        "prompt": "Mount Ulwe lies in ",
        "relation_id": "P30",
    }
    return fact | changes


def test_a_fact_is_asked_and_nothing_is_edited(read):
    result = read("known_1000", record())
    (case,) = result.cases
    (query,) = case.queries
    assert (case.edits, case.relation) == ((), "P30")
    assert (query.prompt, query.kind) == ("Mount Ulwe lies in", "knows")
    assert (query.answers, query.true, query.new) == (("Torvania",), "Torvania", None)
    assert query.fires is False


def test_an_attributes_leading_space_goes(read):
    (query,) = read("known_1000", record(attribute=" Torvania")).queries("knows")
    assert (query.answers, query.true) == (("Torvania",), "Torvania")


def test_a_prompt_asked_twice_is_left_out(read):
    result = read("known_1000", record(), record(known_id=8))
    assert len(result.cases) == 1
    assert result.dropped == {"record: it repeats an earlier one": 1}


def test_a_broken_record_says_which_field(read):
    without = record()
    del without["attribute"]
    result = read("known_1000", without, record(prompt=3), record(prompt=""), "text", record())
    assert len(result.cases) == 1
    reasons = [item.reason for item in result.malformed]
    assert "attribute" in reasons[0]
    assert "prompt: 3" in reasons[1]
    assert "prompt" in reasons[2]
    assert "'text'" in reasons[3]
