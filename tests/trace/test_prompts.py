"""Prompts as token ids, their tokens' groups, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit.errors import TraceError
from memedit.trace import GROUPS, NoiseSettings, by_group, groups_of, place, template_of
from memedit.trace.effects import default_window, windows
from tests.bake.small import TOKENS

WORDS = st.text("abc ", min_size=1, max_size=6).map(str.strip).filter(bool)


def test_a_prompt_knows_its_subject_and_answer():
    asked = place(TOKENS, "In Oslo they ski", "Oslo", "well")
    assert asked.text == "In Oslo they ski"
    assert "".join(asked.tokens) == asked.text
    assert "".join(asked.tokens[asked.first : asked.last + 1]) == "Oslo"
    assert TOKENS.decode(asked.answer_ids) == " well"
    assert place(TOKENS, "In {} they ski", "Oslo", "well") == asked
    assert place(TOKENS, "Oslo or {}?", "Oslo", "x").first == len("Oslo or ")


@pytest.mark.parametrize(
    ("prompt", "subject", "says"),
    [
        ("It is in the city of", "", "subject: none is given"),
        ("It is in the city of", "Oslo", "does not stand in"),
        ("Oslo is not Oslo", "Oslo", "stands repeatedly"),
        ("{} is not {}", "Oslo", "does not stand in"),
    ],
)
def test_a_subject_that_is_not_one_place_is_refused(prompt, subject, says):
    with pytest.raises(TraceError, match=says):
        template_of(prompt, subject)


def test_what_cannot_be_read_is_refused():
    with pytest.raises(TraceError, match="answer: it is empty"):
        place(TOKENS, "In {}", "Oslo", " ")
    with pytest.raises(TraceError, match="the model reads 8"):
        place(TOKENS, "In {} they ski", "Oslo", "well", context=8)
    with pytest.raises(TraceError, match="cannot be drawn"):
        NoiseSettings(0.1, samples=0)


def test_other_scripts_placeholders_and_long_answers_are_prompts_like_others():
    for template, subject, answer in [
        ("{}の首都は", "日本", "東京"),
        ("PersonX buys ___ for PersonY, as a result, others want to", "PersonX buys ___", "thank"),
        ("{}. This shows", "PersonX runs", " ".join(["far"] * 26)),
    ]:
        asked = place(TOKENS, template, subject, answer)
        assert TOKENS.decode(asked.ids[asked.first : asked.last + 1]) == subject
        assert TOKENS.decode(asked.answer_ids).strip() == answer


@given(before=st.just("") | WORDS, subject=WORDS, after=st.just("") | WORDS)
def test_every_token_from_the_subject_on_is_in_one_group(before, subject, after):
    asked = place(TOKENS, f"{before}{{}}{after}", subject, "x")
    groups = groups_of(asked)
    assert len(groups) == asked.begin == len(before + subject + after)
    assert [group is None for group in groups] == [i < asked.first for i in range(asked.begin)]
    for group in ("first subject token", "last subject token", "first subsequent token",
                  "last token"):  # fmt: skip
        assert groups.count(group) <= 1
    assert groups.count("last subject token") == 1
    assert groups.count("last token") == bool(after)
    order = [GROUPS.index(group) for group in groups if group]
    assert order == sorted(order)


def test_groups_of_a_prompt_by_hand():
    asked = place(TOKENS, "a {}-efg", "bcd", "x")
    assert groups_of(asked) == (
        None, None,
        "first subject token", "middle subject tokens", "last subject token",
        "first subsequent token", "further tokens", "further tokens", "last token",
    )  # fmt: skip
    values = np.arange(9.0)[:, None] * [1.0, 2.0]
    means = by_group(asked, values)
    assert list(means) == list(GROUPS)
    assert means["further tokens"].tolist() == [6.5, 13.0]
    assert list(by_group(place(TOKENS, "{}!", "b", "x"), values[:2])) == [
        "last subject token", "last token",
    ]  # fmt: skip


def test_windows_are_the_published_ones():
    assert default_window(48) == 10
    assert default_window(30) == 6
    assert default_window(2) == 1
    # Ten layers of 48 around layer 17, cut off at both ends.
    assert windows(48, 10)[17] == range(12, 22)
    assert windows(48, 10)[0] == range(5)
    assert windows(48, 10)[47] == range(42, 48)
    assert windows(3, 1) == [range(0, 1), range(1, 2), range(2, 3)]
