from __future__ import annotations

import pytest

from memedit.errors import ModelError
from memedit.models import prompts


def test_values_are_kept_exactly():
    odd = '<b>{{ x }}</b> & "it\'s" {% raw %}'
    text = prompts.render("counterfactual", facts=[odd], question=odd, targets=[odd])
    assert text.count(odd) == 3


def test_a_missing_variable_and_a_missing_file_are_named():
    with pytest.raises(ModelError, match="'question' is undefined"):
        prompts.render("counterfactual", facts=["x"], targets=["x"])
    with pytest.raises(ModelError, match="no file nothing.j2"):
        prompts.render("nothing")


def test_the_hash_follows_the_wording(monkeypatch):
    before = prompts.prompt_hash("counterfactual")
    assert before == prompts.prompt_hash("counterfactual")
    assert len(before) == 12
    source = prompts._source("counterfactual")
    monkeypatch.setattr(prompts, "_source", lambda name: source + " ")
    assert prompts.prompt_hash("counterfactual") != before
