"""The relations that pairs are drawn from, and the split."""

from __future__ import annotations

from memedit import Edit
from memedit.evaluate.cases import NEIGHBOUR, Query
from memedit.train import wordings
from memedit.train.sources import Record
from memedit.train.split import COUNTERFACT_DEV, bucket, is_dev


def record(prompt, *queries, subject="Ada Byron", target="French", family="counterfact", **fields):
    edit = Edit(subject=subject, prompt=prompt, target_new=target)
    given = {"relation": "P103", "part": family, "case": "c-1", "dev": False} | fields
    return Record(family=family, edit=edit, queries=tuple(queries), **given)


def test_a_relation_gathers_every_wording_of_its_records_masked():
    asked = Query("It rained. Ada Byron, a native", "rephrase", fires=True)
    other = record("{} spoke the language", subject="Bo Diaz", target="Thai")
    [relation] = wordings.relations([record("The mother tongue of {} is", asked), other])
    assert relation.name == "P103"
    assert relation.asked == ["The mother tongue of it is", "it, a native", "it spoke the language"]
    assert relation.told == ["The mother tongue of it is", "it spoke the language"]
    assert relation.targets == ["French", "Thai"]


def test_queries_out_of_scope_are_no_wordings_but_labelled():
    other = Query("The mother of Ada Byron is", "locality", fires=False)
    elsewhere = Query("The mother of Bo Diaz is", "locality", fires=False, meta=NEIGHBOUR)
    records = [record("The mother tongue of {} is", other, elsewhere, family="rippleedits")]
    [relation] = wordings.relations(records)
    assert relation.asked == ["The mother tongue of it is"]
    [pair] = wordings.labelled(records)
    assert (pair.query, pair.label) == ("The mother of it is", False)


def test_relations_that_share_their_words_are_kin():
    maker, developer = (
        record("{} is made by", relation=name, subject=s)
        for name, s in (("P176", "A1 Phone"), ("P178", "B2 Phone"))
    )
    by_name = {r.name: r for r in wordings.relations([maker, developer])}
    assert "P178" in by_name["P176"].kin


def test_the_bank_is_whole_and_names_no_strangers():
    entries = wordings.bank_entries()
    names = [entry["name"] for entry in entries]
    assert len(names) == len(set(names)) > 400
    strangers = {near for entry in entries for near in entry["near"]} - set(names)
    assert not strangers
    for entry in entries:
        for key in ("clozes", "terse", "questions", "requests"):
            assert all(text.count("{}") == 1 for text in entry[key]), entry["name"]
        assert entry["objects"] and entry["subjects"]


def test_kinship_goes_both_ways():
    kin = {relation.name: relation.kin for relation in wordings.bank()}
    assert all(name in kin[other] for name, others in kin.items() for other in others)


def test_the_split_goes_by_case_in_counterfact_and_by_subject_elsewhere():
    edit = Edit(subject="Ada Byron", prompt="{} speaks", target_new="French")
    assert is_dev("counterfact", f"counterfact-{COUNTERFACT_DEV - 1}", edit)
    assert not is_dev("counterfact", f"counterfact-{COUNTERFACT_DEV}", edit)
    same = edit.changed(subject="ADA  byron", prompt="{} writes")
    assert is_dev("zsre", "zsre-1", edit) == is_dev("zsre", "zsre-2", same)


def test_a_third_of_all_subjects_is_kept_for_development():
    dev = sum(bucket(f"subject {i}") == 0 for i in range(3000))
    assert 900 < dev < 1100
