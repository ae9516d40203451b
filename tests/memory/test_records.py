from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from memedit.edit import Edit
from memedit.memory.records import edit_of, payload_of, words_of

words = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=20).filter(
    str.strip
)


@st.composite
def edits(draw) -> Edit:
    start = draw(st.none() | st.dates(min_value=dt.date(1900, 1, 1), max_value=dt.date(2000, 1, 1)))
    return Edit(
        subject="S" + draw(words),
        prompt="{} " + draw(words).replace("{}", ""),
        target_new=draw(words),
        aliases=draw(st.lists(words, max_size=3)),
        tags=draw(st.lists(words, max_size=3)),
        source=draw(st.none() | words),
        statement=draw(st.none() | words),
        valid_from=start,
        valid_to=draw(st.none() | st.just(dt.date(2001, 2, 3))),
    )


@given(edits())
def test_reading_without_validation_gives_what_validation_would(edit):
    payload = payload_of(edit)
    read = edit_of(payload)
    assert read == Edit.from_json(payload) == edit
    assert {name: type(getattr(read, name)) for name in Edit.model_fields} == {
        name: type(getattr(edit, name)) for name in Edit.model_fields
    }
    assert read.to_json() == payload
    assert (read.stated, read.relation_key) == (edit.stated, edit.relation_key)


def test_words_of_holds_given_and_derived_wordings(fact):
    edit = fact(aliases=["Leo"], question="What does Leo play?", target_true="football")
    assert {"Lionel Messi", "Leo", "basketball", "football", "What does Leo play?"} <= set(
        words_of(edit)
    )
    assert "Lionel Messi plays the sport of basketball." in words_of(edit)
