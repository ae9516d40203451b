from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from memedit.multihop.walk import Walk
from memedit.multihop.walk.comparing import comparison_in
from tests.multihop.conftest import DAY, WordPlanner, fact

AUTHOR = fact("Misery", "author", "Richard Dawkins")
CITIZEN = fact("Richard Dawkins", "citizenship", "Samoa")
HEAD = fact("Samoa", "monarch", "Ada Lovelace")
QUESTION = "Who is the monarch of the citizenship of the author of Misery?"


def answers(chain):
    return [hop.answer for hop in chain.hops]


def test_a_chain_follows_every_edit_in_order(walk_over):
    [chain] = walk_over(HEAD, AUTHOR, CITIZEN).answer_many([QUESTION])
    assert chain.answer == "Ada Lovelace"
    assert chain.confident
    assert answers(chain) == ["Richard Dawkins", "Samoa", "Ada Lovelace"]
    assert [hop.edit.id for hop in chain.hops] == [AUTHOR.id, CITIZEN.id, HEAD.id]
    assert {hop.source for hop in chain.hops} == {"edit"}
    assert chain.hops[0].question == "Who is the author of Misery?"


def test_the_path_is_as_long_as_the_question_and_no_longer(walk_over):
    walk = walk_over(HEAD, AUTHOR, CITIZEN)
    chains = walk.answer_many(
        ["Who is the author of Misery?", "What is the citizenship of the author of Misery?"]
    )
    assert [answers(chain) for chain in chains] == [
        ["Richard Dawkins"],
        ["Richard Dawkins", "Samoa"],
    ]


def test_questions_together_are_answered_as_each_alone(walk_over):
    walk = walk_over(HEAD, AUTHOR, CITIZEN)
    questions = [QUESTION, "Who is the monarch of Samoa?", "What is love?"]
    assert walk.answer_many(questions) == [walk.answer_many([q])[0] for q in questions]
    assert walk.answer_many([]) == []


def test_a_loop_comes_to_an_end(walk_over):
    ring = [fact("Ann", "spouse", "Bob"), fact("Bob", "spouse", "Ann")]
    [chain] = walk_over(*ring).answer_many(["Who is the spouse of the spouse of Ann?"])
    assert answers(chain) == ["Bob", "Ann"]
    own = fact("Narcissus", "idol", "Narcissus")
    [chain] = walk_over(own).answer_many(["Who is the idol of the idol of Narcissus?"])
    assert answers(chain) == ["Narcissus"]


def test_an_intermediate_answer_may_be_an_alias_or_another_spelling(walk_over):
    home = fact("Ann Lee", "citizenship", "the U.S.")
    capital = fact("United States", "capital", "Ely", aliases=("U.S.", "USA"))
    [chain] = walk_over(home, capital).answer_many(
        ["What is the capital of Ann Lee's citizenship?"]
    )
    assert chain.answer == "Ely"
    name = fact("Marie Curie", "spouse", "Gösta Ekman")
    job = fact("Gosta Ekman", "employer", "Volvo")
    [chain] = walk_over(name, job).answer_many(["Who is the employer of Marie Curie's spouse?"])
    assert chain.answer == "Volvo"


def test_a_superseded_edit_is_hidden(walk_over):
    old, new = fact("Misery", "author", "Stephen King"), AUTHOR
    king = fact("Stephen King", "citizenship", "Peru")
    question = "What is the citizenship of the author of Misery?"
    [chain] = walk_over(old, king, new, CITIZEN).answer_many([question])
    assert answers(chain) == ["Richard Dawkins", "Samoa"]


@pytest.mark.parametrize(("year", "answer"), [(2019, "Gao"), (2021, "Kayes")])
def test_each_hop_holds_on_the_day_that_is_asked_for(walk_over, year, answer):
    born = fact("Ann", "homeland", "Mali")
    before = fact("Mali", "capital", "Gao", valid_to="2020")
    after = fact("Mali", "capital", "Kayes", valid_from="2020")
    walk = walk_over(born, before, after, day=dt.date(year, 5, 1))
    [chain] = walk.answer_many(["What is the capital of the homeland of Ann?"])
    assert chain.answer == answer


def test_a_relation_may_have_several_objects(walk_over):
    bands = fact("Ann", "children", "Bob Ray, Cy Ray and Di Ray")
    jobs = [fact(name, "occupation", job) for name, job in
            (("Bob Ray", "baker"), ("Cy Ray", "mason"), ("Di Ray", "baker"))]  # fmt: skip
    [chain] = walk_over(bands, *jobs).answer_many(
        ["What is the occupation of the children of Ann?"]
    )
    assert chain.answer == "baker and mason"


def test_a_relation_may_be_asked_backwards(walk_over):
    plays = [
        fact(name, "sport", "chess", prompt="{} plays the sport of")
        for name in ("Ann Lee", "Bo Oh")
    ]
    coach = fact("Ann Lee", "coach", "Cy Ray")
    walk = walk_over(plays[0], coach)
    [chain] = walk.answer_many(["Who plays the sport of chess?"])
    assert chain.answer == "Ann Lee"
    [chain] = walk.answer_many(["Who is the coach of who plays the sport of chess?"])
    assert answers(chain) == ["Ann Lee", "Cy Ray"]
    [chain] = walk_over(*plays).answer_many(["Who plays the sport of chess?"])
    assert chain.answer == "Ann Lee and Bo Oh"


def test_what_the_memory_does_not_know_is_declined(walk_over):
    for walk in (walk_over(), walk_over(AUTHOR)):
        [chain] = walk.answer_many(["Who is the monarch of Atlantis?"])
        assert (chain.answer, chain.confident, chain.hops) == (None, False, ())
        assert "names nothing" in chain.reason
    [chain] = walk_over(AUTHOR).answer_many(["How heavy is Misery?"])
    assert chain.answer is None
    assert chain.reason


def test_dense_graphs_do_not_lead_astray(walk_over):
    relations = "author citizenship monarch capital employer religion sport continent".split()
    names = ["Misery", "Richard Dawkins", "Samoa"]
    noise = [
        fact(name, relation, other)
        for name in names
        for relation in relations
        for other in ("Misery", "Samoa")
        if other != name
    ]
    [chain] = walk_over(*noise, AUTHOR, CITIZEN, HEAD).answer_many([QUESTION])
    assert answers(chain) == ["Richard Dawkins", "Samoa", "Ada Lovelace"]


def test_facts_are_told_from_edits(walk_over):
    known = CITIZEN.model_copy(update={"tags": ("fact",)})
    [chain] = walk_over(AUTHOR, known).answer_many(
        ["What is the citizenship of the author of Misery?"]
    )
    assert [hop.source for hop in chain.hops] == ["edit", "fact"]


def test_a_graph_forgets_what_is_dropped(graph_of):
    graph = graph_of(AUTHOR, CITIZEN)
    assert [edge.end for edge in graph.leaving("Misery", DAY)] == ["Richard Dawkins"]
    assert [edge.end for edge in graph.entering("Samoa", DAY)] == ["Richard Dawkins"]
    graph.drop(CITIZEN.id)
    graph.drop("unknown")
    assert len(graph) == 1
    assert graph.entering("Samoa", DAY) == []
    assert graph.objects_in("Who lives in Samoa?") == []


SPORTS = [
    fact(name, "sport", sport, prompt="{} plays the sport of")
    for name, sport in (("Ann Lee", "chess"), ("Bo Oh", "chess"), ("Cy Ray", "go"))
]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Do Ann Lee and Bo Oh play the same sport?", "Yes"),
        ("Do Ann Lee and Cy Ray play the same sport?", "No"),
        ("How many of Ann Lee and Cy Ray play the sport of chess?", "1"),
    ],
)
def test_what_is_the_same_is_told_where_both_are_known(walk_over, question, answer):
    [chain] = walk_over(*SPORTS).answer_many([question])
    assert chain.answer == answer
    assert len(chain.hops) == 2


def test_a_comparison_that_edits_do_not_settle_is_declined(walk_over):
    ages = [fact(name, "age", age) for name, age in (("Ann Lee", "40"), ("Bo Oh", "50"))]
    questions = ["Is the age of Ann Lee more than the age of Bo Oh?"]
    [chain] = walk_over(*ages).answer_many(questions)
    assert (chain.answer, chain.confident) == (None, True)
    assert "compares" in chain.reason


@pytest.mark.parametrize(
    "question",
    [
        "Is the age of Ann Lee higher than the age of Emil Ek?",
        "Is the age of Ann Lee the same as the age of Emil Ek?",
    ],
)
def test_a_comparison_with_what_no_edit_is_about_is_declined(walk_over, question):
    [chain] = walk_over(fact("Ann Lee", "age", "40")).answer_many([question])
    assert (chain.answer, chain.confident) == (None, True)
    assert [hop.answer for hop in chain.hops] == ["40"]


def test_a_choice_between_two_words_compares_nothing(graph_of):
    graph = graph_of(fact("Ann Lee", "job", "singer"))
    assert comparison_in("Is Ann Lee a singer or a painter?", graph, DAY) is None


def test_what_is_decided_narrowly_is_walked_again_alone(graph_of, encoder, monkeypatch):
    edits = [fact("Misery", "author", "Ann Lee"), fact("Ann Lee", "citizenship", "Samoa")]
    planner = WordPlanner(encoder, floor=-100.0)
    walk = Walk(graph_of(*edits), planner, day=DAY)
    read = []
    plans = planner.plans
    monkeypatch.setattr(planner, "plans", lambda texts: read.append(len(texts)) or plans(texts))
    questions = ["What is the citizenship of the author of Misery?", "Who is the author of Misery?"]
    planner.noise = 0.0
    apart = walk.answer_many(questions)
    assert read == [2]
    planner.noise = np.inf
    assert walk.answer_many(questions) == apart and read == [2, 2, 1, 1]
    assert walk.answer_many(questions[:1]) == apart[:1] and read[-1] == 1
