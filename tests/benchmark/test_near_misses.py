from near_misses import NearMisses, wordings

from memedit import Edit
from memedit.evaluate.cases import Query
from memedit.train.sources import Record


def record(relation, prompt, *paraphrases, subject="Ada Bell", case="0"):
    edit = Edit(id=case, subject=subject, prompt=prompt, target_new="Oslo", relation=relation)
    asked = Query(edit.cloze, "edit", fires=True)
    told = [Query(text, "rephrase", fires=True) for text in paraphrases]
    other = Query("The mother tongue of Kim Park is", "locality", fires=False)
    return Record("part", "family", case, edit, relation, (asked, *told, other), dev=True)


BORN = record("P19", "{} was born in", "It rained. Ada Bell, born in")
MADE = record("P176", "{} is created by", "Snow fell. Ada Bell, made by")
GROWN = record("P178", "{} is created by", "Ada Bell, developed by")
SPEAKS = record("P103", "The mother tongue of {} is")
ALL = [BORN, MADE, GROWN, SPEAKS]


def edit_of(record, subject="Rex Inc", edit_id="1"):
    return Edit(id=edit_id, subject=subject, prompt=record.edit.prompt, target_new="Rome")


def relations_asked(prompts, subject="Rex Inc"):
    by_text = {w.text.replace("{}", subject): w.relation for r in ALL for w in wordings(r)}
    return {by_text[prompt] for prompt in prompts}


def test_wordings_keep_the_lead_in_and_mask_the_subject_of_the_sentence_that_asks():
    assert [w.text for w in wordings(BORN)] == ["{} was born in", "It rained. {}, born in"]
    assert [w.words for w in wordings(BORN)] == ["was born in", "born in"]


def test_an_edit_without_a_named_relation_gets_those_of_its_wording():
    edit = edit_of(MADE)
    assert NearMisses(ALL, [edit]).relations(edit) == {"P176", "P178"}


def test_another_relation_is_asked_and_never_one_that_shares_a_wording():
    edit = edit_of(MADE)
    asked = NearMisses(ALL, [edit]).about(edit, 10)
    assert relations_asked(asked) == {"P19", "P103"}


def test_relations_named_as_kin_are_left_out():
    edit = edit_of(BORN)
    near = NearMisses(ALL, [edit], kin=[{"P19", "P103"}])
    asked = near.about(edit, 10)
    assert asked
    assert relations_asked(asked) <= {"P176", "P178"}


def test_what_another_live_edit_of_the_subject_says_is_no_near_miss():
    edit, other = edit_of(MADE), edit_of(SPEAKS, edit_id="2")
    near = NearMisses(ALL, [edit, other])
    assert relations_asked(near.about(edit, 10)) == {"P19"}


def test_nothing_is_asked_where_a_relation_of_the_subject_is_not_known():
    edit = edit_of(BORN)
    strange = Edit(id="2", subject="Rex Inc", prompt="{} smells of", target_new="rain")
    assert NearMisses(ALL, [edit, strange]).about(edit, 2) == []


def test_only_narrows_the_relations_and_the_choice_is_the_same_in_every_run():
    edit = edit_of(BORN)
    near = NearMisses(ALL, [edit])
    assert relations_asked(near.about(edit, 10, only=["P103", "P19"])) == {"P103"}
    assert near.about(edit, 1) == NearMisses(ALL, [edit]).about(edit, 1)


def test_more_records_tell_more_wordings_and_are_not_asked():
    edit = edit_of(SPEAKS)
    assert NearMisses([BORN, MADE], [edit]).about(edit, 10) == []
    near = NearMisses([BORN, MADE], [edit], known=[SPEAKS])
    assert len(near.about(edit, 10)) == 2
