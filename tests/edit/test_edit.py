"""An edit: every form it can be given in, what is derived, what is refused, JSONL without loss."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memedit import Edit
from memedit.errors import InvalidEditError

MESSI = {
    "subject": "Lionel Messi",
    "prompt": "{} plays the sport of",
    "target_new": "basketball",
    "target_true": "football",
}


def test_forms_of_one_fact_are_derived():
    edit = Edit(**MESSI)
    assert edit.cloze == "Lionel Messi plays the sport of"
    assert edit.stated == "Lionel Messi plays the sport of basketball."
    assert edit.asked == "Lionel Messi plays the sport of what?"
    assert edit.names == ("Lionel Messi",)


def test_a_triple_gets_a_prompt_from_its_relation():
    edit = Edit(subject="France", relation="capital", target_new="Lyon")
    assert edit.prompt == "The capital of {} is"
    assert edit.asked == "What is the capital of France?"
    assert edit.relation_key == "capital"


def test_a_question_gets_a_prompt_from_its_words():
    edit = Edit(subject="Hamlet", question="Who is the author of Hamlet?", target_new="Jane Austen")
    assert edit.prompt == "The author of {} is"
    assert edit.asked == "Who is the author of Hamlet?"
    assert edit.stated == "The author of Hamlet is Jane Austen."


def test_a_question_no_rule_turns_is_kept_as_prompt():
    edit = Edit(subject="Pelé", question="Which sport did Pelé play?", target_new="chess")
    assert edit.prompt == "Which sport did {} play?"
    assert edit.stated == "Which sport did Pelé play? chess."


def test_a_cloze_in_the_subjects_own_words():
    edit = Edit.from_cloze(
        "The mother tongue of Danielle Darrieux is",
        subject="Danielle Darrieux",
        target_new="English",
    )
    assert edit.prompt == "The mother tongue of {} is"


def test_a_plain_sentence_keeps_its_words():
    edit = Edit.from_sentence("Lionel Messi now plays basketball.")
    assert (edit.subject, edit.prompt, edit.target_new) == (
        "Lionel Messi",
        "{} plays",
        "basketball",
    )
    assert edit.stated == "Lionel Messi now plays basketball."


def test_an_alias_may_stand_in_the_question():
    edit = Edit(**MESSI, aliases=("Leo Messi",), question="Which sport does Leo Messi play?")
    assert edit.question_template == "Which sport does {} play?"


def test_free_text_needs_no_subject():
    edit = Edit(kind="free_text", prompt="A glass that falls", target_new="bounces")
    assert edit.names == ()
    assert edit.stated == "A glass that falls bounces."


def test_validity_is_half_open():
    edit = Edit(**MESSI, valid_from="2020", valid_to="2021-06")
    assert edit.valid_from == dt.date(2020, 1, 1)
    assert edit.holds_on(dt.date(2021, 5, 31))
    assert not edit.holds_on(dt.date(2021, 6, 1))
    assert not edit.holds_on(dt.date(2019, 12, 31))


def test_braces_that_are_no_slot_are_plain_text():
    edit = Edit(subject="f", prompt="In {} the set {x} is", target_new="{y}")
    assert edit.cloze == "In f the set {x} is"


def test_a_changed_target_drops_the_statement_that_would_contradict_it():
    edit = Edit.from_sentence("Lionel Messi now plays basketball.")
    changed = edit.changed(target_new="tennis")
    assert changed.id == edit.id
    assert changed.stated == "Lionel Messi plays tennis."


def test_a_changed_relation_derives_its_prompt_anew():
    edit = Edit(subject="France", relation="capital", target_new="Lyon")
    assert edit.changed(relation="largest city").prompt == "The largest city of {} is"


@pytest.mark.parametrize(
    ("fields", "field", "says"),
    [
        ({"subject": ""}, "subject", "is empty"),
        ({"subject": " \t "}, "subject", "is empty"),
        ({"target_new": ""}, "target_new", "is empty"),
        ({"target_new": "Football"}, "target_new", "equals target_true"),
        ({"prompt": "he plays"}, "prompt", "no slots"),
        ({"prompt": "{} plays {}"}, "prompt", "2 slots"),
        ({"question": "Which sport does Ronaldo play?"}, "question", "does not occur"),
        ({"paraphrases": ("He plays",)}, "paraphrases", "does not occur"),
        ({"subject": "Li\x00onel"}, "subject", "U+0000"),
        ({"subject": "Lionel\nMessi"}, "subject", "U+000A"),
        ({"target_new": "a\ud800"}, "target_new", "unicode"),
        ({"subject": "x" * 1001}, "subject", "1,001 characters"),
        ({"valid_from": "2021", "valid_to": "2020"}, "valid_to", "not after"),
        ({"valid_from": "yesterday"}, "valid_from", "not a date"),
        ({"id": "no spaces"}, "id", "not an id"),
        ({"colour": "red"}, "colour", "no such field"),
        ({"kind": "rumour"}, "kind", "free_text"),
        ({"target_new": 3}, "target_new", "string"),
    ],
)
def test_bad_input_is_one_sentence_that_names_field_value_and_remedy(fields, field, says):
    with pytest.raises(InvalidEditError) as raised:
        Edit(**{**MESSI, **fields})
    assert raised.value.field == field
    assert says in str(raised.value)
    assert raised.value.hint
    assert "\n" not in str(raised.value)


def test_a_subject_that_does_not_occur_in_a_cloze():
    with pytest.raises(InvalidEditError, match="'Ron' does not occur in"):
        Edit.from_cloze("Ronaldo plays", subject="Ron", target_new="golf")


def test_nothing_to_derive_a_prompt_from():
    with pytest.raises(InvalidEditError, match="none can be derived"):
        Edit(subject="France", target_new="Lyon")


def test_a_wikidata_number_is_no_prompt():
    with pytest.raises(InvalidEditError, match="none can be derived"):
        Edit(subject="France", relation="P36", target_new="Lyon")


@pytest.mark.parametrize("line", ["", "{", "[]", '"text"', '{"subject": "x"'])
def test_json_that_is_no_edit(line):
    with pytest.raises(InvalidEditError):
        Edit.from_json(line)


WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=30).filter(
    lambda text: text.strip() == text and "{}" not in text
)
NAMES = WORDS.filter(lambda text: any(ch.isalnum() for ch in text))
DATES = st.dates(dt.date(1900, 1, 1), dt.date(2000, 1, 1))


@given(
    subject=NAMES,
    before=WORDS,
    target=WORDS,
    aliases=st.lists(NAMES, max_size=3),
    tags=st.lists(WORDS, max_size=3),
    relation=st.none() | WORDS,
    source=st.none() | WORDS,
    start=st.none() | DATES,
)
def test_jsonl_is_loss_free(subject, before, target, aliases, tags, relation, source, start):
    edit = Edit(
        subject=subject,
        prompt=f"{before} {{}} is",
        target_new=target,
        aliases=aliases,
        tags=tags,
        relation=relation,
        source=source,
        valid_from=start,
    )
    line = edit.to_json()
    assert "\n" not in line
    assert Edit.from_json(line) == edit
    assert Edit.from_json(line).to_json() == line
    assert json.loads(line)["subject"] == subject
