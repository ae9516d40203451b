import argparse

import bench
import pytest
import scope_names
import scope_text
from product import Names, Setting, says_the_same
from record import Figure, share

from memedit import Edit
from memedit.evaluate.cases import Query


def edit(subject="Ada Bell", prompt="{} was born in", target="Rome", **words):
    return Edit(subject=subject, prompt=prompt, target_new=target, **words)


# -- which edit is right ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "found",
    [
        edit(target="Oslo"),  # the edit that superseded it
        edit(relation="P19", target="Oslo"),  # the same prompt, its relation named
        edit(prompt="The birthplace of {} is"),  # the same answer in another wording
    ],
)
def test_a_fact_in_two_files_is_one_fact(found):
    assert says_the_same(found, edit())


@pytest.mark.parametrize(
    "found",
    [
        edit(subject="Ida Bell"),
        edit(prompt="{} speaks", target="Latin"),
        edit(subject="Ida Bell", prompt="{} speaks"),
    ],
)
def test_another_subject_or_another_fact_is_not_right(found):
    assert not says_the_same(found, edit())


def test_free_text_without_a_subject_is_right_by_its_own_words_alone():
    one = Edit(kind="free_text", prompt="Dogs bark. True or False:", target_new="True")
    other = Edit(kind="free_text", prompt="Cats bark. True or False:", target_new="True")
    assert says_the_same(one, one)
    assert not says_the_same(other, one)


def test_names_are_found_whole():
    names = Names([edit(subject="Émile Zola"), edit(subject="Rome")])
    assert "Where did EMILE ZOLA live?" in names
    assert "Where did Zola live?" not in names
    assert "Romeo is a play" not in names


# -- aliases ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alias", "subject"),
    [
        ("Dr. Bell", "Ada Bell"),
        ("Di Caprio", "Leonardo DiCaprio"),
        ("Shahbaz", "Shehbaz Sharif"),
        ("Émile", "Emile Zola"),
    ],
)
def test_names_that_share_a_word_or_a_spelling(alias, subject):
    assert scope_names.is_related(alias, subject)


@pytest.mark.parametrize(
    ("alias", "subject"),
    [("RDJ", "Robert Downey Jr."), ("QE2", "Queen Elizabeth 2nd"), ("The Blues", "The Reds")],
)
def test_initials_and_articles_share_nothing(alias, subject):
    assert not scope_names.is_related(alias, subject)


# -- free text -------------------------------------------------------------------------------------

ASKS = " Is this sentence logical? Please answer yes or no? A:"


@pytest.mark.parametrize(
    ("sentence", "target", "prompt"),
    [
        ("Kim sings, so others want to to leave.", "to leave", "Kim sings, so others want to"),
        ("Kim sings, so others feel sad.", "sad", "Kim sings, so others feel"),
        ("Kim sings, so others want to leave.", "leave.", "Kim sings, so others want to"),
        ("Kim sings, so others feel glad.", "sad", None),
    ],
)
def test_a_neighbour_becomes_a_prompt_without_its_answer(sentence, target, prompt):
    assert scope_text.completion(Query(sentence + ASKS, "locality"), target) == prompt


# -- figures and the command line ------------------------------------------------------------------


@pytest.mark.parametrize(("value", "met"), [(0.002, False), (0.01, True), (0.02, False)])
def test_a_figure_may_have_two_bounds(value, met):
    assert Figure("fires", value, 1000, ">= 0.003 <= 0.015").met is met


def test_a_figure_over_nothing_is_refused():
    with pytest.raises(ValueError, match="fires: nothing was asked"):
        share("fires", [])


def test_options_of_the_product_are_json_or_text():
    assert bench.option("threshold=0.4") == ("threshold", 0.4)
    assert bench.option("matcher=some/folder") == ("matcher", "some/folder")
    with pytest.raises(argparse.ArgumentTypeError, match="NAME=VALUE"):
        bench.option("threshold")


def test_the_digest_tells_settings_and_option_files_apart(tmp_path):
    model = tmp_path / "model.json"
    model.write_text("1")
    setting = Setting(tmp_path, product={"matcher": str(model)})
    before = bench.digest(setting, {})
    assert bench.digest(setting, {}) == before
    assert bench.digest(Setting(tmp_path, limit=5, product=setting.product), {}) != before
    assert bench.digest(setting, {"data.gz": "1"}) != before
    model.write_text("2")
    assert bench.digest(setting, {}) != before


def test_a_limited_run_does_not_replace_the_recorded_results(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench.py", str(tmp_path), "--limit", "5"])
    with pytest.raises(SystemExit):
        bench.arguments()
    assert "--out: give one" in capsys.readouterr().err


def test_few_is_a_fixed_sample():
    assert Setting(None, limit=3).few(range(10)) == Setting(None, limit=3).few(range(10))
    assert len(Setting(None, limit=3).few(range(10))) == 3
    assert Setting(None).few(range(10)) == list(range(10))
