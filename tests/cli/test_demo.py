"""The tour, cut down to a few questions: what it shows, and that it tells when something is off."""

from __future__ import annotations

import pytest

from memedit import demo
from memedit.demo import Question
from memedit.importers import load_edits

pytestmark = [pytest.mark.real_model, pytest.mark.usefixtures("shared_model")]


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setattr(demo, "ANSWER_TOKENS", 8)
    monkeypatch.setattr(demo, "REPHRASED", demo.REPHRASED[:1])
    monkeypatch.setattr(demo, "NEAR_MISSES", demo.NEAR_MISSES[:1])


def test_the_tour_shows_edits_answers_and_where_they_came_from(cli, monkeypatch):
    monkeypatch.setattr(demo, "ASKED", demo.ASKED[:1])
    shown = cli.ok("demo")
    assert "The capital of France is Paris." in shown
    assert "France: Lyon" in shown
    assert "counterfactual" in shown
    assert "The answers are byte-identical." in shown
    assert "tour-capital is superseded by" in shown
    assert "France: Marseille" in shown
    assert shown.count("The capital of France is Paris.") >= 3  # asked, updated, and retired
    assert "memedit chat" in shown
    assert not cli.store.exists()  # it has a store of its own


def test_a_question_that_takes_another_way_fails_the_tour(cli, monkeypatch):
    wrong = [Question("What is the capital of France?"), Question("Why is grass green?", "France")]
    monkeypatch.setattr(demo, "ASKED", wrong)
    result = cli("demo")
    assert result.exit_code == 1
    assert "'What is the capital of France?': the edits used were ['France']" in result.stdout
    assert "'What is the capital of France?': the answers differ" in result.stdout
    assert "'Why is grass green?': the edits used were []" in result.stdout


def test_every_question_is_about_an_edit_of_the_tour():
    with demo._example("tour") as path:
        subjects = {edit.subject for edit in load_edits(path, "jsonl")}
    asked = {question.subject for question in (*demo.ASKED, *demo.REPHRASED)}
    assert len(subjects) == 10
    assert asked == subjects


@pytest.mark.parametrize("name", ["tour", "office_changes", "household_physics"])
def test_the_examples_are_sound(name):
    with demo._example(name) as path:
        edits = load_edits(path)
    assert edits.summary.format == "jsonl"
    assert len(edits) >= 5
