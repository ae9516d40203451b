"""What else a question may ask for, beside the best trail over the edits."""

from __future__ import annotations

from memedit.multihop.walk import Walk
from memedit.multihop.walk.readings import plan_over, rivals
from tests.multihop.conftest import DAY, WordPlanner, fact

AUTHOR, CITIZEN, MONARCH = (
    ("The author of it is",),
    ("it has the citizenship of",),
    ("Who reigns in it",),
)
QUESTION = "What is the capital of the citizenship of the author of it?"


def read(planner, question=QUESTION):
    [plan] = planner.plans([question])
    return plan


def told(paths):
    return [tuple(words[0] for words in path) for path in paths]


def test_a_trail_that_ends_too_early_is_read_on(planner):
    found = told(rivals(read(planner), [AUTHOR, CITIZEN]))
    assert ("The author of it is", "it has the citizenship of", "The capital of it is") in found


def test_what_the_trail_walks_too_is_no_rival(planner):
    whole = [AUTHOR, CITIZEN, ("The capital of it is",)]
    found = told(rivals(read(planner), whole))
    assert ("The author of it is", "it has the citizenship of", "The capital of it is") not in found
    passed_over = read(planner, "What is the capital of the author of it?")
    assert ("The author of it is", "The capital of it is") not in told(rivals(passed_over, whole))


def test_readings_lead_only_from_what_can_have_the_next_relation(planner):
    for path in told(rivals(read(planner), [MONARCH])):
        if path[0] != MONARCH[0]:  # a reading of its own, not the trail read on
            assert path[:2] != ("The author of it is", "The capital of it is")


def test_the_plan_alone_is_read_over_the_relations_given(planner):
    capital = ("The capital of it is",)
    known = [capital, MONARCH, CITIZEN, AUTHOR]
    assert plan_over(read(planner), known) == (3, 2, 0)


def test_a_plan_goes_only_where_a_relation_leads(planner):
    plan = read(planner, "What is the capital of the author of it?")
    walked = [
        ("author", "capital")[row] for row in plan_over(plan, [AUTHOR, ("The capital of it is",)])
    ]
    assert walked != ["author", "capital"]  # a person has no capital


def test_no_reading_is_longer_than_the_longest_chain(planner):
    trail = [AUTHOR, CITIZEN, MONARCH, CITIZEN]
    assert {len(path) for path in rivals(read(planner), trail)} <= {1, 2, 3, 4}


def test_a_trail_is_no_answer_where_the_question_goes_on(graph_of, encoder):
    planner = WordPlanner(encoder, floor=-100.0)  # so low that only rivals are in its way
    edits = [fact("Misery", "author", "Ann Lee"), fact("Ann Lee", "citizenship", "Samoa")]
    walk = Walk(graph_of(*edits), planner, day=DAY)
    inside = "What is the citizenship of the author of Misery?"
    beyond = "What is the capital of the citizenship of the author of Misery?"
    within, further = walk.answer_many([inside, beyond])
    assert within.answer == "Samoa"
    assert further.answer is None and "capital" in further.reason
    assert [hop.answer for hop in further.hops] == ["Ann Lee", "Samoa"]


def test_a_trail_below_the_floor_is_kept_where_the_untrained_reader_finds_it_like(
    graph_of, encoder
):
    planner = WordPlanner(encoder, floor=100.0)  # no score is so high
    walk = Walk(graph_of(fact("Misery", "author", "Ann Lee")), planner, day=DAY)
    like, unlike = walk.answer_many(
        ["Who is the author of Misery?", "Who cleaned the windows of Misery?"]
    )
    assert like.answer == "Ann Lee"
    assert unlike.answer is None
