"""Hops that no edit covers, asked of a base model."""

from __future__ import annotations

import pytest

from memedit.multihop.walk import Walk
from tests.multihop.conftest import DAY, Oracle, fact

AUTHOR = fact("Misery", "author", "Richard Dawkins")
HEAD = fact("Samoa", "monarch", "Ada Lovelace")
MONARCH = "Who is the monarch of the citizenship of the author of Misery?"
KNOWS = {
    "What is the citizenship of Richard Dawkins?": "Samoa",
    "Who is the monarch of Kenya?": "Jo Ray",
    "Who is the author of Emma?": "The author of Emma is Jane Austen.",
    "What is the citizenship of Jane Austen?": "Samoa.",
}


@pytest.fixture
def walk(graph_of, planner):
    """Makes a walk over edits, with a base model that knows some answers."""

    def make(*edits, answers=KNOWS):
        return Walk(graph_of(*edits), planner, day=DAY, ask=Oracle(answers))

    return make


def told(chain):
    return [(hop.source, hop.answer) for hop in chain.hops]


def test_a_hop_between_two_edits_is_asked_of_the_base_model(walk):
    walking = walk(AUTHOR, HEAD)
    [chain] = walking.answer_many([MONARCH])
    assert told(chain) == [
        ("edit", "Richard Dawkins"),
        ("base", "Samoa"),
        ("edit", "Ada Lovelace"),
    ]
    assert chain.confident and chain.answer == "Ada Lovelace"
    assert walking.ask.asked == ["What is the citizenship of Richard Dawkins?"]
    assert [hop.tentative for hop in chain.hops] == [None, "Samoa", None]


def test_a_question_that_is_decided_narrowly_asks_the_base_model_no_more(walk, planner):
    walking = walk(AUTHOR, HEAD)
    other = "Who is the author of Misery?"
    planner.noise = 0.0
    apart = walking.answer_many([MONARCH, other])
    planner.noise = float("inf")
    assert walking.answer_many([MONARCH, other]) == apart
    assert walking.ask.asked == ["What is the citizenship of Richard Dawkins?"] * 2


def test_a_chain_may_begin_at_a_name_that_no_edit_is_about(walk):
    question = "Who is the monarch of the citizenship of the author of Emma?"
    [chain] = walk(HEAD).answer_many([question])
    assert told(chain) == [("base", "Jane Austen"), ("base", "Samoa"), ("edit", "Ada Lovelace")]


def test_where_all_hops_are_edits_no_model_is_asked(walk):
    walking = walk(AUTHOR, fact("Richard Dawkins", "citizenship", "Samoa"), HEAD)
    [chain] = walking.answer_many([MONARCH])
    assert chain.answer == "Ada Lovelace"
    assert walking.ask.asked == []


def test_a_plan_none_of_whose_relations_is_edited_asks_nothing(walk):
    walking = walk(fact("Paris", "nickname", "Lutetia"))
    [chain] = walking.answer_many(["What is the capital of the citizenship of Ann Lee?"])
    assert chain.answer is None
    assert walking.ask.asked == []


def test_a_model_without_an_answer_is_asked_once_more_and_then_the_chain_is_given_up(walk):
    second = {**KNOWS, "Who is the monarch of Kenya?": None, "Who reigns in Kenya?": "Bo Oh"}
    home = fact("Ann Lee", "citizenship", "Kenya")
    question = "Who is the monarch of the citizenship of Ann Lee?"
    [chain] = walk(home, answers=second).answer_many([question])
    assert chain.answer == "Bo Oh"
    walking = walk(home, answers={})
    [chain] = walking.answer_many([question])
    assert (chain.answer, told(chain)) == (None, [("edit", "Kenya")])
    assert "Who is the monarch of Kenya?" in chain.reason
    assert chain.confident, "the chain meets an edit, so the base model's answer would be stale"
    assert walking.ask.asked == ["Who is the monarch of Kenya?", "Who reigns in Kenya?"]


def test_a_model_that_fails_in_the_middle_leaves_a_partial_trace(graph_of, planner):
    def fails(questions):
        raise TimeoutError("no answer for 30 s")

    walking = Walk(graph_of(AUTHOR, HEAD), planner, day=DAY, ask=fails)
    [chain] = walking.answer_many([MONARCH])
    assert chain.answer is None
    assert told(chain) == [("edit", "Richard Dawkins")]
    assert "TimeoutError" in chain.reason


def test_nonsense_is_no_answer(walk):
    home = fact("Ann Lee", "citizenship", "Kenya")
    nonsense = dict.fromkeys(
        ("Who is the monarch of Kenya?", "Who reigns in Kenya?"), "I do not know the monarch."
    )
    [chain] = walk(home, answers=nonsense).answer_many(
        ["Who is the monarch of the citizenship of Ann Lee?"]
    )
    assert chain.answer is None


def test_relations_follow_only_where_their_kinds_fit(walk):
    # The author of a work is a person, who has no capital: no question is made up.
    [chain] = walk(AUTHOR).answer_many(["What is the capital of the author of Misery?"])
    assert (
        chain.answer is None or chain.hops[-1].question != "What is the capital of Richard Dawkins?"
    )


def test_questions_advance_together(walk):
    walking = walk(AUTHOR, HEAD)
    questions = [MONARCH, "Who is the monarch of the citizenship of the author of Emma?"]
    together = walking.answer_many(questions)
    assert [chain.answer for chain in together] == ["Ada Lovelace", "Ada Lovelace"]
    assert together == [walk(AUTHOR, HEAD).answer_many([q])[0] for q in questions]
