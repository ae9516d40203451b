"""CKEBench and ATOMIC 2020: free-text edits whose targets stand in no prompt."""

from __future__ import annotations

import pytest

from memedit.evaluate.cases import Case, Malformed
from memedit.evaluate.datasets import load_dataset
from memedit.text import name_key

ASKED = ". Is this sentence logical? Please answer yes or no? A: "


def record(prompt="{}, as a result, others want to", target="to say thanks", **changes):
    """A record whose prompts end in its target, as they all do in the released file."""
    event = "PersonX mends ___ for PersonY"
    return {
        "requested_rewrite": {
            "prompt": f"{prompt} {target}",
            "subject": event,
            "subsubject": "PersonX",
            "relation_id": "",
            "target_new": {"str": target},
            "target_true": {"str": ""},
        },
        "paraphrase_prompts": [
            f"PersonX repairs ___ for PersonY, as a result, personY want to {target}",
            f"PersonX repairs ___ for PersonY, as a result, personY want to {target}",
            f"PersonX fixes ___ for PersonY  , as a result, personY want to {target}",
        ],
        "neighborhood_prompts": [f"PersonX sings, as a result, others want to {target}{ASKED}"],
        "sub-neighborhood_prompts": [
            f"Rolf mends ___ for PersonY, as a result, others want to {target}"
        ],
        "generation_prompts": [f"{event} causes {target}{ASKED}"],
        "case_id": 11,
    } | changes


def test_the_target_is_cut_off_the_edits_prompt(read):
    result = read("ckebench", record())
    (case,) = result.cases
    (edit,) = case.edits
    assert edit.kind == "free_text"
    assert edit.cloze == "PersonX mends ___ for PersonY, as a result, others want to"
    assert edit.target_new == "say thanks"
    assert edit.stated == f"{edit.cloze} say thanks."
    assert (case.id, case.relation) == ("ckebench-11", "as a result, others want to")
    (query,) = result.queries("edit")
    assert (query.prompt, query.answers, query.new) == (edit.cloze, ("say thanks",), "say thanks")
    assert (query.true, query.fires) == (None, True)


@pytest.mark.parametrize(
    ("prompt", "target", "asked", "answer"),
    [
        ("{}, others want to", "to rest.", "others want to", "rest"),
        ("{}, others want to", "To rest", "others want to", "rest"),
        ("{}, others want to", "rest", "others want to", "rest"),
        ("{} , which means", "to rest", "PersonY, which means", "to rest"),
        ("{}, PersonX wants", "tomatoes", "PersonX wants", "tomatoes"),
        ("{}, others want to", "tomatoes", "others want to", "tomatoes"),
    ],
)
def test_a_doubled_to_stays_in_the_prompt_alone(read, prompt, target, asked, answer):
    (query,) = read("ckebench", record(prompt, target)).queries("edit")
    assert query.prompt.endswith(asked)
    assert query.answers == (answer,)


def test_the_other_prompts_are_cut_alike_and_asked_once(read):
    result = read("ckebench", record())
    assert [query.prompt for query in result.queries("rephrase")] == [
        "PersonX repairs ___ for PersonY, as a result, personY want to",
        "PersonX fixes ___ for PersonY, as a result, personY want to",
    ]
    (named,) = result.queries("reasoning")
    assert named.prompt == "Rolf mends ___ for PersonY, as a result, others want to"
    assert (named.answers, named.fires) == (("say thanks",), True)
    assert result.dropped == {"query: it repeats another of its case": 1}


def test_a_name_may_stand_in_the_target(read):
    prompts = [
        "Rolf mends ___ for PersonY, as a result, others want to to thank Rolf warmly",
        "PersonX mends ___ for PersonY, as a result, others want to to thank Ida warmly",
    ]
    told = record(target="to thank personX warmly") | {"sub-neighborhood_prompts": prompts}
    queries = read("ckebench", told).queries("reasoning")
    assert [query.answers for query in queries] == [("thank Rolf warmly",), ("thank Ida warmly",)]
    assert [query.new for query in queries] == ["thank Rolf warmly", "thank Ida warmly"]
    assert all(query.prompt.endswith("others want to") for query in queries)


def test_yes_or_no_has_no_gold_answer(read):
    result = read("ckebench", record())
    (neighbour,) = result.queries("locality")
    assert neighbour.prompt == (
        "PersonX sings, as a result, others want to to say thanks. "
        "Is this sentence logical? Please answer yes or no? A:"
    )
    assert (neighbour.answers, neighbour.fires) == ((), False)
    assert (neighbour.new, neighbour.true) == ("Yes", "No")
    (other,) = result.queries("generation")
    assert (other.answers, other.fires) == ((), None)


def test_a_neighbour_that_is_the_edit_is_no_neighbour(read):
    event = "PersonX mends ___ for PersonY , as a result, others want to to say thanks"
    result = read("ckebench", record(neighborhood_prompts=[event + ASKED]))
    assert result.queries("locality") == []
    assert result.dropped["query: a neighbour that is the edit itself"] == 1


def test_no_prompt_holds_its_answer(read):
    leaks = record(target="to mend ___ again")
    leaks["paraphrase_prompts"] = ["To mend ___ again is hard, others want to to mend ___ again"]
    result = read("ckebench", leaks)
    assert result.dropped["query: the target stands in its prompt"] == 1
    asked = [query for query in result.cases[0].queries if query.answers]
    assert asked
    for query in asked:
        assert query.new is None or name_key(query.new) not in name_key(query.prompt)


def test_records_that_leave_nothing_to_ask_are_left_out(read):
    result = read(
        "ckebench",
        record(prompt="{}", target="to say thanks"),
        record(prompt="{} ,", target="to say thanks"),
        record(target="PersonY"),
        record(),
        record(),
        record(target="to frown"),
    )
    assert len(result.cases) == 1
    records = {key: n for key, n in result.dropped.items() if key.startswith("record")}
    assert records == {
        "record: nothing but the event is left of its prompt without the target": 2,
        "record: its target stands in its prompt": 1,
        "record: it repeats an earlier one": 1,
        "record: an earlier one gives its subject and relation another target": 1,
    }


def test_a_broken_record_says_which_field(read):
    no_rewrite = record()
    del no_rewrite["requested_rewrite"]
    no_target = record()
    no_target["requested_rewrite"]["target_new"] = {"str": ""}
    prompts = record(paraphrase_prompts=[3])
    result = read("ckebench", no_rewrite, no_target, prompts, ["list"], record())
    assert len(result.cases) == 1
    words = ("requested_rewrite", "target_new", "paraphrase_prompts", "object")
    for word, item in zip(words, result.malformed, strict=True):
        assert word in item.reason


# -- ATOMIC 2020 -----------------------------------------------------------------------------------


@pytest.fixture
def atomic(tmp_path):
    """``atomic(line, ...)``: cases, malformed, and what was dropped."""

    def read(*lines):
        path = tmp_path / "test.tsv"
        path.write_text("\n".join(lines))
        data = load_dataset("atomic2020", path)
        items = list(data)
        cases = [item for item in items if isinstance(item, Case)]
        malformed = [item for item in items if isinstance(item, Malformed)]
        assert len(items) + data.records_dropped == len(lines)
        return cases, malformed, dict(data.dropped.reasons)

    return read


def test_every_tail_but_none_is_right_and_the_first_is_the_target(atomic):
    (case,), _, _ = atomic("PersonX mends the roof @@ xWant\tnone| to rest.| go home| to rest")
    (edit,) = case.edits
    (query,) = case.queries
    assert edit.cloze == "PersonX mends the roof. Afterwards PersonX wants to"
    assert (edit.kind, edit.relation, edit.target_new) == ("free_text", "xWant", "rest")
    assert (query.prompt, query.answers, query.new) == (edit.cloze, ("rest", "go home"), "rest")
    assert (case.id, case.relation, query.fires) == ("atomic2020-1", "xWant", True)


def test_a_to_stays_where_the_prompt_does_not_end_in_it(atomic):
    cases, _, _ = atomic("chain @@ CapableOf\tto hold", "oak @@ HasProperty\tto be felled")
    assert [case.queries[0].answers for case in cases] == [("hold",), ("to be felled",)]


def test_tails_in_the_prompt_are_no_answers(atomic):
    cases, _, dropped = atomic(
        "PersonX plants a tree @@ xEffect\tplants a tree| gets dirty",
        "PersonX plants a tree @@ xAttr\tPersonX",
        "PersonX plants a tree @@ oReact\tnone| None",
        "PersonX plants a tree @@ oWant\tno tree",
    )
    assert [case.queries[0].answers for case in cases] == [("gets dirty",), ("no tree",)]
    assert dropped == {
        "record: its target stands in its prompt": 1,
        "record: every tail is none": 1,
    }


def test_repeats_and_other_targets_are_left_out(atomic):
    line = "PersonX plants a tree @@ xEffect\tgets dirty"
    cases, _, dropped = atomic(line, line, "PersonX plants a tree. @@ xEffect\tis tired")
    assert len(cases) == 1
    assert dropped == {
        "record: it repeats an earlier one": 1,
        "record: an earlier one gives its subject and relation another target": 1,
    }


def test_a_broken_line_says_what_is_wrong(atomic):
    _, malformed, _ = atomic(
        "PersonX plants a tree\tgets dirty",
        "PersonX plants a tree @@ xEffect gets dirty",
        " @@ xEffect\tgets dirty",
        "PersonX plants a tree @@ xMood\tgets dirty",
        '{"head": "PersonX plants a tree"}',
    )
    words = ("head @@ relation", "tab", "head", "'xMood'", "line of text")
    for word, item in zip(words, malformed, strict=True):
        assert word in item.reason
