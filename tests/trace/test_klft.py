"""KLFT: recall by cosines, restoration by meaning, and prompts with other elements."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from memedit.bake.reading import Site
from memedit.evaluate.tracing.asked import Asked, asked_of
from memedit.evaluate.tracing.decoupled import decoupled
from memedit.evaluate.tracing.recalled import difference, recalled
from memedit.trace import NoiseSettings, embedding_std, place
from memedit.trace.going_on import goes_on, restored_continuations
from memedit.trace.meaning import trace_meaning
from memedit.trace.recall import recall
from memedit.trace.runs import Restoration, Runs
from tests.bake.small import CONFIGS, LAYERS, TOKENS, editable


@pytest.mark.parametrize("family", CONFIGS)
def test_recall_compares_the_stream_before_and_after(family):
    model = editable(family)
    prompts = [place(TOKENS, "{} is", "Oslo", "x"), place(TOKENS, "So {} was", "Ur", "x")]
    found = recall(model, prompts)
    assert {part: rows.shape for part, rows in found.items()} == dict.fromkeys(
        ("block_out", "mlp_out", "attn_out"), (2, LAYERS)
    )
    states = Runs(model, prompts[0], torch.zeros(0, 4, 16)).clean_states()
    at = prompts[0].begin - 1
    one, two = (states[Site(layer, "block_out")][at] for layer in (1, 2))
    middle = one + states[Site(2, "attn_out")][at]
    for part, pair in (("block_out", (one, two)), ("attn_out", (one, middle)),
                       ("mlp_out", (middle, two))):  # fmt: skip
        expected = torch.cosine_similarity(*pair, dim=0)
        assert found[part][0, 2] == pytest.approx(float(expected), abs=1e-6)


def test_contributions_have_thirds_and_differences_intervals():
    model = editable()
    prompts = [place(TOKENS, "{} is", word, "x") for word in ("Oslo", "Bern", "Rome")]
    came = recalled(model, prompts)
    assert [mean.n for mean in came.thirds["mlp_out"]] == [3, 3, 3]
    assert all(value >= 0 for value in came.curves["attn_out"].values)
    apart = difference(np.array([2.0, 3.0, np.nan]), np.array([0.0, 1.0]))
    assert (apart.value, apart.n) == (2.0, 4)
    assert 0 < apart.low < 2 < apart.high


def words(text, others):
    """How many of a text's characters another has at their places."""
    return np.array([sum(a == b for a, b in zip(text, o, strict=False)) / max(len(text), 1)
                     for o in others])  # fmt: skip


def test_meaning_without_noise_is_the_clean_one():
    model, asked = editable(), place(TOKENS, "In {} one", "Oslo", "x")
    noise = NoiseSettings(embedding_std(model, [asked]), times=0.0, samples=2)
    found = trace_meaning(model, asked, noise, words, most=5)
    assert found.prompt.answer == goes_on(model, asked.text, 5)
    assert (found.clean, found.corrupted, found.measure) == (1.0, 1.0, "meaning")
    tried = found.restored["mlp_out"][[asked.last, asked.begin - 1]]
    assert (tried == 1.0).all()
    assert np.isnan(found.restored["mlp_out"][0]).all()


def test_the_last_layer_put_back_gives_the_clean_next_token():
    model, asked = editable(), place(TOKENS, "In {} one", "Oslo", "x")
    drawn = NoiseSettings(embedding_std(model, [asked]), 5.0, 3).draw(asked, 16)
    clean = Runs(model, asked, drawn).clean_states()
    last = Restoration(asked.begin - 1, range(LAYERS - 1, LAYERS), "block_out")
    nothing, put = restored_continuations(model, asked, drawn, clean, [None, last], 1)
    assert put == [goes_on(model, asked.text, 1)] * 3
    assert len(nothing) == 3 and nothing != put


def test_facts_get_another_subject_of_their_relation_and_its_answer():
    asked = [
        Asked("1", "{} lies in", "Oslo", "Norway", "P1"),
        Asked("2", "{} is in", "Rome", "Italy", "P1"),
        Asked("3", "{} plays", "Ada", "golf", "P2"),
    ]
    one, two = decoupled(asked, 0)
    assert (one.id, one.template, one.subject, one.answer) == ("1", "{} lies in", "Rome", "Italy")
    assert (two.template, two.subject, two.answer) == ("{} is in", "Oslo", "Norway")


def test_events_get_names_and_something():
    asked = Asked("1", "{}, so PersonX wants", "PersonX buys ___ for PersonY", "personY's joy", "r")
    (one,) = decoupled([asked], 0)
    assert one == decoupled([asked], 0)[0] and one != decoupled([asked], 1)[0]
    assert "something" in one.subject and "erson" not in one.subject + one.template + one.answer
    name = one.subject.split()[0]
    assert one.template == f"{{}}, so {name} wants"
    other = one.subject.split()[-1]
    assert other != name and one.answer == f"{other}'s joy"


def test_what_is_asked_of_each_kind_of_record():
    from memedit.edit import Edit
    from memedit.errors import TraceError
    from memedit.evaluate.cases import Case

    fact = Edit(id="a", subject="Oslo", prompt="{} is in", target_new="Peru", target_true="Norway")
    assert asked_of(Case("a", (fact,), ())).answer == "Norway"
    event = Edit(id="b", kind="free_text", subject="PersonX runs", prompt="{}, so they",
                 target_new="sweat")  # fmt: skip
    assert asked_of(Case("b", (event,), ())).answer == "sweat"
    unknown = Edit(id="c", subject="Oslo", prompt="{} is in", target_new="Peru")
    with pytest.raises(TraceError, match="does not say what was true"):
        asked_of(Case("c", (unknown,), ()))
