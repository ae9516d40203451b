"""Commands that change the memory."""

from __future__ import annotations

import json

import pytest

from memedit.edit import Edit

FRANCE = ("--subject", "France", "--relation", "capital", "--target", "Lyon")


def fields(cli, edit_id):
    (record,) = cli.json("show", edit_id)
    return record["edit"]


def test_a_sentence_is_split_and_the_split_shown(cli):
    result = cli("add", "Lionel Messi now plays basketball.")
    assert result.exit_code == 0
    assert "subject: Lionel Messi | prompt: {} plays | target: basketball" in result.stderr
    (record,) = cli.json("list")
    assert record["edit"]["statement"] == "Lionel Messi now plays basketball."


def test_subject_and_target_correct_a_split(cli):
    edit_id = cli.add(
        "The Beatles sang Yesterday", "--subject", "The Beatles", "--target", "Yesterday"
    )
    assert fields(cli, edit_id)["prompt"] == "{} sang"


def test_a_sentence_is_corrected_on_a_terminal(cli, monkeypatch):
    monkeypatch.setattr("memedit.cli.add._interactive", lambda: True)
    typed = "n\nThe Beatles\nYesterday\ny\n"
    cli.ok("add", "The Beatles sang Yesterday", input=typed)
    (record,) = cli.json("list")
    assert (record["edit"]["subject"], record["edit"]["target_new"]) == ("The Beatles", "Yesterday")


def test_a_sentence_that_cannot_be_split_is_asked_about_on_a_terminal(cli, monkeypatch):
    monkeypatch.setattr("memedit.cli.add._interactive", lambda: True)
    cli.ok("add", "water boils cold", input="water\ncold\ny\n")
    (record,) = cli.json("list")
    assert record["edit"]["prompt"] == "{} boils"


def test_every_part_of_an_edit_can_be_given(cli):
    edit_id = cli.add(
        "--subject", "Mars", "--prompt", "The capital of {} is", "--target", "Olympus",
        "--old", "none", "--relation", "capital", "--question", "What is the capital of Mars?",
        "--alias", "the red planet", "--alias", "Ares", "--paraphrase", "Mars is governed from",
        "--valid-from", "2040", "--valid-to", "2050-06", "--tag", "fiction", "--source", "a novel",
        "--reason", "for the test",
    )  # fmt: skip
    expected = Edit(
        id=edit_id, subject="Mars", prompt="The capital of {} is", target_new="Olympus",
        target_true="none", relation="capital", question="What is the capital of Mars?",
        aliases=["the red planet", "Ares"], paraphrases=["Mars is governed from"],
        valid_from="2040-01-01", valid_to="2050-06-01", tags=["fiction"], source="a novel",
        namespace="default",
    )  # fmt: skip
    assert Edit.from_dict(fields(cli, edit_id)) == expected
    (event,) = cli.json("history")
    assert (event["actor"], event["reason"], event["action"]) == ("tester", "for the test", "add")


def test_a_prompt_may_hold_the_subject_itself(cli):
    edit_id = cli.add("--subject", "Mars", "--prompt", "The colour of Mars is", "--target", "blue")
    assert fields(cli, edit_id)["prompt"] == "The colour of {} is"


def test_free_text_needs_no_subject(cli):
    edit_id = cli.add("--free-text", "--prompt", "Ice in hot tea", "--target", "grows")
    assert fields(cli, edit_id)["kind"] == "free_text"


def test_jsonl_is_read_from_standard_input(cli):
    lines = "".join(
        Edit(id=name, subject=name, relation="capital", target_new="X").to_json() + "\n"
        for name in ("Peru", "Chile")
    )
    assert cli.json("add", "-", input=lines)["ids"] == ["Peru", "Chile"]
    assert ":1: not valid JSON" in cli.fails("add", "-", input="{")


def test_an_edit_of_the_same_fact_supersedes_and_says_so(cli):
    old = cli.add(*FRANCE)
    told = cli.ok("add", *FRANCE[:-1], "Nice")
    assert f"Superseded {old}: The capital of France is Lyon." in told
    assert "Already there:" in cli.ok("add", *FRANCE[:-1], "Nice")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "Water never boils."], "says what is not true"),
        (["add", "--subject", "", "--prompt", "{} is", "--target", "b"], "subject: it is empty"),
        (["add", "--subject", "a", "--prompt", "{} and {}", "--target", "b"], "has 2 slots"),
        (["add", *FRANCE, "--old", "lyon"], "equals target_true"),
        (["add", *FRANCE, "--valid-from", "soon"], "'soon' is not a date"),
        (["show", "nothing"], "nothing"),
        (["update", "nothing", "--target", "b"], "nothing"),
        (["retire", "nothing"], "nothing"),
        (["restore", "nothing"], "nothing"),
        (["erase", "nothing", "--yes"], "nothing"),
        (["history", "nothing"], "nothing"),
        (["rollback", "99"], "99"),
        (["import", "nothing.json"], "There is no file 'nothing.json'."),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_changes_nothing(cli, words, said):
    cli.add("--subject", "Oslo", "--prompt", "{} lies in", "--target", "Peru")
    assert said in cli.fails(*words)
    assert cli.json("stats")["revision"] == 1


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["add"],
        ["add", "--subject", "France", "--relation", "capital"],
        ["add", "-", "--tag", "x"],
        ["add", "A is B.", "--prompt", "{} is"],
        ["list", "--status", "gone"],
        ["list", "--as-of", "soon"],
        ["update", "x"],
        ["erase"],
        ["erase", "x", "--subject", "y"],
        ["rollback", "--", "-1"],
    ],
)
def test_wrong_usage_exits_with_two(cli, words):
    result = cli(*words)
    assert result.exit_code == 2, result.output
    assert not cli.store.exists()


def test_reading_without_a_store_says_so(cli):
    assert f"There is no store at {cli.store}." in cli.fails("list")
    assert not cli.store.exists()


def test_update_keeps_the_id_and_empty_values_clear(cli):
    edit_id = cli.add(*FRANCE, "--old", "Paris", "--alias", "la France")
    cli.ok("update", edit_id, "--target", "Nice", "--old", "", "--alias", "", "--reason", "news")
    changed = fields(cli, edit_id)
    assert changed["target_new"] == "Nice"
    assert "target_true" not in changed and "aliases" not in changed
    assert cli.json("history", edit_id)[-1]["reason"] == "news"


def test_retire_and_restore(cli):
    edit_id = cli.add(*FRANCE)
    assert cli.ok("retire", edit_id) == "Retired 1 edit.\n"
    assert cli.json("list") == []
    assert [r["id"] for r in cli.json("list", "--status", "retired")] == [edit_id]
    assert cli.ok("restore", edit_id) == "Restored 1 edit.\n"
    assert [r["status"] for r in cli.json("list")] == ["active"]


def test_erase_asks_first(cli):
    edit_id = cli.add(*FRANCE)
    refused = cli("erase", edit_id, input="n\n")
    assert (refused.exit_code, len(cli.json("list"))) == (1, 1)
    assert cli.ok("erase", edit_id, input="y\n").endswith("Erased 1 edit.\n")
    assert b"Lyon" not in cli.store.read_bytes()


def test_erase_by_subject(cli):
    cli.add(*FRANCE)
    cli.add("--subject", "France", "--relation", "currency", "--target", "franc")
    assert cli.ok("erase", "--subject", "france", "--yes") == "Erased 2 edits.\n"


def test_rollback_brings_an_earlier_revision_back(cli):
    cli.add(*FRANCE)
    cli.add(*FRANCE[:-1], "Nice")
    assert "Back to revision 1, as revision 3: 1 edit in force." in cli.ok("rollback", "1")
    (record,) = cli.json("list")
    assert record["edit"]["target_new"] == "Lyon"


def test_import_tells_what_was_taken_and_what_was_not(cli, tmp_path):
    path = tmp_path / "requests.json"
    good = {
        "subject": "Oslo",
        "prompt": "Oslo lies in",
        "target_new": "Peru",
        "ground_truth": "Norway",
    }
    path.write_text(json.dumps([good, {**good, "subject": "Rome"}]))
    told = cli.ok("import", str(path))
    assert "requests.json (easyedit): 1 edits taken, 1 records skipped." in told
    assert "prompt: the subject … does not occur in …." in told
    assert cli.json("import", str(path)) == {
        "path": str(path),
        "format": "easyedit",
        "taken": 1,
        "merged": 0,
        "skipped": 1,
        "reasons": [
            {
                "reason": "prompt: the subject … does not occur in ….",
                "count": 1,
                "examples": ["record 2"],
            }
        ],
        "added": 0,
    }


def test_import_can_be_tried_without_adding(cli, tmp_path):
    path = tmp_path / "edits.jsonl"
    path.write_text(Edit(subject="Peru", relation="capital", target_new="X").to_json())
    assert cli.json("import", str(path), "--dry-run")["added"] is None
    assert not cli.store.exists()


def test_namespaces_are_apart(cli):
    cli.add(*FRANCE, namespace="mine")
    assert cli.json("list", namespace="mine")[0]["namespace"] == "mine"
    assert cli.json("list") == []
    assert "'yours'" in cli.fails("list", namespace="yours")
