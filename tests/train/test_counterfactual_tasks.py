"""Which tasks records give."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest

from memedit.edit import Edit
from memedit.errors import TrainingError
from memedit.evaluate.cases import Query
from memedit.train.counterfactual.derived import lead_in, long_prompt, yes_no_questions
from memedit.train.counterfactual.invented import invented_records, swapped_records
from memedit.train.counterfactual.tasks import KINDS, OF_BASE, draw, pools
from tests.train.counterfactual_data import record, records

# No record of one data set has free text or CounterFact's prompts.
ABSENT = {"lead_in", "loose", "free_text"}


def task_of(found, kind, query):
    return next(task for task in found[kind] if query in task.query)


def test_every_query_becomes_a_task_of_its_kind():
    found = pools([record(0), record(1)])
    assert {kind for kind, pool in found.items() if not pool} == ABSENT
    assert task_of(found, "completion", "Ada0 lives").said == "Rome."
    assert task_of(found, "question", "does Ada0 live").said == "Ada0 lives in Rome."
    assert task_of(found, "language", "Wo wohnt Ada0").said == "Rome."
    assert task_of(found, "one_hop", "of Ada0").said == "Po."
    assert task_of(found, "alias", "Ada0x").answers == ("Rome",)
    assert task_of(found, "text", "Ada0 lives in").form == "text"
    for kind in OF_BASE:
        assert all(task.said == "" and task.answers == () for task in found[kind])
    assert {task.system for task in found["system"]} != {""}
    for task in found["two_edits"]:
        assert {edit.subject for edit in task.edits} == {"Ada0", "Bo1"}


def test_yes_or_no_is_asked_of_the_object_and_of_another():
    said = {(task.edits[0].subject, task.said) for task in pools([record(0), record(1)])["yes_no"]}
    assert {("Ada0", "Yes."), ("Bo1", "Yes.")} < said
    for task in pools(records())["yes_no"]:
        assert (task.edits[0].target_new in task.query) == (task.said == "Yes.")


def test_a_record_of_another_data_set_asks_beside_the_edit():
    crossed = [t for t in pools(records())["unrelated"] if t.edits[0].subject not in t.query]
    assert crossed
    assert all(task.said == "" for task in crossed)


def test_dune_names_no_answer_but_its_text_holds_one_option():
    edit = Edit(kind="free_text", statement="May 1 – A fire broke out in Lima.", target_new="x")
    query = Query("Where was the fire?\nA. Oslo\nB. Lima\nC. May 1", "rephrase", fires=True)
    free = replace(record(0), edit=edit, queries=(query,), family="dune")
    [task] = pools([free])["free_text"]
    assert (task.said, task.answers) == ("Lima.", ("Lima",))
    both = replace(free, queries=(replace(query, prompt="?\nA. fire\nB. Lima"),))
    assert pools([both])["free_text"] == []


def test_a_draw_keeps_the_shares_and_depends_on_the_seed_alone():
    found = {kind: pool for kind, pool in pools(records()).items() if pool}
    drawn = draw(found, 60, 1)
    assert drawn == draw(found, 60, 1) != draw(found, 60, 2)
    counts = Counter(task.kind for task in drawn)
    whole = sum(KINDS[kind] for kind in found)
    for kind, pool in found.items():
        assert counts[kind] == min(len(pool), round(60 * KINDS[kind] / whole))
    assert set(Counter(t.kind for t in draw(found, 3, 1, each=True)).values()) == {3}


def test_a_kind_without_tasks_and_no_records_are_refused():
    with pytest.raises(TrainingError, match=r"kind 'lead_in'.*--without lead_in"):
        draw(pools(records()), 10, 0)
    with pytest.raises(TrainingError, match="records: there is none to learn from"):
        pools([])


def test_questions_that_ask_for_yes_or_no():
    born = Edit(subject="Ada", prompt="{} was born in", target_new="Rome")
    assert "Was Ada born in Oslo?" in yes_no_questions(born, "Oslo")
    capital = Edit(subject="Peru", prompt="The capital of {} is", target_new="Rome")
    found = yes_no_questions(capital, "Oslo")
    assert {"Is the capital of Peru Oslo?", "Is Oslo the capital of Peru?"} <= set(found)
    assert "Is it true that the capital of Peru is Oslo?" in found
    asked = Edit(subject="Ada", question="Where does Ada live?", target_new="Rome")
    assert "Where does Ada live? Is it Rome?" in yes_no_questions(asked, "Rome")
    terse = Edit(subject="Ada", prompt="{}, born in", target_new="Rome")
    assert yes_no_questions(terse, "Rome") == []


def test_what_stands_before_the_sentence_with_the_name():
    assert lead_in("It rained.\nSo what? Ada lives in", ["Ada"]) == "It rained.\nSo what?"
    assert lead_in("Ada lives in", ["Ada"]) == lead_in("In Rome, Ada lives", ["Ada"]) == ""
    text = long_prompt("Ada lives in", ["Snow fell."], random.Random(0), chars=90)
    assert text.endswith("Ada lives in") and len(text) > 100


def test_invented_records_use_the_banks_words():
    entry = {
        "name": "home", "subject": "person", "near": [],
        "clozes": ["{} lives in"], "terse": ["{}, of"], "questions": ["Where is {}?"],
        "requests": ["Name the home of {}."], "objects": ["Rome", "Oslo"], "subjects": ["Ada"],
    }  # fmt: skip
    other = entry | {"name": "sport", "questions": ["What does {} play?"], "clozes": ["{} plays"]}
    made = invented_records([entry, other], seed=0, each=3)
    assert len(made) == 6 and not any(r.dev for r in made)
    for one in made[:3]:
        assert {one.edit.target_new, one.edit.target_true} == {"Rome", "Oslo"}
        beside = [q.prompt for q in one.queries if q.fires is False]
        assert set(beside) <= {"What does Ada play?", "Ada plays"} and beside
    near = [entry | {"near": ["sport"]}, other]
    assert not any(q.fires is False for r in invented_records(near, 0) for q in r.queries)


def test_swapped_records_have_another_object_in_the_same_words():
    told = records()
    swapped = swapped_records(told, seed=0)
    assert swapped == swapped_records(told, seed=0)
    by_id = {r.edit.id: r for r in told}
    assert len(swapped) > len(told) / 2
    for new in swapped:
        old = by_id[new.edit.id]
        assert new.edit.target_new not in (old.edit.target_new, old.edit.target_true)
        assert (new.edit.prompt, new.dev) == (old.edit.prompt, old.dev)
        assert {query.answers for query in new.queries} == {(new.edit.target_new,)}
        assert {query.kind for query in new.queries} == {"edit", "rephrase", "alias"}
