from __future__ import annotations

from dataclasses import replace

import pytest

from memedit.edit import Edit
from memedit.evaluate.cases import NEIGHBOUR, NO_META, Case, Query
from memedit.evaluate.contested import LiveEdits
from tests.evaluate.running import written


def case(case_id: str, subject: str, *queries: Query, **fields) -> Case:
    prompt = fields.pop("prompt", "The mother tongue of {} is")
    fields = {"target_new": "English"} | fields
    return Case(case_id, (Edit(id=case_id, subject=subject, prompt=prompt, **fields),), queries)


def contested(live, one) -> list[bool]:
    return LiveEdits(live).contested(one, one.queries)


# -- another case's subject ----------------------------------------------------------------------


def near(prompt: str, meta=NEIGHBOUR, kind="locality") -> Query:
    return Query(prompt, kind, ("French",), ("French",), fires=False, meta=meta)


def test_a_neighbour_that_another_case_edits_is_contested():
    one = case(
        "1",
        "Marie Curie",
        near("The mother tongue of Jean Moulin is"),
        near("The mother tongue of Jean Monnet is"),
    )
    other = case("2", "Jean Moulin")
    assert contested([one, other], one) == [True, False]
    assert contested([one], one) == [False, False]  # k = 1


def test_another_relation_of_an_edited_subject_is_a_hard_negative_and_stays():
    one = case("1", "Jean Moulin", near("Jean Moulin was born in", NO_META))
    died = case("2", "Jean Moulin", prompt="{} died in", target_new="Oslo")
    born = case("3", "Jean Moulin", prompt="{} was born in", target_new="Oslo")
    assert contested([one], one) == [False]
    assert contested([one, died], one) == [False]
    assert contested([one, died, born], one) == [True]  # the very fact that it asks for


@pytest.mark.parametrize(
    ("mine", "theirs", "wanted"),
    [("P103", "P103", True), ("P103", "P19", False), ("P103", None, True), ("", "P19", True)],
)
def test_a_neighbour_asks_for_its_cases_relation(mine, theirs, wanted):
    one = replace(case("1", "Marie Curie", near("Jean Moulin spoke")), relation=mine)
    other = case("2", "Jean Moulin", prompt="{} talks in", relation=theirs)
    assert contested([one, other], one) == [wanted]


@pytest.mark.parametrize("kind", ["edit", "rephrase", "alias", "one_hop"])
def test_what_the_own_edit_answers_is_never_contested(kind):
    one = case("1", "Marie Curie", near("The mother tongue of Jean Moulin is", kind=kind))
    assert contested([one, case("2", "Jean Moulin")], one) == [False]


def test_cases_that_share_an_edit_do_not_contest_each_other():
    one = case("1", "Jean Moulin", near("The mother tongue of Jean Moulin is"))
    assert contested([one, replace(one, id="2")], one) == [False]


@pytest.mark.parametrize(
    ("prompt", "wanted"),
    [
        ("Where did JEAN MOULIN's sister live?", True),
        ("Is Jéan  Moulin old?", True),
        ("Is Max old?", True),  # an alias
        ("Is Jean old?", False),
        ("Is Maxime Jean-Moulineau old?", False),
        ("Moulin, Jean", False),
        ("", False),
    ],
)
def test_names_are_found_as_whole_words(prompt, wanted):
    one = case("1", "Marie Curie", near(prompt))
    other = case("2", "Jean Moulin", aliases=("Max",))
    assert contested([one, other], one) == [wanted]


def test_free_text_edits_without_a_subject_contest_nothing():
    free = Edit(id="f", kind="free_text", statement="Cows fly.", prompt="Cows", target_new="fly")
    one = case("1", "Marie Curie", near("Do cows fly?"))
    assert contested([one, Case("f", (free,), ())], one) == [False]


def test_counterfacts_own_records(tmp_path):
    def record(n, subject, *neighbours):
        return {
            "case_id": n,
            "requested_rewrite": {
                "prompt": "The mother tongue of {} is",
                "relation_id": "P103",
                "target_new": {"str": "English", "id": "Q1"},
                "target_true": {"str": "French", "id": "Q2"},
                "subject": subject,
            },
            "paraphrase_prompts": [f"{subject} spoke"],
            "neighborhood_prompts": [f"The mother tongue of {name} is" for name in neighbours],
        }

    records = [record(1, "Ana Ra", "Bo Li", "Cy Do"), record(2, "Bo Li", "Cy Do", "Di Fu")]
    one, two = written(tmp_path, "counterfact", records)
    assert contested([one, two], one) == [False, False, True, False]
    assert contested([one, two], two) == [False, False, False, False]


# -- chains --------------------------------------------------------------------------------------


def hop(question: str, cloze: str, answer: str, *, edited: bool) -> Query:
    return Query(question, "hop", (answer,), meta={"cloze": cloze, "edited": edited})


def chain(case_id: str, edit: Edit, *hops: Query) -> Case:
    asked = Query("In which land was the ruler of Ys born?", "multi_hop", ("Norway",), group="q")
    return Case(case_id, (edit,), (asked, *hops, Query(edit.cloze, "edit", (edit.target_new,))))


RULER = Edit(
    id="r", subject="Ys", prompt="The ruler of {} is", question="Who rules Ys?", target_new="Dahut"
)
BORN = Edit(
    id="b", subject="Dahut", prompt="{} was born in", question="Where was Dahut born?",
    target_new="Oslo",
)  # fmt: skip
RULED = hop("Who rules Ys?", "The ruler of Ys is", "Dahut", edited=True)
BIRTH = hop("Where was Dahut born?", "Dahut was born in", "Brest", edited=False)


def test_an_unedited_hop_that_another_live_case_edits_breaks_the_chain():
    one = chain("1", RULER, RULED, BIRTH)
    other = chain("2", BORN, hop("Where was Dahut born?", "Dahut was born in", "Oslo", edited=True))
    assert contested([one, other], one) == [True, True, True, False]
    assert contested([one], one) == [False] * 4  # k = 1
    assert contested([one, other], other) == [False] * 3  # its own hop is edited as it says


@pytest.mark.parametrize(
    ("words", "breaks"),
    [
        (("WHERE was Dahut born?", ""), True),  # by its question
        (("Of which town is she?", "Dahut was born in"), True),  # by its cloze
        (("Of which town is she?", "Dahut came from"), False),
    ],
)
def test_a_hop_is_known_by_its_question_or_its_cloze(words, breaks):
    one = chain("1", RULER, RULED, hop(*words, "Brest", edited=False))
    assert contested([one, chain("2", BORN)], one)[0] is breaks


def test_an_edit_that_says_what_the_hop_says_breaks_nothing():
    one = chain("1", RULER, RULED, hop("Where was Dahut born?", "", "oslo", edited=False))
    assert contested([one, chain("2", BORN)], one) == [False] * 4


def test_a_chain_that_is_not_asked_hop_by_hop_is_contested_too():
    one, other = chain("1", RULER, RULED, BIRTH), chain("2", BORN)
    asked = one.queries[:1]  # the suite asks the question alone
    assert LiveEdits([one, other]).contested(one, asked) == [True]
