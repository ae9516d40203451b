"""Asking and chatting at the command line, with the embedded model."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.real_model, pytest.mark.usefixtures("shared_model")]

FEW = ("--max-tokens", "8")
IN_SCOPE = "What is the capital of France?"
OUT_OF_SCOPE = "Why is the sky blue?"
MESSI = ("--subject", "Lionel Messi", "--prompt", "{} plays the sport of", "--target", "chess")


@pytest.fixture
def france(cli):
    cli.ok("add", "-", input='{"id": "fr", "subject": "France", "relation": "capital",'
           ' "target_new": "Lyon"}')  # fmt: skip
    return cli


def test_the_answer_is_all_that_goes_to_standard_output(france):
    result = france("ask", IN_SCOPE, *FEW)
    assert result.exit_code == 0, result.output
    assert "Lyon" in result.stdout
    assert "counterfactual" not in result.stdout
    assert "counterfactual" in result.stderr
    assert "fr: The capital of France is Lyon." in result.stderr


def test_json_holds_text_route_edits_and_times(france):
    answer = france.json("ask", IN_SCOPE, *FEW)
    assert answer["route"] == "counterfactual"
    assert [edit["id"] for edit in answer["edits"]] == ["fr"]
    assert "Lyon" in answer["text"]
    assert 0 < answer["probability"] <= 1
    assert answer["reasons"]
    assert set(answer["timings"]) >= {"route", "generate"}


def test_out_of_scope_the_base_model_answers(france):
    assert france.json("ask", OUT_OF_SCOPE, *FEW)["route"] == "base"


def test_explain_shows_reasons_and_candidates(france):
    shown = france.ok("ask", IN_SCOPE, "--explain", *FEW)
    assert "Route: counterfactual" in shown
    assert "fr" in shown and "in scope" in shown
    assert "Times: " in shown


def test_explain_tells_the_chain_of_a_multi_hop_question(cli):
    cli.ok("add", "-", input='{"id": "au", "subject": "Misery", "prompt": "The author of {} is",'
           ' "relation": "P50", "target_new": "Richard Dawkins"}\n'
           '{"id": "ci", "subject": "Richard Dawkins", "prompt": "{} is a citizen of",'
           ' "relation": "P27", "target_new": "Samoa"}')  # fmt: skip
    question = "What is the country of citizenship of the author of Misery?"
    shown = cli.ok("ask", question, "--explain", "--multihop", *FEW)
    assert shown.startswith("Samoa\n")
    assert "Route: multihop" in shown
    assert "1. Who is the author of Misery? Richard Dawkins  [edit au" in shown
    assert "So: Samoa" in shown
    assert cli.json("ask", question, "--multihop", *FEW)["chain"]["answer"] == "Samoa"


def test_a_strategy_and_none_are_not_asked_for_together(france):
    told = france.fails("ask", IN_SCOPE, "--strategy", "mello", "--no-multihop")
    assert "strategy: 'mello'" in told


def test_as_of_asks_for_another_day(france):
    france.ok("update", "fr", "--valid-from", "2020")
    assert france.json("ask", IN_SCOPE, "--as-of", "2019", *FEW)["route"] == "base"
    assert france.json("ask", IN_SCOPE, "--as-of", "2021", *FEW)["route"] == "counterfactual"


def test_a_question_is_read_from_standard_input(france):
    assert france.json("ask", "-", *FEW, input=IN_SCOPE)["route"] == "counterfactual"


@pytest.mark.parametrize("question", ["", " \n"])
def test_an_empty_question_is_refused(france, question):
    assert france.fails("ask", question)


def test_chat_takes_its_turns_from_standard_input(france):
    turns = f"/why\n{IN_SCOPE}\n/why\n/help\n/new\n/quit\nnever asked\n"
    result = france("chat", *FEW, input=turns)
    assert result.exit_code == 0, result.output
    assert "Nothing has been asked yet." in result.stderr
    assert "Lyon" in result.stdout
    assert "[counterfactual fr]" in result.stderr
    assert "Route: counterfactual" in result.stdout
    assert "[base]" not in result.stderr


def test_chat_resolves_against_the_conversation(cli):
    messi = cli.add(*MESSI)
    turns = "Where was Lionel Messi born?\nWhich sport does he play?\n"
    told = cli("chat", *FEW, input=turns).stderr
    assert told.index("[base]") < told.index(f"[counterfactual {messi}]")


def test_chat_forgets_on_request(cli):
    cli.add(*MESSI)
    turns = "Where was Lionel Messi born?\n/new\nWhich sport does he play?\n"
    assert "[counterfactual" not in cli("chat", *FEW, input=turns).stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "/no/such/folder"], "/no/such/folder"),
        (["--model", "openai:x", "--base-url", "http://127.0.0.1:9/v1"], "Connection error"),
        (["--model", "smollm2", "--base-url", "http://127.0.0.1:1/v1"], "base_url"),
    ],
)
def test_a_model_that_cannot_be_loaded_is_one_sentence(france, words, said):
    assert said in france.fails("ask", IN_SCOPE, *words)


def test_a_turn_that_cannot_be_asked_does_not_end_the_chat(france):
    result = france("chat", *FEW, input=f"{'a' * 300_000}\n{IN_SCOPE}\n")
    assert result.exit_code == 0
    assert "300,000" in result.stderr
    assert "Lyon" in result.stdout
