from __future__ import annotations

from collections import Counter

from memedit.evaluate.cases import Case, Query
from memedit.evaluate.facts import RELATIONS, live_facts
from memedit.text import name_key
from tests.multihop.conftest import fact


def known(subject, relation, target):
    return fact(
        subject, relation, target, tags=("fact",), id=f"{subject}-{relation}".replace(" ", "_")
    )


AUTHOR = fact("Misery", "author", "Ann Lee")
OLD = known("Misery", "author", "Stephen King")
HOME = known("Ann Lee", "citizenship", "Samoa")
RULER = known("Samoa", "monarch", "Ada Ray")
MORE = [known(f"Thing {i}", f"relation {i}", f"Other {i}") for i in range(9)]


def hop(place, subject, relation):
    meta = {"hop": place, "subject": subject, "relation": relation}
    return Query("?", "hop", ("x",), meta=meta)


CASE = Case(
    "c",
    (AUTHOR,),
    (hop(0, "Misery", "author"), hop(1, "Ann Lee", "citizenship"), hop(2, "Samoa", "monarch")),
    facts=(OLD, HOME, RULER, *MORE),
)


def test_end_to_end_gives_nothing():
    assert live_facts([CASE], "end-to-end") == []


def test_given_facts_are_the_cases_but_for_what_is_edited():
    assert live_facts([CASE, CASE], "given-facts") == [HOME, RULER, *MORE]


def test_of_two_facts_that_contradict_the_first_stays():
    other = Case("d", (), (), facts=(known("Ann Lee", "citizenship", "Peru"),))
    assert HOME in live_facts([CASE, other], "given-facts")
    assert live_facts([CASE, other], "given-facts")[:-1] == [HOME, RULER, *MORE][:-1]


def test_dense_gives_every_entity_relations_enough_and_no_shortcut():
    facts = live_facts([CASE], "dense")
    assert facts[: len(MORE) + 2] == [HOME, RULER, *MORE]
    assert all("fact" in one.tags for one in facts)
    counts = Counter(one.subject_key for one in (*facts, AUTHOR))
    for name in ("Misery", "Ann Lee", "Samoa", "Ada Ray", "Thing 3"):
        assert counts[name_key(name)] >= RELATIONS
    keys = [one.key for one in facts]
    assert len(set(keys)) == len(keys) and AUTHOR.key not in keys
    assert ("misery", "monarch") not in keys, "it would be another answer to the chain's question"
    assert facts == live_facts([CASE], "dense")
