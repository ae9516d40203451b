"""How plans rank paths."""

from __future__ import annotations

import numpy as np

AUTHOR, CITIZEN, CAPITAL = (
    ("The author of it is",),
    ("The citizenship of it is",),
    ("The capital of it is",),
)
QUESTION = "What is the capital of the author of it?"


def test_the_path_that_is_asked_for_is_best(planner):
    paths = [(AUTHOR,), (AUTHOR, CAPITAL), (CAPITAL, AUTHOR), (AUTHOR, CITIZEN)]
    [scores] = planner.rank(planner.read([QUESTION]), [paths])
    assert int(np.argmax(scores)) == 1
    assert scores.max() <= 0


def test_a_hop_that_is_passed_over_costs_less_than_one_that_is_another(planner):
    paths = [(AUTHOR, CITIZEN, CAPITAL), (AUTHOR, CITIZEN), (AUTHOR, CAPITAL)]
    [(over, other, whole)] = planner.rank(planner.read([QUESTION]), [paths])
    assert whole > over > other


def test_what_is_asked_for_at_the_end_is_never_passed_over(planner):
    longer = (AUTHOR, CAPITAL, CITIZEN)
    [(right, beyond)] = planner.rank(planner.read([QUESTION]), [[(AUTHOR, CAPITAL), longer]])
    assert right > beyond + 1


def test_without_paths_there_is_nothing_to_rank(planner):
    [scores] = planner.rank(planner.read([QUESTION]), [[]])
    assert scores.shape == (0,)
