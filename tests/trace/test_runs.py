"""Clean, corrupted and restored runs, over families of models, against whole passes."""

from __future__ import annotations

import pytest
import torch

from memedit.bake.live import can_reuse
from memedit.trace import NoiseSettings, embedding_std, place, trace
from memedit.trace.runs import PARTS, Restoration, Runs
from tests.bake.small import CONFIGS, LAYERS, TOKENS, editable

FAMILIES = [*CONFIGS]
TEXT = "In {} one"
WHOLE = range(LAYERS)


def prompt(template=TEXT, subject="Oslo", answer="ski"):
    return place(TOKENS, template, subject, answer)


def runs(model, asked, samples=3, times=3.0, **how):
    noise = NoiseSettings(embedding_std(model, [asked]), times, samples)
    drawn = noise.draw(asked, model.network.get_input_embeddings().weight.shape[1])
    return Runs(model, asked, drawn, **how)


def some_restorations(asked):
    tokens = range(asked.begin)
    whole = [Restoration(t, range(at, at + 1), "block_out") for t in tokens for at in WHOLE]
    parts = [
        Restoration(t, some, part)
        for t in tokens
        for some in (range(0, 2), range(1, 4), range(3, 4), WHOLE)
        for part in ("mlp_out", "attn_out")
    ]
    return [*whole, *parts]


@pytest.mark.parametrize("family", FAMILIES)
def test_going_on_from_what_is_known_changes_nothing(family):
    model, asked = editable(family), prompt()
    quick, plain = runs(model, asked), runs(model, asked, reuse=False)
    assert quick.reuse is can_reuse(model.network) and not plain.reuse
    restorations = some_restorations(asked)
    expected = plain.restored(restorations)
    assert expected.shape == (len(restorations), 3, len(" ski"))  # a token a byte
    torch.testing.assert_close(quick.restored(restorations), expected)
    torch.testing.assert_close(quick.clean, plain.clean)
    torch.testing.assert_close(quick.corrupted, plain.corrupted)
    assert not torch.allclose(expected[0], expected[-1])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_layer_put_back_at_the_last_token_gives_the_clean_next_token(family):
    model, asked = editable(family), prompt()
    made = runs(model, asked)
    last = Restoration(asked.begin - 1, range(LAYERS - 1, LAYERS), "block_out")
    found = made.restored([last])[0]
    torch.testing.assert_close(found[:, 0], made.clean[0].expand(3))
    assert not torch.allclose(found[:, 1], made.clean[1])  # which no token of the prompt is


@pytest.mark.parametrize("family", ["llama", "gpt2", "gptj"])
def test_every_layer_put_back_at_every_token_gives_the_clean_answer(family):
    from memedit.bake.reading import Site, hooks
    from memedit.trace.heads import Reading, read_only
    from memedit.trace.noise import added_noise
    from memedit.trace.plain import put_back

    model, asked = editable(family), prompt()
    made = runs(model, asked)
    clean = made.clean_states()
    reading = Reading.of(asked, torch.device("cpu"))
    everything = {Site(layer, "block_out"): clean[Site(layer, "block_out")] for layer in WHOLE}
    each = [
        hook
        for token in range(len(asked.ids) - 1)
        for hook in put_back(model, everything, [Restoration(token, WHOLE, "block_out")], 3)
    ]
    ids = torch.tensor([asked.read_ids] * 3)
    with (
        hooks(each),
        added_noise(model, asked.first, made.noise),
        read_only(model, reading.places),
        torch.no_grad(),
    ):
        found = reading.log_probs(model.network(input_ids=ids, use_cache=False).logits)
    torch.testing.assert_close(found, made.clean.expand_as(found))


@pytest.mark.parametrize("family", FAMILIES)
def test_without_noise_every_run_is_the_clean_one(family):
    model, asked = editable(family), prompt()
    made = runs(model, asked, samples=2, times=0.0)
    found = made.restored(some_restorations(asked))
    torch.testing.assert_close(made.corrupted, made.clean.expand_as(made.corrupted))
    torch.testing.assert_close(found, made.clean.expand_as(found))


def test_clean_is_what_the_model_itself_says():
    model, asked = editable(), prompt()
    with torch.no_grad():
        logits = model.network(torch.tensor([asked.read_ids])).logits[0].log_softmax(-1)
    steps = logits[asked.begin - 1 :].gather(1, torch.tensor(asked.answer_ids)[:, None])[:, 0]
    torch.testing.assert_close(runs(model, asked).clean, steps)


def test_many_at_once_are_as_one_at_a_time(monkeypatch):
    from memedit.trace import runs as module

    model, asked = editable(), prompt()
    made, restorations = runs(model, asked), some_restorations(asked)
    together = made.restored(restorations)
    monkeypatch.setattr(module, "MOST_TOKENS", 1)
    torch.testing.assert_close(made.restored(restorations), together)
    alone = torch.cat([made.restored([one]) for one in restorations])
    torch.testing.assert_close(alone, together)


def test_what_comes_before_the_subject_is_never_corrupted():
    model, asked = editable(), prompt("Far off in {}, one")
    made = runs(model, asked)
    before = [Restoration(t, WHOLE, part) for t in range(asked.first) for part in PARTS[1:]]
    found = made.restored(before)
    assert torch.equal(found, made.corrupted.expand_as(found))
    torch.testing.assert_close(runs(model, asked, reuse=False).restored(before), found)


def test_the_network_is_as_it_was(monkeypatch):
    model, asked = editable("gptj"), prompt()
    before = model.network(torch.tensor([asked.read_ids])).logits
    made = runs(model, asked)
    made.restored(some_restorations(asked))
    assert torch.equal(model.network(torch.tensor([asked.read_ids])).logits, before)
    assert not any("forward" in vars(module) for module in model.network.modules())
    monkeypatch.setattr(type(made._reading), "log_probs", None)
    with pytest.raises(TypeError):
        made.restored(some_restorations(asked))
    assert torch.equal(model.network(torch.tensor([asked.read_ids])).logits, before)


def test_bfloat16_is_read_in_float32():
    model, asked = editable(dtype=torch.bfloat16), prompt()
    made = runs(model, asked)
    assert made.clean.dtype == torch.float32
    assert made.restored(some_restorations(asked)[:2]).dtype == torch.float32


def test_the_same_seed_draws_the_same_noise():
    model, asked = editable(), prompt()
    std = embedding_std(model, [asked])
    one, two = (trace(model, asked, NoiseSettings(std, seed=4, samples=2)) for _ in range(2))
    other = trace(model, asked, NoiseSettings(std, seed=5, samples=2))
    assert one.corrupted == two.corrupted != other.corrupted
    assert (one.effects("mlp_out") == two.effects("mlp_out")).all()
