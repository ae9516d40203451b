from __future__ import annotations

from fnmatch import fnmatchcase

import pytest

from memedit.errors import EvaluationError
from memedit.evaluate.cases import Case, Query
from memedit.evaluate.datasets import names
from memedit.evaluate.metrics import METRICS
from memedit.evaluate.suite import load_suite, parse_k, suite_names
from tests.evaluate.running import suite

LEAST = 'description = "d"\ndataset = "zsre"\n'


@pytest.fixture
def load(tmp_path):
    def load(text: str | bytes):
        path = tmp_path / "own.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load_suite(str(path))

    return load


def fault(load, text) -> str:
    with pytest.raises(EvaluationError) as error:
        load(text)
    return error.value.message


# -- those that ship -----------------------------------------------------------------------------


def test_suites_ship():
    assert {"counterfact", "zsre", "wiki_counterfact", "rippleedits"} < set(suite_names())
    assert suite_names() == sorted(suite_names())


@pytest.mark.parametrize("name", suite_names())
def test_each_suite_loads_and_names_what_there_is(name):
    loaded = load_suite(name)
    assert loaded.name == name
    assert loaded.dataset in names()
    assert loaded.description.endswith(".")
    assert loaded.k == ("all",)
    for pattern in loaded.leave_out:
        assert any(fnmatchcase(metric, pattern) for metric in METRICS), pattern


# -- one's own -----------------------------------------------------------------------------------


def test_a_suite_of_ones_own_is_called_like_its_file(load):
    loaded = load(LEAST + 'k = [100, 1, "all", 1]\nmax_tokens = 5\n[at_most]\nlocality = 2\n')
    assert (loaded.name, loaded.dataset, loaded.protocol) == ("own", "zsre", "batch")
    assert loaded.k == ("1", "100", "all")
    assert loaded.at_most == {"locality": 2}
    assert load(LEAST + 'k = "10, 2"\n').k == ("2", "10")
    assert load(LEAST + "k = 7\n").k == ("7",)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (LEAST + "max_tokenz = 3\n", "max_tokenz"),
        (LEAST + "max_tokens = 0\n", "max_tokens"),
        (LEAST + 'max_tokens = "many"\n', "'many'"),
        (LEAST + 'kinds = ["edit", "relocality"]\n', "kinds.1"),
        (LEAST + "[at_most]\nlocalty = 3\n", "at_most.localty"),
        (LEAST + "[at_most]\nlocality = -1\n", "at_most.locality"),
        (LEAST + 'protocol = "parallel"\n', "protocol"),
        (LEAST + "k = [0]\n", "k: '0'"),
        (LEAST + "k = [1.5]\n", "k: '1.5'"),
        (LEAST + "k = []\n", "k: "),
        ('dataset = "zsre"\n', "description"),
        (LEAST + "kinds = [\n", "not valid TOML"),
        (LEAST.encode() + b"# \xff\n", "not valid TOML"),
    ],
)
def test_a_fault_is_named_by_its_field(load, text, named):
    assert named in fault(load, text)


def test_an_unknown_suite_is_named_with_its_neighbours():
    with pytest.raises(EvaluationError, match="'counterfct'") as error:
        load_suite("counterfct")
    assert "'counterfact'" in error.value.hint
    with pytest.raises(EvaluationError) as error:
        load_suite("qqq")
    assert "rippleedits" in error.value.hint
    with pytest.raises(EvaluationError, match=r"no file 'none\.toml'"):
        load_suite("none.toml")


# -- k -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("all", ("all",)),
        ("100,1,all", ("1", "100", "all")),
        (" 10 , 2,2, 010,", ("2", "10")),
    ],
)
def test_k_rises_and_stands_once(text, wanted):
    assert parse_k(text) == wanted


@pytest.mark.parametrize("text", ["", ",", "0", "-1", "1.5", "1e3", "All", "ten", "1,x"])
def test_what_is_no_number_of_edits_is_named(text):
    with pytest.raises(EvaluationError, match="k: ") as error:
        parse_k(text)
    assert "all" in error.value.hint


# -- queries -------------------------------------------------------------------------------------

CASE = Case(
    "c",
    (),
    (
        Query("1", "edit"),
        Query("2", "locality"),
        Query("3", "generation"),
        Query("4", "locality"),
        Query("5", "locality"),
    ),
)


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, "12345"),
        ({"kinds": ("locality", "edit")}, "1245"),
        ({"at_most": {"locality": 2}}, "1234"),
        ({"at_most": {"locality": 0, "edit": 9}}, "13"),
        ({"kinds": ("locality",), "at_most": {"locality": 1, "edit": 1}}, "2"),
    ],
)
def test_the_suite_says_what_is_asked(changes, asked):
    assert "".join(query.prompt for query in suite(**changes).queries(CASE)) == asked


def test_texts_may_be_longer_than_answers():
    chosen = suite(max_tokens=7, text_tokens=70)
    assert [chosen.tokens(query) for query in CASE.queries[:3]] == [7, 7, 70]
