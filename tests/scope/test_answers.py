"""Questions that an edit's target cannot answer."""

from __future__ import annotations

import pytest

from memedit.scope.answers import asks_the_opposite


@pytest.mark.parametrize(
    "asked",
    ["Which sport does it not play?", "it has never played", "Where doesn’t it live?"],
)
def test_a_denial_asks_for_something_else(asked):
    assert asks_the_opposite(asked, "it plays")


@pytest.mark.parametrize(
    "asked",
    [
        "Doesn't it play basketball?",
        "Is it not a basketball player?",
        "Is it true that it does not play football?",
        "Which sport does it play?",
        "it plays notes on the",
    ],
)
def test_a_yes_or_no_question_is_none(asked):
    assert not asks_the_opposite(asked, "it plays")


def test_an_edit_that_denies_is_asked_for_by_a_denial():
    assert not asks_the_opposite("Which sport does it not play?", "it does not play")
