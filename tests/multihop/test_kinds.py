from __future__ import annotations

import pytest

from memedit.multihop.walk.kinds import ends_elsewhere


@pytest.mark.parametrize(
    ("question", "relation", "elsewhere"),
    [
        ("In which city is the author of it a citizen?", "it is a citizen of", True),
        ("In which city is the author of it a citizen?", "the capital of it is", False),
        ("From which continent does the performer of it come?", "the director of it is", True),
        ("Who is the head of the country of it?", "it is a citizen of", True),
        ("Who is the spouse of the author of it?", "it is married to", False),
        ("Where was the author of it born?", "it is a citizen of", False),
        ("Which city is it in?", "it is associated with", False),
    ],
)
def test_ends(question, relation, elsewhere):
    assert ends_elsewhere(question, relation) == elsewhere
