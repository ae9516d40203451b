from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.edit import Edit
from memedit.memory.validity import covers, overlap, same_words, winners

DAYS = [dt.date(2020, 1, day) for day in range(1, 8)]


@st.composite
def held(draw) -> Edit:
    """An edit with some interval among :data:`DAYS`, open ends included."""
    start, end = draw(st.sampled_from([None, *DAYS])), draw(st.sampled_from([None, *DAYS]))
    if start and end and end <= start:
        start, end = None, end
    return Edit(subject="a", prompt="{} is", target_new="b", valid_from=start, valid_to=end)


@given(held(), held())
def test_covers_and_overlap_agree_with_the_days(one, other):
    days = [DAYS[0] - dt.timedelta(1), *DAYS, DAYS[-1] + dt.timedelta(1)]
    first = {day for day in days if one.holds_on(day)}
    second = {day for day in days if other.holds_on(day)}
    assert covers(one, other) == (first >= second)
    assert overlap(one, other) == bool(first & second) == overlap(other, one)


def test_key_is_subject_and_relation_in_any_spelling():
    one = Edit(subject="Beyoncé", relation="plays the sport of", target_new="golf")
    other = Edit(subject="BEYONCE", prompt="{} plays the sport of", target_new="chess")
    assert one.key == other.key
    assert one.key != one.changed(relation="owns the team of").key


def test_key_of_free_text_is_its_words():
    one = Edit(kind="free_text", statement="Glue does not belong on pizza.", target_new="no")
    other = Edit(kind="free_text", statement="Rocks are not food.", target_new="no")
    assert one.key != other.key
    assert one.key == one.changed(target_new="never", statement=one.statement).key


@pytest.mark.parametrize("field", ["id", "source", "namespace"])
def test_same_words_overlooks(field, fact):
    assert same_words(fact(), fact(**{field: "x"}))


@pytest.mark.parametrize(
    "change", [{"target_new": "golf"}, {"aliases": ["Leo"]}, {"valid_to": "2030"}]
)
def test_same_words_sees(change, fact):
    one = fact()
    assert not same_words(one, one.changed(**change))


def test_winner_is_the_one_changed_last_and_only_among_those_that_hold(memory, fact):
    memory.add(fact(target="golf", valid_from="2020", valid_to="2022"))
    memory.add(fact(target="chess", valid_from="2021", valid_to="2023"))
    memory.add(fact("Ada Lovelace", "poker"))
    records = memory.list()

    def on(day):
        return {record.edit.target_new for record in winners(records, dt.date.fromisoformat(day))}

    assert on("2020-06-01") == {"golf", "poker"}
    assert on("2021-06-01") == {"chess", "poker"}
    assert on("2022-12-31") == {"chess", "poker"}
    assert on("2023-01-01") == {"poker"}
