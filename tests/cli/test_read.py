"""Commands that only tell, as tables and as JSON."""

from __future__ import annotations

import json

import pytest

from memedit.edit import Edit
from memedit.importers import load_edits


@pytest.fixture
def filled(cli):
    """Three edits: two about one subject, one with validity days, markup and another script."""
    edits = [
        Edit(id="sport", subject="Lionel Messi", prompt="{} plays", target_new="[bold]chess"),
        Edit(
            id="home", subject="Lionel Messi", prompt="{} lives in", target_new="東京", tags=["x"]
        ),
        Edit(
            id="pm", subject="Peru", relation="capital", target_new="Cusco", source="me",
            valid_from="2020-01-01", valid_to="2021-01-01",
        ),
    ]  # fmt: skip
    cli.ok("add", "-", input="\n".join(edit.to_json() for edit in edits))
    return cli


def ids(records):
    return [record["id"] for record in records]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], ["sport", "home", "pm"]),
        (["--subject", "lionel messi"], ["sport", "home"]),
        (["--relation", "capital"], ["pm"]),
        (["--tag", "x"], ["home"]),
        (["--source", "me"], ["pm"]),
        (["--contains", "cusc"], ["pm"]),
        (["--as-of", "2020-06"], ["sport", "home", "pm"]),
        (["--as-of", "2022"], ["sport", "home"]),
        (["--limit", "1"], ["sport"]),
        (["--limit", "1", "--offset", "2"], ["pm"]),
        (["--limit", "0"], ["sport", "home", "pm"]),
        (["--status", "all"], ["sport", "home", "pm"]),
    ],
)
def test_list_filters(filled, filters, expected):
    assert ids(filled.json("list", *filters)) == expected


def test_list_says_when_there_is_more(filled):
    assert "There are more" in filled("list", "--limit", "2").stderr
    assert "There are more" not in filled("list", "--limit", "3").stderr


def test_tables_show_words_as_they_are(filled):
    shown = filled.ok("list")
    assert "[bold]chess" in shown  # not taken for the table's own markup
    assert "東京" in shown
    assert "2020-01-01 to 2021-01-01" in shown


def test_a_record_as_json_reads_back_as_the_edit(filled):
    (record,) = filled.json("show", "pm")
    edit = Edit.from_dict(record["edit"])
    assert (edit.subject, edit.target_new, edit.valid_to.year) == ("Peru", "Cusco", 2021)
    assert (record["status"], record["revision"], record["superseded_by"]) == ("active", 1, None)


def test_show_derives_the_question_and_the_statement(filled):
    shown = filled.ok("show", "pm")
    assert "What is the capital of Peru?" in shown
    assert "The capital of Peru is Cusco." in shown


def test_search_finds_by_name_and_by_meaning(filled):
    hits = filled.json("search", "Where does Lionel Messi live?", "-k", "3")
    assert [hits[0]["record"]["id"], hits[0]["by"]] == ["home", "name"]
    assert filled.json("search", "a town in South America", "-k", "1")[0]["record"]["id"] == "pm"


def test_history_names_actor_action_and_words(filled):
    filled.ok("update", "pm", "--target", "Lima", "--reason", "it was wrong")
    event = filled.json("history", "pm")[-1]
    assert (event["actor"], event["action"], event["reason"]) == (
        "tester",
        "update",
        "it was wrong",
    )
    assert event["before"]["target_new"] == "Cusco"
    assert event["after"]["target_new"] == "Lima"
    assert "Cusco. -> The capital of Peru is Lima." in filled.ok("history", "--limit", "1")


def test_export_and_import_lose_nothing(filled, tmp_path):
    path = tmp_path / "out.jsonl"
    filled.ok("export", str(path))
    assert ids(edit.to_dict() for edit in load_edits(path)) == ["sport", "home", "pm"]
    assert filled.ok("export") == path.read_text(encoding="utf-8")


def test_conflicts_can_fail_a_script(filled):
    assert filled("conflicts", "--check").exit_code == 0
    filled.add("--subject", "Peru", "--relation", "capital", "--target", "Puno",
               "--valid-from", "2020-06-01", "--valid-to", "2022-01-01")  # fmt: skip
    result = filled("conflicts", "--check")
    assert result.exit_code == 1
    assert "pm" in result.stdout
    (conflict,) = filled.json("conflicts")
    assert conflict["kind"] == "overlap"


def test_stats_count_by_status(filled):
    filled.ok("retire", "pm")
    figures = filled.json("stats")
    assert (figures["active"], figures["retired"], figures["namespaces"]) == (2, 1, {"default": 2})
    assert "active edits" in filled.ok("stats")


def test_control_characters_never_reach_the_terminal(filled, capsys):
    from memedit.cli import output

    output.say("a\x1b[31mb\x07\nc")
    assert capsys.readouterr().out == "a[31mb\nc\n"


def test_json_on_standard_output_is_all_there_is(filled):
    result = filled("list", "--limit", "1", "--json")
    assert len(json.loads(result.stdout)) == 1
